"""Business hours are exact: checked against a reference that looks at the wall clock minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.agreement import Calendar
from schemas.agreement.calendars import WEEKDAYS

MINUTE = timedelta(minutes=1)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/St_Johns",
    "Pacific/Apia",
]
# Around clock changes of those zones, so that most examples meet one.
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]


@st.composite
def days(draw: st.DrawFn) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(0, 48), max_size=6)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    return [f"{a // 2:02}:{a % 2 * 30:02}-{b // 2:02}:{b % 2 * 30:02}" for a, b in spans]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    week = {day: draw(days()) for day in WEEKDAYS}
    if not any(week.values()):
        week["mon"] = ["09:00-17:00"]
    closed = draw(st.lists(st.dates(date(2026, 3, 1), date(2026, 4, 10)), max_size=2))
    holidays = draw(st.sampled_from([None, {"country": "DE", "subdivision": "BE"}, {"country": "US"}]))
    hours: object = draw(st.sampled_from([week, week, week, "always"]))
    return Calendar.model_validate(
        {"zone": draw(st.sampled_from(ZONES)), "open": hours, "closed": closed, "holidays": holidays}
    )


starts = st.builds(
    lambda change, minutes: change + minutes * MINUTE,
    st.sampled_from(CHANGES),
    st.integers(-2000, 2000),
)


def open_minutes(calendar: Calendar, start: datetime, minutes: int) -> int:
    """The slow reference: is it open in this minute?"""
    return sum(calendar.is_open(start + i * MINUTE) for i in range(minutes))


@settings(max_examples=120, deadline=None)
@given(calendars(), starts, st.integers(0, 3000))
def test_open_time_is_what_the_wall_clock_shows_minute_by_minute(
    calendar: Calendar, start: datetime, minutes: int
) -> None:
    assert (
        calendar.open_time_between(start, start + minutes * MINUTE) == open_minutes(calendar, start, minutes) * MINUTE
    )


@settings(max_examples=120, deadline=None)
@given(calendars(), starts, st.integers(1, 2000))
def test_a_deadline_is_the_first_instant_by_which_so_much_open_time_has_passed(
    calendar: Calendar, start: datetime, minutes: int
) -> None:
    deadline = calendar.add_open_time(start, minutes * MINUTE)
    assert calendar.open_time_between(start, deadline) == minutes * MINUTE
    assert calendar.open_time_between(start, deadline - timedelta(microseconds=1)) == minutes * MINUTE - timedelta(
        microseconds=1
    )


@settings(max_examples=60, deadline=None)
@given(calendars(), starts, st.integers(0, 900), st.integers(0, 900))
def test_deadlines_add_up(calendar: Calendar, start: datetime, one: int, two: int) -> None:
    halfway = calendar.add_open_time(start, one * MINUTE)
    assert calendar.add_open_time(halfway, two * MINUTE) == calendar.add_open_time(start, (one + two) * MINUTE)


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
