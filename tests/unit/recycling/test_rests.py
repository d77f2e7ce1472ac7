"""Rests by example: what wakes a lead, who gets it then, how often it rests, how it ends, and where it stands in the day."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.agreement import Rest
from schemas.agreement.rest_terms import Recycling, place_of
from schemas.base import Event
from schemas.events import desk, scoring
from schemas.events.recycling import (
    CampaignTouched,
    EngagedAgain,
    LeadReactivated,
    LeadRecycled,
    LeadRetired,
    NextRep,
    ScoreReached,
)
from schemas.lifecycle import State
from services.recycling.processor import RECYCLING
from services.recycling.state import Rests
from tests.builders import LEAD, MONDAY, TERMS, OneLead, agreement, engaged, names, submitted

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MS = timedelta(milliseconds=1)


def resting(rest: dict[str, Any] | None = None, **recycling: Any) -> OneLead[Rests]:
    """A lead that has been returned for no_budget."""
    a = OneLead(RECYCLING, terms(rest, **recycling))
    come_back(a)
    return a


def terms(rest: dict[str, Any] | None = None, **recycling: Any) -> Any:
    then = {"recycle": {"after": "90d", "stream": "budget", **(rest or {})}}
    reasons = [{**TERMS["reasons"][0], "then": then}, *TERMS["reasons"][1:]]
    return agreement(reasons=reasons, recycling={"cycles_at_most": 5, **recycling})


def come_back(a: OneLead[Rests], rep: str = "anna") -> list[Event]:
    a.until_assigned(rep)
    return a.hears(a.act(desk.LeadReturned, reason="no_budget"))


def the(kind: type[Any], said: list[Event]) -> Any:
    [found] = [e for e in said if isinstance(e, kind)]
    return found


def scored(score: str, stage: str | None = None) -> scoring.LeadScored:
    return scoring.LeadScored.model_validate(
        {
            "lead_id": LEAD, "score": score, "fit": score, "engagement": "0", "grade": "A1", "stage": stage,
            "contributions": [], "agreement": "tests", "agreement_version": 1,
        }
    )  # fmt: skip


# ------------------------------------------------------------------ what wakes it


OFTEN = {"wakes_on": [{"engagement": "mail_clicked", "at_least": 3, "within": "7d"}]}


def test_so_many_engagements_in_a_time_wake_it_and_fewer_do_not() -> None:
    a = resting(OFTEN)
    a.wait(HOUR)
    assert a.hears(engaged("mail_clicked", a.now)) == []
    a.wait(8 * DAY)  # the first one is too old to count by now
    assert a.hears(engaged("mail_clicked", a.now)) == []
    assert a.hears(engaged("mail_clicked", a.now)) == []
    woken = the(LeadReactivated, a.hears(engaged("mail_clicked", a.now)))
    assert woken.woken_by == EngagedAgain(engagement="mail_clicked", times=3)
    assert woken.because == "mail_clicked was seen 3 times while it rested after cycle 1"


def test_one_engagement_that_stands_for_several_counts_as_several() -> None:
    a = resting(OFTEN)
    a.wait(HOUR)
    assert names(a.hears(engaged("mail_clicked", a.now, quantity=3))) == ["LeadReactivated"]


def test_engagements_before_its_end_do_not_add_up_with_later_ones() -> None:
    a = OneLead(RECYCLING, terms(OFTEN))
    a.until_assigned()
    a.hears(engaged("mail_clicked", a.now, quantity=2))
    a.now += MS
    a.hears(a.act(desk.LeadReturned, reason="no_budget"))
    a.now += MS
    assert a.hears(engaged("mail_clicked", a.now)) == []


def test_a_score_wakes_it_only_if_it_has_done_something() -> None:
    a = resting({"wakes_from_score": 60})
    a.wait(HOUR)
    assert a.hears(scored("65")) == []  # faded from above: nobody has been seen
    assert a.hears(engaged("webinar_attended", a.now)) != []  # and now it is 65 and seen
    b = resting({"wakes_from_score": 60})
    b.wait(HOUR)
    assert b.hears(engaged("webinar_attended", b.now)) == []
    assert b.hears(scored("59.5")) == []
    woken = the(LeadReactivated, b.hears(scored("60")))
    assert woken.woken_by == ScoreReached(score=Decimal(60))
    assert woken.because == "its score rose to 60 while it rested after cycle 1"


def test_a_campaign_that_touches_it_wakes_it_and_no_other() -> None:
    a = resting({"wakes_on_campaigns": ["new-year"]})
    a.wait(HOUR)
    assert a.hears(engaged("mail_clicked", a.now, source={"campaign": "old-year"})) == []
    woken = the(LeadReactivated, a.hears(engaged("mail_clicked", a.now, source={"campaign": "new-year"})))
    assert woken.woken_by == CampaignTouched(campaign="new-year")


def test_what_was_promised_counts_whatever_the_agreement_says_later() -> None:
    a = resting({"wakes_on": ["pricing_viewed"]})
    a.agreement = agreement(2)
    a.wait(HOUR)
    assert names(a.hears(engaged("pricing_viewed", a.now))) == ["LeadReactivated"]


def test_a_rest_that_an_older_version_remembered_wakes_by_what_it_had_seen() -> None:
    """Its state held one time for each kind."""
    old = Rests(seen={"mail_clicked": 5}, ended_ms=1, wakes_on=("mail_clicked",))
    a = resting()
    a.state = Rests(seen=old.seen, ended_ms=1, wakes_on=("mail_clicked",), sleeps=True, answered=a.life.epoch)
    assert names(a.hears(engaged("webinar_attended", a.now))) == ["LeadReactivated"]


# ------------------------------------------------------------------ who gets it


@pytest.mark.parametrize(
    ("next_rep", "not_to", "kept_for"), [("any", None, None), ("another", "anna", None), ("same", None, "anna")]
)
def test_who_may_get_it_is_said_when_it_comes_back(next_rep: str, not_to: str | None, kept_for: str | None) -> None:
    a = resting({"next_rep": next_rep})
    woken = the(LeadReactivated, a.wait(90 * DAY))
    assert woken.not_to == not_to
    assert (woken.kept_for.rep_id if woken.kept_for else None) == kept_for
    assert a.life.excluded == ((not_to,) if not_to else ())
    assert a.life.kept_for == ((kept_for, "sales") if kept_for else None)


def test_a_lost_lead_that_comes_back_by_itself_is_anybodys() -> None:
    a = resting({"next_rep": "same"})
    a.hears(a.outcome(desk.LeadLost, reason="lost_interest"))
    woken = the(LeadReactivated, a.hears(submitted()))
    assert woken.kept_for is None


# ------------------------------------------------------------------ how often, and the end


def test_it_rests_for_a_reason_so_often_and_then_its_end_comes() -> None:
    a = resting({"at_most": 2, "finally": "suppress"})
    a.wait(90 * DAY)
    assert the(LeadRecycled, come_back(a)).times == 2
    a.wait(90 * DAY)
    end = the(LeadRetired, come_back(a))
    assert end.suppressed
    assert end.because == "it has rested 2 times because the reason given was No budget, and the agreement lets it do so 2 times"
    assert a.life.state is State.SUPPRESSED
    assert a.hears(submitted()) == []


def test_after_its_last_cycle_it_ends_as_the_agreement_says() -> None:
    a = resting(cycles_at_most=2, **{"finally": "suppress"})
    a.wait(90 * DAY)
    assert the(LeadRetired, come_back(a)).suppressed


def test_a_reason_may_suppress_at_once() -> None:
    stop = {"id": "stop", "title": "Wants no contact", "for": ["recycle"], "then": "suppress"}
    a = OneLead(RECYCLING, agreement(reasons=[*TERMS["reasons"], stop]))
    a.until_assigned()
    end = the(LeadRetired, a.hears(a.act(desk.LeadReturned, reason="stop")))
    assert (end.suppressed, end.because) == (True, "the reason given was Wants no contact")


def test_a_deal_lost_for_no_known_reason_comes_back_if_the_agreement_says_so() -> None:
    for reason, said in ((None, ["LeadRecycled"]), ("unheard_of", ["LeadRecycled"]), ("lost_interest", [])):
        a = OneLead(RECYCLING, agreement(recycling={"lost": {"after": "180d", "stream": "won-back"}}))
        a.until_assigned()
        assert names(a.hears(a.outcome(desk.LeadLost, reason=reason))) == said


def test_it_says_in_which_stage_the_prospect_was() -> None:
    a = OneLead(RECYCLING, terms())
    a.until_assigned()
    a.hears(scored("50", "decision"))
    said = the(LeadRecycled, a.hears(a.act(desk.LeadReturned, reason="no_budget")))
    assert (said.stream, said.buying_stage, said.next_rep) == ("budget", "decision", NextRep.ANY)


# ------------------------------------------------------------------ where it stands in the day

REST = Rest.model_validate({"after": "90d"})
LEADS = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(i))) for i in range(10_000)]


def test_ten_thousand_that_wake_on_one_day_are_spread_evenly_and_none_is_early() -> None:
    window, hours = Recycling.model_validate({"spread": "8h"}), agreement().calendar(None)
    at = [window.wakes_at(MONDAY, REST, hours, lead) for lead in LEADS]
    assert min(at) >= MONDAY + 90 * DAY
    assert max(at) < MONDAY + 90 * DAY + 8 * HOUR
    slots = Counter((when - MONDAY - 90 * DAY) // timedelta(minutes=5) for when in at)
    assert len(slots) == 96
    expected = len(LEADS) / 96
    chi_square = sum((slots[i] - expected) ** 2 / expected for i in range(96))
    assert chi_square < 146  # 95 degrees of freedom: 0.05 % of even spreads are beyond
    assert at == [window.wakes_at(MONDAY, REST, hours, lead) for lead in LEADS]


def test_within_a_calendar_they_wake_in_its_hours_only() -> None:
    office = {"zone": "Europe/Berlin", "open": {"mon-fri": ["09:00-17:00"]}}
    terms_ = agreement(calendars={"office": office, "always": {"open": "always"}})
    window, hours = Recycling.model_validate({"spread": "16h", "calendar": "office"}), terms_.calendar("office")
    night = MONDAY + 15 * HOUR  # half past nothing: the office is closed
    days: Counter[str] = Counter()
    for lead in LEADS[:2000]:
        at = window.wakes_at(night, Rest.model_validate({"after": "1d"}), hours, lead)
        assert at >= night + DAY
        assert hours.is_open(at - MS)
        days[f"{at:%a}"] += 1
    assert set(days) == {"Wed", "Thu"}  # two days of eight hours
    assert abs(days["Wed"] - days["Thu"]) < 200


def test_a_window_that_spans_the_end_of_summer_time_makes_nobody_early() -> None:
    before_the_change = MONDAY.replace(month=10, day=24, hour=23)
    window = Recycling.model_validate({"spread": "6h", "calendar": "berlin"})
    berlin = agreement(calendars={"berlin": {"zone": "Europe/Berlin", "open": {"mon-sun": ["01:00-04:00"]}}, "always": {"open": "always"}})
    for lead in LEADS[:500]:
        at = window.wakes_at(before_the_change, Rest.model_validate({"after": "1h"}), berlin.calendar("berlin"), lead)
        assert at >= before_the_change + HOUR
        assert berlin.calendar("berlin").is_open(at - MS)


def test_a_lead_stands_in_the_same_place_of_every_window() -> None:
    for lead in LEADS[:100]:
        assert place_of(lead, timedelta()) == timedelta()
        assert abs(place_of(lead, 2 * HOUR) - 2 * place_of(lead, HOUR)) <= 2 * MS


def test_its_date_is_kept_to_the_millisecond_by_a_timer() -> None:
    a = resting(spread="8h")
    at = MONDAY + 90 * DAY + place_of(LEAD, 8 * HOUR)
    assert RECYCLING.due(a.state) == at
    a.now = at - MS
    assert a.hears(a.timer(a.now)) == []
    a.now = at
    assert names(a.hears(a.timer(at))) == ["LeadReactivated"]
