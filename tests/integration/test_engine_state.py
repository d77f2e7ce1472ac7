"""State on a real Kafka: restored by the furthest position, and written anew where a stale owner overwrote it."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord

from schemas.topics import LEADS
from tests.engine.audit import state_faults, states_in, tally_faults
from tests.engine.fixtures import installation
from tests.engine.installation import Installation, Worker, lead
from tests.engine.tally import PARTED

__all__ = ["installation"]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

SCORING = (LEADS, "scoring")


def keys_whose_newest_record_is_not_the_furthest(changelog: list[ConsumerRecord]) -> list[tuple[int, bytes]]:
    """Where compaction would keep the wrong state."""
    furthest: dict[tuple[int, bytes], int] = {}
    newest: dict[tuple[int, bytes], int] = {}
    for record in changelog:
        key, position = (record.partition, record.key), json.loads(record.value)["position"]
        newest[key] = position
        furthest[key] = max(position, furthest.get(key, -1))
    return [key for key, position in newest.items() if position < furthest[key]]


async def test_states_and_their_parts_are_restored_after_a_kill(installation: Installation, tmp_path: Path) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised() as worker:
        await installation.engage_all(range(400), leads=30, kind=PARTED)
        await installation.worked(SCORING)
        await worker.kill()
        worker.start()
        await installation.engage_all(range(400, 500), leads=30, kind=PARTED)
        await installation.worked(SCORING)
    leads, changelog = await installation.log(LEADS), await installation.changelog("scoring")
    assert tally_faults(leads) == []
    states = states_in(changelog)
    assert state_faults(leads, states) == []
    notes = [state["count"] for key, state in states.items() if b"\0note\0" in key and "count" in state]
    assert notes
    assert all(int(str(count)) >= 1 for count in notes)


async def test_what_a_stale_owner_overwrites_is_written_anew(installation: Installation, tmp_path: Path) -> None:
    flag = tmp_path / "stop-before-state"
    sleeper = Worker(
        installation, "scoring", log_file=tmp_path / "0.log", TEST_STOP_BEFORE_STATE=str(flag), TEST_NO_FENCE="1"
    )
    async with sleeper.supervised():
        await installation.engage_all(range(100), leads=20)
        await installation.worked(SCORING)
        flag.touch()
        await installation.engage_all(range(100, 140), leads=20)
        await sleeper.until_stopped()
        async with Worker(installation, "scoring", log_file=tmp_path / "1.log").supervised():
            await installation.engage_all(range(140, 200), leads=20)
            await installation.worked(SCORING)
            sleeper.process.send_signal(signal.SIGCONT)
            await installation.engage_all(range(200, 240), leads=20)
            await installation.worked(SCORING)
            await until_none_is_wrong(installation)
    leads = await installation.log(LEADS)
    assert tally_faults(leads) == []
    assert state_faults(leads, states_in(await installation.changelog("scoring"))) == []


async def test_the_owner_notices_what_another_writes_into_its_changelog(
    installation: Installation, tmp_path: Path
) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised() as worker:
        await installation.engage_all(range(60), leads=6)
        await installation.worked(SCORING)
        oldest = {(r.partition, r.key): r for r in reversed(await installation.changelog("scoring"))}
        for record in oldest.values():
            stale = record.value.replace(b'{"generation":1', b'{"generation":0')
            await installation.producer.send_and_wait(record.topic, stale, key=record.key, partition=record.partition)
        await worker.until_said("stale_owner_wrote", len(oldest))
        await until_none_is_wrong(installation)
        await installation.engage_all(range(60, 90), leads=6)
        await installation.worked(SCORING)
    leads = await installation.log(LEADS)
    assert tally_faults(leads) == []
    assert state_faults(leads, states_in(await installation.changelog("scoring"))) == []


async def test_a_state_written_by_a_stale_owner_loses_to_a_further_one_at_restore(
    installation: Installation, tmp_path: Path
) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised() as worker:
        await installation.engage_all(range(60), leads=6)
        await installation.worked(SCORING)
        await worker.kill()
        changelog = await installation.changelog("scoring")
        oldest = {(record.partition, record.key): record for record in reversed(changelog)}
        for record in oldest.values():
            await installation.producer.send_and_wait(
                record.topic, record.value, key=record.key, partition=record.partition
            )
        assert keys_whose_newest_record_is_not_the_furthest(await installation.changelog("scoring"))
        worker.start()
        await installation.engage_all(range(60, 66), leads=3)
        await installation.worked(SCORING)
        await until_none_is_wrong(installation)
    leads = await installation.log(LEADS)
    assert tally_faults(leads) == []
    assert state_faults(leads, states_in(await installation.changelog("scoring"))) == []


async def test_a_changelog_is_compacted_within_the_hour_and_lies_with_its_input(
    installation: Installation, tmp_path: Path
) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised():
        await installation.engage_all(range(40), leads=40)
        await installation.worked(SCORING)
    partitions = {record.key: record.partition for record in await installation.log(LEADS)}
    states = [r for r in await installation.changelog("scoring") if not r.key.startswith(b"\0")]
    assert {r.key: r.partition for r in states} == {
        key: p for key, p in partitions.items() if key in {lead(n).encode() for n in range(40)}
    }


async def until_none_is_wrong(installation: Installation) -> None:
    """Wait until compaction would keep the right state of every key."""
    async with asyncio.timeout(60):
        while wrong := keys_whose_newest_record_is_not_the_furthest(await installation.changelog("scoring")):
            assert wrong
            await asyncio.sleep(0.3)
