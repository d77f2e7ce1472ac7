"""A learned model beside the rules: it decides only where the agreement says so, and only in place of the score."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.agreement import Terms
from schemas.events.scoring import LeadNurtured, LeadQualified, LeadScored, ModelPublished, Verdict
from schemas.learning.published import ModelCard
from services.scoring.learning.learner import Learner
from services.scoring.learning.publishing import card_of
from services.scoring.processor import SCORING
from tests.builders import MONDAY, TERMS, OneLead, agreement, submitted

MODEL = {"counts": "model", "qualifies_from": 0.5}


def _card() -> ModelCard:
    """Of a learner that has seen leads about prices being won and others not."""
    learner = Learner(("topic", "country"))
    for number in range(300):
        topic = "pricing" if number % 3 == 0 else "other"
        learner.learn(learner.score({"topic": topic}).features, won=number % 3 == 0)
    return card_of(learner)


CARD = _card()


def _lead(learning: dict[str, Any], **said: Any) -> OneLead[Any]:
    lead = OneLead(SCORING, agreement(learning=learning))
    told = {
        "learned": True,
        "better": True,
        "better_by": "0.05",
        "outcomes": 300,
        "because": "shown",
        "card": CARD,
        **said,
    }
    event = ModelPublished.model_validate(
        {"name": "winning", "model_version": 4, "effective_at": MONDAY - timedelta(minutes=1), "weights": {}, **told}
    )
    assert lead.models.take(event, MONDAY - timedelta(minutes=2)) is None
    return lead


def _scored(said: list[Any]) -> LeadScored:
    return next(e for e in said if isinstance(e, LeadScored))


def _verdict(said: list[Any]) -> Verdict:
    return next(e for e in said if isinstance(e, Verdict))


def test_by_default_the_rules_count_and_no_score_mentions_the_model() -> None:
    said = _lead({}).hears(submitted(attributes={"topic": "pricing"}))

    assert _scored(said).learned is None
    assert isinstance(_verdict(said), LeadNurtured)


def test_a_model_that_counts_qualifies_what_the_score_would_not_and_says_why() -> None:
    said = _lead(MODEL).hears(submitted(attributes={"topic": "pricing"}))
    learned, verdict = _scored(said).learned, _verdict(said)

    assert learned is not None
    assert learned.counts
    assert sum(part.log_odds for part in learned.contributions) == learned.log_odds
    assert learned.probability > Decimal("0.5")
    assert any(part.because == "topic is pricing" for part in learned.contributions)
    assert isinstance(verdict, LeadQualified)
    assert verdict.rule == "learned"
    assert f"the learned probability of winning is {learned.probability * 100:.1f} %, at least 50.0 % (model 4)" in verdict.because


def test_a_model_that_counts_leaves_with_marketing_what_it_does_not_believe_in() -> None:
    lead = _lead({**MODEL})
    lead.agreement = agreement(
        learning=MODEL,
        definition=[d for d in TERMS["definition"] if d["id"] != "rest"]
        + [{"id": "rest", "verdict": "qualified", "because": "everybody"}],
    )

    verdict = _verdict(lead.hears(submitted(attributes={"topic": "other"})))

    assert isinstance(verdict, LeadNurtured)
    assert "below 50.0 %" in verdict.because


def test_who_asks_for_a_demo_is_qualified_whatever_the_model_says() -> None:
    verdict = _verdict(_lead(MODEL).hears(submitted(attributes={"topic": "demo"})))

    assert isinstance(verdict, LeadQualified)
    assert verdict.rule == "hand-raiser"


@pytest.mark.parametrize(
    ("learning", "said", "because"),
    [
        ({"at_least": 500}, {}, "knows 300 outcomes, and the agreement asks for 500"),
        ({}, {"better": False}, "has not been shown to be better than the rules"),
        ({"better_by": 0.1}, {}, "better than the rules by 0.050 of ROC-AUC, and the agreement asks for 0.100"),
        ({"leave_out": ["topic"]}, {}, "still looks at topic"),
    ],
)
def test_a_model_that_has_not_shown_enough_is_told_and_does_not_decide(
    learning: dict[str, Any], said: dict[str, Any], because: str
) -> None:
    heard = _lead({**MODEL, **learning}, **said).hears(submitted(attributes={"topic": "pricing"}))
    learned = _scored(heard).learned

    assert learned is not None
    assert not learned.counts
    assert because in learned.because
    assert isinstance(_verdict(heard), LeadNurtured)


def test_what_has_learned_nothing_changes_nothing() -> None:
    heard = _lead(MODEL, learned=False, card=None).hears(submitted(attributes={"topic": "pricing"}))

    assert _scored(heard).learned is None
    assert isinstance(_verdict(heard), LeadNurtured)


def test_a_model_that_is_not_yet_in_force_is_not_used() -> None:
    lead = OneLead(SCORING, agreement(learning=MODEL))
    event = {"name": "winning", "model_version": 1, "effective_at": MONDAY + timedelta(minutes=1), "weights": {}}
    lead.models.take(
        ModelPublished.model_validate({**event, "learned": True, "better": True, "outcomes": 300, "card": CARD}), MONDAY
    )

    assert _scored(lead.hears(submitted(attributes={"topic": "pricing"}))).learned is None
    lead.now += timedelta(minutes=2)
    assert _scored(lead.hears(submitted(attributes={"topic": "other"}))).learned is not None


def test_a_model_that_counts_needs_a_threshold() -> None:
    with pytest.raises(ValueError, match="qualifies_from"):
        Terms.model_validate({**TERMS, "learning": {"counts": "model"}})
