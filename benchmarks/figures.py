"""Figures of one measurement, and how several runs of it are told: by their median."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that was measured."""

    name: str
    value: float
    unit: str
    target: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` in 0..1. Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def medians(runs: Sequence[Sequence[Figure]]) -> list[tuple[Figure, float, float]]:
    """For each figure over all runs: its median, minimum and maximum."""
    out = []
    for figure in runs[0]:
        values = [f.value for run in runs for f in run if f.name == figure.name]
        out.append(
            (Figure(figure.name, statistics.median(values), figure.unit, figure.target), min(values), max(values))
        )
    return out
