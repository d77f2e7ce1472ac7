"""Caps and presence: a place is free, and a window turns, at the very instant; nobody is given what he may not have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events import routing
from tests.unit.routing.house import HOUR, MONDAY, SalesTeam, agreement

DAY = timedelta(days=1)


def because(team: SalesTeam, number: int, rep: str) -> str:
    """Why the rep was not given the lead."""
    said = [e for e in team.said(number) if isinstance(e, routing.LeadAssigned | routing.LeadQueued)]
    return str(next(c.because for c in said[-1].candidates if c.rep_id == rep))


def assigned_at(team: SalesTeam, number: int) -> datetime | None:
    """When the lead was assigned: the clock of the log, which stands still while nothing happens."""
    return team.loop.now if team.owner(number) else None


def given(team: SalesTeam, numbers: range) -> int:
    return sum(team.owner(n) is not None for n in numbers)


def caps(*caps: dict[str, Any]) -> dict[str, Any]:
    return {"caps": caps}


def test_a_daily_cap_frees_at_midnight_of_the_rep_s_zone_and_not_before() -> None:
    team = SalesTeam()
    team.joins("ana", zone="America/New_York", **caps({"at_most": 2, "per": "day"}))
    for n in range(1, 5):
        team.asks(n)
    assert given(team, range(1, 5)) == 2
    assert because(team, 3, "ana") == "has had 2 of 2 leads in this day"
    midnight = datetime(2026, 3, 3, 5, tzinfo=UTC)
    team.passes(midnight - timedelta(milliseconds=5) - team.loop.now)
    assert given(team, range(1, 5)) == 2
    team.passes(timedelta(milliseconds=10))
    assert given(team, range(1, 5)) == 4


def test_a_rolling_cap_frees_when_its_oldest_lead_is_as_old_as_the_window() -> None:
    team = SalesTeam()
    team.joins("ana", **caps({"at_most": 2, "per": "hour", "rolling": True}))
    team.asks(1)
    team.passes(HOUR / 2)
    team.asks(2)
    team.asks(3)
    team.asks(4)
    team.passes(HOUR / 2 - timedelta(seconds=1))
    assert given(team, range(1, 5)) == 2
    team.passes(timedelta(seconds=2))
    assert (team.owner(3), team.owner(4)) == ("ana", None), "the second lead still counts for half an hour"
    team.passes(HOUR / 2)
    assert team.owner(4) == "ana"


def test_a_week_begins_on_monday_and_a_month_on_its_first() -> None:
    team = SalesTeam(start=MONDAY - DAY)
    team.joins("ana", **caps({"at_most": 1, "per": "week"}))
    team.joins("bob", pools={"large": 1}, **caps({"at_most": 1, "per": "month"}))
    for n in (1, 2):
        team.asks(n)
        team.asks(n + 2, pool="large")
    team.passes(timedelta(hours=16))
    assert [team.owner(n) for n in (1, 2, 3, 4)] == ["ana", "ana", "bob", None]
    team.passes(timedelta(days=31))
    assert team.owner(4) == "bob"


def test_a_cap_for_grades_keeps_back_only_those_and_the_rest_of_the_queue_goes_on() -> None:
    team = SalesTeam()
    team.joins("ana", **caps({"at_most": 1, "per": "open", "grades": ("A1", "A2")}))
    team.asks(1, grade="A1")
    team.asks(2, grade="A2")
    team.asks(3, grade="B1")
    assert [team.owner(n) for n in (1, 2, 3)] == ["ana", None, "ana"]
    assert because(team, 2, "ana") == "holds 1 leads of grade A1, A2 and may hold 1"
    team.releases(1)
    assert team.owner(2) == "ana"


def test_a_lead_that_a_manager_gives_counts_towards_the_caps() -> None:
    team = SalesTeam()
    team.joins("ana", **caps({"at_most": 1, "per": "day"}))
    team.asks(1, ask=routing.Directed(rep_id="ana"))
    team.asks(2)
    assert team.owner(1) == "ana"
    assert team.owner(2) is None


def test_lunch_and_leave_are_times_at_which_nothing_is_given() -> None:
    team = SalesTeam()
    weekdays = {"days": (0, 1, 2, 3, 4), "start": 12 * 60, "end": 13 * 60}
    leave = {"first": "2026-03-03", "last": "2026-03-04"}
    team.joins("ana", zone="Europe/Berlin", breaks=(weekdays,), leave=(leave,))
    team.passes(2 * HOUR + timedelta(minutes=30))
    team.asks(1)
    assert because(team, 1, "ana") == "is on leave or has a break until 2026-03-02 12:00 UTC"
    team.passes(HOUR)
    assert team.owner(1) == "ana"
    team.passes(13 * HOUR)
    team.asks(2)
    team.passes(2 * DAY - 3 * HOUR)
    assert team.owner(2) is None
    team.passes(3 * HOUR)
    assert team.owner(2) == "ana"


def test_who_does_nothing_with_his_leads_gets_no_more_until_he_acts() -> None:
    team = SalesTeam(agreement(inbound="  inbound: {team: sales, idle_after: 2h}"))
    team.joins("ana", calendar="office")
    team.asks(1)
    team.passes(2 * HOUR - timedelta(minutes=1))
    team.asks(2)
    assert team.owner(2) == "ana"
    team.passes(timedelta(minutes=2))
    team.asks(3)
    assert because(team, 3, "ana").startswith("was given leads and has done nothing since 2026-03-02 09:00 UTC")
    team.acts("ana")
    assert team.owner(3) == "ana"


def test_nights_do_not_make_a_rep_idle() -> None:
    team = SalesTeam(agreement(inbound="  inbound: {team: sales, idle_after: 2h}"), start=MONDAY + 6 * HOUR + HOUR / 2)
    team.joins("ana", calendar="office")
    team.asks(1)
    team.passes(17 * HOUR)
    team.asks(2)
    assert team.owner(2) == "ana", "half an hour of Monday and half an hour of Tuesday"


def test_a_thousand_leads_leave_no_record_that_grows() -> None:
    team = SalesTeam()
    team.joins("ana", **caps({"at_most": 3, "per": "month", "rolling": True}))
    for n in range(1, 60):
        team.asks(n, ask=routing.Directed(rep_id="ana"))
    ana = team.loop.parts("routing.team", "sales")["rep"]["ana"]
    assert [len(g.times) for g in ana.given] == [3]
