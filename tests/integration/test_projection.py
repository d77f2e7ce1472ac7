"""A projection on real Kafka into SQLite and PostgreSQL: each record once, also under kills, outages and rebuilds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pgserver
import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.events.intake import LeadSubmitted
from schemas.ids import LeadId, SubmissionId, digest
from schemas.topics import LEADS, STATUSES
from services.console import processes
from services.console.broker import EmbeddedBroker
from services.runtime.appending import Appended, Appender
from services.runtime.health import Health
from services.runtime.projection import Behind, Changed, ProjectionRunner
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics
from tests.integration.tally import COUNTS, READ, Process, Tally, settings_of

pytestmark = pytest.mark.integration

LEAD_IDS = [LeadId(str(uuid.UUID(int=n))) for n in range(40)]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pgserver.PostgresServer]:
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    server: pgserver.PostgresServer = request.getfixturevalue("postgres")
    return str(server.get_uri())


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path, database_url: str | None) -> Settings:
    settings = settings_of(kafka, namespace, tmp_path, database_url)
    await ensure_topics(settings)
    return settings


@pytest.fixture
async def intake(settings: Settings) -> AsyncIterator[Appender]:
    appender = Appender(settings, "intake", Health())
    await appender.start()
    yield appender
    await appender.stop()


def submission(lead: LeadId) -> LeadSubmitted:
    return LeadSubmitted(
        lead_id=lead,
        submission_id=SubmissionId(str(uuid.uuid4())),
        content=digest(uuid.uuid4().bytes),
        submitted_at=datetime.now(UTC),
    )


async def submit(intake: Appender, rounds: int) -> list[Appended]:
    return [a for _ in range(rounds) for a in await intake.append_all([submission(lead) for lead in LEAD_IDS])]


def counts(connection: sa.Connection) -> dict[str, int]:
    return {row.lead_id: row.n for row in connection.execute(sa.select(COUNTS))}


async def said(settings: Settings) -> list[str]:
    """The ids in `statuses`, to its end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.topic(STATUSES), p) for p in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        ids: list[str] = []
        async with asyncio.timeout(20):
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    ids += [dict(r.headers)["ce_id"].decode() for r in records]
        return ids
    finally:
        await consumer.stop()


async def until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for a word of health, which nothing announces."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        await asyncio.sleep(0.02)


async def stop_at_once(server: pgserver.PostgresServer) -> None:
    """Stop PostgreSQL without letting anything finish (its "immediate" shutdown), and wait until it is gone."""
    pid = server.get_pid()
    postmaster = processes.RecordedProcess("postgres", pid, processes.start_time(pid) or "")
    os.kill(pid, signal.SIGQUIT)
    assert await processes.ended(postmaster, 20)


async def test_what_is_in_the_log_is_in_the_rows_and_what_was_read_is_said(
    settings: Settings, intake: Appender
) -> None:
    await submit(intake, 3)
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        await runner.read_to_end(timeout=20)
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 3)
        last = (await submit(intake, 1))[-1]
        await runner.wait_for(LEADS, last.partition, last.offset)
        await runner.read_to_end(key=LEAD_IDS[0])
        assert (await runner.read(counts))[LEAD_IDS[0]] == 4
    ids = await said(settings)
    assert len(ids) == len(set(ids)) == 4 * len(LEAD_IDS)


async def test_a_new_start_goes_on_where_the_rows_are(settings: Settings, intake: Appender) -> None:
    await submit(intake, 2)
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        await runner.read_to_end(timeout=20)
    await submit(intake, 1)
    second = Tally()
    async with ProjectionRunner(second, Process(settings)) as runner:
        await runner.read_to_end(timeout=20)
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 3)
    assert sum(second.sizes) == len(LEAD_IDS)


async def test_killed_again_and_again_every_record_is_applied_once(
    settings: Settings, intake: Appender, database_url: str | None
) -> None:
    arguments = json.dumps([settings.bootstrap_servers, settings.namespace, str(settings.data_dir), database_url or ""])
    appending = asyncio.ensure_future(submit(intake, 60))
    for seconds in (0.15, 0.3, 0.05):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.tally", arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"started\n"
            await asyncio.sleep(seconds)  # the instant of the kill is what the test varies
            process.kill()
            await process.wait()
    async with asyncio.timeout(30):
        await appending
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        await runner.read_to_end(timeout=30)
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 60)
        read = await runner.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(READ)).scalar_one())
    assert read == 60 * len(LEAD_IDS)
    assert len(set(await said(settings))) == read


async def test_two_processes_on_one_database_do_not_apply_a_record_twice(settings: Settings, intake: Appender) -> None:
    async with (
        ProjectionRunner(Tally(), Process(settings)) as one,
        ProjectionRunner(Tally(), Process(settings)) as other,
    ):
        await submit(intake, 20)
        await one.read_to_end(timeout=30)
        await other.read_to_end(timeout=30)
        assert await one.read(counts) == await other.read(counts) == dict.fromkeys(LEAD_IDS, 20)


