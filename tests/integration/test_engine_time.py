"""Timers on a real Kafka: each deadline is answered once, also through kills; a new agreement reaches every key."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.topics import LEADS
from tests.engine.audit import header, in_effect, tally_faults, type_of
from tests.engine.fixtures import installation
from tests.engine.installation import Installation, Worker, lead
from tests.engine.tally import ANSWERING_AN_AGREEMENT, DEADLINE, DEADLINE_AFTER

__all__ = ["installation"]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

SCORING = (LEADS, "scoring")


async def until_answered(installation: Installation, leads: int) -> None:
    """Wait until every deadline has been answered."""
    async with asyncio.timeout(90):
        while True:
            records = await installation.log(LEADS)
            if sum(type_of(r) == "TimerDue" for r in records) >= leads and tally_faults(records) == []:
                return
            await asyncio.sleep(0.3)


async def test_each_deadline_is_answered_once_through_kills(installation: Installation, tmp_path: Path) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised() as worker:
        await worker.until_working()
        await installation.engage_all(range(200), leads=200, kind=DEADLINE)
        for _ in range(2):
            await asyncio.sleep(1.0)  # into the time in which the deadlines come
            await worker.kill()
            worker.start()
            await worker.until_working()
        await until_answered(installation, 200)
        await installation.worked(SCORING)
        assert tally_faults(await installation.log(LEADS)) == []


async def test_a_timer_is_not_early_and_is_for_one_processor(installation: Installation, tmp_path: Path) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised():
        await installation.engage_all(range(20), leads=20, kind=DEADLINE)
        await until_answered(installation, 20)
    records = await installation.log(LEADS)
    began = {r.key: r.timestamp for r in records if type_of(r) == "EngagementObserved"}
    timers = [r for r in records if type_of(r) == "TimerDue"]
    assert {header(r, "ce_for") for r in timers} == {"scoring"}
    assert all(header(r, "ce_cause") is None for r in timers)
    for timer in timers:
        assert timer.timestamp >= began[timer.key] + DEADLINE_AFTER / timedelta(milliseconds=1)


async def test_a_new_agreement_reaches_every_key_that_it_touches_even_through_a_kill(
    installation: Installation, tmp_path: Path
) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised() as worker:
        await installation.engage_all(range(300), leads=300)
        await installation.worked(SCORING)
        effective_at = datetime.now(UTC) + timedelta(seconds=13)
        await installation.publish(2, effective_at)
        await asyncio.sleep((effective_at - datetime.now(UTC)).total_seconds() + 0.7)  # an instant, not an event
        await worker.kill()
        worker.start()
        await worker.until_working()
        async with asyncio.timeout(60):
            while await told(installation) != {lead(n) for n in range(300)}:  # noqa: ASYNC110 -- it is a log
                await asyncio.sleep(0.3)


async def told(installation: Installation) -> set[str]:
    """Who has answered to version 2."""
    answers = in_effect(await installation.log(LEADS), "LeadScored")
    timers = {
        str(header(r, "ce_id")) for r in await installation.log(LEADS) if ".agreement.2." in str(header(r, "ce_id"))
    }
    return {
        key.decode()
        for key, records in answers.items()
        if any(
            json.loads(r.value)["contributions"][0]["rule"] == ANSWERING_AN_AGREEMENT
            and header(r, "ce_causationid") in timers
            for r in records
        )
    }
