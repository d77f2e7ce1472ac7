"""Recycling by example: what a reason leads to, and what wakes a lead that waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.base import Event
from schemas.events import desk, intake
from schemas.events.recycling import DateCame, EngagedAgain, LeadReactivated, LeadRecycled, LeadRetired, SubmittedAgain
from schemas.lifecycle import State
from services.recycling.processor import RECYCLING
from services.recycling.state import Rests
from tests.builders import LEAD, MONDAY, OneLead, agreement, engaged, names, submitted

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def held_lead(**sections: Any) -> OneLead[Rests]:
    a = OneLead(RECYCLING, agreement(**sections))
    a.until_assigned()
    return a


def returned(a: OneLead[Rests], reason: str = "no_budget") -> list[Event]:
    return a.hears(a.act(desk.LeadReturned, reason=reason))


def test_a_returned_lead_rests_as_its_reason_says() -> None:
    a = held_lead()
    said = returned(a)
    assert names(said) == ["LeadRecycled"]
    assert isinstance(said[0], LeadRecycled)
    assert (said[0].reason, said[0].stream, said[0].wakes_at, said[0].wakes_on) == (
        "no_budget",
        "budget",
        MONDAY + 90 * DAY,
        ("pricing_viewed",),
    )
    assert said[0].because == "the reason given was No budget, so it rests for 90d in budget"
    assert a.life.state is State.RECYCLED
    assert RECYCLING.due(a.state) == MONDAY + 90 * DAY


def test_its_date_wakes_it_as_a_new_cycle_once() -> None:
    a = held_lead()
    returned(a)
    said = a.wait(90 * DAY)
    assert names(said) == ["LeadReactivated"]
    assert isinstance(said[0], LeadReactivated)
    assert isinstance(said[0].woken_by, DateCame)
    assert said[0].cycle == 2
    assert a.life.cycle == 2
    assert a.life.state is State.NEW
    assert a.wait(900 * DAY) == []


def test_a_timer_that_comes_twice_while_the_answer_is_on_its_way_wakes_it_once() -> None:
    a = held_lead()
    returned(a)
    a.now = MONDAY + 90 * DAY
    assert names(a.reads(a.timer(a.now))) == ["LeadReactivated"]
    assert a.reads(a.timer(a.now)) == []
    assert a.arrive() == []
    assert a.life.cycle == 2


def test_a_timer_before_the_date_wakes_nobody() -> None:
    a = held_lead()
    returned(a)
    assert a.hears(a.timer(a.now)) == []


def test_an_engagement_that_its_reason_names_wakes_it_and_no_other() -> None:
    a = held_lead()
    returned(a)
    a.wait(HOUR)
    assert a.hears(engaged("webinar_attended", a.now)) == []
    said = a.hears(engaged("pricing_viewed", a.now))
    assert names(said) == ["LeadReactivated"]
    assert isinstance(said[0], LeadReactivated)
    assert isinstance(said[0].woken_by, EngagedAgain)
    assert said[0].because == "pricing_viewed was seen while it rested after cycle 1"


def test_an_engagement_from_before_its_return_that_is_reported_late_wakes_nobody() -> None:
    a = held_lead()
    a.wait(5 * HOUR)
    returned(a)
    a.wait(HOUR)
    assert a.hears(engaged("pricing_viewed", MONDAY)) == []


def test_an_engagement_on_the_way_to_its_rest_wakes_it_when_it_arrives() -> None:
    a = held_lead()
    a.reads(a.act(desk.LeadReturned, reason="no_budget"))
    a.now += timedelta(milliseconds=5)
    assert a.reads(engaged("pricing_viewed", a.now)) == []
    assert names(a.arrive()) == ["LeadReactivated"]
    assert a.life.state is State.NEW


def test_a_submission_wakes_it() -> None:
    a = held_lead()
    returned(a)
    said = a.hears(submitted())
    assert isinstance(said[0], LeadReactivated)
    assert isinstance(said[0].woken_by, SubmittedAgain)


def test_a_submission_on_the_way_to_its_rest_wakes_it_when_it_arrives() -> None:
    a = held_lead()
    assert names(a.reads(a.act(desk.LeadReturned, reason="no_budget"))) == ["LeadRecycled"]
    assert a.reads(submitted()) == []
    assert names(a.arrive()) == ["LeadReactivated"]
    assert a.life.state is State.NEW
    assert a.life.cycle == 2


def test_a_reason_may_retire_and_only_a_submission_brings_back_what_is_retired() -> None:
    a = held_lead()
    said = returned(a, "bad_data")
    assert names(said) == ["LeadRetired"]
    assert isinstance(said[0], LeadRetired)
    assert said[0].because == "the reason given was Bad data"
    a.wait(HOUR)
    assert a.hears(engaged("pricing_viewed", a.now)) == []
    assert a.wait(900 * DAY) == []
    assert names(a.hears(submitted())) == ["LeadReactivated"]


def test_after_the_last_cycle_it_is_retired() -> None:
    a = held_lead(recycling={"cycles_at_most": 2})
    returned(a)
    a.wait(90 * DAY)
    a.until_assigned()
    said = returned(a)
    assert names(said) == ["LeadRetired"]
    assert isinstance(said[0], LeadRetired)
    assert said[0].because == "this was cycle 2, and the agreement gives a lead 2"


def test_a_lost_lead_goes_to_rest_or_stays_lost_as_its_reason_says() -> None:
    a = held_lead()
    a.hears(a.act(desk.LeadAccepted))
    assert names(a.hears(a.act(desk.LeadLost, reason="no_budget"))) == ["LeadRecycled"]
    for reason in ("lost_interest", None, "unheard_of"):
        b = held_lead()
        assert b.hears(b.outcome(desk.LeadLost, reason=reason)) == []
        assert b.life.state is State.LOST
        assert names(b.hears(submitted())) == ["LeadReactivated"]


def test_a_won_lead_is_left_alone() -> None:
    a = held_lead()
    a.hears(a.outcome(desk.LeadWon))
    assert a.hears(submitted()) == []


def test_a_reason_that_the_agreement_has_no_more_rests_as_the_agreement_says_otherwise() -> None:
    a = held_lead(recycling={"otherwise": {"after": "7d", "stream": "rest"}})
    said = returned(a, "forgotten_reason")
    assert isinstance(said[0], LeadRecycled)
    assert (said[0].stream, said[0].wakes_at) == ("rest", MONDAY + 7 * DAY)


def test_an_undone_return_is_answered_anew_when_it_comes_again() -> None:
    a = held_lead()
    a.reads(a.act(desk.LeadReturned, reason="bad_data"), event_id="return")
    a.reads(a.act(desk.ActionUndone, action_id="return"))
    a.arrive()
    assert a.life.held
    said = returned(a, "no_budget")
    assert names(said) == ["LeadRecycled"]
    assert isinstance(said[0], LeadRecycled)
    assert said[0].reason == "no_budget"


def test_a_loss_that_the_crm_takes_back_lets_the_rest_go_on() -> None:
    a = held_lead()
    returned(a)
    a.hears(a.outcome(desk.LeadLost), event_id="lost")
    assert RECYCLING.due(a.state) is None
    a.hears(a.act(desk.ActionUndone, assignment_id="none", action_id="lost"))
    assert a.life.state is State.RECYCLED
    assert RECYCLING.due(a.state) == MONDAY + 90 * DAY
    assert names(a.wait(90 * DAY)) == ["LeadReactivated"]


def test_erasure_forgets_the_rest() -> None:
    a = held_lead()
    returned(a)
    assert a.hears(intake.LeadErased(lead_id=LEAD)) == []
    assert a.state == Rests()
    assert a.hears(submitted()) == []
