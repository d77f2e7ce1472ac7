"""Nothing lost, nothing twice, whatever dies whenever."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from schemas.topics import LEADS as LEADS_TOPIC
from services.runtime.main import SERVICES
from tests.chaos import faults, storms
from tests.chaos.evidence import kept
from tests.chaos.faults import Deed
from tests.chaos.mutations import MUTATIONS, found_by
from tests.chaos.run import EVIDENCE, REPS, Outcome, Plan, run

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("LEADLOOP_CHAOS_SEED", "7"))
LEADS = int(os.environ.get("LEADLOOP_CHAOS_LEADS", "5000"))
PER_SECOND = float(os.environ.get("LEADLOOP_CHAOS_PER_SECOND", "20"))


@pytest.mark.timeout(600)
async def test_every_event_is_accounted_for_when_each_service_is_killed_once_in_a_storm(tmp_path: Path) -> None:
    plan = Plan(leads=340, per_second=8.5, faults=faults.SHORT, seed=SEED, imported=60, squalls=storms.SHORT)
    outcome = await run(plan, tmp_path / "house")
    assert not outcome.findings.wrong, outcome.report()
    counts = outcome.findings.counts
    assert counts["submissions"] == 400
    assert counts["actions"] > 200, "the reps had hardly anything to do"
    assert counts["ClockBreached"] > 0, "no clock breached"
    assert counts["mails"] > 0, "no mail came"
    assert [s for s in SERVICES if outcome.suffered[Deed.KILL, s] < 1] == [], "these were never killed"
    assert storms.left_lying(outcome.evidence, REPS) == []
    _a_fault_in_the_same_evidence_would_have_been_found(outcome)


def _a_fault_in_the_same_evidence_would_have_been_found(outcome: Outcome) -> None:
    """The audit is not blind in a real run either; `tests/unit/audit` puts every fault of the table into a log in memory."""
    mutation = random.Random(SEED).choice(MUTATIONS[:30])
    points = found_by(mutation, kept(outcome.data / EVIDENCE), SEED)
    assert mutation.found_by <= points, f"{mutation.what}: found by {sorted(points) or 'nothing'}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_every_event_is_accounted_for_through_kills_rebalances_and_a_broker_restart(tmp_path: Path) -> None:
    listed = LEADS // 10
    plan = Plan(LEADS - listed, PER_SECOND, faults.long(SEED), seed=SEED, imported=listed, quiet_within_seconds=900)
    outcome = await run(plan, tmp_path / "house")
    print(outcome.report())  # noqa: T201 - what a long run has seen is its result
    assert not outcome.findings.wrong, outcome.report()
    assert outcome.findings.counts["submissions"] == LEADS
    suffered = outcome.suffered
    assert [s for s in SERVICES if suffered[Deed.KILL, s] < faults.KILLS_OF_EACH] == [], "these were killed too seldom"
    assert suffered[Deed.KILL_BROKER, ""] == 1
    assert suffered[Deed.KILL_ALL, ""] == 1
    assert sum(n for (deed, _), n in suffered.items() if deed is Deed.REMOVE_WORKER) == 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_no_lead_has_two_reps_or_none_when_routing_is_killed_in_storms_of_reassignment(tmp_path: Path) -> None:
    squalls, whom = storms.long()
    leads = min(LEADS, 1500)
    plan = Plan(leads, per_second=5, faults=whom, seed=SEED, squalls=squalls, quiet_within_seconds=600)
    outcome = await run(plan, tmp_path / "house")
    print(outcome.report())  # noqa: T201 - what a long run has seen is its result
    assert not outcome.findings.wrong, outcome.report()
    assert storms.left_lying(outcome.evidence, REPS) == []
    said = Counter(raw.name for raw in outcome.evidence.topics[LEADS_TOPIC.name])
    print({name: said[name] for name in _REASSIGNED})  # noqa: T201
    assert [name for name in _REASSIGNED if said[name] < leads / 50] == [], "the storm was a breeze"
    assert outcome.suffered[Deed.KILL, "routing"] == storms.WAVES


_REASSIGNED = ("AssignmentWithdrawn", "ReassignmentOrdered", "LeadQueued")


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_every_event_is_accounted_for_when_the_broker_is_away_and_everything_is_killed_in_a_burst(
    tmp_path: Path,
) -> None:
    plan = Plan(leads=1000, per_second=10, faults=faults.OUTAGES, seed=SEED, quiet_within_seconds=600)
    outcome = await run(plan, tmp_path / "house")
    print(outcome.report())  # noqa: T201 - what a long run has seen is its result
    assert not outcome.findings.wrong, outcome.report()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_an_installation_whose_first_starts_were_killed_starts_and_loses_nothing(tmp_path: Path) -> None:
    plan = Plan(leads=60, per_second=10, faults=(), seed=SEED, killed_starts=faults.KILLED_STARTS)
    outcome = await run(plan, tmp_path / "house")
    assert not outcome.findings.wrong, outcome.report()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_an_engine_that_acknowledges_before_its_outputs_are_durable_is_found_out(tmp_path: Path) -> None:
    broken = Path(__file__).parent / "broken_engine"
    plan = Plan(
        leads=250,
        per_second=10,
        faults=faults.UNDER_A_BROKEN_ENGINE,
        seed=SEED,
        quiet_within_seconds=45,
        environment=(("PYTHONPATH", str(broken)),),
    )
    outcome = await run(plan, tmp_path / "house")
    print(outcome.report())  # noqa: T201 - what was found is the result
    assert "the engine of this process is broken on purpose" in _words(tmp_path / "house"), "the engine was whole"
    never_said = [s for s in outcome.findings.wrong.get("replay", []) if " never said " in s]
    assert never_said, "the audit found no lost event of an engine that loses events:\n" + outcome.report()
    assert outcome.findings.wrong.get("rest"), "leads that lost an event came to rest all the same:\n" + outcome.report()


def _words(data: Path) -> str:
    return "\n".join(log.read_text(errors="replace") for log in data.rglob("*.log"))
