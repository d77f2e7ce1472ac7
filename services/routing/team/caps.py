"""How many leads a rep may be given: counters for each cap of the roster, exact at the turn of a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from schemas.presence import CapPer
from services.routing.team.state import CapTerms, Given, Rep

if TYPE_CHECKING:
    from services.routing.team.ability import Hours

ROLLING_MS = {CapPer.HOUR: 3_600_000, CapPer.DAY: 86_400_000, CapPer.WEEK: 604_800_000, CapPer.MONTH: 2_592_000_000}
"""A rolling month has 30 days."""


@lru_cache(maxsize=4096)
def window(zone: str, per: str, hour_ms: int) -> tuple[int, int]:
    """The calendar window (from, to; ms since 1970) of a zone in which the hour `hour_ms` (begun, UTC) lies."""
    there = ZoneInfo(zone)
    local = datetime.fromtimestamp(hour_ms / 1000, UTC).astimezone(there)
    if per == CapPer.HOUR:
        start = local.replace(minute=0, second=0, microsecond=0)
        return _ms(start), _ms(start.astimezone(UTC) + timedelta(hours=1))
    day = local.date()
    if per == CapPer.WEEK:
        day -= timedelta(days=day.weekday())
        following = day + timedelta(days=7)
    elif per == CapPer.MONTH:
        day = day.replace(day=1)
        following = (day + timedelta(days=32)).replace(day=1)
    else:
        following = day + timedelta(days=1)
    return tuple(_ms(datetime.combine(d, time(), there)) for d in (day, following))  # type: ignore[return-value]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _window(rep: Rep, cap: CapTerms, hours: Hours) -> tuple[int, int]:
    quarter = 900_000  # zones are off by quarters of an hour, so a window never begins within one
    return window(hours.zone(rep), cap.per, hours.now_ms // quarter * quarter)


def counted(rep: Rep, cap: CapTerms, given: Given, hours: Hours) -> int:
    """How many leads count towards a cap now."""
    if cap.per == CapPer.OPEN:
        return sum(rep.held_grades.get(grade, 0) for grade in cap.grades) if cap.grades else rep.open
    if cap.rolling:
        since = hours.now_ms - ROLLING_MS[CapPer(cap.per)]
        return sum(at > since for at in given.times)
    return given.count if given.since_ms == _window(rep, cap, hours)[0] else 0


def _with_counts(rep: Rep) -> Iterator[tuple[CapTerms, Given]]:
    for number, cap in enumerate(rep.terms.caps):
        yield cap, rep.given[number] if number < len(rep.given) else _NOTHING


_NOTHING = Given()


def full_cap(rep: Rep, grade: str | None, hours: Hours) -> CapTerms | None:
    """A cap that keeps him from a lead of this grade; None asks only for caps that count every grade."""
    for cap, given in _with_counts(rep):
        if (grade in cap.grades if cap.grades else True) and counted(rep, cap, given, hours) >= cap.at_most:
            return cap
    return None


def frees_at_ms(rep: Rep, hours: Hours) -> Iterable[int]:
    """When time frees each cap that is full now, in ms since 1970."""
    for cap, given in _with_counts(rep):
        if cap.per == CapPer.OPEN or not cap.at_most or counted(rep, cap, given, hours) < cap.at_most:
            continue
        if cap.rolling:
            length = ROLLING_MS[CapPer(cap.per)]
            yield sorted(given.times)[-cap.at_most] + length
        else:
            yield _window(rep, cap, hours)[1]


def counting(rep: Rep, grade: str, hours: Hours) -> Rep:
    """The rep after he was given one more lead, whether a cap allowed it or not."""
    given = tuple(_more(rep, cap, count, grade, hours) for cap, count in _with_counts(rep))
    return rep if given == rep.given else replace(rep, given=given)


def _more(rep: Rep, cap: CapTerms, given: Given, grade: str, hours: Hours) -> Given:
    if cap.per == CapPer.OPEN or (cap.grades and grade not in cap.grades):
        return given
    if cap.rolling:
        since = hours.now_ms - ROLLING_MS[CapPer(cap.per)]
        recent = (*(at for at in given.times if at > since), hours.now_ms)
        return Given(times=recent[-max(cap.at_most, 1) :])
    start = _window(rep, cap, hours)[0]
    return Given(since_ms=start, count=1 if given.since_ms != start else given.count + 1)


def say_cap(rep: Rep, cap: CapTerms) -> str:
    """Why the cap keeps him from a lead."""
    which = f" of grade {', '.join(cap.grades)}" if cap.grades else ""
    if cap.per == CapPer.OPEN:
        return f"holds {cap.at_most} leads{which} and may hold {cap.at_most}"
    when = f"in {'a rolling ' if cap.rolling else 'this '}{cap.per}"
    return f"has had {cap.at_most} of {cap.at_most} leads{which} {when}"
