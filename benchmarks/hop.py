"""What one record costs one processor, by part and without a broker: what is aiokafka's, what is ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import process_time_ns

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from benchmarks.contestants import HOP
from benchmarks.engine import AGREEMENT, settings_for, submission
from benchmarks.figures import Figure
from schemas.agreement import Agreement, load
from schemas.events.intake import LeadSubmitted
from schemas.ids import EventId
from schemas.wire import Envelope, decode, encode, new_trace
from services.runtime.fencing import Fence
from services.runtime.group_commit import GroupCommit
from services.runtime.groups import Group
from services.runtime.health import Health
from services.runtime.plan import Plan
from services.runtime.replay import AgreementsInMemory
from services.runtime.step import concerns
from services.runtime.store import Codec, Store

_RECORDS, _ROUNDS, _PARTITIONS = 400, 15, 8
_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_AT_MS = round(_AT.timestamp() * 1000)
_BATCH_BYTES = 900_000


class _Fresh(AgreementsInMemory):
    """Agreements that nobody has to wait for."""

    is_fresh = True

    async def fresh(self) -> None:
        """At once."""

    @classmethod
    def only(cls, agreement: Agreement) -> _Fresh:
        return cls(AgreementsInMemory.only(agreement).published)


async def measure() -> list[Figure]:
    """Microseconds of processor time a record, the least of several rounds: what else runs only ever adds."""
    records = _recorded()
    envelopes = [Envelope.parse(r.headers) for r in records]
    events = [decode(e.type, r.value) for e, r in zip(envelopes, records, strict=True)]
    written = _batch(records)
    nobody = frozenset({b"leadloop.Nothing.v1"})
    parts: dict[str, Callable[[], object]] = {
        "aiokafka: read a record with its headers": lambda: _read(written),
        "aiokafka: append a record with its headers": lambda: _batch(records),
        "pass over a record": lambda: [concerns(r.headers, nobody, b"scoring") for r in records],
        "envelope: parse": lambda: [Envelope.parse(r.headers) for r in records],
        "envelope: write": lambda: [e.headers() for e in envelopes],
        "event: decode": lambda: [decode(LeadSubmitted.type_name(), r.value) for r in records],
        "event: encode": lambda: [encode(e) for e in events],
        "a group: decide, outputs and states": _group(records),
    }
    return [Figure(name, _least(work), "us/record") for name, work in parts.items()]


def _recorded() -> list[ConsumerRecord]:
    """Submissions of as many leads, as they are read."""
    records = []
    for number in range(_RECORDS):
        event, event_id = submission(number, _RECORDS), EventId(f"bench-{number}")
        envelope = Envelope(
            event_id, event.type_name(), "/bench", _AT, event.lead_id, event_id, new_trace(event_id), "bench"
        )
        key, value, headers = event.lead_id.encode(), encode(event), tuple(envelope.headers())
        records.append(
            ConsumerRecord(
                "leads", number % _PARTITIONS, number // _PARTITIONS, _AT_MS, 1, key, value, None, 0, 0, headers
            )
        )
    return records


def _batch(records: list[ConsumerRecord]) -> bytes:
    builder = BatchBuilder(_BATCH_BYTES, 0)
    for r in records:
        builder.append(timestamp=None, key=r.key, value=r.value, headers=list(r.headers))
    return bytes(builder._build())


def _read(written: bytes) -> int:
    batches, number = MemoryRecords(written), 0
    while (batch := batches.next_batch()) is not None:
        for record in batch:
            number += len(record.headers) > 0
    return number


def _group(records: list[ConsumerRecord]) -> Callable[[], Group]:
    """One group commit up to its sending, on empty states."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan.of(HOP, settings_for("nowhere:1", Path(folder), "bench"), "incarnation")
    agreements = _Fresh.only(load(AGREEMENT.read_text(), version=1))
    taken = [(p, [r for r in records if r.partition == p]) for p in range(_PARTITIONS)]

    def work() -> Group:
        stores = {p: Store(Codec(HOP)) for p in range(_PARTITIONS)}
        commit = GroupCommit(plan, agreements, Health(), Fence(10.0), stores)
        group = commit._decide(taken)
        commit._states(group)
        return group

    return work


def _least(work: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(_ROUNDS):
        began = process_time_ns()
        work()
        least = min(least, (process_time_ns() - began) / 1000)
    return least / _RECORDS
