"""Figures against their definitions, computed the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.learning.metrics import auc_lead, ece, lift, pr_auc, roc_auc, steady_gain
from services.scoring.learning.track_record import ENOUGH, Judged, judge

_ANSWERS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9])), min_size=2, max_size=40
).filter(lambda answers: 0 < sum(won for won, _ in answers) < len(answers))


@given(_ANSWERS)
def test_roc_auc_is_the_share_of_pairs_in_the_right_order(answers: list[tuple[bool, float]]) -> None:
    won, chance = np.array([float(w) for w, _ in answers]), np.array([c for _, c in answers])
    pairs = [(a > b) + (a == b) / 2 for a in chance[won > 0.5] for b in chance[won < 0.5]]

    assert math.isclose(roc_auc(won, chance), float(np.mean(pairs)))
    assert math.isclose(auc_lead(won, chance)[0], float(np.mean(pairs)) - 0.5, abs_tol=1e-12)


@given(_ANSWERS)
def test_pr_auc_sums_precision_over_the_recall_that_each_threshold_adds(answers: list[tuple[bool, float]]) -> None:
    won, chance = np.array([float(w) for w, _ in answers]), np.array([c for _, c in answers])
    area = before = 0.0
    for threshold in sorted(set(chance.tolist()), reverse=True):
        picked = chance >= threshold
        recall = won[picked].sum() / won.sum()
        area += (recall - before) * won[picked].mean()
        before = recall

    assert math.isclose(pr_auc(won, chance), area)


def test_calibration_error_and_lift_of_known_answers() -> None:
    won = np.array([0.0] * 90 + [1.0] * 10)
    chance = np.array([0.1] * 90 + [0.6] * 10)

    assert math.isclose(ece(won, chance), 0.9 * 0.1 + 0.1 * 0.4)
    assert math.isclose(lift(won, chance, 0.1), 10.0)
    assert math.isclose(lift(won, chance, 0.2), 5.0)


def test_chance_alone_is_hardly_ever_taken_for_a_lead() -> None:
    draw = np.random.default_rng(4)
    alarms = sum(auc_lead((draw.random(300) < 0.2).astype(float), draw.random(300))[1] > 2.58 for _ in range(400))
    assert alarms <= 8
    assert sum(steady_gain(draw.normal(size=1000))[1] > 2.58 for _ in range(400)) <= 12


@pytest.mark.parametrize(
    ("rows", "learned", "better"),
    [(ENOUGH - 1, False, False), (4_000, True, True)],
)
def test_a_learner_that_is_right_counts_only_after_enough_outcomes(rows: int, learned: bool, better: bool) -> None:
    draw = np.random.default_rng(2)
    answers = []
    for _ in range(rows):
        chance = float(draw.beta(1, 3))
        answers.append(Judged(chance, 0.25, bool(draw.random() < chance), champion=float(draw.random())))

    verdict = judge(answers)

    assert (verdict.learned, verdict.better_than_champion) == (learned, better)


def test_a_learner_that_ranks_like_the_rules_is_not_called_better() -> None:
    draw = np.random.default_rng(2)
    answers = []
    for _ in range(4_000):
        chance = float(draw.beta(1, 3))
        noise = draw.normal(size=2) * 0.05
        answers.append(
            Judged(
                float(np.clip(chance + noise[0], 0.01, 0.99)),
                0.25,
                bool(draw.random() < chance),
                champion=chance + float(noise[1]),
            )
        )

    verdict = judge(answers)

    assert verdict.learned
    assert not verdict.better_than_champion
    assert "not shown to rank better" in verdict.because
