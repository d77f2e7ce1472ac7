"""The forecast of breaches: against what it was drawn from, and better than the base rate over a simulated month."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.forecast import brier, forecast_a_month
from services.feedback.forecast.pace import LEAST_CLOCKS, Ended, Pace


def _drawn(rate: float, number: int, rep: str = "anna", load: int = 0) -> list[Ended]:
    """Clocks that are met at a constant rate per whole clock."""
    chance = random.Random(7)
    times = [chance.expovariate(rate) for _ in range(number)]
    return [Ended("first-response", rep, load, min(t, 1.0), t <= 1) for t in times]


def test_too_few_clocks_teach_nothing() -> None:
    assert Pace.learn(_drawn(1.0, LEAST_CLOCKS - 1)) is None


def test_the_chance_of_a_breach_is_that_of_what_it_learned_from() -> None:
    pace = Pace.learn(_drawn(1.2, 4000))
    assert pace is not None
    assert pace.forecast("first-response", "anna", 0, 0.0).probability == pytest.approx(0.301, abs=0.03)  # exp(-1.2)
    assert pace.forecast("first-response", "anna", 0, 0.5).probability == pytest.approx(0.549, abs=0.04)  # exp(-0.6)
    assert pace.forecast("first-response", "anna", 0, 1.0).probability == 1.0


def test_a_slow_rep_and_a_heavy_load_make_a_breach_likelier_and_strangers_are_like_all() -> None:
    pace = Pace.learn([*_drawn(3.0, 500, "anna"), *_drawn(0.5, 500, "ben", load=0), *_drawn(0.7, 300, "anna", load=9)])
    assert pace is not None
    anna, ben, stranger = (pace.forecast("first-response", rep, 0, 0.0) for rep in ("anna", "ben", "cleo"))
    assert anna.probability < stranger.probability < ben.probability
    assert stranger.rep_factor == 1.0
    assert pace.forecast("first-response", "anna", 9, 0.0).probability > anna.probability


ended = st.builds(
    Ended,
    st.sampled_from(["accept", "first-response"]),
    st.sampled_from(["anna", "ben"]),
    st.integers(0, 20),
    st.floats(0.001, 1),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(ended, min_size=60, max_size=120), st.integers(0, 30), st.floats(-1, 2))
def test_it_is_a_probability_and_only_grows_while_nothing_happens(clocks: list[Ended], load: int, used: float) -> None:
    pace = Pace.learn(clocks)
    if pace is None:
        return
    now, later = (pace.forecast("accept", "anna", load, share).probability for share in (used, used + 0.1))
    assert 0 <= now <= later <= 1


def test_over_a_month_it_beats_the_base_rate_by_a_fifth() -> None:
    told = forecast_a_month(random.Random(1))
    share = sum(breached for _, breached in told) / len(told)
    assert brier(told) <= 0.8 * share * (1 - share)
