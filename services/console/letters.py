"""The dead letters of an installation: read, opened, replayed, discarded; they are decrypted here alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.events.console import DeadLetterClosed
from schemas.events.runtime import DeadLettered
from schemas.ids import EventId
from schemas.topics import DEAD_LETTERS
from schemas.wire import Envelope, UndecodableRecord, decode
from services.console.terminal import Refused
from services.runtime.appending import Appender, BrokerAway
from services.runtime.dead_letters import Letter, NotThisInstallation, open_sealed, replay
from services.runtime.health import Health
from services.runtime.settings import Settings

_PATIENCE_SECONDS = 60.0

State = Literal["open", "replayed", "discarded"]


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter and what became of it."""

    number: int
    """Its offset: short enough to be typed."""
    dead_letter_id: EventId
    at: datetime
    event: DeadLettered
    state: State

    def open(self, settings: Settings) -> Letter:
        """What is inside. Raises Refused when it is another installation's."""
        try:
            return open_sealed(bytes(self.event.sealed), settings.dead_letter_key)
        except NotThisInstallation as refusal:
            raise Refused(f"dead letter {self.number}: {refusal}") from refusal


async def read_letters(settings: Settings) -> list[DeadLetter]:
    """All dead letters of the last 30 days, in order. Raises Refused when the broker does not answer."""
    with_broker = _consumer(settings)
    letters: dict[str, DeadLetter] = {}
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), with_broker as consumer:
            place = TopicPartition(settings.topic(DEAD_LETTERS), 0)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=1000)).values():
                    for record in records:
                        _take(letters, record)
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(_away(settings, fault)) from fault
    return list(letters.values())


def _take(letters: dict[str, DeadLetter], record: object) -> None:
    headers, value = record.headers, record.value  # type: ignore[attr-defined]
    offset, timestamp = record.offset, record.timestamp  # type: ignore[attr-defined]
    try:
        envelope = Envelope.parse(headers)
        event = decode(envelope.type, value)
    except UndecodableRecord:
        return  # rubbish that somebody wrote into this topic is no letter
    if isinstance(event, DeadLettered):
        if envelope.event_id not in letters:  # a repetition says the same letter again
            letters[envelope.event_id] = DeadLetter(
                offset, envelope.event_id, datetime.fromtimestamp(timestamp / 1000, UTC), event, "open"
            )
    elif isinstance(event, DeadLetterClosed) and (closed := letters.get(event.dead_letter_id)) is not None:
        letters[event.dead_letter_id] = DeadLetter(
            closed.number, closed.dead_letter_id, closed.at, closed.event, event.how
        )


def find(letters: Sequence[DeadLetter], number: int) -> DeadLetter:
    """The letter of that number. Raises Refused."""
    for letter in letters:
        if letter.number == number:
            return letter
    raise Refused(f"there is no dead letter {number}; see which there are with: leadloop dead-letters list --all")


async def replay_letters(settings: Settings, letters: Sequence[DeadLetter]) -> None:
    """Append their records anew, each for the one processor that could not process it. Raises Refused."""
    opened = [(letter, letter.open(settings)) for letter in letters]
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, acks="all", enable_idempotence=True, max_request_size=1_000_000
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await producer.start()
            try:
                for letter, content in opened:
                    key, value, headers = replay(content, letter.dead_letter_id, letter.event.processor)
                    topic = f"{settings.namespace}.{content.topic}"
                    await producer.send_and_wait(topic, value, key=key, partition=content.partition, headers=headers)
            finally:
                await producer.stop()
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(_away(settings, fault)) from fault
    await _close(settings, letters, "replayed")


async def discard_letters(settings: Settings, letters: Sequence[DeadLetter]) -> None:
    """Say that nothing more is to be done about them. Raises Refused."""
    await _close(settings, letters, "discarded")


async def _close(settings: Settings, letters: Sequence[DeadLetter], how: Literal["replayed", "discarded"]) -> None:
    appender = Appender(settings, "console", Health())
    events = [
        DeadLetterClosed(processor=letter.event.processor, dead_letter_id=letter.dead_letter_id, how=how)
        for letter in letters
    ]
    try:
        await appender.start()
        try:
            await appender.append_all(events)
        finally:
            await appender.stop()
    except (KafkaError, BrokerAway) as fault:
        raise Refused(_away(settings, fault)) from fault


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=10_000,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _away(settings: Settings, fault: Exception) -> str:
    away = f"the broker at {settings.bootstrap_servers} does not answer ({type(fault).__name__})"
    return f"{away}; see what runs with: leadloop status"
