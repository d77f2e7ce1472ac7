"""What an audit looks at: every record of every topic as it lies on the broker, and what the world outside was told.

It can be kept in a file and audited again when the installation is long gone:

    .venv/bin/python -m tests.chaos FILE
"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.ids import to_plain
from schemas.topics import ALERTS, LEADS, TEAMS, TOPICS
from schemas.wire import Record
from services.runtime.main import SERVICES, find
from services.runtime.plan import Plan
from services.runtime.settings import Settings
from services.runtime.topics import incarnations

READ_WITHIN_SECONDS = 300.0


@dataclass(frozen=True)
class Raw:
    """A record as it lies on the broker."""

    record: Record

    @cached_property
    def type(self) -> str:
        """The whole type name; empty if there is none."""
        return (self.record.header("ce_type") or b"").decode()

    @property
    def name(self) -> str:
        """The event's name without family and version."""
        return self.type.split(".")[1] if self.type.count(".") == 2 else ""

    @cached_property
    def event_id(self) -> str:
        return (self.record.header("ce_id") or b"").decode()

    @cached_property
    def cause(self) -> tuple[str, int, int] | None:
        """(source, offset, index) of what the record was said on; None: it came from the edge."""
        header = self.record.header("ce_cause")
        if header is None:
            return None
        source, offset, index = header.decode().rsplit("|", 2)
        return source, int(offset), int(index)

    @property
    def key(self) -> str:
        return (self.record.key or b"").decode()

    @cached_property
    def content(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.record.value or b"{}"))

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return f"{self.record.topic}/{self.record.partition}@{self.record.offset}"


class Promised(msgspec.Struct):
    """What the world outside was told, and what it was sent."""

    submissions: dict[str, str] = {}
    """submission_id -> lead_id of every 202 of intake."""
    actions: dict[str, str] = {}
    """action_id -> lead_id of every 202 of the desk."""
    people: dict[str, dict[str, Any]] = {}
    """lead_id -> the body that was posted."""
    refused: int = 0
    """Actions answered with 409: too late, and said so at once."""
    mails: list[str] = []
    """Message-IDs in the order of arrival."""
    interruptions: int = 0
    """How often the sender of alerts was ended, frozen or cut off: each may send one mail once more."""


class Shown(msgspec.Struct):
    """What the services' own doors said when all was quiet."""

    ledger: dict[str, dict[str, Any]] = {}
    """lead_id -> its row at feedback."""
    inboxes: dict[str, list[str]] = {}
    """rep -> the assignments in his inbox."""
    timelines: dict[str, list[str]] = {}
    """lead_id -> event ids of its timeline, of some leads."""
    audit: dict[str, Any] = {}
    """What feedback's own audit said."""
    quiet: str = ""
    """What still moved when patience ended; empty: nothing."""


@dataclass
class Evidence:
    """Everything that an audit looks at."""

    topics: dict[str, list[Raw]]
    """Name in the registry -> its records, by partition and offset."""
    changelogs: dict[str, list[Raw]]
    """Processor -> the records of its changelog."""
    promised: Promised
    shown: Shown
    incarnations: dict[str, str]
    sources: str = "/leadloop"
    """What `ce_source` begins with."""
    writer: str | None = None
    """The `ce_writer` of all records; None: the writers of this installation's code."""
    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    timers_late_at_most_seconds: float = 120.0
    """How late a TimerDue may come: as long as all outages of the run together, and a little."""


class _Kept(msgspec.Struct):
    """The form in a file."""

    topics: dict[str, list[tuple[Any, ...]]]
    changelogs: dict[str, list[tuple[Any, ...]]]
    promised: Promised
    shown: Shown
    incarnations: dict[str, str]
    sources: str
    writer: str | None
    taken_at: datetime
    timers_late_at_most_seconds: float


def keep(evidence: Evidence, file: Path) -> None:
    """Write it to a file."""
    kept = _Kept(
        {name: [_plain(r.record) for r in records] for name, records in evidence.topics.items()},
        {name: [_plain(r.record) for r in records] for name, records in evidence.changelogs.items()},
        evidence.promised, evidence.shown, evidence.incarnations, evidence.sources, evidence.writer,
        evidence.taken_at, evidence.timers_late_at_most_seconds,
    )  # fmt: skip
    with gzip.open(file, "wb", compresslevel=3) as out:
        out.write(msgspec.msgpack.encode(kept, enc_hook=to_plain))


def kept(file: Path) -> Evidence:
    """Read it from a file."""
    with gzip.open(file) as content:
        read = msgspec.msgpack.decode(content.read(), type=_Kept)
    return Evidence(
        {name: [_record(r) for r in records] for name, records in read.topics.items()},
        {name: [_record(r) for r in records] for name, records in read.changelogs.items()},
        read.promised, read.shown, read.incarnations, read.sources, read.writer, read.taken_at,
        read.timers_late_at_most_seconds,
    )  # fmt: skip


def _plain(r: Record) -> tuple[Any, ...]:
    return r.topic, r.partition, r.offset, r.at, r.key, r.value, r.headers


def _record(plain: tuple[Any, ...]) -> Raw:
    topic, partition, offset, at, key, value, headers = plain
    return Raw(Record(topic, partition, offset, at, key, value, tuple((n, v) for n, v in headers)))


async def collect(settings: Settings, promised: Promised, shown: Shown) -> Evidence:
    """Read everything that is on the broker now."""
    found = await incarnations(settings, LEADS, TEAMS, ALERTS)
    topics = {t.name: await _read(settings, t.name, settings.topic(t), settings.partitions_of(t)) for t in TOPICS}
    changelogs = {}
    for service in SERVICES:
        for processor in find(service).processors:
            plan = Plan.of(processor, settings, found[processor.log.name])
            changelogs[str(processor.name)] = await _read(
                settings, plan.changelog, plan.changelog, settings.partitions_of(processor.log)
            )
    return Evidence(topics, changelogs, promised, shown, found, f"/leadloop/{settings.namespace}")


async def _read(settings: Settings, called: str, topic: str, partitions: int) -> list[Raw]:
    """Every record of a topic, in partition and offset order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        out: list[Raw] = []
        async with asyncio.timeout(READ_WITHIN_SECONDS):
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for tp, records in (await consumer.getmany(*tps, timeout_ms=500)).items():
                    out += [_raw(called, tp.partition, r) for r in records]
        return sorted(out, key=lambda r: (r.record.partition, r.record.offset))
    finally:
        await consumer.stop()


def _raw(topic: str, partition: int, r: Any) -> Raw:
    at = datetime.fromtimestamp(r.timestamp / 1000, UTC)
    return Raw(Record(topic, partition, r.offset, at, r.key, r.value, tuple(r.headers)))
