"""A fault of the data: the record is kept whole and encrypted, and the rest goes on; too large a share stops all.

Stands in for Faust's agents (faust/agents/agent.py, `_on_agent_error`), where an exception acknowledges the event and
loses it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import traceback
import zlib
from collections import deque
from datetime import datetime

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from schemas.events.runtime import DeadLettered
from schemas.ids import EventId, ProcessorName
from schemas.lifecycle import Effect
from schemas.wire import Headers, Record

WINDOW = 1000
"""How many of the last records the share is of."""
TOLERATED = 50
"""So many dead letters in the window never stop a processor."""
_LONGEST_TEXT = 20_000


class NotThisInstallation(ValueError):
    """The letter was sealed with another installation's secret, or it is damaged."""


class Letter(msgspec.Struct, frozen=True):
    """What is inside a dead letter: the record as it was, and what went wrong."""

    topic: str
    """By its name in the registry."""
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    error: str
    stack: str
    effect: str | None = None
    """What the event did to the lead's life all the same; None: it could not even be read."""

    def record(self) -> Record:
        """The record as it was read."""
        return Record(self.topic, self.partition, self.offset, self.at, self.key, self.value, tuple(self.headers))


def letter_of(record: Record, error: Exception, effect: Effect | None) -> Letter:
    """The letter about a record that could not be processed."""
    stack = "".join(traceback.format_exception(error))
    return Letter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=record.at,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        error=f"{type(error).__name__}: {error}"[:_LONGEST_TEXT],
        stack=stack[-_LONGEST_TEXT:],
        effect=effect.value if effect is not None else None,
    )


def seal(letter: Letter, key: bytes) -> bytes:
    """Encrypt a letter (Fernet). The same letter gives the same bytes, for a replay must say what was said before.

    key: 32 bytes. The initialisation vector is a keyed digest of the content and the time is the record's, so that
    nothing random is in it; equal letters can be seen to be equal, and nothing else.
    """
    content = zlib.compress(msgspec.msgpack.encode(letter), 6)
    vector = hmac.new(key, content, hashlib.sha256).digest()[:16]
    return _fernet(key)._encrypt_from_parts(content, int(letter.at.timestamp()), vector)


def open_sealed(sealed: bytes, key: bytes) -> Letter:
    """Decrypt a letter. Raises NotThisInstallation."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(_fernet(key).decrypt(sealed)), type=Letter)
    except (InvalidToken, zlib.error, msgspec.DecodeError) as error:
        raise NotThisInstallation(
            "this dead letter was sealed with another installation's secret, or it is damaged"
        ) from error


def dead_lettered(
    processor: ProcessorName, letter: Letter, event_type: str | None, error: Exception, key: bytes
) -> DeadLettered:
    """The event about a letter. Only the error's class stands open: its text may quote the record."""
    return DeadLettered(
        processor=processor,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        event_type=event_type[:200] if event_type is not None else None,
        error=type(error).__name__[:200],
        sealed=base64.b64encode(seal(letter, key)),
    )


def replay(letter: Letter, dead_letter_id: EventId, processor: str) -> tuple[bytes | None, bytes | None, Headers]:
    """(key, value, headers) of the record, to be appended anew to `letter.topic`, partition `letter.partition`.

    It is for the one processor that could not process it, and counts at its new place and time: it keeps its id and
    loses its cause's position.
    """
    dropped = {"ce_cause", "ce_for", "ce_replayof", "ce_replayeffect"}
    headers: Headers = [(n, v) for n, v in letter.headers if n not in dropped]
    headers += [("ce_for", processor.encode()), ("ce_replayof", dead_letter_id.encode())]
    if letter.effect is not None:
        headers.append(("ce_replayeffect", letter.effect.encode()))
    return letter.key, letter.value, headers


class Share:
    """How many of the last records became dead letters."""

    def __init__(self, limit: float, window: int = WINDOW, tolerated: int = TOLERATED) -> None:
        """limit: the share, above 0 and at most 1, at which the processor stops."""
        self._limit, self._tolerated = limit, tolerated
        self._last: deque[bool] = deque(maxlen=window)
        self._dead = 0

    def count(self, *, dead: bool) -> None:
        """One more record was worked."""
        if len(self._last) == self._last.maxlen and self._last[0]:
            self._dead -= 1
        self._last.append(dead)
        self._dead += dead

    @property
    def dead(self) -> int:
        return self._dead

    @property
    def seen(self) -> int:
        return len(self._last)

    @property
    def exceeded(self) -> bool:
        return self._dead >= self._tolerated and self._dead > self._limit * len(self._last)


def _fernet(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(key))
