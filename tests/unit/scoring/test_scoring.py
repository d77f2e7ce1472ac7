"""Scoring by example: the score with what makes it up, and the verdict whenever the lead is owed one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from schemas.events import desk, intake
from schemas.events.scoring import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored
from schemas.lifecycle import State
from services.scoring.processor import SCORING
from services.scoring.state import Known
from tests.builders import LEAD, MONDAY, TERMS, OneLead, agreement, engaged, names, submitted

DAY = timedelta(days=1)


def lead(**sections: Any) -> OneLead[Known]:
    return OneLead(SCORING, agreement(**sections))


def test_a_submission_is_scored_and_judged_in_that_order() -> None:
    said = lead().reads(submitted(attributes={"employees": 60}))
    assert names(said) == ["LeadScored", "LeadNurtured"]
    scored, verdict = said
    assert isinstance(scored, LeadScored)
    assert isinstance(verdict, LeadNurtured)
    assert (scored.score, scored.fit, scored.engagement, scored.grade) == (25, 25, 0, "A4")
    assert [(c.part, c.rule, c.points, c.because) for c in scored.contributions] == [
        ("fit", "size", 25, "the company has at least 50 people")
    ]
    assert verdict.judged_at == 0
    assert (
        verdict.because == "not ready yet (topic is not known; student is not known; the score is 25, not at least 40)"
    )


def test_a_lead_that_earns_nothing_is_still_scored_once() -> None:
    a = lead()
    said = a.hears(submitted())
    assert names(said) == ["LeadScored", "LeadNurtured"]
    assert isinstance(said[0], LeadScored)
    assert said[0].score == 0
    assert said[0].contributions == ()
    assert a.hears(submitted()) == []


def test_a_hand_raiser_goes_past_the_score() -> None:
    said = lead().hears(submitted(attributes={"topic": "demo"}))
    assert names(said) == ["LeadScored", "LeadQualified"]
    assert isinstance(said[1], LeadQualified)
    assert (said[1].rule, said[1].because) == ("hand-raiser", "asked for a demo (topic is demo)")


def test_a_nurtured_lead_that_becomes_hot_qualifies() -> None:
    a = lead()
    a.hears(submitted(attributes={"employees": 60}))
    assert a.life.state is State.NURTURED
    said = a.hears(engaged("pricing_viewed", MONDAY))
    assert names(said) == ["LeadScored", "LeadQualified"]
    assert a.life.state is State.UNROUTED


def test_a_later_submission_overrides_what_it_says_and_keeps_what_it_leaves_out() -> None:
    a = lead()
    a.hears(submitted(attributes={"employees": 60, "student": True}))
    assert a.life.state is State.DISQUALIFIED
    assert names(a.hears(submitted(attributes={"student": False}))) == ["LeadNurtured"]
    assert a.state.attributes == {"employees": 60, "student": False}


def test_a_repeated_or_void_submission_is_not_scored() -> None:
    a = lead()
    first = submitted(attributes={"employees": 60})
    a.hears(first)
    assert a.hears(first.model_copy(update={"attributes": {"topic": "demo"}})) == []
    a.hears(intake.LeadSuppressed(lead_id=LEAD, reason="spam"))  # type: ignore[arg-type]
    assert a.hears(submitted(attributes={"topic": "demo"})) == []


def test_points_fade_by_themselves_when_their_window_ends() -> None:
    a = lead()
    a.hears(submitted())
    a.hears(engaged("pricing_viewed", MONDAY))
    assert SCORING.due(a.state) == MONDAY + 30 * DAY
    assert a.wait(30 * DAY - timedelta(seconds=1)) == []
    said = a.wait(timedelta(seconds=1))
    assert names(said) == ["LeadScored"]
    assert isinstance(said[0], LeadScored)
    assert said[0].score == 0
    assert SCORING.due(a.state) is None


def test_a_newer_engagement_keeps_the_points_and_moves_the_timer() -> None:
    a = lead()
    a.hears(submitted())
    a.hears(engaged("pricing_viewed", MONDAY))
    a.wait(10 * DAY)
    assert a.hears(engaged("pricing_viewed", MONDAY + 10 * DAY)) == []
    assert SCORING.due(a.state) == MONDAY + 40 * DAY


def test_an_engagement_reported_late_counts_when_it_happened() -> None:
    a = lead()
    a.hears(submitted())
    a.wait(40 * DAY)
    assert a.hears(engaged("pricing_viewed", MONDAY)) == []
    said = a.hears(engaged("pricing_viewed", MONDAY + 35 * DAY))
    assert names(said) == ["LeadScored"]


def test_an_engagement_from_the_future_happened_when_it_was_recorded() -> None:
    a = lead()
    a.hears(submitted())
    a.hears(engaged("pricing_viewed", MONDAY + 300 * DAY))
    assert SCORING.due(a.state) == MONDAY + 30 * DAY


def test_what_was_seen_before_the_first_submission_counts_from_then_on() -> None:
    a = lead()
    assert a.hears(engaged("pricing_viewed", MONDAY)) == []
    said = a.hears(submitted(attributes={"employees": 60}))
    assert names(said) == ["LeadScored", "LeadQualified"]


def test_erasure_forgets_everything_and_the_next_life_begins_anew() -> None:
    a = lead()
    a.hears(submitted(attributes={"employees": 60}))
    a.hears(engaged("pricing_viewed", MONDAY))
    assert a.hears(intake.LeadErased(lead_id=LEAD)) == []
    assert a.state == Known(life=1)
    assert a.hears(engaged("pricing_viewed", MONDAY)) == []
    said = a.hears(submitted())
    assert isinstance(said[0], LeadScored)
    assert said[0].score == 0
    assert names(said) == ["LeadScored", "LeadNurtured"]


def test_a_reactivated_lead_is_owed_a_verdict_even_if_nothing_has_changed() -> None:
    a = lead()
    a.until_assigned()
    a.hears(a.act(desk.LeadReturned, reason="no_budget"))
    a.hears(a.recycled())
    a.hears(submitted())
    said = a.hears(a.reactivated())
    assert names(said) == ["LeadNurtured"]
    assert a.life.state is State.NURTURED
    assert a.life.cycle == 2


def test_an_unmerged_lead_is_owed_a_verdict() -> None:
    a = lead()
    a.hears(submitted())
    other = "0b0f6c1a-5b5e-5f6e-9d58-1f0b7c3f8a12"
    a.hears(intake.LeadsMerged.model_validate({"lead_id": LEAD, "survivor": other}))
    assert names(a.hears(intake.LeadsUnmerged.model_validate({"lead_id": LEAD, "survivor": other}))) == ["LeadNurtured"]


def test_a_lead_that_an_undone_loss_makes_nurtured_again_is_judged_by_what_it_did_meanwhile() -> None:
    a = lead()
    a.hears(submitted(attributes={"employees": 60}))
    a.hears(a.outcome(desk.LeadLost), event_id="crm-lost")
    assert names(a.hears(engaged("pricing_viewed", MONDAY))) == ["LeadScored"]
    said = a.hears(a.act(desk.ActionUndone, assignment_id="none", action_id="crm-lost"))
    assert names(said) == ["LeadQualified"]


def test_what_sales_already_has_is_scored_but_not_judged() -> None:
    a = lead()
    a.until_assigned()
    assert names(a.hears(engaged("pricing_viewed", MONDAY))) == ["LeadScored"]
    assert names(a.hears(submitted(attributes={"topic": "demo"}))) == []


def test_a_waiting_lead_that_says_it_is_a_student_is_disqualified() -> None:
    a = lead()
    a.hears(submitted(attributes={"employees": 60, "topic": "demo"}))
    assert a.life.state is State.UNROUTED
    said = a.hears(submitted(attributes={"topic": "other", "student": True}))
    assert isinstance(said[0], LeadDisqualified)
    assert a.life.state is State.DISQUALIFIED


def test_while_its_verdict_is_on_its_way_the_same_verdict_is_not_said_again() -> None:
    a = lead()
    assert names(a.reads(submitted(attributes={"topic": "demo"}))) == ["LeadScored", "LeadQualified"]
    assert a.reads(submitted()) == []
    assert a.arrive() == []
    assert a.life.state is State.UNROUTED


def test_a_verdict_that_changes_while_the_first_is_on_its_way_is_said_after_it() -> None:
    a = lead()
    a.reads(submitted(attributes={"employees": 60}))
    assert names(a.reads(engaged("pricing_viewed", MONDAY))) == ["LeadScored", "LeadQualified"]
    assert a.arrive() == []
    assert a.life.state is State.UNROUTED


def test_a_nurtured_lead_is_judged_anew_when_a_new_agreement_comes_into_force() -> None:
    a = lead()
    a.hears(submitted(attributes={"employees": 60}))
    assert SCORING.touched_by_agreement(a.state)
    definition = [dict(r) for r in TERMS["definition"]]
    definition[2] = {**definition[2], "when": {"score": {"at_least": 20}}}
    a.agreement = agreement(2, definition=definition)
    said = a.hears(a.timer(a.now))
    assert names(said) == ["LeadQualified"]
    assert isinstance(said[0], LeadQualified)
    assert said[0].agreement_version == 2


def test_a_campaign_that_touched_the_lead_once_is_remembered() -> None:
    fit = [
        {
            "id": "spring",
            "points": Decimal("0.1"),
            "when": {"touched_by": "spring"},
            "because": "came by the spring campaign",
        },
        {
            "id": "mail",
            "points": Decimal("0.2"),
            "when": {"source": "channel", "equals": "email"},
            "because": "came by mail",
        },
    ]
    a = lead(scoring={"fit": fit}, definition=[{"id": "rest", "verdict": "nurtured", "because": "not ready"}])
    said = a.hears(submitted(source={"campaign": "spring", "channel": "ads"}))
    assert isinstance(said[0], LeadScored)
    assert said[0].score == Decimal("0.1")
    said = a.hears(submitted(source={"campaign": "summer", "channel": "email"}))
    assert isinstance(said[0], LeadScored)
    assert said[0].score == Decimal("0.3")


def test_a_decimal_attribute_is_compared_as_a_number_after_it_travelled_as_text() -> None:
    fit = [{"id": "rich", "points": 5, "when": {"attribute": "budget", "at_least": 1000}, "because": "has money"}]
    a = lead(scoring={"fit": fit}, definition=[{"id": "rest", "verdict": "nurtured", "because": "not ready"}])
    event = submitted(attributes={"budget": Decimal("1000.50")})
    said = a.hears(type(event).model_validate_json(event.model_dump_json()))
    assert isinstance(said[0], LeadScored)
    assert said[0].score == 5


def test_engagements_that_no_rule_can_count_are_forgotten() -> None:
    a = lead()
    a.hears(submitted())
    for i in range(200):
        a.hears(engaged("mail_clicked", MONDAY - timedelta(minutes=i)))
        a.hears(engaged("unheard_of", MONDAY))
    assert len(a.state.engagements["mail_clicked"]) == 10
    assert "unheard_of" not in a.state.engagements
