"""How good probabilities are: ranking, calibration, lift, and whether a difference is more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one stretch of outcomes. NaN where one class is missing and the figure has no meaning."""

    rows: int
    wins: int
    roc_auc: float
    pr_auc: float
    brier: float
    ece: float
    lift_10: float
    lift_20: float


def measure(won: Floats, chance: Floats) -> Metrics:
    """All figures of `chance`, probabilities in 0..1, against `won`, 0 or 1."""
    return Metrics(
        len(won), int(won.sum()), roc_auc(won, chance), pr_auc(won, chance), brier(won, chance), ece(won, chance),
        lift(won, chance, 0.1), lift(won, chance, 0.2),
    )  # fmt: skip


def ranks(values: Floats) -> Floats:
    """Mid-ranks from 1: equal values share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[inverse])


def roc_auc(won: Floats, chance: Floats) -> float:
    """The probability that a won lead stands above a lost one, ties counting half (Mann-Whitney)."""
    wins = float(won.sum())
    losses = len(won) - wins
    if not wins or not losses:
        return math.nan
    return float((ranks(chance)[won > 0.5].sum() - wins * (wins + 1) / 2) / (wins * losses))


def pr_auc(won: Floats, chance: Floats) -> float:
    """Average precision: the precision at each threshold, weighted by the recall that it adds."""
    if not won.sum():
        return math.nan
    order = np.argsort(-chance, kind="stable")
    last = np.append(np.diff(chance[order]) != 0, True)
    found, looked = np.cumsum(won[order])[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(found, prepend=0.0) * found / looked) / won.sum())


def brier(won: Floats, chance: Floats) -> float:
    """The mean squared error."""
    return float(np.mean((chance - won) ** 2)) if len(won) else math.nan


def ece(won: Floats, chance: Floats) -> float:
    """The expected calibration error over ten groups of equal frequency."""
    return (
        float(sum(size * abs(said - was) for size, said, was in calibration(won, chance)) / len(won))
        if len(won)
        else math.nan
    )


def calibration(won: Floats, chance: Floats) -> list[tuple[int, float, float]]:
    """For each of ten groups of equal frequency: size, mean probability, share won."""
    groups = np.array_split(np.argsort(chance, kind="stable"), BINS)
    return [(len(g), float(chance[g].mean()), float(won[g].mean())) for g in groups if len(g)]


def lift(won: Floats, chance: Floats, share: float) -> float:
    """How much more often the best `share` was won than all of them."""
    if not won.sum():
        return math.nan
    best = np.argsort(-chance, kind="stable")[: max(1, round(share * len(won)))]
    return float(won[best].mean() / won.mean())


def log_loss(won: Floats, chance: Floats) -> Floats:
    """The loss of each answer in nats."""
    said = np.clip(np.where(won > 0.5, chance, 1.0 - chance), 1e-12, 1.0)
    return np.asarray(-np.log(said))


def auc_lead(won: Floats, ours: Floats, theirs: Floats | None = None) -> tuple[float, float]:
    """By how much our AUC exceeds theirs (0.5 without any), and by how many standard errors (DeLong, DeLong and Clarke-Pearson 1988)."""
    if won.min() == won.max():
        return math.nan, 0.0
    rankings = [ours] if theirs is None else [ours, theirs]
    win, lose = won > 0.5, won <= 0.5
    wins, losses = int(win.sum()), int(lose.sum())
    of_wins = np.array([(ranks(r)[win] - ranks(r[win])) / losses for r in rankings])
    of_losses = np.array([1.0 - (ranks(r)[lose] - ranks(r[lose])) / wins for r in rankings])
    if wins < 2 or losses < 2:
        return float(of_wins[0].mean() - (0.5 if theirs is None else of_wins[1].mean())), 0.0
    weights = np.array([1.0, -1.0])[: len(rankings)]
    lead = float(weights @ of_wins.mean(axis=1)) - (0.5 if theirs is None else 0.0)
    covariance = (
        np.cov(of_wins).reshape(len(rankings), -1) / wins + np.cov(of_losses).reshape(len(rankings), -1) / losses
    )
    variance = float(weights @ covariance @ weights)
    floor = 1e-12
    return lead, lead / math.sqrt(max(variance, floor))


def steady_gain(gains: Floats, block: int = 50) -> tuple[float, float]:
    """The mean of `gains` and by how many standard errors it is above zero; neighbours depend on each other, so blocks are counted."""
    blocks = len(gains) // block
    if blocks < 4:
        return (float(gains.mean()) if len(gains) else math.nan), 0.0
    means = gains[: blocks * block].reshape(blocks, block).mean(axis=1)
    error = float(means.std(ddof=1)) / math.sqrt(blocks)
    mean = float(means.mean())
    return mean, mean / error if error > 0 else 0.0
