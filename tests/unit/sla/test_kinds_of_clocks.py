"""Clocks of every kind by example: by grade, team and stage, in a cadence, paused, under other hours, after an outage."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from schemas.base import Event
from schemas.events import desk, sla
from schemas.events.scoring import LeadScored
from services.sla.processor import SLA
from services.sla.state import Watch
from tests.builders import LEAD, MONDAY, OneLead, agreement, names, submitted

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CALENDARS = {
    "always": {"open": "always"},
    "office": {"zone": "Europe/Berlin", "open": {"mon-fri": ["09:00-17:00"]}},
    "late": {"zone": "Europe/Berlin", "open": {"mon-fri": ["13:00-21:00"]}},
}
FOLLOW_UP = {
    "id": "follow-up",
    "starts_on": "accepted",
    "met_by": ["attempted", "connected"],
    "within": "4h",
    "calendar": "always",
}


def clock(**said: Any) -> dict[str, Any]:
    return {"id": "c", "met_by": ["accepted", "attempted"], "within": "4h", "calendar": "always", **said}


def lead(*clocks: dict[str, Any], at: datetime = MONDAY, hours: Any = None, **sections: Any) -> tuple[OneLead[Watch], list[Event]]:
    """A lead just assigned to anna of the team sales, and what sla said to that."""
    a = OneLead(SLA, agreement(clocks=list(clocks), calendars=CALENDARS, **sections), at=at)
    for event in (submitted(at=at, country="JP"), a.qualified, scored, a.routed):
        a.hears(event() if callable(event) else event)
    return a, a.hears(a.assigned(hours=hours))


def scored() -> LeadScored:
    said = {"lead_id": LEAD, "score": "1", "fit": "1", "engagement": "0", "grade": "B1", "contributions": ()}
    return LeadScored.model_validate({**said, "agreement": "tests", "agreement_version": 1})


def attempt(a: OneLead[Watch], channel: str = "phone", disposition: str = "voicemail", **more: Any) -> list[Event]:
    event_id = more.pop("event_id", None)
    return a.hears(a.act(desk.ContactAttempted, channel=channel, disposition=disposition, **more), event_id=event_id)


def started(said: list[Event]) -> list[sla.ClockStarted]:
    return [e for e in said if isinstance(e, sla.ClockStarted)]


# ------------------------------------------------------------------ for whom


def test_a_clock_is_for_the_grades_and_teams_that_it_names() -> None:
    b1, a1 = ({"grade": {"in": [g]}} for g in ("B1", "A1"))
    _, said = lead(
        clock(id="for-b1", when=b1), clock(id="for-a1", when=a1), clock(id="ours", teams=["sales"]), clock(id="theirs", teams=["care"]),
        teams={"sales": {}, "care": {}},
    )  # fmt: skip
    assert [s.clock for s in started(said)] == ["for-b1", "ours"]


def test_a_clock_runs_by_the_hours_of_the_rep_who_has_the_lead() -> None:
    hours = {"calendar": "late", "breaks": [{"days": [0], "start": 900, "end": 960}], "leave": [{"first": "2026-03-03", "last": "2026-03-04"}]}
    _, said = lead(clock(calendar="office", calendar_of="rep", within="8h"), hours=hours, at=datetime.fromisoformat("2026-03-02T09:00:00+01:00"))
    (begun,) = started(said)
    assert begun.calendar == "late"
    # Monday 13:00 to 21:00 without 15:00 to 16:00 is seven hours, and Tuesday and Wednesday he is away.
    assert begun.deadline_at == datetime.fromisoformat("2026-03-05T14:00:00+01:00")
    assert "the calendar late (Europe/Berlin) without the rep's breaks and leave" in begun.because


def test_a_clock_runs_by_the_hours_of_the_team_or_of_where_the_prospect_is() -> None:
    _, said = _team_and_prospect()
    assert [s.deadline_at.isoformat() for s in started(said)] == ["2026-03-02T12:00:00+00:00", "2026-03-02T04:00:00+00:00"]


def _team_and_prospect() -> tuple[OneLead[Watch], list[Event]]:
    calendars = {**CALENDARS, "there": {"zone": "Europe/Berlin", "zone_of": "prospect", "open": {"mon-fri": ["09:00-17:00"]}}}
    terms = agreement(
        calendars=calendars,
        teams={"sales": {"calendar": "office"}},
        clocks=[clock(id="team", calendar_of="team"), clock(id="there", calendar="there")],
    )
    a = OneLead(SLA, terms, at=datetime.fromisoformat("2026-03-02T00:00:00+00:00"))
    for event in (submitted(at=a.now, country="JP"), a.qualified, a.routed):
        a.hears(event() if callable(event) else event)
    return a, a.hears(a.assigned())


# ------------------------------------------------------------------ rows of clocks


def test_a_cadence_asks_for_one_attempt_after_the_other_each_by_its_channels() -> None:
    then = [{"within": "8h", "channels": ["mail"]}, {"within": "1d"}]
    a, _ = lead({**FOLLOW_UP, "then": then})
    a.hears(a.act(desk.LeadAccepted))
    said = attempt(a)
    assert names(said) == ["ClockMet", "ClockStarted"]
    (second,) = started(said)
    assert (second.step, second.deadline_at) == (1, MONDAY + 8 * HOUR)
    assert "follow-up, follow-up 1 promises one of attempted, connected by mail within 8h" in second.because
    assert attempt(a, "phone") == []
    assert [s.step for s in started(attempt(a, "mail"))] == [2]
    assert names(attempt(a)) == ["ClockMet"]
    assert attempt(a) == []


def test_who_reaches_the_person_owes_no_further_attempt() -> None:
    a, _ = lead({**FOLLOW_UP, "then": [{"within": "8h"}]})
    a.hears(a.act(desk.LeadAccepted))
    assert names(a.hears(a.act(desk.LeadConnected, channel="phone"))) == ["ClockMet"]
    assert SLA.due(a.state) is None


def test_a_late_attempt_starts_the_next_one_all_the_same_and_an_undone_one_brings_its_own_back() -> None:
    a, _ = lead({**FOLLOW_UP, "then": [{"within": "8h"}]})
    a.hears(a.act(desk.LeadAccepted))
    assert names(a.wait(5 * HOUR)) == ["ClockBreached"]
    assert [s.step for s in started(attempt(a, event_id="late"))] == [1]
    said = a.hears(a.act(desk.ActionUndone, action_id="late"))
    assert names(said) == ["ClockCancelled", "ClockStarted"]
    assert started(said)[0].step == 0


def test_a_next_step_is_due_when_it_was_set_for_and_another_one_replaces_it() -> None:
    a, said = lead(clock(starts_on="next_step", met_by=["attempted"], within="2h"))
    assert said == []
    (begun,) = started(a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 24 * HOUR)))
    assert (begun.started_at, begun.deadline_at) == (MONDAY + 24 * HOUR, MONDAY + 26 * HOUR)
    said = a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 48 * HOUR), event_id="second")
    assert names(said) == ["ClockCancelled", "ClockStarted"]
    assert names(a.hears(a.act(desk.ActionUndone, action_id="second"))) == ["ClockCancelled"]
    a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 48 * HOUR))
    assert names(a.wait(51 * HOUR)) == ["ClockBreached"]


def test_a_stage_may_last_only_so_long() -> None:
    a, said = lead(clock(starts_on="stage", stages=["sal"], met_by=["won"], within="48h"))
    assert said == []
    assert names(a.hears(a.act(desk.LeadAccepted))) == ["ClockStarted"]
    assert attempt(a) == []
    said = a.hears(a.act(desk.OpportunityOpened), event_id="opened")
    assert names(said) == ["ClockMet"]
    said = a.hears(a.act(desk.ActionUndone, action_id="opened"))
    assert names(said) == ["ClockStarted"]
    assert names(a.wait(49 * HOUR)) == ["ClockBreached"]


def test_a_stage_left_in_time_and_told_late_was_no_breach() -> None:
    a, _ = lead(clock(starts_on="stage", stages=["sal"], met_by=["won"], within="48h"))
    a.hears(a.act(desk.LeadAccepted))
    assert names(a.wait(49 * HOUR)) == ["ClockBreached"]
    assert names(a.hears(a.act(desk.OpportunityOpened, at=MONDAY + 40 * HOUR))) == ["ClockCorrected"]


def test_something_must_happen_to_a_lead_in_hand_again_and_again() -> None:
    a, said = lead(clock(starts_on="last_action", met_by=["accepted", "attempted", "noted"], within="4h"))
    assert names(said) == ["ClockStarted"]
    a.wait(3 * HOUR)
    assert names(a.hears(a.act(desk.NoteAdded))) == ["ClockMet", "ClockStarted"]
    a.wait(3 * HOUR)
    assert names(a.wait(2 * HOUR)) == ["ClockBreached"]
    assert names(a.hears(a.act(desk.NoteAdded))) == ["ClockStarted"]


# ------------------------------------------------------------------ pauses

WAITS = [{"on": "next_step", "at_most": "10d"}, {"on": "meeting"}, {"on": "attempted", "dispositions": ["awaiting_reply"], "at_most": "2d"}]


def test_call_me_on_tuesday_pauses_and_the_rest_of_the_time_follows() -> None:
    a, _ = lead(clock(pauses=WAITS, warn_at=[0.25, 0.75], met_by=["accepted"]))
    assert names(a.wait(2 * HOUR)) == ["ClockWarned"]
    said = a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 30 * HOUR))
    assert names(said) == ["ClockPaused"]
    assert isinstance(said[0], sla.ClockPaused)
    assert (said[0].paused_at, said[0].until) == (MONDAY + 2 * HOUR, MONDAY + 30 * HOUR)
    assert a.wait(27 * HOUR) == []
    said = a.wait(5 * HOUR)
    assert names(said) == ["ClockResumed", "ClockWarned", "ClockBreached"]
    assert isinstance(said[0], sla.ClockResumed)
    assert said[0].deadline_at == MONDAY + 32 * HOUR
    assert said[0].warn_at == ((0.75, MONDAY + 31 * HOUR),)


def test_a_pause_ends_at_the_latest_when_the_agreement_says_and_an_undo_ends_it_at_once() -> None:
    a, _ = lead(clock(pauses=WAITS, met_by=["accepted"]))
    said = a.hears(a.act(desk.NextStepSet, due_at=MONDAY + timedelta(days=300)), event_id="far")
    assert isinstance(said[0], sla.ClockPaused)
    assert said[0].until == MONDAY + timedelta(days=10)
    a.wait(HOUR)
    said = a.hears(a.act(desk.ActionUndone, action_id="far"))
    assert names(said) == ["ClockResumed"]
    assert SLA.due(a.state) == MONDAY + 5 * HOUR


def test_who_waits_for_an_answer_is_not_charged_until_the_prospect_writes() -> None:
    a, _ = lead(clock(pauses=WAITS, met_by=["connected"]))
    assert names(attempt(a, disposition="awaiting_reply")) == ["ClockPaused"]
    a.wait(20 * HOUR)
    assert names(a.hears(submitted(at=a.now))) == ["ClockResumed"]
    assert SLA.due(a.state) == MONDAY + 24 * HOUR


def test_a_paused_clock_can_be_met_and_paused_again() -> None:
    a, _ = lead(clock(pauses=WAITS, met_by=["connected"]))
    a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 30 * HOUR))
    a.wait(HOUR)
    assert names(a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 40 * HOUR))) == ["ClockResumed", "ClockPaused"]
    assert names(a.hears(a.act(desk.LeadConnected, channel="phone"))) == ["ClockMet"]


def test_a_pause_recorded_after_the_deadline_that_had_begun_before_it_takes_the_breach_back() -> None:
    a, _ = lead(clock(pauses=WAITS, met_by=["connected"]))
    assert names(a.wait(5 * HOUR)) == ["ClockBreached"]
    said = a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 30 * HOUR, at=MONDAY + 3 * HOUR))
    assert names(said) == ["ClockCorrected", "ClockStarted", "ClockPaused"]


def test_a_pause_counts_open_time_only() -> None:
    at = datetime.fromisoformat("2026-03-06T16:00:00+01:00")  # a Friday
    a, _ = lead(clock(pauses=WAITS, met_by=["connected"], calendar="office"), at=at)
    a.wait(30 * MINUTE)
    a.hears(a.act(desk.NextStepSet, due_at=datetime.fromisoformat("2026-03-10T10:00:00+01:00")))
    said = a.wait(timedelta(days=3, hours=20))
    assert isinstance(said[0], sla.ClockResumed)
    assert said[0].deadline_at == datetime.fromisoformat("2026-03-10T13:30:00+01:00")


# ------------------------------------------------------------------ outages


def test_after_an_outage_all_is_said_in_order_and_the_time_is_given_back_before_the_lead_goes() -> None:
    a, _ = lead(clock(on_breach="reassign", warn_at=[0.5]), clock(id="d", within="3h", warn_at=[0.9]))
    a.now = MONDAY + 5 * HOUR
    said = a.hears(a.timer(MONDAY + 2 * HOUR))
    told = [e for e in said if isinstance(e, sla.ClockWarned | sla.ClockBreached)]
    assert [(e.clock, type(e).__name__) for e in told] == [
        ("c", "ClockWarned"), ("d", "ClockWarned"), ("d", "ClockBreached"), ("c", "ClockBreached"),
    ]  # fmt: skip
    assert all(e.detected_late for e in told)
    assert isinstance(told[-1], sla.ClockBreached)
    assert told[-1].on_breach.kind == "alert"
    (grace,) = started(said)
    assert grace.grace
    assert grace.deadline_at == a.now + HOUR  # it was an hour late
    (again,) = a.wait(2 * HOUR)
    assert isinstance(again, sla.ClockBreached)
    assert (again.clock_id, again.on_breach.kind, again.detected_late) == (grace.clock_id, "reassign", False)


def test_the_time_given_back_is_at_least_what_the_agreement_says_and_at_most_the_clocks_own() -> None:
    for late, within, expected in ((MINUTE, "4h", 15 * MINUTE), (9 * HOUR, "4h", 4 * HOUR), (HOUR, "10m", 10 * MINUTE)):
        a, (begun,) = lead(clock(on_breach="reassign", within=within))
        assert isinstance(begun, sla.ClockStarted)
        a.now = begun.deadline_at + late
        assert started(a.hears(a.timer(begun.deadline_at)))[0].deadline_at == a.now + expected


def test_the_agreement_may_let_the_lead_stay_or_go_at_once() -> None:
    for answer, kind in (("alert", "alert"), ("reassign", "reassign")):
        a, _ = lead(clock(on_breach="reassign"), detected_late={"answer": answer})
        a.now = MONDAY + 5 * HOUR
        (breach,) = a.hears(a.timer(MONDAY + 4 * HOUR))
        assert isinstance(breach, sla.ClockBreached)
        assert (breach.on_breach.kind, breach.detected_late) == (kind, True)


def test_what_was_done_during_the_outage_and_in_time_takes_the_breach_back_and_ends_the_grace() -> None:
    a, (begun,) = lead(clock(on_breach="reassign"))
    a.now = MONDAY + 5 * HOUR
    a.hears(a.timer(MONDAY + 4 * HOUR))
    said = a.hears(a.act(desk.LeadAccepted, at=MONDAY + 3 * HOUR), event_id="late")
    assert names(said) == ["ClockCorrected", "ClockMet"]
    assert isinstance(begun, sla.ClockStarted)
    assert isinstance(said[0], sla.ClockCorrected)
    assert said[0].clock_id == begun.clock_id


def test_a_breach_is_taken_back_even_if_something_late_was_reported_first() -> None:
    a, _ = lead(clock())
    a.wait(5 * HOUR)
    assert attempt(a) == []
    assert names(attempt(a, at=MONDAY + HOUR)) == ["ClockCorrected"]
    assert attempt(a, at=MONDAY + HOUR) == []


# ------------------------------------------------------------------ other hours


def test_a_changed_calendar_plans_running_clocks_anew_from_its_beginning_on() -> None:
    at = datetime.fromisoformat("2026-03-02T10:00:00+01:00")
    a, (begun,) = lead(clock(calendar="office", within="6h", warn_at=[0.5]), at=at)
    assert isinstance(begun, sla.ClockStarted)
    assert begun.deadline_at == at + 6 * HOUR
    since = at + 2 * HOUR
    longer = {**CALENDARS, "office": {"zone": "Europe/Berlin", "open": {"mon-fri": ["09:00-12:00", "14:00-17:00"]}}}
    a.agreement = agreement(2, since, calendars=longer, clocks=[clock(calendar="office", within="6h", warn_at=[0.5])])
    a.now = since + timedelta(seconds=3)
    (said,) = a.hears(a.timer(since, 2))
    assert isinstance(said, sla.ClockReplanned)
    # Two hours had passed at noon; one more until three, and three more until five and from nine to ten.
    assert (said.replanned_at, said.warn_at) == (since, ((0.5, at + 5 * HOUR),))
    assert said.deadline_at == datetime.fromisoformat("2026-03-03T10:00:00+01:00")
    assert a.hears(a.timer(since, 2)) == []


def test_other_hours_take_nothing_back_that_was_due_before_them() -> None:
    a, _ = lead(clock(calendar="office", within="1h"), at=datetime.fromisoformat("2026-03-02T10:00:00+01:00"))
    since = a.now + 2 * HOUR
    a.agreement = agreement(2, since, calendars=CALENDARS, clocks=[clock(calendar="late", within="1h")])
    a.now = since
    (breach,) = a.hears(a.timer(a.now, 2))
    assert isinstance(breach, sla.ClockBreached)
    assert breach.detected_late


def test_a_changed_calendar_counts_before_its_timer_comes_and_a_renamed_one_changes_nothing() -> None:
    at = datetime.fromisoformat("2026-03-02T10:00:00+01:00")
    a, _ = lead(clock(calendar="office", within="2h", met_by=["accepted"]), at=at)
    a.agreement = agreement(2, at + HOUR, calendars=CALENDARS, clocks=[clock(calendar="late", within="2h", met_by=["accepted"])])
    a.now = at + HOUR
    (said,) = a.hears(a.act(desk.NoteAdded))
    assert isinstance(said, sla.ClockReplanned)
    assert said.deadline_at == at + 4 * HOUR
    renamed = {**CALENDARS, "evenings": CALENDARS["late"]}
    a.agreement = agreement(3, a.now, calendars=renamed, clocks=[clock(calendar="evenings", within="2h", met_by=["accepted"])])
    assert a.hears(a.timer(a.now, 3)) == []


def test_a_paused_clock_goes_on_by_the_hours_that_are_in_force_then() -> None:
    at = datetime.fromisoformat("2026-03-02T10:00:00+01:00")
    a, _ = lead(clock(calendar="office", within="2h", pauses=WAITS, met_by=["accepted"]), at=at)
    a.hears(a.act(desk.NextStepSet, due_at=at + HOUR))
    assert SLA.touched_by_agreement(a.state)
    a.agreement = agreement(2, at, calendars=CALENDARS, clocks=[clock(calendar="late", within="2h", pauses=WAITS, met_by=["accepted"])])
    assert a.hears(a.timer(at, 2)) == []
    (said,) = a.wait(2 * HOUR)
    assert isinstance(said, sla.ClockResumed)
    assert said.deadline_at == datetime.fromisoformat("2026-03-02T15:00:00+01:00")


# ------------------------------------------------------------------ what was remembered before


def test_a_clock_that_was_remembered_before_there_were_pauses_pauses_all_the_same() -> None:
    a, _ = lead(clock(pauses=WAITS, met_by=["accepted"]))
    old = {"name": "c", "start": a.state.clocks[0].start, "started_ms": a.state.clocks[0].started_ms, "deadline_ms": a.state.clocks[0].deadline_ms}
    remembered = {"assignment": a.state.assignment, "rep": "anna", "team": "sales", "clocks": [old]}
    a.state = msgspec.msgpack.decode(msgspec.msgpack.encode(remembered), type=Watch)
    a.wait(HOUR)
    assert names(a.hears(a.act(desk.NextStepSet, due_at=MONDAY + 10 * HOUR))) == ["ClockPaused"]
    (said,) = a.wait(10 * HOUR)
    assert isinstance(said, sla.ClockResumed)
    assert said.deadline_at == MONDAY + 13 * HOUR


# ------------------------------------------------------------------ bad input


def test_an_action_counts_neither_from_the_future_nor_from_before_the_clock() -> None:
    for at, met_at in ((MONDAY + 99 * HOUR, MONDAY + HOUR), (MONDAY - 99 * HOUR, MONDAY)):
        a, _ = lead(clock())
        a.wait(HOUR)
        (said,) = a.hears(a.act(desk.LeadAccepted, at=at))
        assert isinstance(said, sla.ClockMet)
        assert said.met_at == met_at


def test_an_action_on_a_strangers_assignment_touches_no_clock_and_takes_no_breach_back() -> None:
    a, _ = lead(clock())
    assert a.hears(a.act(desk.ContactAttempted, assignment_id="x.1", channel="phone", disposition="busy")) == []
    a.wait(5 * HOUR)
    assert a.hears(a.act(desk.LeadAccepted, assignment_id="x.1", at=MONDAY + HOUR)) == []
