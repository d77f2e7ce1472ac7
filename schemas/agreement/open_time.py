"""Open time as arithmetic: a year's open intervals are laid out once, and sums over them are looked up by bisection.

Everything is in microseconds since 1970. A wall clock runs evenly as long as its offset from UTC stays, so each stretch
of one offset is laid out by itself: an hour that a clock change repeats is there twice, one that it skips not at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple
from zoneinfo import ZoneInfo

Interval = tuple[int, int]
"""From one instant to another, the end excluded."""
Layout = Callable[[int], list[Interval]]
"""The open intervals of a calendar year of UTC: in order, apart from each other, cut at the year's ends."""
Pause = tuple[datetime, datetime]

YEARS_AT_MOST = 100
"""So far a search for open time goes on: a century; the check refuses calendars that never open."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_FIRST_YEAR, _LAST_YEAR = 1900, 9998
_YEARS_KEPT = 200


def microseconds(at: datetime) -> int:
    """An aware instant in microseconds since 1970."""
    return (at - _EPOCH) // _US


def instant(at: int) -> datetime:
    """The instant of so many microseconds since 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=at)


class NeverOpen(ValueError):
    """So much open time does not come within a century."""


class _Year(NamedTuple):
    """One year, ready to be searched."""

    starts: list[int]
    ends: list[int]
    before: list[int]
    """Open time of the year before each interval."""
    after: list[int]
    """The same with the interval itself."""
    total: int

    def passed(self, at: int) -> int:
        """Open time of the year before `at`."""
        i = bisect_right(self.ends, at)
        return self.total if i == len(self.ends) else self.before[i] + max(0, at - self.starts[i])


