"""What `leadloop explain` and `leadloop score` tell of a learned model: why it counts or not, and each part of its log-odds."""

from __future__ import annotations

from typing import Any

from services.console.explain import journey
from services.console.score_commands import told

LEARNED: dict[str, Any] = {
    "model_version": 4, "probability": "0.690286", "log_odds": "0.801300", "counts": True, "because": "the agreement lets the model count",
    "contributions": [
        {"attribute": "always", "log_odds": "-0.900000", "because": "how leads fare in general, of late"},
        {"attribute": "industry", "log_odds": "1.701300", "because": "industry is mining"},
    ],
}  # fmt: skip
SCORED: dict[str, Any] = {"score": "0", "grade": "D4", "contributions": [], "agreement": "a", "agreement_version": 1}
NOW = {"lead_status": "waiting", "lifecycle_stage": "mql", "cycle": 1}


def _reasons(**more: Any) -> tuple[str, ...]:
    entry = {"type": "LeadScored", "at": "2026-03-02T09:00:00Z", "void": False, "sentence": "scored 0", "event": {**SCORED, **more}}
    return journey(NOW, [entry], everything=True)[0].reasons


def test_a_journey_names_the_model_and_what_each_attribute_did() -> None:
    reasons = _reasons(learned=LEARNED)

    assert "model 4 counts: the agreement lets the model count" in reasons
    assert "1.7013 of log-odds: industry is mining" in reasons


def test_a_model_that_does_not_count_is_told_as_such() -> None:
    assert any(r.startswith("model 4 does not count") for r in _reasons(learned={**LEARNED, "counts": False}))


def test_without_a_model_nothing_is_told_of_it() -> None:
    assert _reasons(learned=None) == _reasons()


def test_a_score_taken_apart_names_the_model_beside_the_rules() -> None:
    document = {
        "score": "0", "fit": "0", "engagement": "0", "grade": "D4", "stage": None, "verdict": "qualified", "rule": "learned",
        "because": "b", "contributions": [], "to_qualify": [], "changes_at": None, "learned": LEARNED,
    }  # fmt: skip
    lines = told(document)

    assert any("probability of winning is 0.690286 (model 4, log-odds 0.801300)" in line for line in lines)
    assert any(line.endswith("of log-odds: industry is mining") for line in lines)
