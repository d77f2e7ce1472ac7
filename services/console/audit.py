"""Whether every lead is accounted for: what feedback says of its ledger, and, asked deeper, the logs read anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.topics import LEADS, STATUSES, Topic
from schemas.wire import Envelope, Record, UndecodableRecord, decode
from services.console.doors import Doors
from services.console.terminal import Refused
from services.runtime.lead_log import UNREAD, LeadMemory, changes_lives, read_lead
from services.runtime.settings import Settings

_PATIENCE_SECONDS = 600.0
_FAULTS_SHOWN = 20


def audit_of(doors: Doors) -> dict[str, Any]:
    """What feedback answers. Raises Refused."""
    found: dict[str, Any] = doors.get("feedback", "/v1/audit")
    return found


def is_clean(found: Mapping[str, Any]) -> bool:
    """Whether no lead is unaccounted for, none has two owners, and no record waits as a dead letter."""
    deep = found.get("deep") or {}
    return not (_number(found["unaccounted"]) or _number(found["double_assigned"]) or _number(found["dead_lettered"]) or deep.get("faults"))


def sentence(found: Mapping[str, Any]) -> str:
    """The audit in the one form that everybody reads: "214 in, 214 accounted for, none with two owners"."""
    received, unaccounted = found["received"], _number(found["unaccounted"])
    doubles, dead = _number(found["double_assigned"]), _number(found["dead_lettered"])
    said = f"{received} in, {received - unaccounted} accounted for, {doubles or 'none'} with two owners"
    if dead:
        said += f", {dead} dead letter{'s' if dead > 1 else ''} open: leadloop dead-letters list"
    if (deep := found.get("deep")) is not None:
        faults = len(deep["faults"])
        said += f"; {deep['records']} records of {deep['leads']} leads read anew: " + (f"{faults} contradict the ledger" if faults else "all as the ledger says")
    return said


def _number(value: Any) -> int:
    """A count, whether it is given as a number or as a list of what was counted."""
    return len(value) if isinstance(value, (list, dict)) else int(value)


@dataclass
class _Reading:
    """What a reading of the raw topics has found."""

    lives: dict[str, LeadMemory] = field(default_factory=dict)
    statuses: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    records: int = 0
    faults: list[str] = field(default_factory=list)


async def deep_audit(settings: Settings, doors: Doors) -> dict[str, Any]:
    """Fold every lead's log anew and compare with the statuses that feedback published. Raises Refused.

    A lead whose log went on while we read is asked for once more at the ledger's door before it counts as a contradiction.
    """
    reading = _Reading()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _read(settings, LEADS, lambda record: _take(reading, record))
            await _read(settings, STATUSES, lambda record: _take_status(reading, record))
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(
            f"the topics at {settings.bootstrap_servers} could not be read to their end ({type(fault).__name__}); see what runs with: leadloop status"
        ) from fault
    suspects = [lead for lead, memory in reading.lives.items() if _differs(memory, reading.statuses.get(lead))]
    faults = reading.faults + [fault for lead in suspects if (fault := await asyncio.to_thread(_contradiction, doors, lead, reading.lives[lead]))]
    by_status = Counter(status.value for memory in reading.lives.values() if (status := memory.life.lead_status) is not None)
    return {"records": reading.records, "leads": len(reading.lives), "by_status": dict(by_status), "faults": faults[:_FAULTS_SHOWN]}


def _take(reading: _Reading, record: Record) -> None:
    reading.records += 1
    lead = (record.key or b"").decode(errors="replace")
    try:
        envelope = Envelope.parse(record.headers)
        event = decode(envelope.type, record.value) if changes_lives(envelope.type) else None
    except UndecodableRecord:
        return  # a dead letter: the audit counts those of feedback
    before = reading.lives.get(lead, UNREAD)
    after, _ = read_lead(before, record, envelope, event)
    reading.lives[lead] = after
    if before.life.held and after.life.held and (before.life.offer, before.life.rep) != (after.life.offer, after.life.rep):
        reading.faults.append(f"lead {lead}: at {record.offset} a second assignment came into effect beside the first")


def _take_status(reading: _Reading, record: Record) -> None:
    lead = (record.key or b"").decode(errors="replace")
    try:
        event = decode(record.type_name(), record.value)
    except UndecodableRecord:
        reading.statuses.pop(lead, None)
        return
    reading.statuses[lead] = event.model_dump(mode="json")


def _differs(memory: LeadMemory, status: Mapping[str, Any] | None) -> bool:
    expected = memory.life.lead_status
    return expected is not None and (status is None or status["lead_status"] != expected.value)


def _contradiction(doors: Doors, lead: str, memory: LeadMemory) -> str | None:
    now = doors.get("feedback", f"/v1/leads/{lead}")
    expected = memory.life.lead_status
    if expected is None or now["lead_status"] == expected.value:
        return None
    return f"lead {lead}: its log says {expected.value}, the ledger says {now['lead_status']}"


async def _read(settings: Settings, topic: Topic, take: Any) -> None:
    """Every record of a topic up to its end as of now, in the order of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        name = settings.topic(topic)
        places = [TopicPartition(name, partition) for partition in range(settings.partitions_of(topic))]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        behind = {place for place in places if ends[place] > 0}
        while behind:
            for place, records in (await consumer.getmany(*behind, timeout_ms=500)).items():
                for r in records:
                    at = datetime.fromtimestamp(r.timestamp / 1000, UTC)
                    take(Record(topic.name, place.partition, r.offset, at, r.key, r.value, tuple(r.headers)))
            behind = {place for place in behind if await consumer.position(place) < ends[place]}
    finally:
        await consumer.stop()
