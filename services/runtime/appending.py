"""Writing from the edge: what comes in by HTTP, appended in the service's name and acknowledged by every replica."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas import topics
from schemas.base import Event
from schemas.ids import EventId
from schemas.topics import Cleanup, Topic
from schemas.wire import Envelope, Headers, child_trace, encode, new_trace
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.topics import partition_of
from services.runtime.versions import writer_version

log = structlog.get_logger(__name__)


class BrokerAway(ConnectionError):
    """The broker did not acknowledge in time. The record may or may not have been appended; the same id may be sent again."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a record is now."""

    topic: Topic
    partition: int
    offset: int
    event_id: EventId


def fresh_id() -> EventId:
    """An id for what has no cause and no key: two calls are two calls."""
    return EventId(str(uuid.uuid4()))


class Appender:
    """One service's pen. Refuses what is another service's to say."""

    def __init__(self, settings: Settings, service: str, health: Health) -> None:
        self._settings, self._service, self._health = settings, service, health
        self._writer = writer_version(service)
        self._source = f"/leadloop/{settings.namespace}/{service}"
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises KafkaError if no broker answers."""
        patience_ms = int(self._settings.broker_patience.total_seconds() * 1000)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=900_000,
            max_request_size=1_000_000,
            request_timeout_ms=max(1000, patience_ms // 2),
            client_id=f"{self._settings.namespace}.{self._service}",
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Flush and close."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            async with asyncio.timeout(5):
                await producer.stop()

    async def append(
        self,
        event: Event,
        *,
        event_id: EventId | None = None,
        cause: Envelope | None = None,
        traceparent: str | None = None,
        topic: Topic | None = None,
    ) -> Appended:
        """Append one event and wait until every replica has it.

        Raises NotItsToSay, or BrokerAway after `settings.broker_patience`.
        """
        return (
            await self.append_all([event], event_ids=[event_id], cause=cause, traceparent=traceparent, topic=topic)
        )[0]

    async def append_all(
        self,
        events: Sequence[Event],
        *,
        event_ids: Sequence[EventId | None] | None = None,
        cause: Envelope | None = None,
        traceparent: str | None = None,
        topic: Topic | None = None,
    ) -> list[Appended]:
        """Append events, in order within each partition, and wait for all. Raises as `append` does."""
        ids = [given or fresh_id() for given in (event_ids or [None] * len(events))]
        sends = [
            self._record(event, event_id, cause, traceparent, topic)
            for event, event_id in zip(events, ids, strict=True)
        ]
        results = await self._send([s[:5] for s in sends])
        return [Appended(s[5], r.partition, r.offset, i) for s, r, i in zip(sends, results, ids, strict=True)]

    async def tombstone(self, topic: Topic, key: str, *, partition_key: str | None = None) -> None:
        """Delete a key of a compacted topic. Raises BrokerAway."""
        if topic.cleanup is not Cleanup.COMPACT:
            raise ValueError(f"{topic.name} is not compacted: a tombstone would delete nothing there")
        partition = partition_of(partition_key or key, self._settings.partitions_of(topic))
        await self._send([(self._settings.topic(topic), partition, key.encode(), None, [])])

    def _record(
        self, event: Event, event_id: EventId, cause: Envelope | None, traceparent: str | None, topic: Topic | None
    ) -> tuple[str, int, bytes, bytes | None, Headers, Topic]:
        to = topics.topic_of(event, self._service, topic)
        subject = topics.key_of(event, to)
        parent = cause.traceparent if cause is not None else traceparent
        envelope = Envelope(
            event_id=event_id,
            type=event.type_name(),
            source=self._source,
            time=datetime.now(UTC),
            subject=subject,
            correlation_id=cause.correlation_id if cause is not None else event_id,
            traceparent=child_trace(parent, event_id) if parent else new_trace(event_id),
            writer=self._writer,
            causation_id=cause.event_id if cause is not None else None,
        )
        partition = partition_of(topics.partition_key_of(event, to), self._settings.partitions_of(to))
        return self._settings.topic(to), partition, subject.encode(), encode(event), envelope.headers(), to

    async def _send(self, records: Sequence[tuple[str, int, bytes, bytes | None, Headers]]) -> list[Any]:
        if self._producer is None:
            raise BrokerAway(
                "this service is not connected to the broker (it is starting or stopping): try again in a moment"
            )
        try:
            async with asyncio.timeout(self._settings.broker_patience.total_seconds()):
                futures = [
                    await self._producer.send(topic, value, key=key, partition=partition, headers=headers)
                    for topic, partition, key, value, headers in records
                ]
                results = await asyncio.gather(*futures)
        except (KafkaError, TimeoutError, OSError) as error:
            self._health.say(
                "writing", ok=False, because=f"the broker did not acknowledge a write: {type(error).__name__}"
            )
            raise BrokerAway(
                "the broker did not acknowledge in time: nothing is confirmed, send the same again"
            ) from error
        self._health.say("writing", ok=True)
        return list(results)
