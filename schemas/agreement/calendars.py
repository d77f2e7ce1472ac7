"""Business hours: open time between two instants and the instant after so much open time, exact across summer time.

A calendar is open at an instant if the wall clock of its zone then shows a time inside one of that weekday's spans
and the date is neither a holiday nor closed. So an hour that a clock change repeats counts twice, one that it skips
not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.conditions import Part
from schemas.vocabulary import Because

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_FOREVER_US = 366 * 86_400 * 1_000_000
"""What stays open for a year is not asked any further."""
_DAY_MINUTES = 24 * 60
SEARCH_AT_MOST = 366 * 100
"""Days that a search for open time goes on: a century; the check refuses calendars that never open."""


class OpenSpan(Part):
    """From one minute of the day to another, the end excluded; 1440 is midnight at the day's end."""

    start: int
    end: int


def _read_span(value: Any) -> Any:
    if isinstance(value, OpenSpan):
        return value
    match = _SPAN.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if not match:
        raise PydanticCustomError("bad_time_span", "{value} is no span of a day", {"value": repr(value)[:80]})
    from_hour, from_minute, to_hour, to_minute = (int(g) for g in match.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if from_minute > 59 or to_minute > 59 or end > _DAY_MINUTES:
        raise PydanticCustomError("bad_time_span", "{value} names a time that no clock shows", {"value": value})
    if start >= end:
        raise PydanticCustomError("bad_time_span", "{value} ends before it starts", {"value": value})
    return OpenSpan(start=start, end=end)


Span = Annotated[OpenSpan, BeforeValidator(_read_span)]


def _weekdays(key: str) -> tuple[str, ...]:
    first, _, last = key.partition("-")
    if first in WEEKDAYS and not last:
        return (first,)
    if first in WEEKDAYS and last in WEEKDAYS and WEEKDAYS.index(first) < WEEKDAYS.index(last):
        return WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last) + 1]
    raise PydanticCustomError("bad_weekday", "{key} is no weekday", {"key": repr(key)[:80]})


