"""The quarter's check finds nothing in routing as it is, and finds faults that are put into it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks.quarter.play import Quarter
from benchmarks.quarter.report import report_of
from services.routing.team import dealing, queueing
from services.routing.team.fairness import ONE_LEAD
from services.routing.team.state import Rep

LEADS = 150


def played() -> dict[str, object]:
    quarter = Quarter(LEADS, seed=3)
    quarter.play()
    return report_of(quarter)


def test_the_check_finds_nothing_and_its_lags_are_routing_s() -> None:
    report = played()
    assert report["first_findings"] == []
    assert isinstance(report["assignments"], int)
    assert report["assignments"] > LEADS
    assert report["largest_difference_of_lags"] < 1e-6  # type: ignore[operator]
    assert report["largest_shortfall"] < 1.5  # type: ignore[operator]


def test_whoever_is_first_by_name_instead_of_by_turn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dealing.choose

    def by_name(s: object, wait: object, listed: int) -> object:
        ranked, due = real(s, wait, listed)  # type: ignore[arg-type]
        return ranked, min((rep_id for _, rep_id, _ in ranked), default=None) if due is not None else None

    monkeypatch.setattr(dealing, "choose", by_name)
    findings = played()["first_findings"]
    assert any("due was" in str(finding) for finding in findings)  # type: ignore[attr-defined]


def test_a_queue_that_forgets_to_serve_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing.InOrder, "__iter__", lambda self: iter(()))
    findings = played()["first_findings"]
    assert any("could have it" in str(finding) for finding in findings)  # type: ignore[attr-defined]


def test_a_turn_that_is_counted_half_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.routing.team import choosing

    def half(rep: Rep, pool: str, before: int, virtual: int) -> Rep:
        one = ONE_LEAD // rep.weight(pool) // 2  # type: ignore[arg-type]
        return replace(rep, turns={**rep.turns, pool: max(rep.turns.get(pool, before), before - one) + one})  # type: ignore[call-overload]

    monkeypatch.setattr(choosing, "took", half)
    report = played()
    assert report["findings"] or report["largest_difference_of_lags"] > 0.1  # type: ignore[operator]
