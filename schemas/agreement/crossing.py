"""When points that fade, and nothing else, will carry a score across a threshold: the very millisecond, found ahead.

Between two ends of windows the points of engagement are a sum of powers that only fall (or only rise, where points are
negative), so the instant is found by bisection. Where both are mixed, stretches of time whose bounds stay between the
thresholds are passed over whole. A guess by floating point shortens the search; what it finds is proved by the whole
numbers of `reckoning`, so the answer is the same on every machine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from schemas.agreement.facts import Facts
from schemas.agreement.fading import FADED_AFTER
from schemas.agreement.reckoning import Counted, Plan, Reckoned

LOOKS_AT_MOST = 600
"""In a mixed search; beyond that the answer is an instant up to which nothing is crossed, to be asked again then."""


def next_crossing(
    plan: Plan, steps: Sequence[int], reckoned: Reckoned, facts: Facts, now_ms: int, until_ms: int | None
) -> int | None:
    """The first ms after `now_ms` at which the points of engagement are on the other side of one of `steps`.

    steps: rising, in millionths; a number of points is above a step from the step itself on. until_ms: when a window
    ends and everything is reckoned anew; nothing is looked for from there on. None: nothing is crossed.
    """
    fading = [_Fading(c, c.counting.times(facts, now_ms)) for c in reckoned.counted if c.counting.half_life and c.whole]
    if not fading or not steps:
        return None
    over = bisect_right(steps, reckoned.engagement)
    floor = steps[over - 1] if over else None
    ceiling = steps[over] if over < len(steps) else None
    curve = _Curve(plan, reckoned, fading)
    faded = max(at_ms + FADED_AFTER * c.half_life for c in fading for at_ms, _ in c.times)
    last = faded if until_ms is None else min(faded, until_ms - 1)
    if last <= now_ms:
        return None
    if all(c.whole > 0 for c in fading):
        return None if floor is None else _first(curve, lambda e: e < floor, floor, now_ms, last)
    if all(c.whole < 0 for c in fading):
        return None if ceiling is None else _first(curve, lambda e: e >= ceiling, ceiling, now_ms, last)
    return _mixed(curve, floor, ceiling, now_ms, last)


class _Fading:
    """A rule whose points fade, with the times that count."""

    __slots__ = ("group", "half_life", "left", "now", "times", "whole")

    def __init__(self, counted: Counted, times: list[tuple[int, int]]) -> None:
        self.now, self.whole = counted.left, counted.whole
        self.group, self.half_life, self.times = counted.counting.group, counted.counting.half_life, times
        self.left: Callable[[Sequence[tuple[int, int]], int], int] = counted.counting.left


class _Curve:
    """The points of engagement over time, as long as no window ends."""

    def __init__(self, plan: Plan, reckoned: Reckoned, fading: Sequence[_Fading]) -> None:
        self._caps, self._fading = plan.caps, fading
        totals = list(reckoned.totals)
        fixed = reckoned.engagement
        is_fit = [g.part == "fit" for g in plan.groups]
        for total, cap, fit in zip(totals, plan.caps, is_fit, strict=True):
            fixed -= 0 if fit else min(total, cap)
        for c in fading:
            if c.group < 0:
                fixed -= c.now
            else:
                totals[c.group] -= c.now
        self._fixed = fixed
        self._totals = [None if fit else total for total, fit in zip(totals, is_fit, strict=True)]

    def at(self, ms: int) -> int:
        """Exactly, as the score has it."""
        return self._sum([c.left(c.times, ms) for c in self._fading])

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """Between these it stays from `start` to `end`: each rule only falls or only rises."""
        ends = [(c.left(c.times, start), c.left(c.times, end)) for c in self._fading]
        return self._sum([min(e) for e in ends]), self._sum([max(e) for e in ends])

    def _sum(self, left: Sequence[float]) -> int:
        total: float = self._fixed
        if not self._caps:
            return total + sum(left)  # type: ignore[return-value]
        groups: list[float | None] = [*self._totals]
        for c, points in zip(self._fading, left, strict=True):
            before = groups[c.group] if c.group >= 0 else None
            if before is None:
                total += points
            else:
                groups[c.group] = before + points
        for sum_of_group, cap in zip(groups, self._caps, strict=True):
            if sum_of_group is not None:
                total += min(sum_of_group, cap)
        return total  # type: ignore[return-value]

    def guess(self, number: float, start: int, end: int) -> int:
        """About when it passes `number`, if it does so once between two instants."""
        powers = [
            (sum(w * 2.0 ** ((at - start) / c.half_life) for at, w in c.times), -1.0 / c.half_life)
            for c in self._fading
        ]
        falling = powers[0][0] > 0
        low, high = 0.0, float(end - start)
        while high - low > 1:
            middle = (low + high) / 2
            points = self._sum([weight * 2.0 ** (rate * middle) for weight, rate in powers])
            if (points > number) is falling:
                low = middle
            else:
                high = middle
        return start + int(low)


def _first(curve: _Curve, crossed: Callable[[int], bool], number: int, start: int, last: int) -> int | None:
    """The first ms at which `crossed`, which stays so: bisection around a guess."""
    if not crossed(curve.at(last)):
        return None
    no, yes = start, last
    stride, at = 16, min(max(curve.guess(number, start, last), start + 1), last - 1)
    while no < at < yes:
        if crossed(curve.at(at)):
            yes, at = at, at - stride
        else:
            no, at = at, at + stride
        stride *= 4
        if no > start and yes < last:
            break
    while yes - no > 1:
        middle = (no + yes) // 2
        if crossed(curve.at(middle)):
            yes = middle
        else:
            no = middle
    return yes


def _mixed(curve: _Curve, floor: int | None, ceiling: int | None, start: int, last: int) -> int | None:
    """The first ms at which it is below `floor` or at `ceiling`, where some points rise and others fall."""
    stretches, looks = [(start + 1, last)], 0
    while stretches:
        first, end = stretches.pop()
        looks += 1
        if looks > LOOKS_AT_MOST:
            return first
        least, most = curve.bounds(first, end)
        if (floor is None or least >= floor) and (ceiling is None or most < ceiling):
            continue
        if first == end:
            return first
        middle = (first + end) // 2
        stretches += [(middle + 1, end), (first, middle)]
    return None
