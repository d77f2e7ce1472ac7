"""By whose hours a clock runs: of its calendar, of the rep without his breaks and leave, of his team, in whose zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import available_timezones

from schemas.agreement.agreement import Agreement
from schemas.agreement.calendars import WEEKDAYS, Calendar, Of
from schemas.agreement.clock_terms import Clock
from schemas.agreement.open_time import OpenTime
from schemas.ids import CalendarId, TeamId

ZONE_ATTRIBUTE = "time_zone"
"""An attribute of that name says where the prospect is, as a name of the IANA time zone database."""

_MIDNIGHT = 1440
Breaks = tuple[tuple[tuple[int, ...], int, int], ...]
"""(weekdays, from, to) in minutes since midnight; 0 is Monday."""
Leave = tuple[tuple[str, str], ...]
"""(first day, last day), YYYY-MM-DD, both included."""


class RepHours(NamedTuple):
    """When a rep works, as the roster says. zone: of his breaks and leave; none: of his calendar."""

    calendar: str | None = None
    zone: str | None = None
    breaks: Breaks = ()
    leave: Leave = ()


class Whose(NamedTuple):
    """For whom a clock runs. prospect_zone: where the prospect is, if that is known."""

    rep: RepHours | None = None
    team: str | None = None
    prospect_zone: str | None = None


class ClockHours(NamedTuple):
    """What a clock runs by: equal ones are open at the same instants."""

    calendar_id: CalendarId
    calendar: Calendar
    zone: str
    """Of the absence."""
    breaks: Breaks
    leave: Leave

    def opens_as(self, other: ClockHours) -> bool:
        """Whether both are open at the same instants, whatever they are called."""
        one, two = (h.calendar.model_dump(exclude={"title", "zone_of"}) for h in (self, other))
        absence = (h.breaks or h.leave for h in (self, other))
        same_zone = self.zone == other.zone or not any(absence)
        return one == two and same_zone and (self.breaks, self.leave) == (other.breaks, other.leave)

    @property
    def open_time(self) -> OpenTime:
        """To reckon with; built once for equal hours."""
        if not self.breaks and not self.leave:
            return self.calendar.open_time
        return self.calendar.while_present(presence(self.zone, self.breaks, self.leave))

    @property
    def words(self) -> str:
        """The same in a sentence: `the calendar berlin (Europe/Berlin)`; around the clock no zone matters."""
        zone = "" if self.calendar.always else f" ({self.calendar.zone})"
        less = [w for w, said in (("breaks", self.breaks), ("leave", self.leave)) if said]
        return f"the calendar {self.calendar_id}{zone}" + (
            f" without the rep's {' and '.join(less)}" if less else ""
        )


def hours_of(agreement: Agreement, clock: Clock, whose: Whose) -> ClockHours:
    """By which hours the clock runs for them."""
    team, rep = agreement.teams.get(TeamId(whose.team or "")), whose.rep
    of_team = team.calendar if team is not None else None
    of_rep = rep.calendar if rep is not None and rep.calendar in agreement.terms.calendars else None
    named = clock.calendar
    if clock.calendar_of is not None:
        named = (CalendarId(of_rep) if of_rep and clock.calendar_of == "rep" else of_team) or clock.calendar
    calendar = agreement.calendar(named)
    rep_zone = (rep.zone if rep is not None else None) or (agreement.calendar(of_rep).zone if of_rep else None)
    zones = {
        Of.REP: rep_zone,
        Of.TEAM: agreement.calendar(of_team).zone if of_team is not None else None,
        Of.PROSPECT: whose.prospect_zone,
    }
    calendar = calendar.in_zone((zones[calendar.zone_of] if calendar.zone_of is not None else None) or calendar.zone)
    if rep is None or clock.calendar_of != "rep":
        return ClockHours(named, calendar, "UTC", (), ())
    return ClockHours(named, calendar, rep_zone or calendar.zone, rep.breaks, rep.leave)


@lru_cache(maxsize=4096)
def presence(zone: str, breaks: Breaks, leave: Leave) -> Calendar:
    """When a rep is there, as far as his breaks and his leave say."""
    week = {day: [_span(*span) for span in free_spans(breaks, number)] for number, day in enumerate(WEEKDAYS)}
    closed = [day for first, last in leave for day in _days(first, last)]
    return Calendar.model_validate({"zone": zone, "open": week, "closed": closed})


def free_spans(breaks: Breaks, weekday: int) -> list[tuple[int, int]]:
    """What the breaks leave of a weekday, in minutes since midnight."""
    at, spans = 0, []
    for start, end in sorted((s, e) for days, s, e in breaks if weekday in days):
        if start > at:
            spans.append((at, start))
        at = max(at, end)
    return [*spans, (at, _MIDNIGHT)] if at < _MIDNIGHT else spans


def _span(start: int, end: int) -> str:
    return f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"


def _days(first: str, last: str) -> Iterable[date]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return (start + timedelta(days=n) for n in range((end - start).days + 1))


def prospect_zone(attributes: Mapping[str, object], country: str | None) -> str | None:
    """Where a prospect is: what he said, else the zone of his country if it has only one."""
    said = attributes.get(ZONE_ATTRIBUTE)
    if isinstance(said, str) and said in available_timezones():
        return said
    return _zones_of_countries().get(country) if country is not None else None


@cache
def _zones_of_countries() -> Mapping[str, str]:
    """The zone of each country (ISO 3166) that has only one, from the table that comes with the time zones."""
    zones: dict[str, list[str]] = {}
    for line in (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, []).append(zone)
    return {country: names[0] for country, names in zones.items() if len(names) == 1}
