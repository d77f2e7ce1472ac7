"""Business hours are exact: checked against a reference that looks at the wall clock minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from schemas.agreement import Calendar
from schemas.agreement.calendars import WEEKDAYS
from schemas.agreement.clocking import plan
from schemas.agreement.open_time import NeverOpen
from schemas.agreement.working_hours import ClockHours
from schemas.ids import CalendarId
from services.sla.deadlines import milliseconds, replanned
from services.sla.state import Running

MINUTE = timedelta(minutes=1)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/St_Johns",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Europe/Moscow",
    "Africa/Casablanca",
    "Asia/Almaty",
    "Asia/Pyongyang",
]
# Around clock changes of those zones, changes of their rules, leap days and year ends, so that most examples meet one.
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, tzinfo=UTC),
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),  # Newfoundland went back at one minute past midnight
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Samoa had no 30 December
    datetime(2014, 10, 25, 22, tzinfo=UTC),  # Moscow gave summer time up
    datetime(2018, 5, 4, 15, tzinfo=UTC),  # Pyongyang went half an hour forward
    datetime(2018, 11, 4, 3, tzinfo=UTC),  # São Paulo had no midnight
    datetime(2024, 2, 29, 19, tzinfo=UTC),  # Almaty went an hour back on a leap day
    datetime(2026, 2, 15, 2, tzinfo=UTC),  # Casablanca before Ramadan
    datetime(2025, 12, 31, 23, tzinfo=UTC),
    datetime(2028, 2, 29, 12, tzinfo=UTC),
]
Document = dict[str, Any]


@st.composite
def days(draw: st.DrawFn) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(0, 48), max_size=6)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    return [f"{a // 2:02}:{a % 2 * 30:02}-{b // 2:02}:{b % 2 * 30:02}" for a, b in spans]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Calendars as an agreement writes them."""
    week = {day: draw(days()) for day in WEEKDAYS}
    if not any(week.values()):
        week["mon"] = ["09:00-17:00"]
    closed = draw(st.lists(st.sampled_from([str(c.date() + timedelta(days=1)) for c in CHANGES]), max_size=3))
    if draw(st.booleans()):
        closed.append("2025-12-31/2026-01-02")
    holidays_ = draw(st.sampled_from([None, {"country": "DE", "subdivision": "BE"}, {"country": "US"}]))
    hours: object = draw(st.sampled_from([week, week, week, "always"]))
    return {"zone": draw(st.sampled_from(ZONES)), "open": hours, "closed": closed, "holidays": holidays_}


def minutes_open(document: Document) -> Callable[[datetime], bool]:
    """The slow, obvious reference: what the wall clock shows in a minute, and whether the document says open to that."""
    zone = ZoneInfo(document["zone"])
    said = document["holidays"] or {}
    off = holidays.country_holidays(said["country"], subdiv=said.get("subdivision")) if said else ()
    closed = {str(day) for day in document["closed"] if "/" not in day}
    if "2025-12-31/2026-01-02" in document["closed"]:
        closed |= {"2025-12-31", "2026-01-01", "2026-01-02"}

    def open_at(at: datetime) -> bool:
        local = at.astimezone(zone)
        if f"{local:%Y-%m-%d}" in closed or local.date() in off:
            return False
        if document["open"] == "always":
            return True
        spans = (span.split("-") for span in document["open"][f"{local:%a}".lower()])
        return any(start <= f"{local:%H:%M}" < end for start, end in spans)

    return open_at


starts = st.builds(
    lambda change, minutes: change + minutes * MINUTE, st.sampled_from(CHANGES), st.integers(-2000, 2000)
)


