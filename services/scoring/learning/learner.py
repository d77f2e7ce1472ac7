"""The learner: a calibrated probability from attributes, learned one outcome at a time, whose contributions sum exactly to its log-odds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.cells import SLOTS, CellReader, Value
from services.scoring.learning.experts import FirstOrder, SecondOrder

Floats = NDArray[np.float64]

HORIZONS = (5.0, 20.0, 100.0, 500.0, 3000.0)
"""Over how many known outcomes the recent rates of winning are taken (time constants of an exponential window)."""
MEMORY = 2000.0
"""Over how many known outcomes an attribute's value keeps its own rate of winning."""
PRIOR = 20.0
"""How many outcomes at the general rate stand behind each value's rate."""
TRUST = 0.03
"""How sharply the experts' past loss decides who is listened to (the learning rate of the exponentially weighted average)."""
TRUST_MEMORY = 0.9997
DRIFT_STEP = 0.0025
"""How far one outcome moves the calibration's intercept, in log-odds per unit of error. Larger follows drift faster and,
with outcomes that come late, overshoots: an integrating controller with dead time is stable below about 1/(delay x p(1-p))."""
GRAIN = 2.0**32
"""Contributions are multiples of 1/GRAIN, so that their sum is exact in binary floating point, in any order."""
FIXED = ("always", "recent outcomes")


@dataclass(frozen=True, slots=True)
class Features:
    """A lead as it was when it was scored; what a later outcome trains."""

    dense: Floats
    slots: NDArray[np.int64]
    numbers: Floats
    expert_log_odds: Floats
    uncalibrated: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer: the log-odds are the exact sum of `contributions`, in the order of `Learner.parts`."""

    log_odds: float
    contributions: Floats
    features: Features
    recent_rate: float
    """What one would say without looking at the lead: the rate of winning over the last outcomes known."""

    @property
    def probability(self) -> float:
        """The probability of winning."""
        return 1.0 / (1.0 + math.exp(-self.log_odds))


@dataclass(frozen=True, slots=True)
class Frozen:
    """The learner's answer as numbers: log-odds = always + the sum over attributes of rate and number by weight, and token."""

    always: float
    rate_weights: Floats
    number_weights: Floats
    means: Floats
    deviations: Floats
    """0 where a number says nothing."""
    slots: NDArray[np.int64]
    rates: Floats
    """Per slot: the log-odds of its own rate of winning above the general one."""
    tokens: Floats
    """Per slot: what it adds by itself."""
    weight: Floats
    """Per slot: how many outcomes stand behind it, those of late counting most."""


