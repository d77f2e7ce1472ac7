"""How likely a clock that runs is to be breached, learned from clocks that have ended.

A clock is met after some share of its open time. How the chance of that runs along the clock is estimated for each kind
of clock (the Nelson-Aalen estimate of a cumulative hazard: Aalen, Annals of Statistics 6, 1978), and is then multiplied by
how much faster or slower a rep is than all, and by what his open load does to him (proportional hazards: Cox, JRSS B 34,
1972). Both factors are drawn towards 1 where little is known (the mean of a gamma-distributed frailty: Clayton,
Biometrika 65, 1978). What is left of the chance until the deadline is the forecast.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import TypeVar

K = TypeVar("K")

LEAST_CLOCKS = 30
"""With fewer clocks of its kind, a clock is judged by all kinds together; with fewer in all, nothing is forecast."""
_PRIOR = 5.0
"""So many clocks met as all meet them stand against what was seen of one rep or load."""
_LOADS = (1, 2, 4, 7, 12)
"""Where buckets of open clocks begin; below the first: no other one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A clock that has ended: met after a share of its open time, breached (used 1, not met), or cancelled on the way."""

    clock: str
    rep: str
    load: int
    """How many other clocks ran for the rep when it started."""
    used: float
    met: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """The chance of a breach, 0 to 1, and what it comes from."""

    probability: float
    rep_factor: float
    """How fast the rep is, against all; 1 where nothing is known."""
    load_factor: float
    """What his open load does."""


@dataclass(frozen=True)
class _Course:
    """A cumulative hazard: a step function of the share of open time used."""

    at: tuple[float, ...]
    reached: tuple[float, ...]

    def __call__(self, used: float) -> float:
        index = bisect_right(self.at, used)
        return self.reached[index - 1] if index else 0.0


@dataclass(frozen=True)
class Pace:
    """What was learned."""

    clocks: int
    breached: float
    """The share of decided clocks that were breached: the base rate."""
    _all: _Course
    _kinds: Mapping[str, _Course] = field(default_factory=dict)
    _reps: Mapping[str, float] = field(default_factory=dict)
    _loads: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def learn(cls, ended: Iterable[Ended]) -> Pace | None:
        """From clocks that have ended; None of too few (LEAST_CLOCKS)."""
        seen = [clock for clock in ended if clock.met or clock.used > 0]
        decided = [clock for clock in seen if clock.met or clock.used >= 1]
        if len(decided) < LEAST_CLOCKS:
            return None
        by_kind: dict[str, list[Ended]] = defaultdict(list)
        for clock in seen:
            by_kind[clock.clock].append(clock)
        kinds = {kind: _course(clocks) for kind, clocks in by_kind.items() if len(clocks) >= LEAST_CLOCKS}
        whole = _course(seen)
        expected = [(clock, kinds.get(clock.clock, whole)(clock.used)) for clock in seen]
        reps = _factors((clock.rep, clock.met, hazard) for clock, hazard in expected)
        loads = _factors((bucket(clock.load), clock.met, hazard * reps[clock.rep]) for clock, hazard in expected)
        return cls(len(decided), sum(not c.met for c in decided) / len(decided), whole, kinds, reps, loads)

    def forecast(self, clock: str, rep: str, load: int, used: float) -> Forecast:
        """For a clock of which the share `used` of its open time is gone, of a rep with `load` others running."""
        course = self._kinds.get(clock, self._all)
        rep_factor, load_factor = self._reps.get(rep, 1.0), self._loads.get(bucket(load), 1.0)
        left = course(1.0) - course(min(max(used, 0.0), 1.0))
        return Forecast(exp(-left * rep_factor * load_factor), rep_factor, load_factor)


def bucket(load: int) -> int:
    """Which bucket of open load a number is in."""
    return bisect_right(_LOADS, load)


def _course(clocks: Sequence[Ended]) -> _Course:
    """Nelson-Aalen: at each moment at which clocks were met, as much as their share of those that still ran."""
    ordered = sorted(clocks, key=lambda clock: clock.used)
    at: list[float] = []
    reached: list[float] = []
    total, running, i = 0.0, len(ordered), 0
    while i < len(ordered):
        moment, met, gone = ordered[i].used, 0, 0
        while i < len(ordered) and ordered[i].used == moment:
            met += ordered[i].met
            gone += 1
            i += 1
        if met:
            total += met / running
            at.append(moment)
            reached.append(total)
        running -= gone
    return _Course(tuple(at), tuple(reached))


def _factors(seen: Iterable[tuple[K, bool, float]]) -> dict[K, float]:
    """How many were met against how many were to be expected, drawn towards 1."""
    met: dict[K, float] = defaultdict(lambda: _PRIOR)
    expected: dict[K, float] = defaultdict(lambda: _PRIOR)
    for key, was_met, hazard in seen:
        met[key] += was_met
        expected[key] += hazard
    return {key: met[key] / expected[key] for key in met}
