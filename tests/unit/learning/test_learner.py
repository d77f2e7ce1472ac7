"""The learner: exact contributions, no look into the future, the same state after the same outcomes."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.learning.cells import Value
from services.scoring.learning.experts import SecondOrder
from services.scoring.learning.history import History
from services.scoring.learning.learner import Features, Learner
from services.scoring.learning.state import (
    StateRefused,
    features_from_bytes,
    features_to_bytes,
    from_bytes,
    to_bytes,
)
from tests.unit.learning.histories import made

_VALUES = st.one_of(
    st.none(), st.sampled_from(["", "NA", "unknown", "a", "b", "12", "1e308", "-inf", "nan", "\x00", "ü"]),
    st.text(max_size=5), st.integers(-(10**18), 10**18), st.floats(), st.booleans(),
)  # fmt: skip
_LEADS = st.lists(st.tuples(_VALUES, _VALUES, st.booleans()), min_size=1, max_size=60)


def _taught(history: History, rows: int, learner: Learner | None = None, delay: int = 0) -> Learner:
    learner = learner or Learner(history.attributes)
    waiting: deque[tuple[int, Features]] = deque()
    for row in range(rows):
        waiting.append((row, learner.score_values(history.rows[row]).features))
        if len(waiting) > delay:
            known, features = waiting.popleft()
            learner.learn(features, history.won[known])
    return learner


@settings(max_examples=40, deadline=None)
@given(_LEADS)
def test_contributions_sum_to_the_log_odds_exactly_and_in_any_order(leads: list[tuple[Value, Value, bool]]) -> None:
    learner = Learner(("one", "two"))
    for one, two, won in leads:
        scored = learner.score({"one": one, "two": two})
        parts = learner.explain(scored)

        assert sum(map(Fraction, parts.values())) == Fraction(scored.log_odds)
        assert sum(reversed(parts.values())) == sum(parts.values()) == scored.log_odds
        assert 0.0 < scored.probability < 1.0
        learner.learn(scored.features, won)


@pytest.mark.filterwarnings("error")
def test_absurd_numbers_do_no_harm() -> None:
    learner = Learner(("amount",))
    for amount in (1e308, -1e308, "1e400", "-inf", 10**400, 0, 5, 5.5) * 20:
        scored = learner.score({"amount": amount})
        learner.learn(scored.features, amount == 5)

    assert math.isfinite(scored.log_odds)


def test_scoring_changes_nothing() -> None:
    history, _ = made(400)
    learner = _taught(history, 300)
    before = to_bytes(learner)

    first = learner.score_values(history.rows[350])
    second = learner.score_values(history.rows[350])

    assert to_bytes(learner) == before
    assert first.log_odds == second.log_odds


def test_a_replay_makes_the_same_bytes_and_a_restored_learner_carries_on_as_if_nothing_had_happened() -> None:
    history, _ = made(900)
    whole = _taught(history, 900)
    half = from_bytes(to_bytes(_taught(history, 500)))
    rest = History(history.attributes, history.rows[500:], history.won[500:])

    assert to_bytes(_taught(history, 900)) == to_bytes(whole)
    assert to_bytes(_taught(rest, 400, half)) == to_bytes(whole)


def test_the_state_holds_no_text_of_a_lead() -> None:
    learner = Learner(("mail",))
    for _ in range(3):
        learner.learn(learner.score({"mail": "ada@example.org"}).features, True)

    import zlib

    state = to_bytes(learner)
    assert b"ada@" not in zlib.decompress(state[state.index(b"learner") + len(b"learner") + 2 :])


@pytest.mark.parametrize(
    "damage", [b"", b"something else", b"leadloop-learner\x00\x63xyz", b"leadloop-learner\x00\x01xyz"]
)
def test_a_foreign_newer_or_damaged_state_is_refused(damage: bytes) -> None:
    with pytest.raises(StateRefused):
        from_bytes(damage)


def test_features_kept_until_the_outcome_train_as_they_were_at_scoring() -> None:
    history, _ = made(700)
    learner = _taught(history, 300)
    features = learner.score_values(history.rows[300]).features
    kept = features_to_bytes(features)
    later = from_bytes(to_bytes(learner))
    for row in range(301, 400):
        for one in (learner, later):
            one.learn(one.score_values(history.rows[row]).features, history.won[row])

    learner.learn(features, True)
    later.learn(features_from_bytes(kept), True)

    assert to_bytes(learner) == to_bytes(later)


def test_an_answer_does_not_depend_on_outcomes_that_are_not_known_yet() -> None:
    history, _ = made(600)
    other = History(history.attributes, history.rows, [*history.won[:500], *[not w for w in history.won[500:]]])

    one, two = _taught(history, 600, delay=100), _taught(other, 600, delay=100)

    assert one.score_values(history.rows[0]).log_odds == two.score_values(history.rows[0]).log_odds


def test_an_attribute_with_many_numbers_is_learned_by_quantiles_and_its_readings_survive() -> None:
    learner = Learner(("amount",))
    for number in np.random.default_rng(3).lognormal(size=600).tolist():
        learner.learn(learner.score({"amount": number}).features, number > 1.0)

    restored = from_bytes(to_bytes(learner))

    assert learner.readers[0].edges is not None
    assert restored.score({"amount": 3.0}).log_odds == learner.score({"amount": 3.0}).log_odds
    assert learner.score({"amount": 3.0}).probability > 0.8 > 0.2 > learner.score({"amount": 0.3}).probability


def test_a_new_learner_says_no_more_than_it_knows() -> None:
    scored = Learner(("a",)).score({"a": "x"})

    assert math.isclose(scored.probability, 0.5)


@pytest.mark.parametrize("attributes", [(), ("a", "a")])
def test_a_learner_needs_attributes_each_once(attributes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least one attribute"):
        Learner(attributes)


def test_what_rounding_makes_of_a_covariance_does_not_grow_with_what_is_forgotten() -> None:
    """A part that is not symmetric is divided by the memory at every outcome: after 40,000 it would be 10^17 times as large."""
    chance = np.random.default_rng(3)
    expert = SecondOrder(rates=9, numbers=6)
    skew = chance.normal(size=expert.covariance.shape) * 1e-7
    expert.covariance += skew - skew.swapaxes(-1, -2)
    for _ in range(100):
        expert.learn(chance.normal(size=15), float(chance.random() < 0.01))

    assert np.abs(expert.covariance - expert.covariance.swapaxes(-1, -2)).max() < 1e-12
    assert np.linalg.eigvalsh(expert.covariance).min() > 0


def test_a_covariance_that_is_none_any_more_begins_anew() -> None:
    expert = SecondOrder(rates=9, numbers=6)
    expert.covariance[1, 0] *= -1.0
    for _ in range(100):
        expert.learn(np.ones(15), 1.0)

    assert np.isfinite(expert.weights).all()
    assert np.linalg.eigvalsh(expert.covariance).min() > 0