class OpenTime:
    """When it is open, and sums over that. Remembers the years that it was asked of."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._years: dict[int, _Year] = {}

    def _year(self, year: int) -> _Year:
        known = self._years.get(year)
        if known is None:
            if len(self._years) >= _YEARS_KEPT:
                self._years.clear()
            intervals = self._layout(year) if _FIRST_YEAR <= year <= _LAST_YEAR else []
            sums = list(accumulate((end - start for start, end in intervals), initial=0))
            known = _Year([s for s, _ in intervals], [e for _, e in intervals], sums[:-1], sums[1:], sums[-1])
            self._years[year] = known
        return known

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The time for which it is open between two instants; zero if `end` is not after `start`."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        if end <= start:
            return timedelta()
        whole = sum(self._year(year).total for year in range(start.year, end.year))
        passed = self._year(end.year).passed(microseconds(end)) - self._year(start.year).passed(microseconds(start))
        return timedelta(microseconds=whole + passed)

    def after(self, start: datetime, length: timedelta) -> datetime:
        """The first instant by which `length` of open time has passed since `start`, in UTC. Raises NeverOpen."""
        start = start.astimezone(UTC)
        left = length // _US
        if left <= 0:
            return start
        first = start.year
        left += self._year(first).passed(microseconds(start))
        for number in range(first, first + YEARS_AT_MOST):
            year = self._year(number)
            if left <= year.total:
                i = bisect_left(year.after, left)
                return instant(year.starts[i] + left - year.before[i])
            left -= year.total
        raise NeverOpen("the calendar does not open for so long within a century")

    def deadline(self, start: datetime, length: timedelta, pauses: Iterable[Pause] = ()) -> datetime:
        """The same when the time within `pauses` does not count. Raises NeverOpen."""
        at = start
        for begins, ends in sorted(pauses):
            if ends <= at or begins >= ends:
                continue
            spent = self.between(at, begins)
            if spent >= length:
                break
            length -= spent
            at = ends
        return self.after(at, length)

    def unpaused(self, start: datetime, end: datetime, pauses: Iterable[Pause] = ()) -> timedelta:
        """The time for which it is open between two instants and not within one of the `pauses`."""
        at, total = start, timedelta()
        for begins, ends in sorted(pauses):
            if ends <= at or begins >= ends:
                continue
            total += self.between(at, min(begins, end))
            at = ends
        return total + self.between(at, end)

    def intervals(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it is open between two instants, in UTC and in order; what goes on over a new year comes in two pieces."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        first, last = microseconds(start), microseconds(end)
        for number in range(start.year, end.year + 1):
            year = self._year(number)
            for i in range(bisect_right(year.ends, first), len(year.starts)):
                if year.starts[i] >= last:
                    return
                yield instant(max(year.starts[i], first)), instant(min(year.ends[i], last))

    def next_change(self, at: datetime) -> datetime | None:
        """When it opens if it is closed at an instant, or closes if it is open, in UTC; None: not within a century."""
        at = at.astimezone(UTC)
        ends: datetime | None = None
        for opens, closes in self.intervals(at, _years_later(at)):
            if ends is None and opens > at:
                return opens
            if ends is not None and opens > ends:
                break
            ends = closes
            if ends - at > timedelta(days=366):  # what stays open for a year is not asked any further
                return None
        return ends

    def ever(self, start: datetime) -> bool:
        """Whether it opens at all within a century from `start`."""
        return next(iter(self.intervals(start, _years_later(start))), None) is not None


def _years_later(at: datetime) -> datetime:
    return at + timedelta(days=366 * (YEARS_AT_MOST if at.year + YEARS_AT_MOST + 2 < _LAST_YEAR else 1))


def wall_clock(zone: ZoneInfo, spans: Callable[[date], Iterable[tuple[int, int]]]) -> Layout:
    """The layout of hours on the wall clock of a zone. spans: of a day, in minutes since midnight, in order."""

    def layout(year: int) -> list[Interval]:
        out: list[Interval] = []
        for first, last, offset in _stretches(zone, year):
            day = date(1970, 1, 1) + timedelta(days=(first + offset) // _DAY)
            midnight = (first + offset) // _DAY * _DAY - offset
            while midnight < last:
                for start, end in spans(day):
                    _append(out, max(midnight + start * _MINUTE, first), min(midnight + end * _MINUTE, last))
                day, midnight = day + timedelta(days=1), midnight + _DAY
        return out

    return layout


def both(one: Layout, other: Layout) -> Layout:
    """The layout of what is open in both."""

    def layout(year: int) -> list[Interval]:
        out: list[Interval] = []
        left, right = one(year), other(year)
        i = j = 0
        while i < len(left) and j < len(right):
            _append(out, max(left[i][0], right[j][0]), min(left[i][1], right[j][1]))
            if left[i][1] < right[j][1]:
                i += 1
            else:
                j += 1
        return out

    return layout


def _append(out: list[Interval], start: int, end: int) -> None:
    """Add an interval; one that goes on where the last one ends is one with it."""
    if start < end:
        if out and out[-1][1] == start:
            out[-1] = out[-1][0], end
        else:
            out.append((start, end))


@lru_cache(maxsize=2048)
def _stretches(zone: ZoneInfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """The stretches of one offset from UTC (start, end, offset) that a year of UTC consists of.

    Looked for hour by hour: no zone has ever changed twice within one.
    """
    start = microseconds(datetime(year, 1, 1, tzinfo=UTC))
    end = microseconds(datetime(year + 1, 1, 1, tzinfo=UTC))
    out: list[tuple[int, int, int]] = []
    offset = _offset(zone, start)
    for at in range(start + _HOUR, end + 1, _HOUR):
        now = _offset(zone, at)
        if now != offset:
            change = _change(zone, at - _HOUR, at, offset)
            out.append((start, change, offset))
            start, offset = change, now
    out.append((start, end, offset))
    return tuple(stretch for stretch in out if stretch[0] < stretch[1])


def _offset(zone: ZoneInfo, at: int) -> int:
    return (datetime.fromtimestamp(at // 1_000_000, zone).utcoffset() or timedelta()) // _US


def _change(zone: ZoneInfo, before: int, after: int, offset: int) -> int:
    """The second at which the offset stops to be `offset`."""
    while after - before > 1_000_000:
        middle = (before + after) // 2_000_000 * 1_000_000
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after
