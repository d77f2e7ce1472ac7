"""The learner over histories: the real one of a bank, and synthetic ones of which the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from services.scoring.learning.evaluation import Evaluation, Plan, evaluate
from services.scoring.learning.history import History, HistoryRefused, read_history
from services.scoring.learning.metrics import roc_auc
from tests.unit.learning.histories import Booleans, Chance, made, shuffled

_BANK = Path(__file__).resolve().parents[2] / "data" / "bank-additional-full.csv.gz"
_ROWS, _TRAINED, _TESTED = 41_188, 27_972, 8_239


@cache
def _bank() -> History:
    return read_history(_BANK, "y", "yes", shift=[("campaign", -1.0)])


def _on_the_bank(history: History, delay: int = 0) -> Evaluation:
    return evaluate(history, Plan(_TRAINED / _ROWS, _TESTED / _ROWS, delay))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("delay", "roc", "pr", "ece"), [(0, 0.785, 0.620, 0.02), (500, 0.755, 0.560, 0.04), (2000, 0.740, 0.550, 0.08)]
)
def test_a_banks_campaigns_are_foretold_well_also_when_outcomes_come_late(
    delay: int, roc: float, pr: float, ece: float
) -> None:
    found = _on_the_bank(_bank().without(["duration"]), delay)

    assert found.tested == _TESTED
    assert found.metrics.roc_auc >= roc
    assert found.metrics.pr_auc >= pr
    assert found.metrics.ece <= ece
    assert found.verdict.learned
    assert found.leaks == ()


@pytest.mark.slow
def test_the_duration_of_the_call_is_named_as_a_leak_and_left_out() -> None:
    found = _on_the_bank(_bank())

    assert [leak.attribute for leak in found.leaks] == ["duration"]
    assert found.left_out == ("duration",)
    assert found.metrics.roc_auc < 0.8


@pytest.mark.slow
def test_from_shuffled_outcomes_nothing_is_learned() -> None:
    found = _on_the_bank(shuffled(_bank().without(["duration"])))

    assert abs(found.metrics.roc_auc - 0.5) <= 0.03
    assert not found.verdict.learned
    assert found.verdict.because.startswith("nothing learned")
    assert found.leaks == ()


@pytest.mark.parametrize(
    ("wanted", "history", "true"),
    [
        (0.06, *made(rate=0.2)),
        (0.06, *made(rate=0.4, seed=7)),
        (0.15, *made(rows=12_000, rate=0.01, seed=3)),
        (0.12, *made(drift=True, seed=4)),
    ],
    ids=["a fifth is won", "two in five are won", "one in a hundred is won", "the world turns round"],
)
def test_a_known_truth_is_nearly_reached(wanted: float, history: History, true: np.ndarray) -> None:
    found = evaluate(history, Plan(0.6, 0.4))
    best = roc_auc(found.won, true[-found.tested :])

    assert found.metrics.roc_auc > best - wanted
    assert found.metrics.ece < 0.05
    assert found.verdict.learned
    assert found.leaks == ()


@pytest.mark.parametrize("rate", [0.3, 0.01])
def test_noise_teaches_nothing(rate: float) -> None:
    history, _ = made(rate=rate, signal=0.0)

    found = evaluate(history, Plan(0.6, 0.4))

    assert not found.verdict.learned
    assert found.leaks == ()


def _copy(won: Booleans, _: Chance) -> list[str]:
    return ["yes" if w else "no" for w in won]


def _nearly_a_copy(won: Booleans, chance: Chance) -> list[str]:
    return [str(int(w ^ (chance.random() < 0.03))) for w in won]


def _numbered_by_outcome(won: Booleans, chance: Chance) -> list[str]:
    return [f"K-{place:06d}" for place in np.argsort(np.argsort(~won + chance.random(len(won))))]


def _numbered_when_the_outcome_came(won: Booleans, chance: Chance) -> list[str]:
    return [str(10**6 + row + 800 * int(w) + int(chance.integers(0, 60))) for row, w in enumerate(won)]


def _filled_in_after_a_win(won: Booleans, chance: Chance) -> list[str]:
    return [f"2024-{chance.integers(1, 13):02d}-01" if w else "" for w in won]


def _longer_calls(won: Booleans, chance: Chance) -> list[str]:
    return [str(int(100 * np.exp(chance.normal() + 2.4 * w))) for w in won]


@pytest.mark.parametrize(
    "leak",
    [
        _copy,
        _nearly_a_copy,
        _numbered_by_outcome,
        _numbered_when_the_outcome_came,
        _filled_in_after_a_win,
        _longer_calls,
    ],
)
def test_an_attribute_that_knows_the_future_is_named_and_no_other(
    leak: Callable[[Booleans, Chance], list[str]],
) -> None:
    history, _ = made(attribute=leak)

    found = evaluate(history, Plan(0.6, 0.4))

    assert [k.attribute for k in found.leaks] == ["suspicious"]
    assert "suspicious" not in dict(found.strongest)


def test_rows_between_training_and_test_are_not_seen() -> None:
    history, _ = made(2_000)
    changed = replace(
        history,
        rows=[[*("?" for _ in row)] if 1_000 <= i < 1_500 else row for i, row in enumerate(history.rows)],
        won=[not w if 1_000 <= i < 1_500 else w for i, w in enumerate(history.won)],
    )
    plan = Plan(0.5, 0.25, delay=20)

    assert np.array_equal(evaluate(history, plan).chance, evaluate(changed, plan).chance)


def test_an_outcome_is_used_no_earlier_than_it_is_known() -> None:
    history, _ = made(1_000)
    changed = replace(history, won=[not w if i == 700 else w for i, w in enumerate(history.won)])

    one, two = (evaluate(h, Plan(0.6, 0.4, delay=50)).chance for h in (history, changed))

    assert np.array_equal(one[:151], two[:151])
    assert one[151] != two[151]


@pytest.mark.parametrize(
    ("train", "test", "delay"), [(0.7, 0.4, 0), (0.0, 0.5, 0), (0.5, 1.5, 0), (float("nan"), 0.2, 0), (0.5, 0.2, -1)]
)
def test_a_plan_that_makes_no_sense_is_refused(train: float, test: float, delay: int) -> None:
    with pytest.raises(HistoryRefused):
        Plan(train, test, delay)
