"""Where recorded records come from: the topics of a Kafka, one partition after the other, as they lie there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.wire import Record
from services.runtime.settings import Settings

_AT_ONCE = 2_000
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """One partition, from its first record up to (and without) `end`."""

    topic: str
    """By its name in the registry."""
    partition: int
    begin: int
    end: int

    @property
    def records(self) -> int:
        """At most so many."""
        return self.end - self.begin


class Source(Protocol):
    """Recorded logs. It must be possible to send it to another process."""

    def batches(self, place: Place) -> Iterator[Sequence[Record]]:
        """The records of a place, in order, a few thousand at a time."""


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """The topics of an installation."""

    bootstrap_servers: str
    namespace: str

    def batches(self, place: Place) -> Iterator[Sequence[Record]]:
        """See Source. Raises KafkaError, or TimeoutError when the broker falls silent."""
        with asyncio.Runner() as runner:
            consumer = runner.run(self._open(place))
            try:
                at = place.begin
                while at < place.end:
                    found = runner.run(_more(consumer, place))
                    if found:
                        at = found[-1].offset + 1
                        kept = [r for r in found if r.offset < place.end]
                        yield [_record(place, r) for r in kept]
                    else:
                        at = runner.run(_position(consumer, place, self))
            finally:
                runner.run(consumer.stop())

    def at(self, place: Place) -> TopicPartition:
        """Its name on the cluster."""
        return TopicPartition(f"{self.namespace}.{place.topic}", place.partition)

    async def _open(self, place: Place) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False, request_timeout_ms=20_000
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        consumer.assign([self.at(place)])
        consumer.seek(self.at(place), place.begin)
        return consumer


async def _more(consumer: AIOKafkaConsumer, place: Place) -> list[Any]:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        batches = await consumer.getmany(timeout_ms=1_000, max_records=_AT_ONCE)
    return [record for records in batches.values() for record in records]


async def _position(consumer: AIOKafkaConsumer, place: Place, log: KafkaLog) -> int:
    """Where the consumer stands: past the end also when nothing but control records was left."""
    return int(await consumer.position(log.at(place)))


def _record(place: Place, r: Any) -> Record:
    at = datetime.fromtimestamp(r.timestamp / 1000, UTC)
    return Record(place.topic, place.partition, r.offset, at, r.key, r.value, tuple(r.headers))


async def places(settings: Settings, *topics: Any) -> list[Place]:
    """Every partition of these topics up to its end as of now. Raises KafkaError, TimeoutError."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, request_timeout_ms=20_000
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await consumer.start()
            found = []
            for topic in topics:
                tps = [TopicPartition(settings.topic(topic), p) for p in range(settings.partitions_of(topic))]
                begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
                found += [Place(topic.name, tp.partition, begins[tp], ends[tp]) for tp in tps]
            return found
    finally:
        await consumer.stop()
