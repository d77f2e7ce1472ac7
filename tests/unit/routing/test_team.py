"""Routing by team: who gets a lead, who waits, and what becomes of places."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.events import routing
from schemas.ids import RepId
from services.routing.processors import TEAM
from services.routing.team.candidates import FEW_OF_MANY
from services.routing.team.decide import RELEASED_KEPT_FOR
from services.runtime.replay import AgreementsInMemory
from tests.unit.routing.house import HOUR, MONDAY, SalesTeam, agreement, request


def last(team: SalesTeam, number: int) -> object:
    return team.said(number)[-1]


def test_leads_go_round_among_equals() -> None:
    team = SalesTeam()
    for rep in ("ana", "bob", "cem"):
        team.joins(rep)
    for n in range(6):
        team.asks(n)
    assert [team.owner(n) for n in range(6)] == ["ana", "bob", "cem", "ana", "bob", "cem"]


def test_weights_share_the_leads() -> None:
    team = SalesTeam()
    team.joins("ana", pools={"inbound": 3})
    team.joins("bob", pools={"inbound": 1})
    for n in range(40):
        team.asks(n)
    assert (team.dealt("ana", range(40)), team.dealt("bob", range(40))) == (30, 10)


def test_a_rep_who_returns_is_not_flooded() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.joins("bob")
    team.is_away("bob")
    for n in range(20):
        team.asks(n)
    team.is_back("bob")
    for n in range(20, 26):
        team.asks(n)
    assert team.dealt("bob", range(20, 26)) in (3, 4)


def test_a_newcomer_is_neither_flooded_nor_starved() -> None:
    team = SalesTeam()
    team.joins("ana")
    for n in range(20):
        team.asks(n)
    team.joins("new")
    for n in range(20, 26):
        team.asks(n)
    assert team.dealt("new", range(20, 26)) in (3, 4)


def test_a_decision_says_why_each_other_candidate_was_not_taken() -> None:
    team = SalesTeam()
    team.joins("ana", pools={"inbound": 2})
    for rep in ("bob", "full", "gone", "never"):
        team.joins(rep, cap=1 if rep == "full" else None)
    team.is_away("gone", until=MONDAY + 8 * HOUR)
    team.asks(1, excluded=("ana", "bob", "never"))
    assert team.owner(1) == "full"
    team.asks(2, excluded=("never",))
    assigned = last(team, 2)
    assert isinstance(assigned, routing.LeadAssigned)
    assert {c.rep_id: c.because for c in assigned.candidates} == {
        "ana": "is due first, with a shortfall of 0.67 leads",
        "bob": "has a smaller shortfall than ana, by 0.33 leads",
        "full": "holds 1 leads and may hold 1",
        "gone": "is away until 2026-03-02 17:00 UTC",
        "never": "has had this lead, and rejected it, did not take it up in time, or is not to get it again",
    }
    assert [c.rep_id for c in assigned.candidates if c.taken] == ["ana"]


def test_no_more_than_so_many_candidates_are_listed_and_the_taken_one_first() -> None:
    team = SalesTeam()
    for n in range(FEW_OF_MANY + 15):
        team.joins(f"rep-{n:02}")
    team.asks(1)
    assigned = last(team, 1)
    assert isinstance(assigned, routing.LeadAssigned)
    assert len(assigned.candidates) == FEW_OF_MANY
    assert assigned.candidates[0].taken


def test_names_that_look_like_telephone_numbers_do_not_stop_routing() -> None:
    team = SalesTeam()
    team.joins("rep-0170.1234567")
    team.joins("0049-170-1234567")
    team.asks(1)
    assert team.owner(1) == "0049-170-1234567"


def test_a_lead_waits_with_a_reason_when_everybody_is_full() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1)
    team.joins("bob", cap=1)
    for n in range(3):
        team.asks(n)
    queued = last(team, 2)
    assert isinstance(queued, routing.LeadQueued)
    assert queued.reason is routing.QueueReason.NOBODY_AVAILABLE
    assert queued.because == "nobody of the 2 in inbound can take it now: 2 at the cap"
    assert team.waiting() == [request(2)]


def test_a_release_gives_the_place_to_the_first_in_the_queue() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1)
    team.asks(0)
    team.asks(1, grade="C3")
    team.asks(2, grade="A1")
    team.asks(3, grade="A1")
    assert team.waiting() == [request(2), request(3), request(1)]
    team.releases(0)
    assert team.owner(2) == "ana"
    assert team.waiting() == [request(3), request(1)]


def test_among_equal_grades_who_arrived_first_is_first() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1)
    team.asks(0)
    team.asks(1)
    team.asks(2, arrived_at=MONDAY - HOUR)
    team.releases(0)
    assert team.owner(2) == "ana"
    assert team.waiting() == [request(1)]


def test_a_lead_that_nobody_may_take_holds_up_no_other() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1)
    team.asks(0)
    team.asks(1, grade="A1", excluded=("ana",))
    team.asks(2)
    team.releases(0)
    assert team.owner(2) == "ana"
    assert team.waiting() == [request(1)]


def test_a_rep_of_two_pools_takes_the_better_lead_first() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1, pools={"inbound": 1, "large": 1})
    team.asks(0)
    team.asks(1, pool="inbound", grade="B2")
    team.asks(2, pool="large", grade="A2")
    team.releases(0)
    assert team.owner(2) == "ana"


def test_a_released_request_leaves_the_queue() -> None:
    team = SalesTeam()
    team.asks(1)
    team.releases(1)
    assert team.waiting() == []
    team.joins("ana")
    assert team.owner(1) is None


def test_an_absence_ends_by_itself_and_serves_the_queue() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.is_away("ana", until=MONDAY + 2 * HOUR)
    team.asks(1)
    assert team.owner(1) is None
    team.passes(2 * HOUR)
    assert team.owner(1) == "ana"


def test_a_queue_is_served_when_a_calendar_opens() -> None:
    sunday_noon = MONDAY - timedelta(hours=21)
    team = SalesTeam(start=sunday_noon)
    team.joins("ana", calendar="office")
    team.asks(1)
    queued = last(team, 1)
    assert isinstance(queued, routing.LeadQueued)
    assert [c.because for c in queued.candidates] == ["is outside of the hours of the calendar office until 2026-03-02 08:00 UTC"]
    team.passes(timedelta(hours=19, minutes=59))
    assert team.owner(1) is None
    team.passes(timedelta(minutes=2))  # nine o'clock in Berlin is eight o'clock UTC
    assert team.owner(1) == "ana"


def test_a_place_freed_outside_of_hours_is_dealt_when_they_begin() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1, calendar="office")
    team.asks(0)
    team.asks(1)
    team.passes(9 * HOUR)
    team.releases(0)
    assert team.owner(1) is None
    team.passes(15 * HOUR)
    assert team.owner(1) == "ana"


def test_who_arrives_as_the_hours_begin_does_not_overtake_who_waited_for_them() -> None:
    team = SalesTeam(start=MONDAY - 2 * HOUR)
    team.joins("ana", cap=1, calendar="office")
    team.asks(1)
    team.loop.now = MONDAY - HOUR  # the hours have begun; the timer that says so has not arrived
    team.asks(2)
    assert (team.owner(1), team.owner(2)) == ("ana", None)


def test_a_manager_s_order_asks_for_no_room() -> None:
    team = SalesTeam()
    team.joins("ana", cap=0)
    team.asks(1, ask=routing.Directed(rep_id=RepId("ana")))
    assert team.owner(1) == "ana"


def test_an_order_to_a_rep_who_is_gone_is_said_to_be_so() -> None:
    team = SalesTeam()
    team.asks(1, ask=routing.Directed(rep_id=RepId("ana")))
    queued = last(team, 1)
    assert isinstance(queued, routing.LeadQueued)
    assert queued.reason is routing.QueueReason.REP_GONE
    assert team.waiting() == []


def test_a_rep_who_leaves_loses_his_leads_and_his_places_stay_taken_until_released() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.asks(1)
    team.leaves("ana")
    withdrawn = last(team, 1)
    assert isinstance(withdrawn, routing.AssignmentWithdrawn)
    assert withdrawn.cause == routing.RepGone(rep_id=RepId("ana"))
    team.joins("ana", cap=1)
    team.asks(2)
    assert team.owner(2) is None
    team.releases(1)
    assert team.owner(2) == "ana"


def test_a_place_taken_again_for_a_rep_who_left_is_withdrawn() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.asks(1)
    team.releases(1)
    team.leaves("ana")
    team.asks(1, n=2, ask=routing.Retake(rep_id=RepId("ana")))
    assert isinstance(last(team, 1), routing.AssignmentWithdrawn)
    team.releases(1, n=2)
    ana = team.loop.parts(TEAM.name, "sales")["rep"]["ana"]
    assert (ana.left, ana.open) == (True, 0)


def test_a_place_taken_again_asks_for_no_room() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1)
    team.asks(1)
    team.releases(1)
    team.asks(2)
    team.asks(1, n=2, ask=routing.Retake(rep_id=RepId("ana")))
    team.asks(3)
    team.releases(2)
    assert team.owner(3) is None
    team.releases(1, n=2)
    assert team.owner(3) == "ana"


def test_a_request_not_above_the_highest_release_comes_too_late() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.releases(1, n=2)
    team.asks(1, n=2)
    assert team.said(1) == []
    team.asks(1, n=3)
    assert team.owner(1) == "ana"


def test_a_release_frees_nothing_that_was_asked_for_later() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1)
    team.asks(1, n=2)
    team.releases(1, n=1)
    team.asks(2)
    assert team.owner(2) is None


def test_released_requests_are_forgotten_when_no_dead_letter_can_ask_for_them_any_more() -> None:
    team = SalesTeam()
    team.releases(1)
    team.passes(RELEASED_KEPT_FOR)
    assert len(team.loop.parts(TEAM.name, "sales")["over"]) == 1
    team.passes(timedelta(days=2))
    assert len(team.loop.parts(TEAM.name, "sales")["over"]) == 0


def test_a_claim_pool_waits_for_whoever_takes_the_lead() -> None:
    team = SalesTeam()
    team.joins("ana", pools={"grab": 1})
    team.asks(1, pool="grab")
    queued = last(team, 1)
    assert isinstance(queued, routing.LeadQueued)
    assert queued.reason is routing.QueueReason.TO_BE_CLAIMED
    team.claims("ana", 1)
    assigned = last(team, 1)
    assert isinstance(assigned, routing.LeadAssigned)
    assert (assigned.rep_id, assigned.claimed_by is not None) == ("ana", True)


@pytest.mark.parametrize(
    ("rep", "number", "because"),
    [
        ("ana", 2, "the lead does not wait here any more: somebody has it, or it is out of routing's hands"),
        ("nobody", 1, "nobody is not in sales"),
        ("bob", 1, "bob is not in the pool grab"),
        ("cem", 1, "cem has had this lead, and rejected it, did not take it up in time, or is not to get it again"),
    ],
)
def test_a_claim_that_cannot_be_is_refused_with_a_reason(rep: str, number: int, because: str) -> None:
    team = SalesTeam()
    team.joins("ana", pools={"grab": 1})
    team.joins("bob")
    team.joins("cem", pools={"grab": 1})
    team.asks(1, pool="grab", excluded=("cem",))
    team.claims(rep, number)
    refused = last(team, number)
    assert isinstance(refused, routing.ActionRefused)
    assert (refused.rep_id, refused.because) == (rep, because)


def test_a_request_for_a_pool_that_is_gone_is_answered_so() -> None:
    team = SalesTeam()
    team.asks(1, pool="nothing")
    queued = last(team, 1)
    assert isinstance(queued, routing.LeadQueued)
    assert queued.reason is routing.QueueReason.POOL_GONE


def two_agreements(**changes: str) -> AgreementsInMemory:
    return AgreementsInMemory(((MONDAY - HOUR, agreement()), (MONDAY + HOUR, agreement(2, **changes))))


WITHOUT_LARGE = {"large": "", "- {id: big, pool": ""}


def test_a_new_agreement_sends_away_who_waits_for_a_pool_that_is_gone() -> None:
    team = SalesTeam(two_agreements(**WITHOUT_LARGE))
    team.asks(1, pool="large")
    team.passes(HOUR)
    queued = last(team, 1)
    assert isinstance(queued, routing.LeadQueued)
    assert (queued.reason, queued.agreement_version) == (routing.QueueReason.POOL_GONE, 2)
    assert team.waiting() == []


def test_a_new_agreement_that_deals_out_a_claim_pool_serves_its_queue() -> None:
    team = SalesTeam(two_agreements(grab="  grab: {team: sales, mode: fair}"))
    team.joins("ana", cap=1, pools={"grab": 1})
    team.asks(1, pool="grab")
    team.asks(2, pool="grab")
    team.passes(HOUR)
    assert team.owner(1) == "ana"
    queued = last(team, 2)
    assert isinstance(queued, routing.LeadQueued)
    assert queued.reason is routing.QueueReason.NOBODY_AVAILABLE


def test_an_event_that_names_a_newer_agreement_is_enough_to_send_away() -> None:
    team = SalesTeam(two_agreements(**WITHOUT_LARGE))
    team.asks(1, pool="large")
    team.asks(2, version=2)
    assert [type(e) for e in team.said(1)] == [routing.LeadQueued, routing.LeadQueued]


def test_a_change_said_of_a_rep_who_has_left_does_not_bring_him_back() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.leaves("ana")
    team.changes("ana")
    team.asks(1)
    assert team.owner(1) is None


def test_a_rep_who_comes_into_a_pool_serves_its_queue() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.asks(1, pool="large")
    team.changes("ana", pools={"large": 1})
    assert team.owner(1) == "ana"


def test_a_queue_longer_than_one_decision_is_served_to_its_end() -> None:
    team = SalesTeam()
    for n in range(1200):
        team.asks(n)
    team.joins("ana")
    team.passes(timedelta(seconds=1))
    assert team.waiting() == []
    assert team.dealt("ana", range(1200)) == 1200
