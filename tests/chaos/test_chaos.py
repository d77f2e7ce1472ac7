"""Nothing lost, nothing twice, whatever dies whenever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.run import Plan, run

pytestmark = pytest.mark.chaos


def _report(findings: object) -> str:
    wrong, counts = findings.wrong, findings.counts  # type: ignore[attr-defined]
    return "\n".join([*wrong[:40], f"({len(wrong)} in all)", *(f"{name}: {n}" for name, n in sorted(counts.items()))])


@pytest.mark.timeout(600)
async def test_every_event_is_accounted_for_when_each_service_is_killed_once(tmp_path: Path) -> None:
    findings, promised = await run(Plan(leads=400, per_second=10, faults=faults.SHORT), tmp_path / "house")
    assert not findings.wrong, _report(findings)
    assert len(promised.submissions) == 400
    assert findings.counts["actions"] > 200, "the reps had hardly anything to do"
    assert findings.counts["ClockBreached"] > 0, "no clock breached"


@pytest.mark.slow
@pytest.mark.timeout(3000)
async def test_every_event_is_accounted_for_through_kills_rebalances_and_a_broker_restart(tmp_path: Path) -> None:
    seed = int(os.environ.get("LEADLOOP_CHAOS_SEED", "7"))
    leads = int(os.environ.get("LEADLOOP_CHAOS_LEADS", "5000"))
    plan = Plan(leads=leads, per_second=20, faults=faults.long(seed), seed=seed, quiet_within_seconds=900)
    findings, promised = await run(plan, tmp_path / "house")
    print(_report(findings))  # noqa: T201 - what a long run has seen is its result
    assert not findings.wrong, _report(findings)
    assert len(promised.submissions) == leads


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_an_engine_that_acknowledges_before_its_outputs_are_durable_is_found_out(tmp_path: Path) -> None:
    broken = Path(__file__).parent / "broken_engine"
    plan = Plan(
        leads=400,
        per_second=10,
        faults=tuple(f for f in faults.long(3) if f.deed is faults.Deed.KILL and f.whom in faults.PROCESSORS),
        quiet_within_seconds=90,
        environment=(("PYTHONPATH", str(broken)),),
    )
    try:
        findings, _ = await run(plan, tmp_path / "house")
    except TimeoutError:  # a lead that lost an event never comes to rest: the audit's own clock has found it
        return
    assert findings.wrong, "the audit found nothing wrong with an engine that loses events"
