"""Leads that wait too long, claims that nobody makes, and pools that go by skills or by what is held."""

from __future__ import annotations

from datetime import timedelta

from schemas.events import routing
from schemas.topics import LEADS
from tests.unit.routing.house import HOUR, SalesTeam, agreement
from tests.unit.routing.test_lead import ONE, Sales

INBOUND = "  inbound: {team: sales, overflow: {after: 1h, to: large}}"


def queued(team: SalesTeam, number: int) -> list[tuple[str, bool]]:
    return [(e.reason.value, e.until is not None) for e in team.said(number) if isinstance(e, routing.LeadQueued)]


def test_a_lead_that_waits_too_long_is_sent_on_and_stands_in_the_queue_no_more() -> None:
    team = SalesTeam(agreement(inbound=INBOUND))
    team.asks(1)
    team.passes(HOUR - timedelta(seconds=1))
    assert queued(team, 1) == [("nobody_available", True)]
    team.passes(timedelta(seconds=2))
    assert queued(team, 1)[-1] == ("overflowed", False)
    assert team.waiting() == []


def test_it_goes_to_the_pool_that_takes_what_overflows_keeps_its_arrival_and_does_not_go_back() -> None:
    sales = Sales(inbound=INBOUND)
    arrived = sales.asked()[0].arrived_at
    sales.loop.run_until(sales.loop.now + 2 * HOUR)
    routed = sales.heard(routing.LeadRouted)
    assert [r.ask.pool_id for r in routed] == ["inbound", "large"]
    assert routed[1].because == "all others; it waited too long in inbound"
    assert [a.arrived_at for a in sales.asked() if isinstance(a, routing.AssignmentRequested)] == [arrived, arrived]
    sales.joins("ana", pool="large")
    assert sales.loop.life(ONE).rep == "ana"


def test_nobody_claims_a_lead_in_time_so_it_is_dealt() -> None:
    team = SalesTeam(agreement(grab="  grab: {team: sales, mode: claim, claim_within: 30m}"))
    team.joins("ana", pools={"grab": 1})
    team.asks(1, pool="grab")
    assert queued(team, 1) == [("to_be_claimed", True)]
    team.passes(HOUR / 2 + timedelta(seconds=1))
    assert team.owner(1) == "ana"
    team.is_away("ana")
    team.asks(2, pool="grab")
    team.passes(HOUR)
    assert queued(team, 2) == [("to_be_claimed", True), ("nobody_available", False)]
    team.claims("ana", 2)
    assert team.owner(2) is None, "it is dealt now, and waits for somebody who is there"
    team.is_back("ana")
    assert team.owner(2) == "ana"


def test_a_lead_goes_to_who_has_its_skills_and_the_others_are_not_held_up() -> None:
    team = SalesTeam(agreement(inbound="  inbound: {team: sales, mode: skill, skills_from: topic}"))
    team.joins("ana", cap=1, skills=("de", "FR"))
    team.joins("bob", cap=5, skills=("en",))
    team.asks(1, skills=("fr",))
    team.asks(2, skills=("fr",))
    team.asks(3, skills=("en",))
    assert [team.owner(n) for n in (1, 2, 3)] == ["ana", None, "bob"]
    said = [e for e in team.said(2) if isinstance(e, routing.LeadQueued)][-1]
    assert {c.rep_id: c.because for c in said.candidates} == {
        "ana": "holds 1 leads and may hold 1",
        "bob": "lacks the skill fr",
    }
    team.releases(1)
    assert team.owner(2) == "ana"


def test_the_fewest_open_pool_gives_to_him_who_holds_the_fewest() -> None:
    team = SalesTeam(agreement(inbound="  inbound: {team: sales, mode: fewest_open}"))
    team.joins("ana", pools={"inbound": 1, "large": 1})
    team.joins("bob")
    team.asks(1, pool="large")
    for n in (2, 3, 4):
        team.asks(n)
    assert [team.owner(n) for n in (1, 2, 3, 4)] == ["ana", "bob", "ana", "bob"]


def test_the_way_by_which_a_rep_was_chosen_is_said() -> None:
    sales = Sales("ana")
    assigned = sales.loop.events(LEADS, ONE, routing.LeadAssigned)
    assert [a.chosen_by for a in assigned if isinstance(a, routing.LeadAssigned)] == [routing.ChosenBy.TURN]
