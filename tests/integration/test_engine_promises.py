"""The engine's promises on a real Kafka: every event has its effect exactly once, whatever process dies whenever."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from schemas.topics import LEADS, TEAMS
from tests.engine.audit import state_faults, states_in, sums_faults, tally_faults
from tests.engine.fixtures import installation
from tests.engine.installation import Installation, Worker, lead
from tests.engine.tally import DEADLINE, PARTED

__all__ = ["installation"]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

ALL = ("scoring", "routing.lead", "routing.team")
INPUTS = ((LEADS, "scoring"), (LEADS, "routing.lead"), (TEAMS, "routing.team"))


async def faults_of(installation: Installation) -> list[str]:
    """Everything that is wrong after all has been worked."""
    leads, teams = await installation.log(LEADS), await installation.log(TEAMS)
    return [
        *tally_faults(leads),
        *state_faults(leads, states_in(await installation.changelog("scoring"))),
        *sums_faults(leads, teams, states_in(await installation.changelog("routing.team"))),
    ]


async def feed(installation: Installation, count: int, seconds: float, leads: int = 60) -> None:
    """Engagements spread over time; every tenth sets a deadline, every seventh counts in parts."""
    sent = []
    for first in range(0, count, 20):
        for number in range(first, min(first + 20, count)):
            kind = DEADLINE if number < leads else PARTED if number % 7 == 0 else "page_viewed"
            sent.append(await installation.engage(number, lead(number % leads), kind))
        await asyncio.sleep(20 * seconds / count)
    await asyncio.gather(*sent)


async def test_nothing_is_lost_or_doubled_when_workers_are_killed_and_stopped(
    installation: Installation, tmp_path: Path
) -> None:
    chance = random.Random(4)
    slow = {"TEST_PAUSE_SECONDS": "0.03", "LEADLOOP_GROUP_SIZE": "100"}
    workers = [Worker(installation, *ALL, log_file=tmp_path / f"{n}.log", **slow) for n in range(2)]
    async with workers[0].supervised(), workers[1].supervised():
        feeding = asyncio.create_task(feed(installation, 4000, seconds=20))
        for worker in workers:
            await worker.until_working()
        for fault in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            await asyncio.sleep(chance.uniform(0.5, 2.5))
            worker = chance.choice(workers)
            worker.process.send_signal(fault)
            await worker.ended()
            worker.start()
            await worker.until_working()
        await feeding
        await installation.worked(*INPUTS)
        assert await faults_of(installation) == [], [w.said()[-3000:] for w in workers]


async def test_the_audit_finds_out_an_engine_that_acknowledges_before_outputs_are_durable(
    installation: Installation, tmp_path: Path
) -> None:
    async with Worker(installation, *ALL, log_file=tmp_path / "broken.log", TEST_BROKEN="1").supervised() as worker:
        feeding = asyncio.create_task(feed(installation, 1500, seconds=12))
        for _ in range(3):
            await worker.until_working()
            await asyncio.sleep(2.5)  # time enough to begin something, and to acknowledge what is not done
            await worker.kill()
            worker.start()
        await feeding
        await installation.worked(*INPUTS)
        assert [fault for fault in await faults_of(installation) if "lost" in fault]


async def test_a_worker_stopped_past_its_session_and_woken_changes_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    flag = tmp_path / "stop-before-state"
    sleeper = Worker(installation, *ALL, log_file=tmp_path / "sleeper.log", TEST_STOP_BEFORE_STATE=str(flag))
    async with sleeper.supervised():
        await installation.engage_all(range(300), leads=40)
        await installation.worked(*INPUTS)
        flag.touch()
        await installation.engage_all(range(300, 400), leads=40)
        await sleeper.until_stopped()
        async with Worker(installation, *ALL, log_file=tmp_path / "heir.log").supervised() as heir:
            await installation.engage_all(range(400, 600), leads=40)
            await installation.worked(*INPUTS)
            sleeper.process.send_signal(signal.SIGCONT)
            await installation.engage_all(range(600, 700), leads=40)
            await installation.worked(*INPUTS)
            assert await faults_of(installation) == [], heir.said()[-3000:]
            await sleeper.until_said("no heartbeat was answered", ever=True)


async def test_a_stop_takes_less_than_ten_seconds_and_loses_no_work(installation: Installation, tmp_path: Path) -> None:
    slow = {"TEST_PAUSE_SECONDS": "0.05", "LEADLOOP_GROUP_SIZE": "50"}
    async with Worker(installation, *ALL, log_file=tmp_path / "worker.log", **slow).supervised() as worker:
        feeding = asyncio.create_task(feed(installation, 1000, seconds=6))
        await worker.until_working()
        began = time.monotonic()
        assert await worker.stop() == 0, worker.said()[-3000:]
        assert time.monotonic() - began < 10
        await feeding
        worker.start()
        await installation.worked(*INPUTS)
        assert await faults_of(installation) == []


async def test_partitions_change_hands_without_a_kill(installation: Installation, tmp_path: Path) -> None:
    slow = {"TEST_PAUSE_SECONDS": "0.02", "LEADLOOP_GROUP_SIZE": "50"}
    async with Worker(installation, *ALL, log_file=tmp_path / "0.log", **slow).supervised() as leaver:
        await leaver.until_working()
        feeding = asyncio.create_task(feed(installation, 2500, seconds=14))
        async with Worker(installation, *ALL, log_file=tmp_path / "1.log", **slow).supervised() as heir:
            await heir.until_working()
            assert await leaver.stop() == 0, leaver.said()[-3000:]
            await heir.until_said("restored ", 2 * len(ALL))
            await feeding
            await installation.worked(*INPUTS)
            assert await faults_of(installation) == []
