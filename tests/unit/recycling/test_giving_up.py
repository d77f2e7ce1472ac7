"""Leads that nobody goes on with: unreachable after the agreed attempts, or taken away unworked too often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.base import Event
from schemas.events import desk
from schemas.events.recycling import GivenUpAs, LeadGivenUp
from schemas.lifecycle import State
from services.recycling.processor import RECYCLING
from services.recycling.state import Rests
from tests.builders import OneLead, agreement, engaged, names, submitted

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
GIVING_UP = {"attempts": 2, "channels": 2, "reasons": ["no_budget"], "by_itself_after": "2d"}


def tried(*channels: str, **sections: Any) -> OneLead[Rests]:
    """A lead in hand that was tried by these channels."""
    a = OneLead(RECYCLING, agreement(**{"giving_up": GIVING_UP, **sections}))
    a.until_assigned()
    a.hears(a.act(desk.LeadAccepted))
    for channel in channels:
        attempt(a, channel)
    return a


def attempt(a: OneLead[Rests], channel: str, name: str | None = None) -> list[Event]:
    return a.hears(a.act(desk.ContactAttempted, channel=channel, disposition="no_answer"), event_id=name)


def test_after_the_agreed_attempts_and_the_agreed_silence_it_comes_back_by_itself() -> None:
    a = tried("phone", "mail")
    assert a.wait(2 * DAY - HOUR) == []
    said = a.wait(HOUR)
    assert names(said) == ["LeadGivenUp", "LeadRecycled"]
    assert isinstance(said[0], LeadGivenUp)
    assert (said[0].given_up_as, said[0].reason) == (GivenUpAs.UNREACHABLE, "no_budget")
    assert said[0].because == "it was tried 2 times by phone, mail and not reached, and nothing has happened for 2d"
    assert a.life.state is State.RECYCLED
    assert names(a.wait(90 * DAY)) == ["LeadReactivated"]


def test_too_few_attempts_or_channels_keep_it_with_its_rep() -> None:
    for channels in ((), ("phone",), ("phone", "phone", "phone")):
        assert tried(*channels).wait(100 * DAY) == []


def test_who_was_reached_is_not_unreachable_unless_that_is_taken_back() -> None:
    a = tried("phone", "mail")
    a.hears(a.act(desk.LeadConnected, channel="phone"), event_id="reached")
    assert a.wait(10 * DAY) == []
    a.hears(a.act(desk.ActionUndone, action_id="reached"))
    assert "LeadGivenUp" in names(a.wait(3 * DAY))


def test_an_attempt_that_is_taken_back_does_not_count() -> None:
    a = tried("phone")
    attempt(a, "mail", "second")
    a.hears(a.act(desk.ActionUndone, action_id="second"))
    assert a.wait(10 * DAY) == []


def test_whatever_happens_gives_it_its_whole_time_again() -> None:
    a = tried("phone", "mail")
    a.wait(DAY)
    a.hears(a.act(desk.NoteAdded))
    a.wait(DAY)
    a.hears(submitted())
    assert a.wait(2 * DAY - HOUR) == []
    assert names(a.wait(HOUR))[0] == "LeadGivenUp"


def test_a_next_step_lets_it_wait_until_then() -> None:
    a = tried("phone", "mail")
    a.hears(a.act(desk.NextStepSet, due_at=a.now + 20 * DAY))
    assert a.wait(22 * DAY - HOUR) == []
    assert names(a.wait(HOUR))[0] == "LeadGivenUp"


def test_an_action_that_is_faster_in_the_log_keeps_it() -> None:
    a = tried("phone", "mail")
    a.now += 2 * DAY
    assert names(a.reads(a.timer(a.now))) == ["LeadGivenUp"]
    assert a.reads(a.timer(a.now)) == []  # a timer that comes twice
    a.reads(a.act(desk.ContactAttempted, channel="phone", disposition="no_answer"))
    assert a.arrive() == []
    assert a.life.state is State.WORKING
    assert names(a.wait(2 * DAY))[0] == "LeadGivenUp"


def test_a_submission_that_is_faster_in_the_log_keeps_it() -> None:
    a = tried("phone", "mail")
    a.now += 2 * DAY
    a.reads(a.timer(a.now))
    a.reads(submitted())
    assert a.arrive() == []
    assert a.life.held


def test_what_the_person_is_seen_doing_does_not_hold_it_up() -> None:
    a = tried("phone", "mail")
    a.wait(DAY)
    a.hears(engaged("mail_clicked", a.now))
    assert names(a.wait(DAY))[0] == "LeadGivenUp"


def test_a_new_agreement_without_it_lets_the_timer_pass() -> None:
    a = tried("phone", "mail")
    a.agreement = agreement(2)
    assert RECYCLING.touched_by_agreement(a.state)
    assert a.wait(10 * DAY) == []


UNWORKED = {"cycles_at_most": 3, "unworked": {"taken_away": 2, "reason": "no_budget"}}


def taken_away(a: OneLead[Rests], rep: str) -> list[Event]:
    a.until_assigned(rep)
    return a.hears(a.withdrawn(since=a.position))


def test_a_lead_that_nobody_works_comes_back() -> None:
    a = OneLead(RECYCLING, agreement(recycling=UNWORKED))
    assert taken_away(a, "anna") == []
    said = taken_away(a, "ben")
    assert names(said) == ["LeadGivenUp", "LeadRecycled"]
    assert isinstance(said[0], LeadGivenUp)
    assert said[0].because == "it was taken away 2 times because nobody worked it"
    assert a.life.state is State.RECYCLED


def test_a_lead_that_somebody_takes_up_first_stays_with_him() -> None:
    a = OneLead(RECYCLING, agreement(recycling=UNWORKED))
    taken_away(a, "anna")
    a.until_assigned("ben")
    assert names(a.reads(a.withdrawn(since=a.position))) == ["LeadGivenUp"]
    a.reads(a.routed())
    a.reads(a.assigned("carl"))
    a.reads(a.act(desk.LeadAccepted))
    assert a.arrive() == []
    assert a.life.held


def test_a_managers_order_goes_before() -> None:
    a = OneLead(RECYCLING, agreement(recycling=UNWORKED))
    taken_away(a, "anna")
    a.until_assigned("ben")
    a.reads(a.withdrawn(since=a.position))
    a.reads(a.routed())
    a.reads(a.act(desk.ReassignmentOrdered, to="carl", team_id="sales", reason="reassigned"))
    assert a.arrive() == []
    assert a.life.ordered_to == ("carl", "sales")