class Learner:
    """Learns on line. `score` changes nothing; `learn` is told the features that `score` gave and what came of them.

    Each attribute has a number (standardised), a token in hashed tables, and the rate at which leads with that token won
    lately. Two kinds of experts weigh them: first-order ones (adaptive steps), and second-order ones with forgetting. They are
    averaged by their past loss; an intercept follows drift. Everything is deterministic.
    """

    def __init__(self, attributes: Sequence[str]) -> None:
        self.attributes = tuple(attributes)
        if not self.attributes or len(set(self.attributes)) != len(self.attributes):
            raise ValueError("a learner needs at least one attribute, each once")
        width = len(self.attributes)
        self.parts = (*FIXED, *self.attributes)
        self.readers = [CellReader(a) for a in self.attributes]
        self.known = 0
        self.won = 0.0
        self.token_rates = np.zeros((SLOTS, 3))  # weighted wins, weighted outcomes, when
        self.recent = np.zeros((2, len(HORIZONS)))  # weighted wins, weighted outcomes
        self.moments = np.zeros((3, width))  # count, mean, sum of squared deviations
        rates = 1 + len(HORIZONS) + width
        self.first = FirstOrder(rates, width, width)
        self.second = SecondOrder(rates, width)
        self.losses = np.zeros(self.first.count + self.second.count)
        self.drift = 0.0

    def score(self, attributes: Mapping[str, Value]) -> Scored:
        """Score a lead by what is known now. Attributes that the learner does not have are ignored, those not given are missing."""
        return self.score_values([attributes.get(a) for a in self.attributes])

    def score_values(self, values: Sequence[Value]) -> Scored:
        """The same, for values in the order of `attributes`."""
        cells = [reader.read(value) for reader, value in zip(self.readers, values, strict=True)]
        slots = np.array([c[0] for c in cells])
        numbers = np.array([c[1] for c in cells])
        dense = self._dense(slots, numbers)
        trust = self._trust()
        table = self.first.table[slots]
        by_expert = np.concatenate((self.first.log_odds(dense, table), self.second.weights @ dense))
        firsts = self.first.count
        weighted = self._weights(trust) * dense
        fixed, width = 1 + len(HORIZONS), len(self.attributes)
        contributions = np.empty(2 + width)
        contributions[0] = weighted[0] + self.drift
        contributions[1] = weighted[1:fixed].sum()
        contributions[2:] = weighted[fixed : fixed + width] + weighted[fixed + width :] + table @ trust[:firsts]
        contributions = np.rint(contributions * GRAIN) / GRAIN
        log_odds = float(contributions.sum())
        features = Features(dense, slots, numbers, by_expert, log_odds - self.drift)
        return Scored(log_odds, contributions, features, self._recent_rate())

    def frozen(self) -> Frozen:
        """What it would answer by from now on, were nothing learned any more."""
        trust, fixed, width = self._trust(), 1 + len(HORIZONS), len(self.attributes)
        weights = self._weights(trust)
        recent = self._dense(np.zeros(width, dtype=np.int64), np.full(width, math.nan))[:fixed]
        touched = np.flatnonzero(self.token_rates[:, 1])
        count, mean, squares = self.moments
        deviation = np.sqrt(squares / np.maximum(count, 1.0))
        return Frozen(
            always=float(weights[:fixed] @ recent) + self.drift,
            rate_weights=weights[fixed : fixed + width],
            number_weights=weights[fixed + width :],
            means=mean.copy(),
            deviations=np.where(deviation > 1e-9, deviation, 0.0),
            slots=touched,
            rates=self._rates_of(touched),
            tokens=self.first.table[touched] @ trust[: self.first.count],
            weight=self.token_rates[touched, 1] * np.exp((self.token_rates[touched, 2] - self.known) / MEMORY),
        )

    def explain(self, scored: Scored) -> dict[str, float]:
        """The parts of an answer by name; their sum is the log-odds exactly."""
        return dict(zip(self.parts, scored.contributions.tolist(), strict=True))

    def learn(self, features: Features, won: bool) -> None:
        """Learn from an outcome, by the features as they were when the lead was scored."""
        outcome = 1.0 if won else 0.0
        self.losses *= TRUST_MEMORY
        self.losses += np.logaddexp(0.0, features.expert_log_odds * (1.0 - 2.0 * outcome))
        self.drift += DRIFT_STEP * (outcome - _sigmoid(features.uncalibrated + self.drift))
        self.first.learn(features.dense, features.slots, outcome)
        self.second.learn(features.dense, outcome)
        self._count(features, outcome)

    def _count(self, features: Features, outcome: float) -> None:
        self.known += 1
        self.won += outcome
        rates = self.token_rates[features.slots]
        rates[:, :2] *= np.exp((rates[:, 2:] - self.known) / MEMORY)
        rates[:, 0] += outcome
        rates[:, 1] += 1.0
        rates[:, 2] = self.known
        self.token_rates[features.slots] = rates
        self.recent *= _FADING
        self.recent[0] += outcome
        self.recent[1] += 1.0
        present = features.numbers == features.numbers
        if present.any():
            count, mean, squares = self.moments
            count += present
            distance = np.where(present, features.numbers - mean, 0.0)
            step = distance / np.maximum(count, 1.0)
            mean += step
            squares += distance * (distance - step)
            for reader, number in zip(self.readers, features.numbers.tolist(), strict=True):
                reader.remember(number)

    def _dense(self, slots: NDArray[np.int64], numbers: Floats) -> Floats:
        base, recent = self._base(), self._recent()
        count, mean, squares = self.moments
        deviation = np.sqrt(squares / np.maximum(count, 1.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            standard = np.where((deviation > 1e-9) & (numbers == numbers), (numbers - mean) / deviation, 0.0)
        return np.concatenate(
            (_ONE, _logits(recent) - math.log(base / (1.0 - base)), self._rates_of(slots), standard.clip(-4.0, 4.0))
        )

    def _rates_of(self, slots: NDArray[np.int64]) -> Floats:
        """The log-odds of the rates at which leads with these tokens won lately, above the general rate."""
        general = self._recent()[-1:]
        rates = self.token_rates[slots]
        fading = np.exp((rates[:, 2] - self.known) / MEMORY)
        lately = (rates[:, 0] * fading + PRIOR * general) / (rates[:, 1] * fading + PRIOR)
        return _logits(lately) - _logits(general)

    def _weights(self, trust: Floats) -> Floats:
        firsts = self.first.count
        return np.asarray(trust[:firsts] @ self.first.weights + trust[firsts:] @ self.second.weights)

    def _base(self) -> float:
        return (self.won + 1.0) / (self.known + 2.0)

    def _recent(self) -> Floats:
        return np.asarray((self.recent[0] + 5.0 * self._base()) / (self.recent[1] + 5.0))

    def _recent_rate(self) -> float:
        return float(self._recent()[_USUAL])

    def _trust(self) -> Floats:
        trust = np.exp(TRUST * (self.losses.min() - self.losses))
        return np.asarray(trust / trust.sum())


_FADING = np.exp(-1.0 / np.array(HORIZONS))
_ONE = np.ones(1)
_USUAL = HORIZONS.index(500.0)


def _logits(rates: Floats) -> Floats:
    within = rates.clip(1e-4, 1 - 1e-4)
    return np.asarray(np.log(within / (1.0 - within)))


def _sigmoid(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -700 else 0.0