def _read_week(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    week: dict[str, list[Any]] = {}
    for key, spans in value.items():
        for day in _weekdays(str(key)):
            if day in week:
                raise PydanticCustomError("bad_weekday", "{day} is there twice", {"day": day})
            week[day] = list(spans) if isinstance(spans, list | tuple) else [spans]
    return week


def _no_overlap(spans: tuple[OpenSpan, ...]) -> tuple[OpenSpan, ...]:
    ordered = tuple(sorted(spans, key=lambda s: s.start))
    for one, next_one in pairwise(ordered):
        if next_one.start < one.end:
            raise PydanticCustomError("bad_time_span", "two spans of one day overlap")
    return ordered


Week = Annotated[dict[str, Annotated[tuple[Span, ...], AfterValidator(_no_overlap)]], BeforeValidator(_read_week)]


def _hours(value: Any) -> str:
    return "<week>" if isinstance(value, dict) else "<word>"


Hours = Annotated[Annotated[Literal["always"], Tag("<word>")] | Annotated[Week, Tag("<week>")], Discriminator(_hours)]


class Holidays(Part):
    """Public holidays as the `holidays` package knows them (ISO 3166 codes)."""

    country: str
    subdivision: str | None = None

    @model_validator(mode="after")
    def _known(self) -> Holidays:
        supported = holidays.list_supported_countries()
        if self.country not in supported:
            raise PydanticCustomError(
                "unknown_country", "no holidays are known for {country}", {"country": repr(self.country)[:40]}
            )
        if self.subdivision is not None and self.subdivision not in supported[self.country]:
            raise PydanticCustomError(
                "unknown_country",
                "{country} has no subdivision {subdivision}",
                {"country": self.country, "subdivision": repr(self.subdivision)[:40]},
            )
        return self


class Calendar(Part):
    """When promises run. `open: always` is around the clock."""

    title: Because = Because("")
    zone: str = "UTC"
    open: Hours
    holidays: Holidays | None = None
    closed: tuple[date, ...] = ()

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise PydanticCustomError("bad_zone", "{zone} is no time zone", {"zone": repr(zone)[:80]})
        return zone

    @field_validator("open")
    @classmethod
    def _opens(cls, value: Any) -> Any:
        if value != "always" and not any(value.values()):
            raise PydanticCustomError("never_open", "the calendar never opens")
        return value

    @property
    def always(self) -> bool:
        """Whether it is never closed at all."""
        return self.open == "always" and self.holidays is None and not self.closed

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @cached_property
    def _days(self) -> dict[date, tuple[tuple[int, int], ...]]:
        return {}

    @cached_property
    def _closed(self) -> frozenset[date]:
        return frozenset(self.closed)

    @cached_property
    def _holidays(self) -> Any:
        if self.holidays is None:
            return {}
        return holidays.country_holidays(self.holidays.country, subdiv=self.holidays.subdivision)

    def is_open(self, at: datetime) -> bool:
        """Whether it is open at an instant, straight from the definition."""
        local = at.astimezone(self._zone)
        minute = local.hour * 60 + local.minute
        return any(s.start <= minute < s.end for s in self._spans(local.date()))

    def next_change(self, at: datetime) -> datetime | None:
        """When it opens if it is closed at an instant, or closes if it is open, in UTC; None: not within a century."""
        if self.always:
            return None
        now = (at.astimezone(UTC) - _EPOCH) // _US
        ends: int | None = None
        for first, last in self._walk(at):
            if ends is None and first > now:
                return _EPOCH + timedelta(microseconds=first)
            if ends is not None and first > ends:
                break
            ends = last
            if ends - now > _FOREVER_US:
                return None
        return None if ends is None else _EPOCH + timedelta(microseconds=ends)

    def _spans(self, day: date) -> tuple[OpenSpan, ...]:
        if day in self._closed or day in self._holidays:
            return ()
        if isinstance(self.open, str):
            return (OpenSpan(start=0, end=_DAY_MINUTES),)
        return self.open.get(WEEKDAYS[day.weekday()], ())

    def _open_on(self, day: date) -> tuple[tuple[int, int], ...]:
        """The day's open intervals in microseconds since 1970."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) > 5000:
                self._days.clear()
            known = self._days[day] = tuple(self._intervals(day))
        return known

    def _intervals(self, day: date) -> Iterator[tuple[int, int]]:
        spans = self._spans(day)
        if not spans:
            return
        midnight = datetime.combine(day, time(), UTC)
        base = (midnight - _EPOCH) // _US
        for first, last, offset in self._offsets(midnight):
            for span in spans:
                start = max(base + span.start * 60_000_000 - offset, first)
                end = min(base + span.end * 60_000_000 - offset, last)
                if start < end:
                    yield start, end

    def _offsets(self, midnight: datetime) -> list[tuple[int, int, int]]:
        """Stretches of one UTC offset (start, end, offset; microseconds) that cover the local day around `midnight`."""
        low, high = midnight - timedelta(hours=30), midnight + timedelta(hours=54)
        stretches: list[tuple[int, int, int]] = []
        start, at = low, low
        while at < high:
            offset = self._offset(at)
            step = min(at + timedelta(hours=1), high)
            if self._offset(step) != offset:
                change = self._change(at, step)
                stretches.append(((start - _EPOCH) // _US, (change - _EPOCH) // _US, offset))
                start = change
            at = step
        stretches.append(((start - _EPOCH) // _US, (high - _EPOCH) // _US, self._offset(start)))
        return stretches

    def _offset(self, at: datetime) -> int:
        return (at.astimezone(self._zone).utcoffset() or timedelta()) // _US

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The second at which the offset changes between two instants."""
        offset = self._offset(before)
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            before, after = (middle, after) if self._offset(middle) == offset else (before, middle)
        return after

    def _walk(self, start: datetime) -> Iterator[tuple[int, int]]:
        """Open intervals from `start` on, in order, the first one cut."""
        at = (start.astimezone(UTC) - _EPOCH) // _US
        day = start.astimezone(self._zone).date() - timedelta(days=1)
        for _ in range(SEARCH_AT_MOST):
            for first, last in sorted(self._open_on(day)):
                if last > at:
                    yield max(first, at), last
            day += timedelta(days=1)

    def open_time_between(self, start: datetime, end: datetime) -> timedelta:
        """The time for which it is open between two instants; zero if `end` is not after `start`."""
        if end <= start:
            return timedelta()
        if self.always:
            return end - start
        until = (end.astimezone(UTC) - _EPOCH) // _US
        total = 0
        for first, last in self._walk(start):
            if first >= until:
                break
            total += min(last, until) - first
        return timedelta(microseconds=total)

    def open_between(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it is open between two instants, in UTC and in order."""
        first_us, end_us = ((at.astimezone(UTC) - _EPOCH) // _US for at in (start, end))
        day = start.astimezone(self._zone).date() - timedelta(days=1)
        while day <= end.astimezone(self._zone).date() + timedelta(days=1):
            for first, last in sorted(self._open_on(day)):
                if (opens := max(first, first_us)) < (closes := min(last, end_us)):
                    yield _EPOCH + opens * _US, _EPOCH + closes * _US
            day += timedelta(days=1)

    def add_open_time(self, start: datetime, length: timedelta) -> datetime:
        """The first instant by which `length` of open time has passed since `start`, in UTC."""
        if self.always:
            return start.astimezone(UTC) + length
        left = length // _US
        if left <= 0:
            return start.astimezone(UTC)
        for first, last in self._walk(start):
            if last - first >= left:
                return _EPOCH + timedelta(microseconds=first + left)
            left -= last - first
        raise ValueError("the calendar does not open for so long within a century")
