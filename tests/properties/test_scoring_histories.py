"""Whatever happens, a score adds up, whatever the order of engagements, and no lead waits for its verdict."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.intake import EngagementObserved
from schemas.events.scoring import LeadScored
from schemas.lifecycle import State
from services.scoring.processor import SCORING
from services.scoring.state import Known
from tests.builders import MONDAY, OneLead, agreement, engaged, submitted
from tests.properties.lead_histories import histories, take


@settings(max_examples=200, deadline=None)
@given(histories)
def test_contributions_always_add_up_and_no_new_lead_waits_for_its_verdict(history: list[str]) -> None:
    lead = OneLead(SCORING)
    last = None
    for step in history:
        for event in take(lead, step):
            if isinstance(event, LeadScored):
                parts = {
                    p: sum((c.points for c in event.contributions if c.part == p), Decimal(0))
                    for p in ("fit", "engagement")
                }
                assert (event.fit, event.engagement) == (parts["fit"], parts["engagement"])
                assert event.score == event.fit + event.engagement
                said = (event.score, event.grade, event.contributions)
                assert said != last or lead.life.life > 1, "said again though nothing has changed"
                last = said
    lead.arrive()
    assert lead.life.state is not State.NEW
    assert lead.arrive() == []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_engagements_count_the_same_in_whatever_order_they_are_reported(data: st.DataObject) -> None:
    seen = data.draw(
        st.lists(
            st.tuples(st.sampled_from(["pricing_viewed", "mail_clicked", "webinar_attended"]), st.integers(0, 900)),
            max_size=25,
        )
    )
    shuffled = data.draw(st.permutations(seen))
    leads = []
    for order in (seen, shuffled):
        lead = OneLead(SCORING, agreement())
        lead.now = MONDAY + timedelta(hours=900)
        lead.hears(submitted())
        for kind, hours in order:
            lead.hears(engaged(kind, MONDAY + timedelta(hours=hours)))
        leads.append(lead)
    one, two = leads
    assert one.state.scored == two.state.scored
    assert one.life.state == two.life.state
    assert one.state.due_ms == two.state.due_ms
    assert {k: [s.at_ms for s in v] for k, v in one.state.engagements.items()} == {
        k: [s.at_ms for s in v] for k, v in two.state.engagements.items()
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["pricing_viewed", "mail_clicked"]), st.integers(0, 60)), max_size=12))
def test_at_every_quiet_moment_the_score_is_what_the_rules_give_then(days: list[tuple[str, int]]) -> None:
    lead = OneLead(SCORING)
    lead.hears(submitted(attributes={"employees": 60}))
    for kind, wait in days:
        lead.wait(timedelta(days=wait))
        assert last_score(lead) == reckoned(lead)
        lead.hears(engaged(kind, lead.now))
        assert last_score(lead) == reckoned(lead)


def last_score(lead: OneLead[Known]) -> Decimal:
    """What was said last."""
    return [e.score for e, _ in lead.log if isinstance(e, LeadScored)][-1]


def reckoned(lead: OneLead[Known]) -> Decimal:
    """The rules of the tests' agreement, straight from the log."""
    seen = [e for e, _ in lead.log if isinstance(e, EngagementObserved)]
    lately = any(e.kind == "pricing_viewed" and e.occurred_at > lead.now - timedelta(days=30) for e in seen)
    mails = sum(e.kind == "mail_clicked" for e in seen)
    return Decimal(25 + (15 if lately else 0) + (10 if mails >= 2 else 0))
