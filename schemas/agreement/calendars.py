"""Business hours: open time between two instants and the instant after so much open time, exact across summer time.

A calendar is open at an instant if the wall clock of its zone then shows a time inside one of that weekday's spans
and the date is neither a holiday nor closed. So an hour that a clock change repeats counts twice, one that it skips
not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.conditions import Part
from schemas.agreement.open_time import Layout, OpenTime, both, wall_clock
from schemas.vocabulary import Because

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_DAY_MINUTES = 24 * 60
_CLOSURE_AT_MOST = 366
_KEPT = 2048
"""Variants of one calendar that are kept ready."""


class OpenSpan(Part):
    """From one minute of the day to another, the end excluded; 1440 is midnight at the day's end."""

    start: int
    end: int

    def __str__(self) -> str:
        return "-".join(f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in (self.start, self.end))


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
            raise PydanticCustomError(
                "bad_time_span", "{one} and {other} overlap", {"one": str(one), "other": str(next_one)}
            )
    return ordered


Week = Annotated[dict[str, Annotated[tuple[Span, ...], AfterValidator(_no_overlap)]], BeforeValidator(_read_week)]


def _hours(value: Any) -> str:
    return "<week>" if isinstance(value, dict) else "<word>"


Hours = Annotated[Annotated[Literal["always"], Tag("<word>")] | Annotated[Week, Tag("<week>")], Discriminator(_hours)]


class Of(StrEnum):
    """Whose zone or hours are meant."""

    REP = "rep"
    TEAM = "team"
    PROSPECT = "prospect"


def _read_closed(value: Any) -> Any:
    """Days, and stretches of days such as 2026-12-24/2027-01-01 with both ends, as days."""
    if not isinstance(value, list | tuple):
        return value
    return [day for entry in value for day in _closed_days(entry)]


def _closed_days(entry: Any) -> list[Any]:
    first, stretch, last = entry.partition("/") if isinstance(entry, str) else (entry, "", "")
    if not stretch:
        return [entry]
    try:
        begins, ends = date.fromisoformat(first.strip()), date.fromisoformat(last.strip())
    except ValueError:
        raise PydanticCustomError("bad_closure", "{value} is no stretch of days", {"value": repr(entry)[:80]}) from None
    if ends < begins:
        raise PydanticCustomError("bad_closure", "{value} ends before it begins", {"value": entry})
    if (ends - begins).days >= _CLOSURE_AT_MOST:
        raise PydanticCustomError("bad_closure", "{value} is longer than a year", {"value": entry})
    return [begins + timedelta(days=n) for n in range((ends - begins).days + 1)]


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
    """When promises run. `open: always` is around the clock.

    zone_of: the same hours on the wall clock of the rep, his team or the prospect; where that is not known, of `zone`.
    """

    title: Because = Because("")
    zone: str = "UTC"
    zone_of: Of | None = None
    open: Hours
    holidays: Holidays | None = None
    closed: Annotated[tuple[date, ...], BeforeValidator(_read_closed, json_schema_input_type=list[str])] = ()

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
        return any(start <= minute < end for start, end in self._spans(local.date()))

    def next_change(self, at: datetime) -> datetime | None:
        """When it opens if it is closed at an instant, or closes if it is open, in UTC; None: not within a century."""
        return None if self.always else self.open_time.next_change(at)

    def open_time_between(self, start: datetime, end: datetime) -> timedelta:
        """The time for which it is open between two instants; zero if `end` is not after `start`."""
        return self.open_time.between(start, end)

    def open_between(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it is open between two instants, in UTC and in order."""
        return self.open_time.intervals(start, end)

    def add_open_time(self, start: datetime, length: timedelta) -> datetime:
        """The first instant by which `length` of open time has passed since `start`, in UTC. Raises NeverOpen."""
        return start.astimezone(UTC) + length if self.always else self.open_time.after(start, length)

    @cached_property
    def open_time(self) -> OpenTime:
        """Its open time, to reckon with."""
        return OpenTime(self.layout)

    @cached_property
    def layout(self) -> Layout:
        """Its open intervals, year by year."""
        return wall_clock(self._zone, self._spans)

    def while_present(self, presence: Calendar) -> OpenTime:
        """The open time of what is open in both, built once for equal ones."""
        known = self._with.get(presence.words)
        if known is None:
            if len(self._with) >= _KEPT:
                self._with.clear()
            known = self._with[presence.words] = OpenTime(both(self.layout, presence.layout))
        return known

    @cached_property
    def words(self) -> str:
        """All that it says, as text: equal exactly for equal calendars."""
        return self.model_dump_json()

    @cached_property
    def _with(self) -> dict[str, OpenTime]:
        return {}

    def in_zone(self, zone: str) -> Calendar:
        """The same hours and days on the wall clock of another zone."""
        if zone == self.zone:
            return self
        known = self._elsewhere.get(zone)
        if known is None:
            said = {name: getattr(self, name) for name in type(self).model_fields}
            known = self._elsewhere[zone] = Calendar.model_validate({**said, "zone": zone})
        return known

    @cached_property
    def _elsewhere(self) -> dict[str, Calendar]:
        return {}

    def _spans(self, day: date) -> tuple[tuple[int, int], ...]:
        if day in self._closed or day in self._holidays:
            return ()
        if isinstance(self.open, str):
            return ((0, _DAY_MINUTES),)
        return self._week[day.weekday()]

    @cached_property
    def _week(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        week = {} if isinstance(self.open, str) else self.open
        return tuple(tuple((s.start, s.end) for s in week.get(day, ())) for day in WEEKDAYS)

