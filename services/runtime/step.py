"""One record, one key: the pure heart of the engine, the same in a live processor, a replay, a backtest and the tests."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from schemas import topics
from schemas.agreement import Agreement
from schemas.base import Event
from schemas.events.runtime import TimerDue
from schemas.history.upcasters import UPCASTERS
from schemas.ids import EventId
from schemas.learning.course import ModelInForce
from schemas.lifecycle import LIFE_EVENTS, UNBORN, Effect, Life, fold
from schemas.repetitions import Seen
from schemas.wire import CausePosition, Envelope, Record, child_trace, decode, encode
from services.runtime.protocol import Context, Parts, Processor

S = TypeVar("S", bound=msgspec.Struct)


class KeyRecord(msgspec.Struct, Generic[S], frozen=True, omit_defaults=True):
    """What a processor keeps of one key: the runtime's own memory and the service's state."""

    own: S
    position: int = -1
    """Offset of the last record read; at or below it a record is skipped in silence."""
    now_ms: int = 0
    """Time of the last record read."""
    seen: Seen = Seen()
    life: Life = UNBORN


class Agreements(Protocol):
    """The agreements as far as they are published."""

    def in_force(self, at: datetime) -> Agreement: ...
    def version(self, number: int) -> Agreement | None: ...
    def next_after(self, at: datetime) -> datetime | None: ...
    def model_at(self, at: datetime) -> ModelInForce | None: ...


class Said(msgspec.Struct, frozen=True):
    """One event that a processor said, ready to be appended."""

    topic: topics.Topic
    key: str
    event: Event
    envelope: Envelope
    value: bytes
    """The event as it is written."""


class Step(msgspec.Struct, Generic[S], frozen=True):
    """What one record did to one key."""

    after: KeyRecord[S]
    said: tuple[Said, ...]
    effect: Effect | None
    """None: the record was a repetition, or nothing that this processor listens to."""


class DecideFailed(Exception):
    """`decide` raised: a fault of the data or of the rules. `after` is what must be remembered all the same."""

    def __init__(self, after: KeyRecord[Any], error: Exception, effect: Effect) -> None:
        """effect: what the event did to the lead's life all the same."""
        super().__init__(repr(error))
        self.after = after
        self.error = error
        self.effect = effect


class SaidTooMuch(ValueError):
    """An event that is larger than a record may be: a fault of the rules that said it."""


_TIMER = TimerDue.type_name()
LARGEST_SAID_BYTES = 800_000
"""What an event's content may have, so that any broker's limit of 1 MB a batch holds it with its headers."""


def interesting(processor: Processor[S]) -> frozenset[str]:
    """The `ce_type`s that the processor must decode, old versions included."""
    events = processor.listens | (LIFE_EVENTS if processor.follows_life else frozenset())
    names = {e.type_name() for e in events}
    return frozenset(
        names | {old for old in UPCASTERS if any(old.rsplit(".v", 1)[0] == n.rsplit(".v", 1)[0] for n in names)}
    )


def concerns(headers: Sequence[tuple[str, bytes]], wanted: Set[bytes], name: bytes) -> bool:
    """Whether a processor steps the record at all, found without reading more than two headers; the rest it passes over.

    wanted: `interesting(processor)`, encoded; name: the processor's, encoded.
    """
    if len(headers) > 2 and headers[2][0] == "ce_type":  # where we write it
        if headers[2][1] not in wanted:
            return False
    elif not any(h == "ce_type" and value in wanted for h, value in headers):
        return False
    for header, value in headers:  # noqa: SIM110 - a plain loop: this is asked of every record that there is
        if header == "ce_for" and value != name:
            return False
    return True


def step(
    processor: Processor[S],
    before: KeyRecord[S] | None,
    parts: Parts,
    record: Record,
    agreements: Agreements,
    *,
    incarnation: str,
    source: str,
    writer: str,
    event: Event | None = None,
) -> Step[S]:
    """What `record` does to its key. `parts` takes the changes of the parts.

    incarnation: of the input topic; source: the `ce_source` of what is said; writer: code and data versions; event: what
    the record holds, where that is known already.
    Raises UndecodableRecord if the record is no event (state unchanged but for its position), DecideFailed if `decide` raised.
    """
    if before is None:
        before = KeyRecord(own=processor.state())
    if record.offset <= before.position:
        return Step(before, (), None)
    envelope = Envelope.parse(record.headers)
    now_ms = max(round(record.at.timestamp() * 1000), before.now_ms)
    seen, life, effect = before.seen, before.life, Effect.EFFECT
    if envelope.addressed_to is not None and envelope.addressed_to != processor.name:
        return Step(KeyRecord(before.own, record.offset, now_ms, seen, life), (), None)
    if envelope.type != _TIMER and envelope.replay_of is None:
        if seen.repeated(envelope.cause, envelope.event_id):
            return Step(KeyRecord(before.own, record.offset, now_ms, seen, life), (), None)
        seen = seen.having(envelope.cause, envelope.event_id, now_ms)
    event = event if event is not None else decode(envelope.type, record.value, explained=False)
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if processor.follows_life and type(event) in LIFE_EVENTS and envelope.replay_of is None:
        life, effect = fold(before.life, event, position=record.offset, now=now, event_id=envelope.event_id)
    elif envelope.replay_effect is not None:
        effect = Effect(envelope.replay_effect)
    overlay = parts.over()
    try:
        context = Context(
            key=record.key.decode() if record.key is not None else "",
            now=now,
            position=record.offset,
            event_id=envelope.event_id,
            agreement=agreements.in_force(now),
            parts=overlay,
            before=before.life,
            life=life,
            effect=effect,
            agreement_at=agreements.version,
            next_agreement_at=agreements.next_after(now),
            model_at=agreements.model_at,
        )
        decision = processor.decide(before.own, event, context)
        said = tuple(
            _say(processor, e, index, record, envelope, now, incarnation, source, writer)
            for index, e in enumerate(decision.events)
        )
    except Exception as error:
        raise DecideFailed(KeyRecord(before.own, record.offset, now_ms, seen, life), error, effect) from error
    parts.take(overlay)
    return Step(KeyRecord(decision.state, record.offset, now_ms, seen, life), said, effect)


def _say(
    processor: Processor[S],
    event: Event,
    index: int,
    record: Record,
    cause: Envelope,
    now: datetime,
    incarnation: str,
    source: str,
    writer: str,
) -> Said:
    topic = topics.topic_of(event, processor.service)
    key = topics.key_of(event, topic)
    event_id = EventId(f"{processor.name}.{incarnation}.{record.partition}.{record.offset}.{index}")
    value = encode(event)
    if len(value) > LARGEST_SAID_BYTES:
        raise SaidTooMuch(f"{type(event).__name__} has {len(value)} bytes, and {LARGEST_SAID_BYTES} are the limit")
    return Said(
        topic,
        key,
        event,
        Envelope(
            event_id=event_id,
            type=event.type_name(),
            source=source,
            time=now,
            subject=key,
            correlation_id=cause.correlation_id,
            traceparent=child_trace(cause.traceparent, event_id),
            writer=writer,
            causation_id=cause.event_id,
            cause=CausePosition(f"{processor.name}/{incarnation}/{record.partition}", record.offset, index),
        ),
        value,
    )
