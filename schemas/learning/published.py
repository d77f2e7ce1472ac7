"""A learned model as it is published, and what is said of a lead by it."""

from __future__ import annotations

from schemas.base import Model
from schemas.vocabulary import Because, Points, Slug


class LearnedPart(Model):
    """What one attribute does to the log-odds of winning; the parts add up to them exactly."""

    attribute: Slug
    log_odds: Points
    because: Because


class Learned(Model):
    """What the model in force says of a lead, beside the rules' score."""

    model_version: int
    probability: Points
    """Of being won, from 0 to 1."""
    log_odds: Points
    counts: bool
    """Whether the verdict goes by it; otherwise the rules alone decide."""
    because: Because
    """Why it counts, or does not."""
    contributions: tuple[LearnedPart, ...]


class CardAttribute(Model):
    """How the model weighs one attribute: the log-odds of its value's own rate of winning, and its number."""

    name: Slug
    rate_weight: float
    number_weight: float
    """For each standard deviation from the mean, at most four."""
    mean: float
    deviation: float
    """0: the number says nothing."""
    edges: tuple[float, ...] | None = None
    """Inner edges of the groups that numbers are put into; none: each value is its own."""


class ModelCard(Model):
    """Everything that the model answers by. Values are places of a hash, so that no value of a lead is written down.

    For each place: the log-odds of its rate of winning above the general one, and what the value itself adds. Whole millionths.
    """

    always: int
    """What is added for every lead, in millionths of log-odds."""
    attributes: tuple[CardAttribute, ...]
    places: tuple[int, ...]
    rates: tuple[int, ...]
    tokens: tuple[int, ...]


class ModelFigures(Model):
    """How good the answers of a stretch of outcomes were, each given before its outcome was known. None: without a meaning."""

    outcomes: int
    wins: int
    roc_auc: Points | None = None
    pr_auc: Points | None = None
    brier: Points | None = None
    ece: Points | None = None
    lift_10: Points | None = None
    lift_20: Points | None = None
    rules_roc_auc: Points | None = None
    """Of the rules' score, on the same leads."""


class NamedLeak(Model):
    """An attribute that knows the future; the model does not use it."""

    attribute: Slug
    because: Because
