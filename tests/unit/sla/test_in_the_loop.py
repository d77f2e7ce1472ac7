"""Clocks in the whole loop, in virtual time: the hours that routing tells, a new agreement, an outage of an hour."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

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
