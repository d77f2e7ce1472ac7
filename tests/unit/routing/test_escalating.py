"""Late steps of an escalation: a lead that nobody works is offered to the team, then given to somebody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas.events import desk, routing, sla
from schemas.lifecycle import State
from schemas.topics import LEADS
from services.routing.lead.state import LeadRouting, due
from services.routing.processors import LEAD
from services.runtime.replay import AgreementsInMemory
from services.sla.processor import SLA
from tests.unit.routing.house import HOUR, MONDAY, agreement
from tests.unit.routing.test_lead import ONE, Sales

MINUTE = timedelta(minutes=1)
CLOCKS = "clocks: [{id: first, met_by: [accepted, attempted, connected, meeting], within: 2h, calendar: always}]"
PATH = """
escalations:
  - id: unworked
    clocks: [first]
    steps:
      - {on: breached, after: 1h, do: offer_to_team}
      - {on: breached, after: 3h, do: reassign}
"""
ONLY_REASSIGN = PATH.replace("      - {on: breached, after: 1h, do: offer_to_team}\n", "")
ONLY_OFFER = PATH.replace("      - {on: breached, after: 3h, do: reassign}\n", "")


class Floor(Sales):
    """A lead, a team, and sla."""

    processors = (*Sales.processors, SLA)

    def __init__(self, *reps: str, path: str = PATH, **terms: str) -> None:
        super().__init__(*reps, **{"clocks": CLOCKS + path, **terms})

    def waits(self, length: timedelta) -> None:
        self.loop.run_until(self.loop.now + length)

    def claims(self, rep: str) -> None:
        life = self.loop.life(ONE)
        self.loop.append(
            desk.LeadClaimed.model_validate(
                {"team_id": "sales", "lead_id": ONE, "request_id": life.offer, "rep_id": rep}
            )
        )
        self.loop.run()

    def owners(self) -> list[str]:
        return [a.rep_id for a in self.heard(routing.LeadAssigned)]


def test_a_lead_that_stays_unworked_is_offered_to_the_team_and_the_first_to_claim_it_has_it() -> None:
    floor = Floor("ana", "bob", "cem")
    floor.waits(3 * HOUR - MINUTE)
    assert floor.heard(routing.AssignmentWithdrawn) == [], "the breach itself takes nothing away"
    floor.waits(2 * MINUTE)

    [withdrawn] = floor.heard(routing.AssignmentWithdrawn)
    assert withdrawn.because == (
        "ana did not work it in 1h after first had run out, so it is offered to the team (unworked)"
    )
    [breach] = floor.heard(sla.ClockBreached)
    assert withdrawn.cause.until == breach.deadline_at + 3 * HOUR
    [queued] = floor.heard(routing.LeadQueued)
    assert (queued.reason, queued.until) == (routing.QueueReason.TO_BE_CLAIMED, withdrawn.cause.until)
    assert queued.because == "it is offered to the team: whoever of inbound takes it first has it"
    assert floor.heard(routing.LeadRouted)[-1].because == f"all others; {withdrawn.because}"

    floor.claims("cem")
    floor.claims("bob")

    life = floor.loop.life(ONE)
    assert (life.state, life.rep) == (State.ACCEPTED, "cem")
    [refused] = floor.heard(routing.ActionRefused)
    assert refused.rep_id == "bob"
    floor.waits(9 * HOUR)
    assert floor.owners() == ["ana", "cem"]


def test_what_nobody_claims_is_dealt_when_the_path_reassigns() -> None:
    floor = Floor("ana", "bob")
    floor.waits(5 * HOUR + MINUTE)
    last = floor.heard(routing.LeadAssigned)[-1]
    assert (last.rep_id, last.because) == ("bob", "nobody has claimed it in time, and bob is due in inbound")
    assert last.claimed_by is None


def test_who_was_late_may_claim_it_back_once_but_is_not_dealt_it() -> None:
    floor = Floor("ana")
    floor.waits(3 * HOUR + MINUTE)
    floor.claims("ana")
    assert floor.loop.life(ONE).state is State.ACCEPTED
    floor.does(desk.NoteAdded, "ana")
    # Accepting has met the clock; a breach of her second assignment is said by hand.
    timer = floor.loop.life(ONE)
    floor.says(
        sla.ClockBreached,
        clock_id=f"{timer.offer}.first.99", clock="first", assignment_id=timer.offer, team_id="sales", rep_id="ana",
        deadline_at=floor.loop.now, since=10_000, on_breach=sla.AlertOnly(),
    )  # fmt: skip
    floor.waits(HOUR + MINUTE)
    assert floor.loop.life(ONE).queued is routing.QueueReason.TO_BE_CLAIMED
    floor.claims("ana")
    [refused] = floor.heard(routing.ActionRefused)
    assert refused.because.startswith("ana has had this lead")
    floor.waits(3 * HOUR)
    assert floor.loop.life(ONE).queued is routing.QueueReason.NOBODY_AVAILABLE, "and she is not dealt it either"


def test_a_rep_who_rejected_the_lead_cannot_claim_it_and_is_not_given_it() -> None:
    floor = Floor("ana", "bob")
    floor.does(desk.LeadRejected, "ana", reason="reroute")
    assert floor.loop.life(ONE).rep == "bob"
    floor.waits(3 * HOUR + MINUTE)
    floor.claims("ana")
    [refused] = floor.heard(routing.ActionRefused)
    assert refused.rep_id == "ana"
    floor.waits(9 * HOUR)
    assert floor.owners() == ["ana", "bob"]


def test_reassigning_gives_it_to_another_rep_and_says_why() -> None:
    floor = Floor("ana", "bob", path=ONLY_REASSIGN)
    floor.waits(5 * HOUR + MINUTE)
    [withdrawn] = floor.heard(routing.AssignmentWithdrawn)
    assert withdrawn.cause.kind == "escalated"
    assert withdrawn.because == "ana did not work it in 3h after first had run out, so it goes to another rep (unworked)"
    assert floor.owners() == ["ana", "bob"]
    assert str(withdrawn.because) in floor.heard(routing.LeadRouted)[-1].because


@pytest.mark.parametrize(
    ("action", "more"),
    [
        (desk.LeadAccepted, {}),
        (desk.ContactAttempted, {"channel": "phone", "disposition": "busy"}),
        (desk.LeadConnected, {"channel": "phone"}),
        (desk.MeetingRecorded, {"outcome": "booked"}),
    ],
)
def test_the_path_stops_the_moment_the_lead_is_worked(action: Any, more: dict[str, Any]) -> None:
    floor = Floor("ana", "bob")
    floor.waits(3 * HOUR - MINUTE)
    floor.does(action, "ana", **more)
    assert due(floor.loop.state(LEAD.name, ONE)) is None
    floor.waits(9 * HOUR)
    assert floor.owners() == ["ana"]


def test_a_note_is_no_work() -> None:
    floor = Floor("ana", "bob")
    floor.waits(3 * HOUR - MINUTE)
    floor.does(desk.NoteAdded, "ana")
    floor.waits(2 * MINUTE)
    assert len(floor.heard(routing.AssignmentWithdrawn)) == 1


def test_an_action_that_happened_in_time_takes_the_breach_back_and_ends_the_path() -> None:
    floor = Floor("ana", "bob", clocks=CLOCKS.replace("accepted, attempted, connected, meeting", "noted") + PATH)
    floor.waits(3 * HOUR - MINUTE)
    floor.says(
        desk.NoteAdded,
        assignment_id=floor.loop.life(ONE).offer, by={"kind": "rep", "rep_id": "ana"}, occurred_at=MONDAY + HOUR,
    )  # fmt: skip
    assert len(floor.heard(sla.ClockCorrected)) == 1
    floor.waits(9 * HOUR)
    assert floor.heard(routing.AssignmentWithdrawn) == []


def test_a_step_in_the_hours_of_a_calendar_counts_open_time() -> None:
    path = PATH.replace("after: 1h,", "after: 8h, calendar: office,").replace("after: 3h,", "after: 20h, calendar: office,")
    floor = Floor("ana", "bob", path=path)
    floor.waits(27 * HOUR)
    # Breached on Monday, 12:00 in Berlin: five hours of Monday, three of Tuesday.
    [withdrawn] = floor.heard(routing.AssignmentWithdrawn)
    at = next(r.record.at for r in floor.loop.log(LEADS, ONE) if r.event == withdrawn)
    assert abs(at - (MONDAY + 26 * HOUR)) < MINUTE
    assert withdrawn.cause.until > MONDAY + 24 * HOUR


def test_an_offer_without_a_later_step_waits_until_it_is_claimed() -> None:
    floor = Floor("ana", "bob", path=ONLY_OFFER)
    floor.waits(99 * HOUR)
    assert floor.loop.life(ONE).queued is routing.QueueReason.TO_BE_CLAIMED
    floor.claims("bob")
    assert floor.loop.life(ONE).rep == "bob"


def test_an_offer_in_a_pool_whose_leads_overflow_goes_on() -> None:
    floor = Floor("ana", "bob", path=ONLY_OFFER, inbound="  inbound: {team: sales, overflow: {after: 2h, to: large}}")
    floor.joins("lou", pool="large")
    floor.waits(3 * HOUR + MINUTE)
    assert floor.loop.life(ONE).queued is routing.QueueReason.TO_BE_CLAIMED
    floor.waits(2 * HOUR)
    assert floor.loop.life(ONE).rep == "lou"


def test_an_agreement_without_the_step_lets_it_not_come() -> None:
    class Amended(Floor):
        def known(self, **terms: str) -> AgreementsInMemory:
            return AgreementsInMemory(
                ((MONDAY - HOUR, agreement(1, **terms)), (MONDAY + 2 * HOUR, agreement(2, clocks=CLOCKS)))
            )

    floor = Amended("ana", "bob")
    floor.waits(9 * HOUR)
    assert floor.heard(routing.AssignmentWithdrawn) == []


def test_what_was_remembered_before_there_were_such_steps_can_be_read() -> None:
    import msgspec

    old = msgspec.json.decode(b'{"routed":4,"arrived_ms":7}', type=LeadRouting)
    assert (old.moves, old.to_team, due(old)) == ((), None, None)


# ------------------------------------------------------------------ outages


@pytest.mark.parametrize(
    ("answer", "expected"), [("grace", [120, 80]), ("alert", [None, None]), ("reassign", [0, 40])]
)
def test_breaches_that_an_outage_held_up_do_not_take_all_leads_away_at_once(
    answer: str, expected: list[int | None]
) -> None:
    """Breaches an hour and twenty minutes old are detected: their step of one hour comes so many minutes later."""
    taken = []
    for age in (HOUR, 20 * MINUTE):
        floor = Floor("ana", "bob", clocks=f"{CLOCKS}\ndetected_late: {{answer: {answer}}}{PATH}")
        floor.waits(2 * HOUR - MINUTE)
        [started] = floor.heard(sla.ClockStarted)
        detected = floor.loop.now = started.deadline_at + age
        floor.waits(timedelta(seconds=1))
        [breach] = floor.heard(sla.ClockBreached)
        assert breach.detected_late
        floor.waits(12 * HOUR)
        at = _taken_at(floor)
        taken.append(None if at is None else round((at - detected) / MINUTE))
    assert taken == expected


def test_steps_that_fell_due_while_routing_was_away_are_put_off_together_and_keep_their_order() -> None:
    floor = Floor("ana", "bob")
    floor.waits(2 * HOUR + MINUTE)
    [breach] = floor.heard(sla.ClockBreached)
    floor.loop.now = breach.deadline_at + 4 * HOUR  # both steps have passed meanwhile
    floor.loop.run_until(floor.loop.now)
    assert floor.heard(routing.AssignmentWithdrawn) == []
    floor.waits(4 * HOUR + MINUTE)
    assert [w.cause.kind for w in floor.heard(routing.AssignmentWithdrawn)] == ["offered_to_team"]
    # Three hours late, and a clock's own time is two: that much is given back.
    assert round((_taken_at(floor) - breach.deadline_at) / MINUTE) == 6 * 60
    assert floor.owners() == ["ana", "bob"], "and two hours after the offer nobody has claimed it"


def _taken_at(floor: Floor) -> datetime | None:
    times = [r.record.at for r in floor.loop.log(LEADS, ONE) if isinstance(r.event, routing.AssignmentWithdrawn)]
    return times[0] if times else None
