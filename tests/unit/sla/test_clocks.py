"""Sla by example: every clock starts, warns, and then is met, breached or cancelled, each exactly once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.base import Event
from schemas.events import desk, intake, sla
from schemas.lifecycle import State
from services.sla.processor import SLA
from services.sla.state import Watch
from tests.builders import LEAD, MONDAY, TERMS, OneLead, agreement, names, submitted

HOUR = timedelta(hours=1)


def assigned_lead(**sections: Any) -> tuple[OneLead[Watch], list[Event]]:
    """A lead just assigned to anna, and what sla said to that."""
    a = OneLead(SLA, agreement(**sections))
    return a, a.until_assigned()


def clocks_without(*names_: str) -> list[dict[str, Any]]:
    return [c for c in TERMS["clocks"] if c["id"] not in names_]


def test_assignment_starts_the_first_response_clock() -> None:
    a, said = assigned_lead()
    assert names(said) == ["ClockStarted"]
    started = said[0]
    assert isinstance(started, sla.ClockStarted)
    assert started.clock_id == f"{a.life.offer}.first-response.{a.position - 1}"
    assert (started.started_at, started.deadline_at) == (MONDAY, MONDAY + 4 * HOUR)
    assert started.warn_at == ((0.5, MONDAY + 2 * HOUR), (0.8, MONDAY + timedelta(hours=3, minutes=12)))
    assert (
        started.because
        == "first-response promises one of accepted, attempted, rejected within 4h of the calendar always"
    )
    assert SLA.due(a.state) == MONDAY + 2 * HOUR


def test_it_warns_at_each_share_once_and_then_is_breached() -> None:
    a, _ = assigned_lead()
    said = a.wait(5 * HOUR)
    assert names(said) == ["ClockWarned", "ClockWarned", "ClockBreached"]
    breached = said[2]
    assert isinstance(breached, sla.ClockBreached)
    assert breached.on_breach.kind == "reassign"
    assert not breached.detected_late
    assert type(a.log[breached.since][0]).__name__ == "TimerDue"
    assert a.wait(100 * HOUR) == []


def test_an_action_that_it_waits_for_meets_it() -> None:
    a, _ = assigned_lead()
    a.wait(HOUR)
    said = a.hears(a.act(desk.LeadAccepted), event_id="accept")
    assert names(said) == ["ClockMet", "ClockStarted"]
    assert isinstance(said[0], sla.ClockMet)
    assert said[0].met_by == "accept"
    assert said[0].met_at == MONDAY + HOUR
    assert isinstance(said[1], sla.ClockStarted)
    assert said[1].clock == "follow-up"


def test_an_action_that_it_does_not_wait_for_leaves_it_running() -> None:
    a, _ = assigned_lead()
    a.wait(HOUR)
    assert a.hears(a.act(desk.NoteAdded)) == []
    assert names(a.wait(4 * HOUR)) == ["ClockWarned", "ClockWarned", "ClockBreached"]


def test_an_assignment_that_ends_otherwise_cancels_its_clocks() -> None:
    a, _ = assigned_lead()
    a.hears(a.act(desk.LeadAccepted))
    said = a.hears(intake.LeadSuppressed(lead_id=LEAD, reason="spam"))  # type: ignore[arg-type]
    assert names(said) == ["ClockCancelled"]
    assert isinstance(said[0], sla.ClockCancelled)
    assert (said[0].clock, said[0].because) == ("follow-up", "the assignment ended with LeadSuppressed")
    assert a.state == Watch(known=a.state.known)
    assert SLA.due(a.state) is None


def test_a_withdrawal_after_a_breach_lets_the_next_rep_start_afresh() -> None:
    a, _ = assigned_lead()
    breached = a.wait(4 * HOUR)[-1]
    assert isinstance(breached, sla.ClockBreached)
    assert a.hears(a.withdrawn(breached.since)) == []
    assert a.life.state is State.UNROUTED
    assert names(a.until_assigned("ben")) == ["ClockStarted"]


def test_an_action_that_beats_the_withdrawal_does_not_leave_the_lead_unwatched() -> None:
    a, _ = assigned_lead(clocks=clocks_without("follow-up"))
    breached = a.wait(4 * HOUR)[-1]
    assert isinstance(breached, sla.ClockBreached)
    said = a.hears(a.act(desk.NoteAdded))
    assert names(said) == ["ClockStarted"]
    assert a.hears(a.withdrawn(breached.since)) == []
    assert a.life.held
    assert names(a.wait(4 * HOUR)) == ["ClockWarned", "ClockWarned", "ClockBreached"]


def test_the_awaited_action_after_the_breach_keeps_the_breach() -> None:
    a, _ = assigned_lead()
    a.wait(4 * HOUR)
    a.wait(HOUR)
    assert names(a.hears(a.act(desk.LeadAccepted))) == ["ClockStarted"]


def test_an_action_recorded_after_the_breach_that_had_happened_before_it_corrects_it() -> None:
    a, _ = assigned_lead()
    a.wait(5 * HOUR)
    said = a.hears(a.act(desk.LeadAccepted, at=MONDAY + 3 * HOUR), event_id="late")
    assert names(said) == ["ClockCorrected", "ClockStarted"]
    assert isinstance(said[0], sla.ClockCorrected)
    assert (said[0].corrected_by, said[0].happened_at) == ("late", MONDAY + 3 * HOUR)
    assert names(a.hears(a.act(desk.ContactAttempted, channel="phone", disposition="voicemail"))) == []


def test_an_action_after_the_deadline_shows_the_breach_even_before_the_timer_does() -> None:
    a, _ = assigned_lead()
    a.now = MONDAY + 6 * HOUR
    said = a.hears(a.act(desk.LeadAccepted))
    assert names(said) == ["ClockBreached", "ClockStarted"]
    assert isinstance(said[0], sla.ClockBreached)
    assert said[0].detected_late
    assert a.hears(a.withdrawn(said[0].since)) == []
    assert a.life.state is State.ACCEPTED


def test_a_deadline_noticed_late_says_so() -> None:
    a, _ = assigned_lead()
    a.now = MONDAY + 10 * HOUR
    said = a.hears(a.timer(MONDAY + 2 * HOUR))
    assert names(said) == ["ClockWarned", "ClockWarned", "ClockBreached", "ClockStarted"]
    assert all(e.detected_late for e in said if isinstance(e, sla.ClockWarned | sla.ClockBreached))


def test_an_undone_acceptance_starts_the_first_response_anew_and_ends_the_follow_up() -> None:
    a, _ = assigned_lead()
    a.hears(a.act(desk.LeadAccepted), event_id="accept")
    a.wait(HOUR)
    said = a.hears(a.act(desk.ActionUndone, action_id="accept"))
    assert names(said) == ["ClockStarted", "ClockCancelled"]
    assert isinstance(said[0], sla.ClockStarted)
    assert said[0].deadline_at == MONDAY + 5 * HOUR


def test_an_undone_return_restores_the_follow_up_and_leaves_the_first_response_met() -> None:
    a, _ = assigned_lead()
    a.hears(a.act(desk.LeadAccepted))
    a.hears(a.act(desk.LeadReturned, reason="no_budget"), event_id="return")
    said = a.hears(a.act(desk.ActionUndone, action_id="return"))
    assert names(said) == ["ClockStarted"]
    assert isinstance(said[0], sla.ClockStarted)
    assert said[0].clock == "follow-up"


def test_an_undone_loss_that_the_crm_knew_restores_the_running_clock() -> None:
    a, _ = assigned_lead()
    assert names(a.hears(a.outcome(desk.LeadLost), event_id="lost")) == ["ClockCancelled"]
    assert names(a.hears(a.act(desk.ActionUndone, action_id="lost"))) == ["ClockStarted"]


def test_a_claim_has_nothing_to_promise_but_the_follow_up() -> None:
    a = OneLead(SLA, agreement())
    a.hears(submitted())
    a.hears(a.qualified())
    a.hears(a.routed())
    said = a.hears(a.assigned(claimed_by="claim-1"))
    assert [e.clock for e in said if isinstance(e, sla.ClockStarted)] == ["follow-up"]


def test_a_void_action_changes_no_clock() -> None:
    a, _ = assigned_lead()
    assert a.hears(a.act(desk.LeadAccepted, assignment_id="somebody-elses")) == []


def test_promises_run_in_the_open_hours_of_their_calendar() -> None:
    office = {"office": {"zone": "Europe/Berlin", "open": {"mon-fri": ["09:00-12:00", "13:00-17:00"]}}}
    clocks = [{**TERMS["clocks"][0], "calendar": "office", "warn_at": []}]
    a = OneLead(
        SLA, agreement(calendars=office, clocks=clocks), at=MONDAY.replace(day=6, hour=14)
    )  # Friday 15:00 in Berlin
    said = a.until_assigned()
    assert isinstance(said[0], sla.ClockStarted)
    assert said[0].deadline_at == MONDAY.replace(day=9, hour=10)  # two hours on Friday, two on Monday until 11:00


def test_a_clock_that_a_new_agreement_has_no_more_is_cancelled_when_it_comes_into_force() -> None:
    a, _ = assigned_lead()
    assert SLA.touched_by_agreement(a.state)
    a.agreement = agreement(2, clocks=clocks_without("first-response"))
    said = a.hears(a.timer(a.now))
    assert names(said) == ["ClockCancelled"]
    assert not SLA.touched_by_agreement(a.state)


def test_a_running_clock_keeps_the_promise_it_was_started_with() -> None:
    a, _ = assigned_lead()
    a.agreement = agreement(2, clocks=[{**TERMS["clocks"][0], "within": "1h"}])
    assert a.hears(a.timer(a.now)) == []
    assert SLA.due(a.state) == MONDAY + 2 * HOUR
