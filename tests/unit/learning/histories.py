"""Synthetic histories of which the truth is known, for the learner's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.history import History

Booleans = NDArray[np.bool_]
Chance = np.random.Generator


def made(
    rows: int = 6_000,
    rate: float = 0.2,
    *,
    seed: int = 1,
    categories: int = 3_000,
    drift: bool = False,
    signal: float = 1.0,
    attribute: Callable[[Booleans, Chance], list[str]] | None = None,
) -> tuple[History, NDArray[np.float64]]:
    """Numbers with strings among them, gaps, a few and thousands of categories, an id; and each lead's true chance.

    With `drift` what counted for a lead counts against it from the middle on. `attribute` adds a column made from the outcomes.
    """
    chance = np.random.default_rng(seed)
    numbers = chance.normal(size=(rows, 3))
    few, many = chance.integers(0, 6, rows), chance.integers(0, categories, rows)
    odds = numbers @ np.array([1.2, -0.6, 0.0]) + chance.normal(size=6)[few]
    if drift:
        odds[rows // 2 :] *= -1
    odds *= signal
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _sigmoid(odds + middle).mean() > rate else (middle, high)
    true = _sigmoid(odds + low)
    won = chance.random(rows) < true
    columns = [
        [f"{x:.3f}" if i % 11 else "" for i, x in enumerate(numbers[:, 0])],
        [f"{x * 1000:.0f}" if i % 13 else "n.v." for i, x in enumerate(numbers[:, 1])],
        [f"{np.exp(3 * x):.2f}" for x in numbers[:, 2]],
        [f"kind {k}" for k in few],
        [f"company {k}" for k in many],
        [str(500_000 + i) for i in range(rows)],
    ]
    names = ["interest", "revenue", "noise", "kind", "company", "id"]
    if attribute is not None:
        columns.append(attribute(won, chance))
        names.append("suspicious")
    return History(tuple(names), [list(cells) for cells in zip(*columns, strict=True)], won.tolist()), true


def shuffled(history: History, seed: int = 5) -> History:
    """The same leads with outcomes that have nothing to do with them."""
    return replace(history, won=np.random.default_rng(seed).permutation(history.won).tolist())


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))
