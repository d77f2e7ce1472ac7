"""Sending a group: one batch a partition and one future a batch, strictly one after the other, all awaited.

Stands in for Faust's `Topic.send` (faust/topics.py, `publish_message`: one future a record, and `send_soon` only
enqueues) and for aiokafka's `AIOKafkaProducer.send` (producer/producer.py: one future a record). A later batch to a
partition never leaves before the earlier one is acknowledged: a gap followed by a later batch would make readers drop
what was in the gap. Nothing here raises anything that may be carried on from: whoever calls ends the process on any
exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

Outgoing = tuple[bytes, bytes | None, list[tuple[str, bytes]]]
"""key, value, headers (a list: aiokafka's batch takes nothing else)"""

NO_HEADERS: list[tuple[str, bytes]] = []

BATCH_BYTES = 900_000
"""Below the brokers' usual limit of 1 MB a batch."""
_PER_RECORD_BYTES = 40
"""At most what a record's lengths and deltas take besides key, value and headers."""


def size_of(record: Outgoing) -> int:
    """At most the bytes that a record takes in a batch."""
    key, value, headers = record
    return _PER_RECORD_BYTES + len(key) + len(value or b"") + sum(10 + len(n) + len(v) for n, v in headers)


class Sender:
    """One processor's pen on an idempotent producer."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, outgoing: Mapping[tuple[str, int], Iterable[Outgoing]]) -> None:
        """Append records by (topic on the cluster, partition). Returns when every replica has all of them."""
        if len(outgoing) == 1:
            for (topic, partition), records in outgoing.items():
                await self._send_records(topic, partition, records)
        elif outgoing:
            await asyncio.gather(*[self._send_records(t, p, records) for (t, p), records in outgoing.items()])

    async def send_bundles(
        self, topic: str, partition: int, bundles: Iterable[Sequence[Outgoing]]
    ) -> list[tuple[int, int]]:
        """Append bundles of records, none of them split over two batches. Returns (first offset, records) of each
        batch."""
        appended: list[tuple[int, int]] = []
        batch, size = self._batch(BATCH_BYTES), 0
        for bundle in bundles:
            needed = sum(len(k) + len(v or b"") for k, v, _ in bundle) + _PER_RECORD_BYTES * len(bundle)
            if size and size + needed > BATCH_BYTES:
                appended.append(await self._append(topic, partition, batch))
                batch, size = self._batch(BATCH_BYTES), 0
            if needed > BATCH_BYTES:
                batch = self._batch(needed + 1000)
            for key, value, headers in bundle:
                _add(batch, key, value, headers)
            size += needed
        if size:
            appended.append(await self._append(topic, partition, batch))
        return appended

    async def _send_records(self, topic: str, partition: int, records: Iterable[Outgoing]) -> None:
        batch = self._batch(BATCH_BYTES)
        for record in records:
            key, value, headers = record
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                if batch.record_count():
                    await self._append(topic, partition, batch)
                batch = self._batch(max(BATCH_BYTES, size_of(record)))
                _add(batch, key, value, headers)
        if batch.record_count():
            await self._append(topic, partition, batch)

    def _batch(self, size: int) -> BatchBuilder:
        if size <= BATCH_BYTES:
            return self._producer.create_batch()
        return BatchBuilder(size, self._producer._message_accumulator._compression_type)

    async def _append(self, topic: str, partition: int, batch: BatchBuilder) -> tuple[int, int]:
        batch.close()
        future = await self._producer.send_batch(batch, topic, partition=partition)
        metadata: Any = await future
        return metadata.offset, batch.record_count()


def _add(batch: BatchBuilder, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
        raise ValueError(f"a record of {len(value or b'')} bytes does not fit into its batch")
