"""Reading a lead's log as everybody must: which record repeats another, and what each event does to the lead's life.

`step` does the same for a processor, beside its own state; a test holds the two together.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from schemas.base import Event
from schemas.events.runtime import TimerDue
from schemas.ids import from_plain, to_plain
from schemas.lifecycle import LIFE_EVENTS, UNBORN, Effect, Life, fold
from schemas.repetitions import Seen
from schemas.wire import Envelope, Record

_TIMER = TimerDue.type_name()
_LIFE_TYPES = frozenset(event.type_name() for event in LIFE_EVENTS)


class LeadMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a reader keeps of one lead's log: enough to read on. Projections store it as a blob beside the lead's row."""

    life: Life = UNBORN
    seen: Seen = Seen()
    position: int = -1
    """Offset of the last record read; at or below it a record is skipped in silence."""
    now_ms: int = 0
    """Time of the last record read, in ms since 1970; never goes back."""


UNREAD = LeadMemory()

_encoder = msgspec.msgpack.Encoder(enc_hook=to_plain)
_decoder = msgspec.msgpack.Decoder(LeadMemory, dec_hook=from_plain)


def encode_memory(memory: LeadMemory) -> bytes:
    """The memory as bytes."""
    return _encoder.encode(memory)


def decode_memory(raw: bytes) -> LeadMemory:
    """The memory of these bytes. Raises msgspec.ValidationError if a different code wrote them."""
    return _decoder.decode(raw)


def read_lead(
    memory: LeadMemory, record: Record, envelope: Envelope, event: Event | None
) -> tuple[LeadMemory, Effect | None]:
    """The memory after `record`, and what the event does at its position.

    None: a repetition, a timer, or what is addressed to one processor only; it has no effect for a reader. `event` may be
    None where its content does not matter to the reader's question: for types that change no life (`changes_lives`).
    """
    if record.offset <= memory.position:
        return memory, None
    now_ms = max(round(record.at.timestamp() * 1000), memory.now_ms)
    read = replace(memory, position=record.offset, now_ms=now_ms)
    if envelope.type == _TIMER or envelope.addressed_to is not None or envelope.replay_of is not None:
        return read, None
    if memory.seen.repeated(envelope.cause, envelope.event_id):
        return read, None
    seen = memory.seen.having(envelope.cause, envelope.event_id, now_ms)
    if event is None or type(event) not in LIFE_EVENTS:
        return replace(read, seen=seen), Effect.EFFECT
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    life, effect = fold(memory.life, event, position=record.offset, now=now, event_id=envelope.event_id)
    return replace(read, seen=seen, life=life), effect


def changes_lives(type_name: str) -> bool:
    """Whether the content of events of this (current) type must be decoded to know a lead's life."""
    return type_name in _LIFE_TYPES
