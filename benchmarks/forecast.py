"""How good the forecast of breaches is over a simulated month, against the base rate: Brier score and reliability."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from benchmarks.figures import Figure
from services.feedback.forecast.pace import Ended, Pace

_REPS, _DAYS, _LEADS_A_DAY, _DAY = 12, 42, 150, 480.0
_LEARNING_DAYS = 12
"""The first fortnight of work is only learned from; the month after is forecast."""
_CLOCKS = {"accept": 30.0, "first-response": 120.0}
_EVERY = 15.0
"""Minutes between two looks at what runs."""


@dataclass
class _Clock:
    kind: str
    rep: str
    start: float
    length: float
    load: int
    met_at: float

    @property
    def deadline(self) -> float:
        return self.start + self.length

    @property
    def end(self) -> float:
        return min(self.met_at, self.deadline)


async def measure() -> list[Figure]:
    """One simulated month after a fortnight: reps of different pace, slower the more they have; learned anew each day."""
    told = forecast_a_month(random.Random(20261127))
    return [
        Figure("forecasts made", len(told), "", ""),
        Figure("share of them that were breached", 100 * sum(b for _, b in told) / len(told), "%", ""),
        Figure("Brier score of the forecast", brier(told), "", ""),
        Figure("Brier score of the base rate", _base(told), "", ""),
        Figure("better than the base rate by", 100 * (1 - brier(told) / _base(told)), "%", ">= 20"),
        Figure("calibration error (ten bins, weighted)", 100 * _calibration(told), "%", ""),
    ]


def forecast_a_month(chance: random.Random) -> list[tuple[float, bool]]:
    """(probability, whether it was breached) of every look at every running clock."""
    clocks = _month(chance)
    told: list[tuple[float, bool]] = []
    pace: Pace | None = None
    for day in range(_LEARNING_DAYS, _DAYS):
        morning = day * _DAY
        pace = Pace.learn(
            Ended(c.kind, c.rep, c.load, (c.end - c.start) / c.length, c.met_at <= c.deadline)
            for c in clocks
            if c.end <= morning
        )
        assert pace is not None
        now = morning
        while now < morning + _DAY:
            running = [c for c in clocks if c.start <= now < c.end]
            open_by_rep: dict[str, int] = defaultdict(int)
            for c in running:
                open_by_rep[c.rep] += 1
            for c in running:
                said = pace.forecast(c.kind, c.rep, open_by_rep[c.rep] - 1, (now - c.start) / c.length)
                told.append((said.probability, c.met_at > c.deadline))
            now += _EVERY
    return told


def _month(chance: random.Random) -> list[_Clock]:
    """Minutes of open time throughout: nights and weekends are not part of it."""
    slowness = {f"rep-{i}": chance.lognormvariate(0, 0.6) for i in range(_REPS)}
    busy: dict[str, list[float]] = defaultdict(list)
    clocks: list[_Clock] = []
    for start in sorted(chance.uniform(0, _DAYS * _DAY) for _ in range(_DAYS * _LEADS_A_DAY)):
        rep = chance.choice(list(slowness))
        busy[rep] = [end for end in busy[rep] if end > start]
        load = len(busy[rep])
        kind = chance.choice(list(_CLOCKS))
        mean = _CLOCKS[kind] * 0.45 * slowness[rep] * (1 + 0.15 * load)
        met_at = start + mean * chance.weibullvariate(1, 0.9)
        clock = _Clock(kind, rep, start, _CLOCKS[kind], load, met_at)
        busy[rep].append(clock.end)
        clocks.append(clock)
    return clocks


def brier(told: list[tuple[float, bool]]) -> float:
    """The mean squared error of probabilities (Brier, Monthly Weather Review 78, 1950)."""
    return sum((p - breached) ** 2 for p, breached in told) / len(told)


def _base(told: list[tuple[float, bool]]) -> float:
    """Of always saying the share that it was in the end: the hardest base rate, which nobody knows beforehand."""
    share = sum(breached for _, breached in told) / len(told)
    return share * (1 - share)


def _calibration(told: list[tuple[float, bool]]) -> float:
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for p, breached in told:
        bins[min(int(p * 10), 9)].append((p, breached))
    gaps = (abs(sum(p for p, _ in b) - sum(breached for _, breached in b)) for b in bins.values())
    return sum(gaps) / len(told)
