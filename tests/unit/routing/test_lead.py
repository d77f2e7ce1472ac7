"""Routing by lead: which pool, what is asked of a team, what is released, what is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from schemas.agreement import Agreement
from schemas.base import Event
from schemas.events import desk, intake, routing, scoring, sla
from schemas.ids import EventId, RepId, RequestId, SubmissionId, digest
from schemas.lifecycle import State
from schemas.topics import LEADS, TEAMS
from schemas.vocabulary import ByRep
from services.routing.processors import LEAD, TEAM
from services.runtime.protocol import Processor
from services.runtime.replay import AgreementsInMemory, Replay
from tests.unit.routing.house import MONDAY, agreement, lead

ONE = lead(1)


class Sales:
    """One lead and one team, with both processors of routing."""

    processors: ClassVar[tuple[Processor[Any], ...]] = (LEAD, TEAM)

    def __init__(self, *reps: str, attributes: dict[str, Any] | None = None, **terms: str) -> None:
        self.loop = Replay(self.processors, self.known(**terms), start=MONDAY)
        for rep in reps:
            self.joins(rep)
        self.says(
            intake.LeadSubmitted,
            submission_id=SubmissionId(ONE),
            content=digest(b"one"),
            submitted_at=MONDAY,
            attributes=attributes or {},
        )
        self.qualifies()

    def known(self, **terms: str) -> Agreement | AgreementsInMemory:
        return agreement(1, **terms)

    def joins(self, rep: str, team: str = "sales", role: str = "sdr", pool: str = "inbound") -> None:
        self.loop.append(
            desk.RepJoined.model_validate({"team_id": team, "rep_id": rep, "role": role, "pools": {pool: 1}})
        )
        self.loop.run()

    def qualifies(self, grade: str = "B2") -> None:
        self.says(
            scoring.LeadQualified,
            judged_at=self.loop.life(ONE).start,
            rule="demo",
            because="wants a demo",
            score=Decimal(30),
            grade=grade,
            agreement="tests",
            agreement_version=1,
        )

    def says(self, event: type[Event], **fields: Any) -> EventId:
        event_id = self.loop.append(event.model_validate({"lead_id": ONE, **fields}))
        self.loop.run()
        return event_id

    def does(self, action: type[Event], rep: str, offer: str | None = None, **fields: Any) -> EventId:
        return self.says(
            action,
            assignment_id=offer or self.loop.life(ONE).offer,
            by=ByRep(rep_id=RepId(rep)),
            occurred_at=self.loop.now,
            **fields,
        )

    def heard(self, *types: type[Event]) -> list[Any]:
        return self.loop.events(LEADS, ONE, *types)

    def asked(self, team: str = "sales") -> list[Any]:
        return self.loop.events(TEAMS, team, routing.AssignmentRequested, routing.AssignmentReleased)


def test_the_first_rule_that_holds_chooses_the_pool_and_says_why_the_others_did_not() -> None:
    sales = Sales("ana")
    (routed,) = sales.heard(routing.LeadRouted)
    assert (routed.rule, routed.because) == ("everyone", "all others")
    assert routed.ask == routing.FromPool(pool_id="inbound")
    assert [(p.rule, p.because) for p in routed.passed_over] == [("big", "employees is not known")]
    assert sales.loop.life(ONE).rep == "ana"


def test_rules_ask_what_the_submission_said() -> None:
    sales = Sales(attributes={"employees": 2000})
    (routed,) = sales.heard(routing.LeadRouted)
    assert routed.ask.pool_id == "large"


def test_a_request_says_the_grade_and_since_when_the_lead_waits() -> None:
    sales = Sales("ana")
    (asked,) = sales.asked()
    assert (asked.grade, asked.score, asked.number) == ("B2", Decimal(30), 1)
    assert asked.arrived_at - MONDAY < timedelta(seconds=1)


def test_a_rejection_releases_the_place_and_asks_for_somebody_else() -> None:
    sales = Sales("ana", "bob")
    first = sales.loop.life(ONE).offer
    sales.does(desk.LeadRejected, "ana", reason="reroute")
    assert sales.loop.life(ONE).rep == "bob"
    again = sales.asked()
    assert [type(e).__name__ for e in again] == ["AssignmentRequested", "AssignmentReleased", "AssignmentRequested"]
    assert (again[1].request_id, again[1].number) == (first, 1)
    assert again[2].ask == routing.FromPool(pool_id="inbound", excluded=("ana",))
    assert again[2].arrived_at == again[0].arrived_at


def test_an_undone_rejection_takes_the_place_again() -> None:
    sales = Sales("ana")
    offer = sales.loop.life(ONE).offer
    rejection = sales.does(desk.LeadRejected, "ana", reason="reroute")
    sales.does(desk.ActionUndone, "ana", offer=offer, action_id=rejection)
    assert (sales.loop.life(ONE).state, sales.loop.life(ONE).rep) == (State.ASSIGNED, "ana")
    last = sales.asked()[-1]
    assert (last.request_id, last.number, last.ask) == (offer, 2, routing.Retake(rep_id="ana"))
    assert {p.number for p in sales.loop.parts("routing.team", "sales")["place"].values()} == {2}


def test_an_erasure_takes_a_waiting_lead_out_of_the_queue() -> None:
    sales = Sales()
    assert sales.loop.life(ONE).queued is routing.QueueReason.NOBODY_AVAILABLE
    sales.says(intake.LeadErased)
    assert dict(sales.loop.parts("routing.team", "sales")["wait"]) == {}
    assert sales.loop.state("routing.lead", ONE).known.attributes == {}


def test_a_handed_over_lead_goes_to_the_other_role_s_team() -> None:
    sales = Sales("ana")
    sales.joins("eva", team="closers", role="ae", pool="closing")
    sales.does(desk.LeadAccepted, "ana")
    sales.does(desk.LeadHandedOver, "ana", to_role="ae")
    assert sales.loop.life(ONE).rep == "eva"
    assert [type(e).__name__ for e in sales.asked("closers")] == ["AssignmentRequested"]
    assert sales.loop.state("routing.team", "sales").waiting == 0


def test_a_manager_s_order_goes_to_that_rep() -> None:
    sales = Sales("ana", "bob")
    sales.does(desk.ReassignmentOrdered, "boss", to="bob", team_id="sales", reason="reroute")
    assert sales.loop.life(ONE).rep == "bob"
    assert sales.heard(routing.LeadRouted)[-1].rule == "order"


def test_an_order_into_a_team_that_the_agreement_does_not_know_goes_by_the_rules() -> None:
    sales = Sales("ana", "bob")
    sales.does(desk.ReassignmentOrdered, "boss", to="zoe", team_id="nowhere", reason="reroute")
    assert sales.heard(routing.LeadRouted)[-1].rule == "everyone"
    assert sales.loop.life(ONE).held


def test_an_order_to_a_rep_who_is_gone_goes_by_the_rules_then() -> None:
    sales = Sales("ana")
    sales.does(desk.ReassignmentOrdered, "boss", to="zoe", team_id="sales", reason="reroute")
    assert [e.rule for e in sales.heard(routing.LeadRouted)] == ["everyone", "order", "everyone"]
    assert sales.loop.life(ONE).rep == "ana"


def breach(sales: Sales, since: int, answer: Any = None) -> None:
    life = sales.loop.life(ONE)
    sales.says(
        sla.ClockBreached,
        clock_id="clock.1",
        clock="first-response",
        assignment_id=life.offer,
        team_id="sales",
        rep_id="ana",
        deadline_at=sales.loop.now,
        since=since,
        on_breach=answer or sla.Reassign(),
    )


def test_a_breach_takes_the_lead_to_another_rep() -> None:
    sales = Sales("ana", "bob")
    breach(sales, since=sales.loop.life(ONE).last_action)
    assert sales.loop.life(ONE).rep == "bob"
    (withdrawn,) = sales.heard(routing.AssignmentWithdrawn)
    assert withdrawn.because == "ana did not work it in the time that first-response allows"


def test_a_breach_that_only_alerts_takes_nothing_away() -> None:
    sales = Sales("ana", "bob")
    breach(sales, since=sales.loop.life(ONE).last_action, answer=sla.AlertOnly())
    assert sales.loop.life(ONE).rep == "ana"


def test_an_action_on_an_assignment_that_has_ended_is_refused() -> None:
    sales = Sales("ana", "bob")
    offer = sales.loop.life(ONE).offer
    assert offer is not None
    sales.does(desk.LeadRejected, "ana", reason="reroute")
    late = sales.does(desk.LeadAccepted, "ana", offer=offer)
    (refused,) = sales.heard(routing.ActionRefused)
    assert (refused.action_id, refused.action, refused.rep_id) == (late, "LeadAccepted", "ana")
    assert refused.because == "the assignment had ended: the lead is assigned"


def test_an_assignment_that_came_too_late_is_released_and_its_claim_refused() -> None:
    sales = Sales()
    life = sales.loop.life(ONE)
    sales.says(intake.LeadErased)
    sales.says(
        routing.LeadAssigned,
        request_id=life.offer,
        team_id="sales",
        pool_id="grab",
        rep_id="ana",
        number=4,
        claimed_by=EventId("claim"),
        because="ana claimed it",
        agreement="tests",
        agreement_version=1,
    )
    (refused,) = sales.heard(routing.ActionRefused)
    assert (refused.action_id, refused.action) == ("claim", "LeadClaimed")
    assert (sales.asked()[-1].request_id, sales.asked()[-1].number) == (life.offer, 4)


def test_what_is_remembered_of_requests_stays_small() -> None:
    sales = Sales("ana", "bob", "cem")
    for _ in range(3):
        rep = sales.loop.life(ONE).rep
        assert rep is not None
        breach(sales, since=sales.loop.life(ONE).last_action)
    assert len(sales.loop.state("routing.lead", ONE).told) <= 1
    assert sales.loop.life(ONE).state is State.OPEN


def test_a_request_of_a_lead_whose_offer_is_another_is_not_asked_for_twice() -> None:
    sales = Sales("ana")
    sales.qualifies()
    assert len(sales.asked()) == 1
    assert sales.loop.life(ONE).offer == RequestId(f"{ONE}.1")
