"""Offers that stand for a time, and who had the lead before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.events import desk, recycling, routing
from schemas.lifecycle import State
from services.routing.processors import LEAD
from tests.unit.routing.house import HOUR
from tests.unit.routing.test_lead import ONE, Sales

INBOUND = "  inbound: {team: sales, accept_within: 15m}"
QUARTER = timedelta(minutes=15)


def wait(sales: Sales, length: timedelta) -> None:
    sales.loop.run_until(sales.loop.now + length)


def test_an_offer_that_nobody_accepts_is_withdrawn_and_goes_to_the_next() -> None:
    sales = Sales("ana", "bob", inbound=INBOUND)
    [first] = sales.heard(routing.LeadAssigned)
    assert first.accept_by - sales.loop.now <= QUARTER
    wait(sales, QUARTER + timedelta(seconds=1))
    [withdrawn] = sales.heard(routing.AssignmentWithdrawn)
    assert withdrawn.cause.kind == "not_accepted"
    assert withdrawn.because == "ana did nothing with it in the time that the offer stood"
    assert [a.rep_id for a in sales.heard(routing.LeadAssigned)] == ["ana", "bob"]


def test_whatever_a_rep_does_with_it_keeps_the_offer() -> None:
    for action, more in ((desk.LeadAccepted, {}), (desk.ContactAttempted, {"channel": "phone", "disposition": "busy"})):
        sales = Sales("ana", "bob", inbound=INBOUND)
        wait(sales, QUARTER / 2)
        sales.does(action, "ana", **more)
        wait(sales, 3 * QUARTER)
        assert sales.heard(routing.AssignmentWithdrawn) == []


def test_an_acceptance_that_is_undone_begins_the_time_anew() -> None:
    sales = Sales("ana", "bob", inbound=INBOUND)
    accepted = sales.does(desk.LeadAccepted, "ana")
    wait(sales, HOUR)
    sales.does(desk.ActionUndone, "ana", action_id=accepted)
    wait(sales, QUARTER - timedelta(seconds=2))
    assert sales.heard(routing.AssignmentWithdrawn) == []
    wait(sales, timedelta(seconds=4))
    assert len(sales.heard(routing.AssignmentWithdrawn)) == 1


def test_the_time_of_an_offer_runs_by_the_rep_s_hours() -> None:
    sales = Sales(inbound=INBOUND)
    wait(sales, 7 * HOUR - timedelta(minutes=5))
    sales.loop.append(
        desk.RepJoined.model_validate(
            {"team_id": "sales", "rep_id": "ana", "role": "sdr", "pools": {"inbound": 1}, "calendar": "office"}
        )
    )
    sales.loop.run()
    [offer] = sales.heard(routing.LeadAssigned)
    tomorrow = datetime(2026, 3, 3, 8, 10, tzinfo=UTC)
    assert abs(offer.accept_by - tomorrow) < timedelta(seconds=1), "five minutes today, ten tomorrow"


def in_the_second_cycle(sales: Sales) -> None:
    sales.does(desk.LeadReturned, "ana", reason="reroute")
    epoch = sales.loop.life(ONE).epoch
    for event, more in (
        (recycling.LeadRecycled, {"reason": "reroute", "stream": "nurture", "wakes_at": None}),
        (recycling.LeadReactivated, {"cycle": 2, "woken_by": {"kind": "date", "due_at": sales.loop.now}}),
    ):
        told = {"epoch": epoch, "because": "it is time", "agreement": "tests", "agreement_version": 1, **more}
        sales.says(event, **{k: v for k, v in told.items() if k in event.model_fields})
        epoch = sales.loop.life(ONE).epoch
    assert sales.loop.life(ONE).state is State.NEW
    sales.qualifies()


def test_a_lead_that_comes_back_goes_to_who_accepted_it_although_another_is_due() -> None:
    sales = Sales("ana", "bob")
    sales.does(desk.LeadAccepted, "ana")
    in_the_second_cycle(sales)
    again = sales.heard(routing.LeadAssigned)[-1]
    assert (again.rep_id, again.chosen_by) == ("ana", routing.ChosenBy.KNOWN_LEAD)
    assert again.because == "ana accepted this lead in an earlier cycle"


def test_who_never_took_it_up_does_not_own_it() -> None:
    sales = Sales("ana", "bob")
    in_the_second_cycle(sales)
    again = sales.heard(routing.LeadAssigned)[-1]
    assert (again.rep_id, again.chosen_by) == ("bob", routing.ChosenBy.TURN)


def test_everybody_who_had_the_lead_is_remembered() -> None:
    sales = Sales("ana", "bob")
    sales.does(desk.LeadAccepted, "ana")
    sales.does(desk.LeadRejected, "ana", reason="reroute")
    assert [(h.rep, h.cycle, h.accepted) for h in sales.loop.state(LEAD.name, ONE).had] == [
        ("ana", 1, True),
        ("bob", 1, False),
    ]


def test_how_an_assignment_ended_is_told_to_the_team() -> None:
    sales = Sales("ana", "bob")
    sales.does(desk.LeadRejected, "ana", reason="reroute")
    sales.does(desk.LeadAccepted, "bob")
    sales.does(desk.LeadWon, "bob")
    released = [e.ended for e in sales.asked() if isinstance(e, routing.AssignmentReleased)]
    assert released == [routing.Ended.REJECTED, routing.Ended.WON]
