"""A published model: the same answer as the learner's, exact sums, and in force only as announced."""

from __future__ import annotations

import pickle
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.agreement import Facts
from schemas.events.scoring import ModelPublished
from schemas.learning.course import ModelCourse
from schemas.learning.model import MILLION, ReadyModel, probability
from schemas.learning.published import ModelCard
from schemas.wire import decode, encode
from services.scoring.learning.learner import Learner
from services.scoring.learning.publishing import PLACES_AT_MOST, card_of, next_publication
from tests.builders import MONDAY
from tests.unit.learning.histories import made

_TEXTS = st.one_of(st.none(), st.sampled_from(["", "NA", "a", "b", "12", "1e308", "nan"]), st.text(max_size=4))
_NUMBERS = st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(), st.booleans())
_LEADS = st.lists(st.tuples(_TEXTS, _NUMBERS, st.booleans()), min_size=1, max_size=60)


def _facts(**attributes: Any) -> Facts:
    return Facts(now=MONDAY, attributes=attributes)


def _taught(leads: list[tuple[Any, Any, bool]]) -> Learner:
    learner = Learner(("topic", "employees"))
    for topic, employees, won in leads:
        learner.learn(learner.score({"topic": topic, "employees": employees}).features, won)
    return learner


def published(version: int, *, after: timedelta = timedelta(seconds=10), **said: Any) -> ModelPublished:
    """A publication at MONDAY."""
    return ModelPublished.model_validate(
        {"name": "winning", "model_version": version, "effective_at": MONDAY + after, "weights": {}, **said}
    )


@settings(max_examples=60, deadline=None)
@given(_LEADS, _TEXTS, _NUMBERS)
def test_a_card_answers_as_its_learner_does_and_its_parts_sum_to_the_log_odds_exactly(
    leads: list[tuple[Any, Any, bool]], topic: Any, employees: Any
) -> None:
    learner = _taught(leads)
    wire = encode(published(1, learned=True, card=card_of(learner)))
    event = decode(ModelPublished.type_name(), wire)
    assert isinstance(event, ModelPublished)
    assert event.card is not None
    ready = ReadyModel(1, event.card)

    parts = ready.parts(_facts(topic=topic, employees=employees))
    said = list(ready.said(parts))

    assert sum(part.log_odds for part in said) * MILLION == ready.total(parts)
    assert len({part.attribute for part in said}) == len(said)
    assert ready.total(parts) / MILLION == pytest.approx(
        learner.score({"topic": topic, "employees": employees}).log_odds, abs=1e-4
    )


def test_a_card_of_thousands_of_values_fits_into_a_record_and_ranks_as_its_learner_does() -> None:
    history, _ = made(rows=3_000, categories=2_000)
    learner = Learner(history.attributes)
    for row, won in zip(history.rows, history.won, strict=True):
        learner.learn(learner.score_values(row).features, won)
    card = card_of(learner)
    ready = ReadyModel(1, card)

    assert 2_000 < len(card.places) <= PLACES_AT_MOST
    assert len(encode(published(1, card=card))) < 800_000
    for row in history.rows[:200]:
        said = ready.total(ready.parts(_facts(**dict(zip(history.attributes, row, strict=True))))) / MILLION
        assert said == pytest.approx(learner.score_values(row).log_odds, abs=1e-4)


@given(st.integers(-(10**9), 10**9))
def test_probabilities_stay_between_nothing_and_certainty_and_grow_with_the_log_odds(log_odds: int) -> None:
    assert 0 <= probability(log_odds) <= probability(log_odds + 1000) <= 1
    assert probability(log_odds) + probability(-log_odds) == 1


def _card(always: int = 0) -> ModelCard:
    return ModelCard(always=always, attributes=(), places=(), rates=(), tokens=())


def test_a_model_is_in_force_from_its_instant_on_and_until_the_next() -> None:
    course = ModelCourse()

    assert course.take(published(1, learned=True, card=_card()), MONDAY) is None
    assert course.take(published(2, after=timedelta(seconds=40), outcomes=300), MONDAY + timedelta(seconds=20)) is None

    assert course.in_force(MONDAY + timedelta(seconds=9)) is None
    first, second = course.in_force(MONDAY + timedelta(seconds=10)), course.in_force(MONDAY + timedelta(hours=1))
    assert first is not None
    assert first.version == 1
    assert first.ready is not None
    assert second is not None
    assert (second.version, second.outcomes, second.ready) == (2, 300, None)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (published(2, after=timedelta(seconds=9)), "less than 10 seconds"),
        (published(1, after=timedelta(seconds=30)), "version 1 is newer or the same"),
        (published(2, after=timedelta(seconds=10)), "comes into force at"),
        (
            published(
                2,
                after=timedelta(seconds=30),
                card={"always": 0, "attributes": [], "places": [1], "rates": [], "tokens": []},
            ),
            "not equally many",
        ),
    ],
)
def test_a_publication_that_nobody_could_have_waited_for_is_void(event: ModelPublished, why: str) -> None:
    course = ModelCourse()
    assert course.take(published(1), MONDAY) is None

    assert why in (course.take(event, MONDAY) or "")
    assert len(course) == 1


def test_what_is_sent_to_another_process_answers_the_same() -> None:
    course = ModelCourse()
    course.take(published(1, learned=True, card=_card(always=1_500_000)), MONDAY)
    at = MONDAY + timedelta(minutes=1)
    here = course.in_force(at)

    there = pickle.loads(pickle.dumps(course)).in_force(at)

    assert here is not None
    assert here.ready is not None
    assert there.ready.total([]) == here.ready.total([]) == 1_500_000
    assert there.better_by == Decimal(0)


def test_publications_become_rarer_as_outcomes_grow() -> None:
    outcomes, times = 0, 0
    while outcomes < 100_000:
        outcomes, times = next_publication(outcomes), times + 1

    assert times < 150
