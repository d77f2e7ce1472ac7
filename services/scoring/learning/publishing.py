"""What is published of a learner: the card that others answer by, its figures, and when it is time for the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from schemas.learning.published import CardAttribute, ModelCard, ModelFigures
from schemas.vocabulary import Slug
from services.scoring.learning.learner import Learner
from services.scoring.learning.metrics import measure, roc_auc
from services.scoring.learning.track_record import Judged

PLACES_AT_MOST = 30_000
"""Values on a card; beyond that those with the fewest outcomes are left out, and answer as a value never seen."""
FIRST_STEPS = (1, 10, 25, 50, 100, 150, 200)
"""Outcomes at which something is published while there are few; from then on whenever there are so many more:"""
GROWTH = 0.05
_MILLION = 1e6


def card_of(learner: Learner) -> ModelCard:
    """What the learner would answer by from now on, in millionths of log-odds."""
    frozen = learner.frozen()
    kept = np.sort(np.argsort(-frozen.weight, kind="stable")[:PLACES_AT_MOST])
    attributes = tuple(
        CardAttribute(
            name=Slug(name),
            rate_weight=float(frozen.rate_weights[i]),
            number_weight=float(frozen.number_weights[i]),
            mean=float(frozen.means[i]),
            deviation=float(frozen.deviations[i]),
            edges=learner.readers[i].edges,
        )
        for i, name in enumerate(learner.attributes)
    )
    return ModelCard(
        always=round(frozen.always * _MILLION),
        attributes=attributes,
        places=tuple(frozen.slots[kept].tolist()),
        rates=_millionths(frozen.rates[kept]),
        tokens=_millionths(frozen.tokens[kept]),
    )


def next_publication(outcomes: int) -> int:
    """At how many outcomes the next one is due, after one at `outcomes`."""
    for step in FIRST_STEPS:
        if outcomes < step:
            return step
    return max(outcomes + FIRST_STEPS[2], math.ceil(outcomes * (1 + GROWTH)))


def figures_of(answers: Sequence[Judged]) -> ModelFigures:
    """How good these answers were, and how the rules ranked the same leads."""
    won = np.array([float(a.won) for a in answers])
    m = measure(won, np.array([a.chance for a in answers]))
    ranked = [a for a in answers if a.champion is not None]
    rules = roc_auc(np.array([float(a.won) for a in ranked]), np.array([a.champion or 0.0 for a in ranked]))
    return ModelFigures(
        outcomes=m.rows, wins=m.wins, roc_auc=_figure(m.roc_auc), pr_auc=_figure(m.pr_auc), brier=_figure(m.brier), ece=_figure(m.ece),
        lift_10=_figure(m.lift_10), lift_20=_figure(m.lift_20), rules_roc_auc=_figure(rules),
    )  # fmt: skip


def strongest(attributes: Sequence[str], sizes: Sequence[float], most: int = 20) -> dict[Slug, Decimal]:
    """The attributes that moved the latest leads most, with by how much of log-odds on the average."""
    order = sorted(range(len(attributes)), key=lambda i: (-sizes[i], attributes[i]))
    return {Slug(attributes[i]): as_decimal(sizes[i]) for i in order[:most]}


def as_decimal(value: float) -> Decimal:
    """To a millionth, and within what points hold."""
    return Decimal(f"{max(-99_999.0, min(99_999.0, value)):.6f}")


def _figure(value: float) -> Decimal | None:
    return as_decimal(value) if math.isfinite(value) else None


def _millionths(values: np.ndarray) -> tuple[int, ...]:
    return tuple(np.rint(values * _MILLION).astype(np.int64).tolist())
