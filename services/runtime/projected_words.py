"""What a projection says because of what it read: appended and acknowledged before its rows are committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.base import Event
from schemas.events.runtime import DeadLettered
from schemas.ids import EventId
from schemas.wire import Envelope, child_trace, encode, new_trace
from services.runtime.letting_go import let_go
from services.runtime.sending import BATCH_BYTES, Outgoing, Sender
from services.runtime.settings import Settings
from services.runtime.topics import partition_of
from services.runtime.versions import writer_version


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a projection says because of a record."""

    event: Event
    event_id: EventId
    """Derived from the record, so that a repetition has the same."""
    at: datetime
    """The record's append time."""
    cause: Envelope | None
    """None: the record had no readable headers."""
    value: bytes | None = None
    """The event as it is written, where it is at hand already."""

    @property
    def content(self) -> bytes:
        """The event as it is written."""
        return self.value if self.value is not None else encode(self.event)


class Herald:
    """The pen of one service's projection while it is entered."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._settings, self._service = settings, service
        self._writer, self._source = writer_version(service), f"/leadloop/{settings.namespace}/{service}"

    async def __aenter__(self) -> Herald:
        """Connect. Raises KafkaError if no broker answers."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES + 100_000,
            client_id=f"{self._settings.namespace}.{self._service}",
        )
        try:
            await self._producer.start()
        except BaseException:
            await let_go(self._producer)
            raise
        self._sender = Sender(self._producer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await let_go(self._producer)

    async def say(self, announcements: Sequence[Announcement]) -> None:
        """Append all and wait for every replica.

        Raises NotItsToSay, KafkaError or TimeoutError; the same may be said again.
        """
        outgoing: dict[tuple[str, int], list[Outgoing]] = {}
        for announcement in announcements:
            place, record = self._record(announcement)
            outgoing.setdefault(place, []).append(record)
        async with asyncio.timeout(self._settings.broker_patience.total_seconds()):
            await self._sender.send(outgoing)

    def _record(self, said: Announcement) -> tuple[tuple[str, int], Outgoing]:
        topic = topics.topic_of(said.event, "runtime" if isinstance(said.event, DeadLettered) else self._service)
        key, cause = topics.key_of(said.event, topic), said.cause
        envelope = Envelope(
            event_id=said.event_id,
            type=said.event.type_name(),
            source=self._source,
            time=said.at,
            subject=key,
            correlation_id=cause.correlation_id if cause is not None else said.event_id,
            traceparent=child_trace(cause.traceparent, said.event_id)
            if cause is not None
            else new_trace(said.event_id),
            writer=self._writer,
            causation_id=cause.event_id if cause is not None else None,
        )
        partition = partition_of(topics.partition_key_of(said.event, topic), self._settings.partitions_of(topic))
        return (self._settings.topic(topic), partition), (key.encode(), said.content, envelope.headers())