@settings(max_examples=100, deadline=None)
@given(documents(), starts, st.integers(0, 3000))
def test_open_time_is_what_the_wall_clock_shows_minute_by_minute(
    document: Document, start: datetime, minutes: int
) -> None:
    open_at = minutes_open(document)
    expected = sum(open_at(start + i * MINUTE) for i in range(minutes))
    calendar = Calendar.model_validate(document)
    assert calendar.open_time_between(start, start + minutes * MINUTE) == expected * MINUTE
    assert [calendar.is_open(start + i * MINUTE) for i in range(0, minutes, 7)] == [
        open_at(start + i * MINUTE) for i in range(0, minutes, 7)
    ]
    change = calendar.next_change(start)
    if change is not None and change - start < 3000 * MINUTE:
        assert all(open_at(start + i * MINUTE) == open_at(start) for i in range((change - start) // MINUTE))
        assert open_at(change) != open_at(start)


absences = st.tuples(
    st.sampled_from(ZONES),
    st.lists(st.tuples(st.just((0, 1, 2, 3, 4)), st.sampled_from([600, 720]), st.sampled_from([750, 780])), max_size=1),
    st.lists(st.sampled_from(CHANGES).map(lambda c: (str(c.date()), str(c.date() + timedelta(days=1)))), max_size=2),
)
pauses = st.lists(
    st.tuples(st.integers(-500, 1500), st.integers(0, 700)), max_size=3
)  # minutes after the start, and how long
WALKED_AT_MOST = 12_000


@settings(max_examples=100, deadline=None)
@given(documents(), starts, st.integers(1, 900), st.none() | absences, pauses)
def test_a_deadline_is_the_first_instant_by_which_so_much_open_time_has_passed(
    document: Document, start: datetime, minutes: int, absence: Any, paused: list[tuple[int, int]]
) -> None:
    """Neither breaks nor leave of the rep nor pauses count; each of the warnings is such an instant, too."""
    zone, breaks, leave = absence or ("UTC", (), ())
    hours = ClockHours(CalendarId("any"), Calendar.model_validate(document), zone, tuple(breaks), tuple(leave))
    breaks_off = [(start + a * MINUTE, start + (a + n) * MINUTE) for a, n in paused]
    planned = plan(hours.open_time, start, minutes * MINUTE, (0.5,), breaks_off)
    open_at, wall = minutes_open(document), ZoneInfo(zone)

    def counts(at: datetime) -> bool:
        local = at.astimezone(wall)
        minute = local.hour * 60 + local.minute
        away = any(local.weekday() in on and a <= minute < b for on, a, b in breaks)
        away = away or any(first <= str(local.date()) <= last for first, last in leave)
        return open_at(at) and not away and not any(a <= at < b for a, b in breaks_off)

    passed = 0
    for i in range(WALKED_AT_MOST):
        if counts(start + i * MINUTE):
            passed += 1
            if passed == minutes:
                assert planned.deadline == start + (i + 1) * MINUTE
                break
            if passed * 2 == minutes:
                assert planned.warn_at == ((0.5, start + (i + 1) * MINUTE),)
    else:
        assert planned.deadline > start + WALKED_AT_MOST * MINUTE
    assert hours.open_time.unpaused(start, planned.deadline, breaks_off) == minutes * MINUTE


@settings(max_examples=60, deadline=None)
@given(documents(), starts, st.integers(0, 900), st.integers(0, 900))
def test_deadlines_add_up(document: Document, start: datetime, one: int, two: int) -> None:
    calendar = Calendar.model_validate(document)
    halfway = calendar.add_open_time(start, one * MINUTE)
    assert calendar.add_open_time(halfway, two * MINUTE) == calendar.add_open_time(start, (one + two) * MINUTE)
    assert calendar.open_time_between(start, halfway) == one * MINUTE


def test_the_night_that_loses_an_hour_and_the_one_that_has_it_twice() -> None:
    night = Calendar.model_validate({"zone": "Europe/Berlin", "open": {"sun": ["01:00-04:00"]}})
    berlin = ZoneInfo("Europe/Berlin")
    for day, hours in ((date(2026, 3, 22), 3), (date(2026, 3, 29), 2), (date(2026, 10, 25), 4)):
        start = datetime(day.year, day.month, day.day, tzinfo=berlin)
        assert night.open_time_between(start, start + timedelta(days=1)) == timedelta(hours=hours)


def test_a_promise_of_four_hours_on_friday_afternoon_ends_on_monday_or_after_the_holidays() -> None:
    office = Calendar.model_validate(
        {
            "zone": "Europe/Berlin",
            "open": {"mon-fri": ["09:00-17:00"]},
            "holidays": {"country": "DE", "subdivision": "BE"},
        }
    )
    friday = datetime(2026, 3, 27, 15, tzinfo=ZoneInfo("Europe/Berlin"))
    assert office.add_open_time(friday, timedelta(hours=4)) == datetime(
        2026, 3, 30, 11, tzinfo=ZoneInfo("Europe/Berlin")
    )
    maundy_thursday = datetime(2026, 4, 2, 15, tzinfo=ZoneInfo("Europe/Berlin"))
    assert office.add_open_time(maundy_thursday, timedelta(hours=4)) == datetime(
        2026, 4, 7, 11, tzinfo=ZoneInfo("Europe/Berlin")
    )


@settings(max_examples=60, deadline=None)
@given(documents(), documents(), starts, st.integers(1, 900), st.integers(0, 1500))
def test_hours_that_change_while_a_clock_runs_count_minute_by_minute(
    before: Document, after: Document, start: datetime, minutes: int, changed: int
) -> None:
    """A new agreement, leave entered later: what was open until then counts by the old hours, the rest by the new ones."""
    was, is_ = Calendar.model_validate(before).open_time, Calendar.model_validate(after).open_time
    at = start + changed * MINUTE
    within_ms = minutes * MINUTE // timedelta(milliseconds=1)
    begun = Running("any", 0, milliseconds(start), milliseconds(was.after(start, minutes * MINUTE)), within_ms=within_ms)
    if begun.deadline_ms <= milliseconds(at):
        return  # it was due by the old hours
    half = ((0.5, milliseconds(was.after(start, minutes * MINUTE / 2))),)
    running = replanned(replace(begun, warnings=half), was, is_, milliseconds(at), 2)
    open_before, open_after = minutes_open(before), minutes_open(after)
    passed = 0
    for i in range(WALKED_AT_MOST):
        minute = start + i * MINUTE
        if (open_before if minute < at else open_after)(minute):
            passed += 1
            if passed * 2 == minutes:
                assert running.warnings == ((0.5, milliseconds(minute + MINUTE)),)
            if passed == minutes:
                assert running.deadline_ms == milliseconds(minute + MINUTE)
                break
    else:
        assert running.deadline_ms > milliseconds(start + WALKED_AT_MOST * MINUTE)


half_hours = st.integers(0, 48).map(lambda n: (n, f"{n // 2:02}:{n % 2 * 30:02}"))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(WEEKDAYS), st.lists(st.tuples(half_hours, half_hours), max_size=3), max_size=7))
def test_spans_that_end_before_they_start_or_overlap_and_weeks_that_never_open_are_refused(
    week: dict[str, list[tuple[tuple[int, str], tuple[int, str]]]],
) -> None:
    inverted = any(start >= end for spans in week.values() for (start, _), (end, _) in spans)
    overlapping = any(
        sum(start <= half < end for (start, _), (end, _) in spans) > 1 for spans in week.values() for half in range(48)
    )
    never = not any(week.values())
    document = {"zone": "UTC", "open": {day: [f"{a}-{b}" for (_, a), (_, b) in spans] for day, spans in week.items()}}
    if inverted or overlapping or never:
        with pytest.raises(ValidationError):
            Calendar.model_validate(document)
    else:
        calendar, open_at = Calendar.model_validate(document), minutes_open({"closed": (), "holidays": None, **_every_day(document)})
        monday = datetime(2026, 3, 2, tzinfo=UTC)
        for half in range(7 * 48):
            at = monday + half * 30 * MINUTE
            assert calendar.is_open(at) == open_at(at)


def _every_day(document: Document) -> Document:
    return {**document, "open": {**dict.fromkeys(WEEKDAYS, ()), **document["open"]}}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 6), st.sampled_from(ZONES), starts)
def test_hours_that_never_come_are_said_to_be_so_and_not_looked_for(weekday: int, zone: str, start: datetime) -> None:
    """A rep whose breaks take the only day that the calendar opens."""
    calendar = Calendar.model_validate({"zone": zone, "open": {WEEKDAYS[weekday]: ["09:00-17:00"]}})
    hours = ClockHours(CalendarId("any"), calendar, zone, (((weekday,), 0, 24 * 60),), ())
    with pytest.raises(NeverOpen):
        hours.open_time.after(start, MINUTE)
