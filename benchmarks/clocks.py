"""Clocks: deadlines a second on one core; how long after its instant a breach is said with few and many running clocks;
and how long 100,000 clocks are without a watch after SIGKILL."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import engine
from benchmarks.figures import Figure, percentile
from schemas.agreement import load
from schemas.agreement.clocking import plan
from schemas.agreement.working_hours import RepHours, Whose, hours_of
from schemas.base import Event
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import LeadAssigned, LeadRouted
from schemas.events.scoring import LeadQualified
from schemas.events.sla import ClockBreached, ClockStarted
from schemas.ids import digest
from schemas.topics import LEADS
from schemas.wire import Envelope, decode, encode, new_trace
from services.console.broker import EmbeddedBroker
from services.runtime.appending import fresh_id
from services.runtime.settings import Settings
from services.runtime.topics import partition_of

NUMBERS = tuple(int(n) for n in os.environ.get("LEADLOOP_BENCH_CLOCKS", "1000,10000,100000").split(","))
PROBES = int(os.environ.get("LEADLOOP_BENCH_PROBES", "500"))
PROBES_A_SECOND = 50
AGREEMENT = (Path(__file__).parent / "clocks.yaml").read_text(encoding="utf-8")
_DEADLINES = 100_000
_IDLE_SECONDS = 5.0
_QUIET = 0.02
_PATIENCE_SECONDS = 900
_FAR_OFFSET = 1 << 40
_STARTED, _BREACHED = ClockStarted.type_name().encode(), ClockBreached.type_name().encode()


async def measure() -> list[Figure]:
    """The arithmetic by itself, then a real sla on a broker of its own for each number of clocks."""
    figures = arithmetic()
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        broker = EmbeddedBroker(Path(folder) / "broker")
        await broker.start()
        try:
            for number in NUMBERS:
                figures += await _with_clocks(broker.bootstrap_servers, Path(folder), number)
        finally:
            await broker.stop()
    return figures


# ------------------------------------------------------------------ the arithmetic


def arithmetic() -> list[Figure]:
    """Deadlines, and whole plans (a deadline and two warnings by a rep's hours with a pause), a second of CPU time."""
    agreement = load(AGREEMENT, 1)
    terms = agreement.clocks[0].model_copy(update={"calendar_of": "rep"})
    by_calendar = agreement.calendar("office").open_time
    lunch = tuple((day, 720, 765) for day in ((0,), (1,), (2,), (3,)))
    rep = RepHours("office", None, lunch, (("2026-08-03", "2026-08-14"),))
    by_rep = hours_of(agreement, terms, Whose(rep)).open_time
    first = datetime(2026, 1, 5, 9, tzinfo=UTC)
    starts = [first + timedelta(minutes=(7919 * i) % 400_000) for i in range(_DEADLINES)]
    lengths = [timedelta(minutes=1 + (104_729 * i) % 20_000) for i in range(_DEADLINES)]
    for open_time in (by_calendar, by_rep):
        open_time.after(first, timedelta(hours=5000))  # the years are laid out once
    began = time.process_time()
    for start, length in zip(starts, lengths, strict=True):
        by_calendar.after(start, length)
    deadlines = _DEADLINES / (time.process_time() - began)
    began = time.process_time()
    for start, length in zip(starts, lengths, strict=True):
        plan(by_rep, start, length, (0.5, 0.8), ((start + length / 4, start + length / 2),))
    plans = _DEADLINES / (time.process_time() - began)
    return [
        Figure("deadlines by a business calendar, one core", deadlines, "a second", ">= 20,000"),
        Figure("deadline and two warnings by a rep's hours, with a pause", plans, "a second"),
    ]


# ------------------------------------------------------------------ a real sla


async def _with_clocks(bootstrap: str, folder: Path, number: int) -> list[Figure]:
    base = engine.settings_for(bootstrap, folder, f"bench-clocks-{number}-{secrets.token_hex(3)}")
    settings = replace(base, log_level="INFO")
    await engine.prepare(settings, AGREEMENT)
    async with _writer(settings) as producer, _Watching(settings) as watching:
        await _fill(settings, producer, number)
        async with _sla(settings) as sla:
            await watching.until_started(number)
            idle = await _idle(sla.pid)
            await _probe(settings, producer, PROBES)
            await watching.until_breached(PROBES)
            lags = watching.lags_ms()
            sla.kill()
            await sla.wait()
        figures = [
            Figure(f"a breach is said after its instant, {number:,} clocks running: p50", percentile(lags, 0.5), "ms"),
            Figure(f"the same, p99 ({number:,})", percentile(lags, 0.99), "ms", "<= 1000"),
            Figure(f"CPU of sla with {number:,} clocks of which none is due", idle * 100, "% of a core"),
        ]
        if number == max(NUMBERS):
            figures += await _recovered(settings, producer, watching, number)
    return figures


async def _recovered(settings: Settings, producer: AIOKafkaProducer, watching: _Watching, number: int) -> list[Figure]:
    """Probes fall due while nothing runs; then sla starts again."""
    began = time.monotonic()
    async with _sla(settings) as sla:
        await _probe(settings, producer, 50)
        await watching.until_started(number + PROBES + 50)
        caught_up_before = time.monotonic() - began
        sla.kill()
        await sla.wait()
    await asyncio.sleep(21)
    began = time.monotonic()
    async with _sla(settings) as sla:
        restored = asyncio.create_task(_restored(sla))
        await watching.until_breached(PROBES + 50)
        seconds = time.monotonic() - began
        late = sum(1 for b in watching.breaches[PROBES:] if b.detected_late)
        return [
            Figure(f"state of {number:,} clocks restored after SIGKILL", await restored, "s", "<= 5"),
            Figure("from the start of the process until all 50 that fell due meanwhile were said", seconds, "s"),
            Figure("of them marked as detected late", late, "of 50", "50"),
            Figure("from a start right after SIGKILL until it works (its session must end first)", caught_up_before, "s"),
        ]


@asynccontextmanager
async def _sla(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sla", env=engine.environment_of(settings), stderr=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _restored(process: asyncio.subprocess.Process) -> float:
    """The seconds that the process says its restore took; all its partitions are restored at once."""
    assert process.stderr is not None
    async for line in process.stderr:
        said = json.loads(line) if line.startswith(b"{") else {}
        if said.get("event") == "restored" and said["records"] > 0:
            return float(said["seconds"])
    raise RuntimeError("sla ended before it had restored its state")


async def _idle(pid: int) -> float:
    """The share of a core that it takes once it is quiet: at first it tells every clock of the agreement, so many a second."""
    busy = 1.0
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while busy > _QUIET:
            busy = await _busy(pid)
    return await _busy(pid)


async def _busy(pid: int) -> float:
    began = _cpu_seconds(pid)
    await asyncio.sleep(_IDLE_SECONDS)
    return (_cpu_seconds(pid) - began) / _IDLE_SECONDS


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------ leads with clocks


@asynccontextmanager
async def _writer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=5, max_batch_size=500_000
    )  # fmt: skip
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def _life(lead: str, team: str, epoch: int) -> Sequence[Event]:
    """From the first submission to an assignment. epoch: the offset that LeadQualified will have."""
    rule = {"rule": "rest", "because": "everybody is", "agreement": "clocks", "agreement_version": 1}
    request = {"lead_id": lead, "request_id": f"{lead}.{epoch}", "team_id": team}
    pool = "probing" if team == "soon" else "waiting"
    return (
        LeadSubmitted.model_validate({
            "lead_id": lead, "submission_id": str(uuid.uuid4()), "content": digest(lead.encode()),
            "submitted_at": datetime.now(UTC), "country": "DE", "attributes": {"topic": "demo"},
        }),
        LeadQualified.model_validate({"lead_id": lead, "judged_at": _FAR_OFFSET, "score": "40", "grade": "B2", **rule}),
        LeadRouted.model_validate({**request, "epoch": epoch, "ask": {"kind": "pool", "pool_id": pool}, **rule}),
        LeadAssigned.model_validate({
            **request, "pool_id": pool, "rep_id": "anna", "number": 1, "because": "anna is due",
            "agreement": "clocks", "agreement_version": 1,
        }),
    )  # fmt: skip


async def _send(settings: Settings, producer: AIOKafkaProducer, lead: str, event: Event) -> Any:
    event_id = fresh_id()
    envelope = Envelope(
        event_id, event.type_name(), "/bench", datetime.now(UTC), lead, event_id, new_trace(event_id), "bench"
    )
    return await producer.send(
        settings.topic(LEADS), encode(event), key=lead.encode(), headers=envelope.headers(),
        partition=partition_of(lead, settings.partitions),
    )  # fmt: skip


async def _fill(settings: Settings, producer: AIOKafkaProducer, number: int) -> None:
    """Leads just assigned, written before anybody else writes: so the offsets are known."""
    nexts = [0] * settings.partitions
    sent: list[Any] = []
    for i in range(number):
        lead = str(uuid.UUID(int=i + 1))
        partition = partition_of(lead, settings.partitions)
        for event in _life(lead, "later", nexts[partition] + 1):
            sent.append(await _send(settings, producer, lead, event))
        nexts[partition] += 4
        if len(sent) > 20_000:
            await asyncio.gather(*sent)
            sent.clear()
    await asyncio.gather(*sent)


async def _probe(settings: Settings, producer: AIOKafkaProducer, number: int) -> None:
    """Leads whose clock is due 20 s after their assignment, one after the other."""
    began = time.monotonic()
    for i in range(number):
        lead = str(uuid.uuid4())
        submitted, qualified, *_ = _life(lead, "soon", 0)
        await _send(settings, producer, lead, submitted)
        epoch = (await (await _send(settings, producer, lead, qualified))).offset
        for event in _life(lead, "soon", epoch)[2:]:
            await _send(settings, producer, lead, event)
        await asyncio.sleep(max(0.0, began + (i + 1) / PROBES_A_SECOND - time.monotonic()))
    await producer.flush()


class _Watching:
    """Reads `leads` and keeps what sla says."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, fetch_max_wait_ms=100
        )
        self.started = 0
        self.breaches: list[ClockBreached] = []
        self._said_ms: list[int] = []

    async def __aenter__(self) -> _Watching:
        await self._consumer.start()
        topic = self._settings.topic(LEADS)
        places = [TopicPartition(topic, p) for p in range(self._settings.partitions)]
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning(*places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def _read(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=500, max_records=20_000)).values():
            for r in records:
                kind = next(value for name, value in r.headers if name == "ce_type")
                if kind == _STARTED:
                    self.started += 1
                elif kind == _BREACHED:
                    event = decode(kind.decode(), r.value)
                    assert isinstance(event, ClockBreached)
                    self.breaches.append(event)
                    self._said_ms.append(r.timestamp)

    async def until_started(self, number: int) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self.started < number:
                await self._read()

    async def until_breached(self, number: int) -> None:
        """Raises ValueError if a clock was breached twice."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while len(self.breaches) < number:
                await self._read()
        await self._read()
        if len({b.clock_id for b in self.breaches}) != number or len(self.breaches) != number:
            raise ValueError(f"{len(self.breaches)} breaches were said of {number} clocks")

    def lags_ms(self) -> list[float]:
        """How long after its deadline each breach stood in the log."""
        return [at - b.deadline_at.timestamp() * 1000 for at, b in zip(self._said_ms, self.breaches, strict=True)]
