"""The learner's track record: each answer was given before its outcome was known. A time series, and whether it has shown anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.scoring.learning.metrics import Metrics, auc_lead, log_loss, measure, steady_gain

WINDOW = 1000
"""Outcomes per point of the time series."""
KEPT = 20_000
"""Latest outcomes that the verdict looks at."""
ENOUGH = 200
"""Outcomes before there is anything to say ..."""
ENOUGH_OF_EACH = 20
"""... of which so many won and so many lost."""
SURE = 2.58
"""Standard errors: chance alone would exceed it once in two hundred times (one-sided)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer and what came of it: our probability, the rate one would have said without looking, the rules' score if known."""

    chance: float
    recent_rate: float
    won: bool
    champion: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the learner may claim, and why."""

    learned: bool
    better_than_champion: bool
    because: str
    lead: float = 0.0
    """By so much of ROC-AUC it ranks better than the rules, where that has been shown."""


class TrackRecord:
    """Test-then-train figures as they grow."""

    def __init__(self) -> None:
        self.latest: list[Judged] = []
        self.series: list[Metrics] = []
        self._window: list[Judged] = []

    def add(self, judged: Judged) -> None:
        """Note an answer whose outcome has become known; a point of the series is made every WINDOW outcomes."""
        self.latest.append(judged)
        if len(self.latest) > 2 * KEPT:
            del self.latest[:-KEPT]
        self._window.append(judged)
        if len(self._window) == WINDOW:
            self.series.append(figures(self._window))
            self._window = []

    def verdict(self) -> Verdict:
        """Of the latest KEPT outcomes."""
        return judge(self.latest[-KEPT:])


def figures(answers: Sequence[Judged]) -> Metrics:
    """The figures of a stretch of answers."""
    return measure(np.array([float(a.won) for a in answers]), np.array([a.chance for a in answers]))


def judge(answers: Sequence[Judged], enough: int = ENOUGH) -> Verdict:
    """Whether the answers show that something was learned, and that it ranks better than the rules do, beyond chance."""
    won = np.array([float(a.won) for a in answers])
    wins = int(won.sum())
    if len(won) < enough or min(wins, len(won) - wins) < ENOUGH_OF_EACH:
        return Verdict(
            False,
            False,
            f"{len(won):,} outcomes with {wins:,} wins are not enough to say anything; the rules alone count",
        )
    chance = np.array([a.chance for a in answers])
    blind = np.array([a.recent_rate for a in answers])
    gain, sure_of_gain = steady_gain(log_loss(won, blind) - log_loss(won, chance))
    lead, sure_of_lead = auc_lead(won, chance)
    if sure_of_lead < SURE or lead <= 0:
        return Verdict(
            False,
            False,
            f"nothing learned: it ranks no better than chance (AUC {0.5 + lead:.3f}, {sure_of_lead:.1f} standard errors)",
        )
    if sure_of_gain < SURE or gain <= 0:
        said = f"its probabilities say no more than the recent rate does ({sure_of_gain:.1f} standard errors)"
        return Verdict(False, False, f"nothing learned: {said}")
    return _against_champion(answers, f"AUC {0.5 + lead:.3f}, {sure_of_lead:.0f} standard errors above chance")


def _against_champion(answers: Sequence[Judged], shown: str) -> Verdict:
    both = [a for a in answers if a.champion is not None]
    if not both:
        return Verdict(True, False, f"learned: {shown}; there is no ranking by rules to compare with")
    won = np.array([float(a.won) for a in both])
    rules = np.array([a.champion or 0.0 for a in both])
    lead, sure = auc_lead(won, np.array([a.chance for a in both]), rules)
    if math.isnan(lead) or sure < SURE:
        return Verdict(
            True, False, f"learned: {shown}; not shown to rank better than the rules ({sure:.1f} standard errors)"
        )
    return Verdict(
        True,
        True,
        f"learned: {shown}; ranks better than the rules by {lead:.3f} of AUC ({sure:.1f} standard errors)",
        lead,
    )
