"""Clocks in the whole loop, in virtual time: the hours that routing tells, a new agreement, an outage of an hour."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas.agreement import load
from schemas.events import desk, intake, routing, sla
from schemas.ids import LeadId, SubmissionId, digest
from schemas.topics import LEADS
from services.routing.processors import LEAD, TEAM
from services.runtime.replay import AgreementsInMemory, Replay
from services.scoring.processor import SCORING
from services.sla.processor import SLA
from tests.unit.routing.house import HOUR, MONDAY, TEXT, lead

CLOCK = "{id: first, met_by: [accepted], within: 6h, calendar: always, calendar_of: rep, warn_at: [0.5], on_breach: reassign}"
WITH_CLOCK = TEXT.replace("clocks: []", f"clocks: [{CLOCK}]")
LATER = MONDAY + 2 * HOUR
REST_AT_NOON = WITH_CLOCK.replace('["09:00-17:00"]', '["09:00-12:00", "14:00-17:00"]')


def loop(agreements: AgreementsInMemory, **rep: object) -> Replay:
    made = Replay((SCORING, LEAD, TEAM, SLA), agreements, start=MONDAY, latency=timedelta(0))
    for name in ("ana", "bob"):
        joins = {"team_id": "sales", "rep_id": name, "role": "sdr", "pools": {"inbound": 1}, **rep}
        made.append(desk.RepJoined.model_validate(joins))
    return made


def submit(made: Replay, who: LeadId) -> None:
    told = {
        "lead_id": who, "submission_id": SubmissionId(str(uuid.uuid5(uuid.NAMESPACE_URL, who))), "content": digest(who.encode()),
        "submitted_at": made.now, "attributes": {"topic": "demo"},
    }  # fmt: skip
    made.append(intake.LeadSubmitted.model_validate(told))
    made.run()


def said(made: Replay, who: LeadId) -> list[sla.ClockEvent]:
    return [e for e in made.events(LEADS, who) if isinstance(e, sla.ClockEvent)]


def test_a_new_agreement_with_other_hours_plans_running_clocks_anew_from_its_instant_on() -> None:
    versions = AgreementsInMemory(((MONDAY, load(WITH_CLOCK, 1, MONDAY)), (LATER, load(REST_AT_NOON, 2, LATER))))
    leave = [{"first": "2026-01-01", "last": "2026-01-09"}, {"first": "2026-03-03", "last": "2026-03-03"}]
    made = loop(versions, calendar="office", leave=leave)
    submit(made, lead(1))
    assigned = next(e for e in made.events(LEADS, lead(1)) if isinstance(e, routing.LeadAssigned))
    assert assigned.hours is not None
    assert (assigned.hours.calendar, [x.first for x in assigned.hours.leave]) == ("office", ["2026-03-03"])
    (begun,) = said(made, lead(1))
    assert isinstance(begun, sla.ClockStarted)
    # 10:00 in Berlin; six hours by the office's calendar.
    assert (begun.calendar, begun.deadline_at) == ("office", datetime.fromisoformat("2026-03-02T16:00:00+01:00"))
    made.run_until(LATER + HOUR)
    again = said(made, lead(1))[-1]
    assert isinstance(again, sla.ClockReplanned)
    # Two hours were over at noon; three more until five; Tuesday he is on leave; one on Wednesday.
    assert again.replanned_at == LATER
    assert again.deadline_at == datetime.fromisoformat("2026-03-04T10:00:00+01:00")
    assert again.agreement_version == 2
    made.run_until(MONDAY + 50 * HOUR)
    told = [type(e).__name__ for e in said(made, lead(1)) if e.clock_id == begun.clock_id]
    assert told == ["ClockStarted", "ClockReplanned", "ClockWarned", "ClockBreached"]


def test_an_outage_of_an_hour_takes_no_lead_away_that_is_worked_when_it_is_over() -> None:
    text = WITH_CLOCK.replace("within: 6h", "within: 30m")
    made = loop(AgreementsInMemory(((MONDAY, load(text, 1, MONDAY)),)))
    who = [lead(n) for n in range(1, 11)]
    for number, one in enumerate(who):
        submit(made, one)
        made.run_until(MONDAY + number * timedelta(seconds=30))
    outage_ends = MONDAY + timedelta(minutes=95)
    made.now = outage_ends  # nothing ran, so no TimerDue came
    made.run_until(outage_ends)
    for one in who:
        told = said(made, one)
        assert [type(e).__name__ for e in told] == ["ClockStarted", "ClockWarned", "ClockBreached", "ClockStarted"]
        assert all(e.detected_late for e in told if isinstance(e, sla.ClockWarned | sla.ClockBreached))
    assert not [e for one in who for e in made.events(LEADS, one) if isinstance(e, routing.AssignmentWithdrawn)]
    for one in who[:9]:
        by = {"kind": "rep", "rep_id": made.life(one).rep}
        act = {"lead_id": one, "assignment_id": made.life(one).offer, "by": by, "occurred_at": made.now}
        made.append(desk.LeadAccepted.model_validate(act))
    made.run_until(outage_ends + 45 * timedelta(minutes=1))
    withdrawn = [one for one in who for e in made.events(LEADS, one) if isinstance(e, routing.AssignmentWithdrawn)]
    assert withdrawn == who[9:]


def test_routing_and_clocks_know_which_campaigns_have_touched_the_lead() -> None:
    text = TEXT.replace("when: {attribute: employees, at_least: 1000}", "when: {touched_by: fair}").replace(
        "clocks: []", f"clocks: [{CLOCK}, {CLOCK.replace('id: first', 'id: spring, when: {touched_by: [spring]}')}]"
    )
    made = loop(AgreementsInMemory(((MONDAY, load(text, 1, MONDAY)),)), pools={"inbound": 1, "large": 1})
    seen = {"lead_id": lead(1), "kind": "page_viewed", "occurred_at": MONDAY, "source": {"campaign": "fair"}}
    made.append(intake.EngagementObserved.model_validate({**seen, "engagement_id": "e.1"}))
    for who in (lead(1), lead(2)):
        submit(made, who)

    assert [[r.ask.pool_id for r in made.events(LEADS, who, routing.LeadRouted)] for who in (lead(1), lead(2))] == [
        ["large"],
        ["inbound"],
    ], "a campaign that the lead answered before it wrote counts, and its last source says nothing of it"
    assert [e.clock for e in said(made, lead(1))] == ["first"]

    made.append(intake.EngagementObserved.model_validate({**seen, "engagement_id": "e.2", "source": {"campaign": "spring"}}))
    made.append(
        desk.ReassignmentOrdered.model_validate(
            {
                "lead_id": lead(1), "assignment_id": made.life(lead(1)).offer, "reason": "reroute", "occurred_at": made.now,
                "by": {"kind": "manager", "manager_id": "eve"},
            }
        )
    )  # fmt: skip
    made.run()
    assert [e.clock for e in said(made, lead(1)) if isinstance(e, sla.ClockStarted)] == ["first", "first", "spring"]
    told = [e.campaigns for e in made.events(LEADS, lead(1)) if hasattr(e, "contributions")]
    assert told == [("fair",), ("fair", "spring")]


def changes(made: Replay, rep: str = "ana", **terms: object) -> None:
    joins = {"team_id": "sales", "rep_id": rep, "role": "sdr", "pools": {"inbound": 1}, "calendar": "office", **terms}
    made.append(desk.RepChanged.model_validate(joins))
    made.run()


def one_lead() -> Replay:
    made = loop(AgreementsInMemory(((MONDAY, load(WITH_CLOCK, 1, MONDAY)),)), calendar="office")
    submit(made, lead(1))
    assert said(made, lead(1))[0].deadline_at == datetime.fromisoformat("2026-03-02T16:00:00+01:00")
    made.run_until(MONDAY + HOUR)
    return made


@pytest.mark.parametrize(
    ("terms", "deadline"),
    [
        ({"leave": [{"first": "2026-03-02", "last": "2026-03-03"}]}, "2026-03-04T14:00:00+01:00"),
        ({"breaks": [{"days": [0], "start": 12 * 60, "end": 12 * 60 + 30}]}, "2026-03-02T16:30:00+01:00"),
        ({"calendar": None}, "2026-03-02T16:00:00+01:00"),
    ],
    ids=["leave", "break", "no calendar of his own"],
)
def test_what_the_roster_says_later_of_a_rep_s_hours_moves_his_running_clocks(terms: dict[str, Any], deadline: str) -> None:
    made = one_lead()
    changes(made, **terms)
    again = said(made, lead(1))[-1]
    assert isinstance(again, sla.ClockReplanned)
    assert (again.replanned_at, again.deadline_at) == (MONDAY + HOUR, datetime.fromisoformat(deadline))
    assert again.because.startswith("the hours of ana are others")


def test_a_leave_that_is_withdrawn_brings_the_deadline_back_by_what_is_left() -> None:
    made = one_lead()
    changes(made, leave=[{"first": "2026-03-02", "last": "2026-03-03"}])
    made.run_until(MONDAY + 2 * HOUR)
    changes(made)
    # An hour was charged before the leave, none in it: five hours from eleven UTC on.
    assert said(made, lead(1))[-1].deadline_at == datetime.fromisoformat("2026-03-02T17:00:00+01:00")
    made.run_until(MONDAY + 20 * HOUR)
    told = [type(e).__name__ for e in said(made, lead(1)) if e.clock_id == said(made, lead(1))[0].clock_id]
    assert told == ["ClockStarted", "ClockReplanned", "ClockReplanned", "ClockWarned", "ClockBreached"]


def test_another_zone_moves_the_hours_of_clocks_that_are_the_rep_s() -> None:
    text = WITH_CLOCK.replace("office: {zone: Europe/Berlin,", "office: {zone: Europe/Berlin, zone_of: rep,")
    made = loop(AgreementsInMemory(((MONDAY, load(text, 1, MONDAY)),)), calendar="office")
    submit(made, lead(1))
    made.run_until(MONDAY + HOUR)
    changes(made, zone="America/New_York")
    # Ten UTC is five in New York: what is left of the six hours begins at nine there.
    assert said(made, lead(1))[-1].deadline_at == datetime.fromisoformat("2026-03-02T14:00:00-05:00")


def test_nothing_is_said_where_hours_stay_or_clocks_do_not_run_by_them() -> None:
    made = one_lead()
    changes(made, open_leads_cap=5)
    changes(made, rep="bob", leave=[{"first": "2026-03-02", "last": "2026-03-03"}])
    assert len(said(made, lead(1))) == 1
    other = loop(
        AgreementsInMemory(((MONDAY, load(WITH_CLOCK.replace(", calendar_of: rep", ""), 1, MONDAY)),)), calendar="office"
    )
    submit(other, lead(1))
    changes(other, leave=[{"first": "2026-03-02", "last": "2026-03-03"}])
    assert len(said(other, lead(1))) == 1


def test_a_clock_that_is_paused_takes_the_new_hours_when_it_goes_on_and_one_that_is_due_keeps_the_old() -> None:
    text = WITH_CLOCK.replace("warn_at: [0.5]", "warn_at: [0.5], pauses: [{on: next_step}]")
    made = loop(AgreementsInMemory(((MONDAY, load(text, 1, MONDAY)),)), calendar="office")
    submit(made, lead(1))
    life = made.life(lead(1))
    step = {
        "lead_id": lead(1), "assignment_id": life.offer, "by": {"kind": "rep", "rep_id": life.rep},
        "occurred_at": made.now, "due_at": MONDAY + 2 * HOUR,
    }  # fmt: skip
    made.append(desk.NextStepSet.model_validate(step))
    made.run()
    changes(made, leave=[{"first": "2026-03-03", "last": "2026-03-03"}])
    made.run_until(MONDAY + 2 * HOUR)
    assert [type(e).__name__ for e in said(made, lead(1))] == ["ClockStarted", "ClockPaused", "ClockResumed"]
    # Noon in Berlin: five hours of Monday, none of Tuesday, one of Wednesday.
    assert said(made, lead(1))[-1].deadline_at == datetime.fromisoformat("2026-03-04T10:00:00+01:00")