async def test_a_new_version_is_built_from_the_first_record_and_the_old_tables_go(
    settings: Settings, intake: Appender
) -> None:
    await submit(intake, 2)
    async with ProjectionRunner(Tally(version=1), Process(settings)) as runner:
        await runner.read_to_end(timeout=20)
        old, vector = runner.database.place, str(runner.vector())
    newer = Tally(version=2)
    async with ProjectionRunner(newer, Process(settings)) as runner:
        await runner.caught_up()
        assert runner.database.place != old
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 2)
        assert str(runner.vector()) == vector
        assert sum(newer.sizes) == 2 * len(LEAD_IDS)
        assert await runner.database.delete_older() == []
    older = Tally(version=1)
    async with ProjectionRunner(older, Process(settings)) as runner:
        await runner.caught_up()
    assert sum(older.sizes) == 2 * len(LEAD_IDS), "the old tables had been deleted, so all was read again"


async def test_streams_are_told_of_every_commit_in_order(settings: Settings, intake: Appender) -> None:
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        changes = runner.changes()
        first: Changed = await anext(changes)
        assert not first.complete
        await submit(intake, 5)
        told: list[str] = []
        async with asyncio.timeout(20):
            while len(told) < 5 * len(LEAD_IDS):
                changed = await anext(changes)
                assert changed.complete
                told += [a.event_id for a in changed.announcements]
                assert changed.vector.joined(first.vector) == changed.vector  # it only moves on
        await changes.aclose()
    assert len(set(told)) == len(told)


async def test_what_cannot_be_reached_in_time_is_said(settings: Settings) -> None:
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        await runner.caught_up()
        with pytest.raises(Behind, match=r"tally has not caught up with the log within 0\.2 s"):
            await runner.wait_for(LEADS, 0, 99, timeout=0.2)


async def test_a_topic_made_anew_is_read_anew(settings: Settings, intake: Appender) -> None:
    from aiokafka.admin import AIOKafkaAdminClient

    await submit(intake, 3)
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        await runner.read_to_end(timeout=20)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    await admin.delete_topics([settings.topic(LEADS)])
    async with asyncio.timeout(20):
        while settings.topic(LEADS) in await admin.list_topics():  # noqa: ASYNC110 - the broker offers nothing to await
            await asyncio.sleep(0.05)
    await admin.close()
    await ensure_topics(settings)
    fresh = Appender(settings, "intake", Health())
    await fresh.start()
    await submit(fresh, 1)
    await fresh.stop()
    async with ProjectionRunner(Tally(), Process(settings)) as runner:
        await runner.read_to_end(timeout=20)
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 1)


async def test_postgres_stopped_and_back_loses_and_doubles_nothing(kafka: str, namespace: str, tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = pgserver.get_server(folder, cleanup_mode="stop")
    settings = settings_of(kafka, namespace, tmp_path, server.get_uri())
    await ensure_topics(settings)
    intake = Appender(settings, "intake", Health())
    await intake.start()
    process = Process(settings)
    async with ProjectionRunner(Tally(), process) as runner:
        await submit(intake, 1)
        await runner.read_to_end(timeout=20)
        await runner.caught_up()
        assert process.health.ready
        await stop_at_once(server)
        await submit(intake, 2)
        await until(lambda: not process.health.ready, "the projection to say that its database is away")
        assert "the database does not answer" in str(process.health.report())
        with pytest.raises(Behind, match="database does not answer"):
            await runner.read(counts)
        before = runner.positions
        server.ensure_postgres_running()
        await runner.read_to_end(timeout=30)
        await until(lambda: process.health.ready, "the projection to be well again")
        assert runner.positions != before
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 3)
    await intake.stop()
    server.cleanup()


@pytest.mark.slow
async def test_a_broker_that_went_away_is_said_and_read_on_when_it_is_back(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    settings = settings_of(broker.bootstrap_servers, "away", tmp_path, None)
    await ensure_topics(settings)
    process = Process(settings)
    async with ProjectionRunner(Tally(), process) as runner:
        await runner.caught_up()
        await broker.kill()
        await until(lambda: not process.health.ready, "the projection to say that the broker is away", 40)
        assert "the broker does not answer" in str(process.health.report())
        await broker.start()
        intake = Appender(settings, "intake", Health())
        await intake.start()
        await submit(intake, 2)
        await until(lambda: process.health.ready, "the projection to be well again", 60)
        await runner.read_to_end(timeout=30)
        assert await runner.read(counts) == dict.fromkeys(LEAD_IDS, 2)
        await intake.stop()
