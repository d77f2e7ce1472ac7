"""The experts whose average the learner's answer is: quick first-order ones over everything, careful second-order ones over the dense part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.cells import SLOTS

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stepping:
    """A first-order expert: how far one outcome moves its log-odds at most, and how much of the past gradients it keeps."""

    pace: float
    memory: float
    everything: bool
    """Whether it sees numbers and tokens one by one, or the recent rates alone."""


@dataclass(frozen=True, slots=True)
class Filtering:
    """A second-order expert: what it keeps of the past per outcome, and the variance of a weight before anything is known."""

    memory: float
    variance: float
    everything: bool


STEPPING = (Stepping(1.6, 0.9997, everything=True), Stepping(0.44, 1.0, everything=False))
FILTERING = (Filtering(0.9995, 0.05, everything=False), Filtering(0.999, 0.2, everything=True))
"""Quick and slow, wide and narrow: what is right for a steady world is wrong for a drifting one, and one cannot know beforehand."""
BLOCK = 64
"""Dense features whose covariance is kept together; keeps the cost of an outcome linear in the number of attributes."""
_RESTRAIN_EVERY = 50


class FirstOrder:
    """Logistic regressions with a step per weight, scaled by its past gradients (AdaGrad of Duchi, Hazan, Singer 2011, with forgetting)."""

    def __init__(self, rates: int, numbers: int, slots: int) -> None:
        dense = rates + numbers
        self.count = len(STEPPING)
        self.mask = _mask([e.everything for e in STEPPING], rates, numbers)
        self.wide = np.array([float(e.everything) for e in STEPPING])
        self.memory = np.array([e.memory for e in STEPPING])
        self.step = np.array([e.pace / (rates + (slots + numbers / 2 if e.everything else 0)) for e in STEPPING])
        self.weights = np.zeros((self.count, dense))
        self.squares = np.full((self.count, dense), 1e-8)
        self.table = np.zeros((SLOTS, self.count))
        self.table_squares = np.zeros((SLOTS, self.count))

    def log_odds(self, dense: Floats, table: Floats) -> Floats:
        """Of each expert, before averaging."""
        return np.asarray(self.weights @ dense + table.sum(axis=0))

    def learn(self, dense: Floats, slots: NDArray[np.int64], outcome: float) -> None:
        """One step of each expert along its own error."""
        table = self.table[slots]
        error = 1.0 / (1.0 + np.exp(-self.log_odds(dense, table))) - outcome
        gradient = error[:, None] * dense * self.mask
        self.squares *= self.memory[:, None]
        self.squares += gradient * gradient
        self.weights -= self.step[:, None] * gradient / np.sqrt(self.squares)
        squares = self.table_squares[slots] * self.memory + (error * error + 1e-12)
        self.table_squares[slots] = squares
        self.table[slots] = table - (self.step * self.wide * error) / np.sqrt(squares)


class SecondOrder:
    """Logistic regressions by an extended Kalman filter with exponential forgetting (West and Harrison 1997, ch. 14), in blocks."""

    def __init__(self, rates: int, numbers: int) -> None:
        self.count = len(FILTERING)
        self.dense = rates + numbers
        self.blocks = math.ceil(self.dense / BLOCK)
        self.size = math.ceil(self.dense / self.blocks)
        self.mask = _mask([e.everything for e in FILTERING], rates, numbers)
        self.memory = np.array([e.memory for e in FILTERING])
        self.variance = np.array([e.variance for e in FILTERING])
        self._padded = np.zeros((self.count, self.blocks * self.size))
        self.padded_weights = np.zeros((self.count, self.blocks * self.size))
        self.covariance = (np.eye(self.size) * self.variance[:, None, None, None]).repeat(self.blocks, axis=1)
        self.learned = 0

    @property
    def weights(self) -> Floats:
        """One row per expert; none for what an expert does not see."""
        return self.padded_weights[:, : self.dense]

    def learn(self, dense: Floats, outcome: float) -> None:
        """One measurement update of each expert, then forgetting."""
        self._padded[:, : self.dense] = dense * self.mask
        blocks = self._padded.reshape(self.count, self.blocks, self.size)
        chance = 1.0 / (1.0 + np.exp(-(self.padded_weights * self._padded).sum(axis=1)))
        information = np.maximum(chance * (1.0 - chance), 0.02)
        moved = (self.covariance @ blocks[..., None])[..., 0]
        spread = (moved * blocks).sum(axis=(1, 2))
        gain = 1.0 / (1.0 + information * spread)
        self.padded_weights += moved.reshape(self.count, -1) * ((outcome - chance) * gain)[:, None]
        self.covariance -= moved[..., :, None] * (moved * (information * gain)[:, None, None])[..., None, :]
        self.covariance /= self.memory[:, None, None, None]
        self.learned += 1
        if self.learned % _RESTRAIN_EVERY == 0:
            self._restrain()

    def _restrain(self) -> None:
        """Forgetting must not make a weight that nothing measures more uncertain than it was at first.

        And the covariance must stay one: what rounding makes asymmetric is never measured away and grows with every outcome that is
        forgotten, until variances fall below zero. What has come to that all the same begins anew.
        """
        self.covariance = (self.covariance + self.covariance.swapaxes(-1, -2)) / 2.0
        variances = np.einsum("kbii->kbi", self.covariance)
        lost = ~((variances > 0.0).all(axis=-1) & np.isfinite(self.covariance).all(axis=(-1, -2)))
        if lost.any():
            expert, block = np.nonzero(lost)
            self.covariance[expert, block] = np.eye(self.size) * self.variance[expert, None, None]
            variances = np.einsum("kbii->kbi", self.covariance)
        shrink = np.sqrt(np.minimum(1.0, self.variance[:, None, None] / variances))
        self.covariance *= shrink[..., :, None] * shrink[..., None, :]


def _mask(everything: Sequence[bool], rates: int, numbers: int) -> Floats:
    """One row per expert: 1 for what it sees."""
    mask = np.ones((len(everything), rates + numbers))
    mask[[not e for e in everything], rates:] = 0.0
    return mask
