"""Which attributes know the future: too good, alone and among leads of the same days, to have been known when the lead was scored."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.cells import Value
from services.scoring.learning.metrics import ranks

Floats = NDArray[np.float64]

BLOCK = 250
"""Rows compared with each other: leads of about the same time, so that what only follows the times (a rate of interest) shows nothing."""
CERTAIN = 0.9
"""An AUC that no attribute known beforehand reaches alone."""
SUSPECT = 0.85
"""From here on an attribute is suspect, if it also says more than all others together ..."""
DOMINANT = 1.6
"""... by this factor, measured from chance (AUC 0.5)."""
DOUBT = 1.64
"""Standard errors below which the true figure lies once in twenty times."""
WINS_AT_LEAST = 30
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Leak:
    """An attribute that must not be used, and why."""

    attribute: str
    auc: float
    because: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen while scoring in order: for each row the outcome, and per attribute its value's rate of winning so far
    (log-odds), its number, what it contributed, and the whole log-odds."""

    attributes: tuple[str, ...]
    won: Floats
    rates: Floats
    numbers: Floats
    contributions: Floats
    log_odds: Floats
    rows: Sequence[Sequence[Value]]


def find_leaks(evidence: Evidence) -> list[Leak]:
    """The leaks that stand out now. When there are any, look again without them: one leak may hide another."""
    if min(evidence.won.sum(), (1.0 - evidence.won).sum()) < WINS_AT_LEAST:
        return []
    found = [leak for column in range(len(evidence.attributes)) if (leak := _judge(evidence, column)) is not None]
    certain = [leak for leak in found if leak.auc >= CERTAIN]
    return certain or found


def local_auc(won: Floats, score: Floats) -> tuple[float, float]:
    """The AUC among rows of the same block, and its standard error (at most, by the number of wins)."""
    concordant = pairs = effective = 0.0
    for start in range(0, len(won), BLOCK):
        win = won[start : start + BLOCK] > 0.5
        wins, losses = int(win.sum()), int((~win).sum())
        if not wins or not losses:
            continue
        concordant += float(ranks(score[start : start + BLOCK])[win].sum()) - wins * (wins + 1) / 2
        pairs += wins * losses
        effective += min(wins, losses)
    if not pairs:
        return math.nan, math.inf
    auc = concordant / pairs
    return auc, math.sqrt(max(auc * (1.0 - auc), 0.01) / effective)


def _judge(evidence: Evidence, column: int) -> Leak | None:
    won, name = evidence.won, evidence.attributes[column]
    auc, error = max((_strength(won, view) for view in _views(evidence, column)), key=lambda s: s[0])
    if math.isnan(auc) or auc - DOUBT * error < SUSPECT:
        return None
    if auc - DOUBT * error >= CERTAIN:
        return Leak(
            name,
            auc,
            f"{name} alone tells won from lost leads of the same days almost always (AUC {auc:.2f}): it cannot have been known beforehand",
        )
    rest, _ = local_auc(won, evidence.log_odds - evidence.contributions[:, column])
    if auc - 0.5 < DOMINANT * max(rest - 0.5, 0.0):
        return None
    return Leak(
        name,
        auc,
        f"{name} alone (AUC {auc:.2f} among leads of the same days) says far more than all others together ({rest:.2f}): "
        "was it known before the outcome?",
    )


def _strength(won: Floats, view: Floats) -> tuple[float, float]:
    auc, error = local_auc(won, view)
    return (auc, error) if not auc < 0.5 else (1.0 - auc, error)


def _views(evidence: Evidence, column: int) -> list[Floats]:
    """What the attribute may say: by its value's rate so far, by its size, and, where texts hardly recur, by their digits and their shape."""
    numbers = evidence.numbers[:, column]
    present = numbers == numbers
    views = [evidence.rates[:, column]]
    if present.mean() > 0.5:
        views.append(np.where(present, numbers, np.median(numbers[present])))
        return views
    texts = [str(row[column]) for row in evidence.rows]
    if len(set(texts)) > len(texts) / 2:
        views += [np.array([_digits(t) for t in texts]), _rates_of([_DIGITS.sub("0", t) for t in texts], evidence.won)]
    return views


def _digits(text: str) -> float:
    found = _DIGITS.findall(text)
    return float(found[-1][:15]) if found else -1.0


def _rates_of(words: Sequence[str], won: Floats) -> Floats:
    """The rate of winning of each word before its row."""
    seen: dict[str, tuple[float, float]] = {}
    rates = np.empty(len(words))
    general = float(won.mean())
    for row, word in enumerate(words):
        wins, times = seen.get(word, (0.0, 0.0))
        rates[row] = (wins + 5.0 * general) / (times + 5.0)
        seen[word] = (wins + float(won[row]), times + 1.0)
    return rates
