"""What a projection is, what it is given and what its streams are told: the words between it and its runner."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import sqlalchemy as sa

from schemas import topics
from schemas.base import Event
from schemas.topics import Topic
from schemas.wire import Envelope, Record, decode
from services.runtime.following import Choice
from services.runtime.health import Health
from services.runtime.positions import Positions, Vector
from services.runtime.projected_words import Announcement
from services.runtime.settings import Settings

_CHANGES_KEPT = 1000
"""So many changes wait for a slow stream; beyond that it is sent to the database for what it missed."""


class Behind(TimeoutError):
    """The projection has not read as far as was asked in the time allowed."""


class TooManyDeadLetters(RuntimeError):
    """A large share of what is read cannot be read: that is a fault of this code, not of the data."""


class Incoming:
    """One record of a projection's topics, decoded when asked, and then once."""

    __slots__ = ("_envelope", "_event", "incarnation", "key", "record", "topic", "type")

    def __init__(self, record: Record, topic: Topic, incarnation: str) -> None:
        """incarnation: which making of the topic it is from."""
        self.record, self.topic, self.incarnation = record, topic, incarnation
        self.type = record.type_name()
        """The `ce_type` header."""
        self.key = (record.key or b"").decode(errors="replace")
        """The record's key; undecodable bytes become replacement characters."""
        self._envelope: Envelope | None = None
        self._event: Event | None = None

    @property
    def envelope(self) -> Envelope:
        """What the record says about itself. Raises UndecodableRecord."""
        if self._envelope is None:
            self._envelope = Envelope.parse(self.record.headers)
        return self._envelope

    @property
    def event(self) -> Event:
        """What it says, without what only explains it. Raises UndecodableRecord."""
        if self._event is None:
            self._event = decode(self.type, self.record.value, explained=False)
        return self._event

    @property
    def tombstone(self) -> bool:
        """Whether it deletes its key from a compacted topic."""
        return self.record.value is None and self.topic.cleanup is topics.Cleanup.COMPACT

    @property
    def place(self) -> str:
        """Where it stands, the same at every reading: what ids of answers to it are made of."""
        return f"{self.topic.name}.{self.incarnation}.{self.record.partition}.{self.record.offset}"


@dataclass(frozen=True, slots=True)
class ToStreams:
    """What the streams of this process are told after the commit. It is in the rows; nothing is appended."""

    to: str
    """For whom it is."""
    partition: int
    offset: int
    at_ms: int
    kind: str
    body: bytes
    """JSON without line breaks, the same bytes for every listener."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One commit, as streams are told of it."""

    upto: Positions
    """What has been read, after the commit."""
    announcements: tuple[Announcement, ...]
    told: Mapping[str, tuple[ToStreams, ...]]
    """What the streams are told besides, by whom it is for."""
    complete: bool
    """False: there was more than is told here; the database has it."""
    vector: Vector
    """`upto` in `leads`, as ids of streams' events have it."""


class Surroundings(Protocol):
    """What a projection needs of the process that it runs in (services.runtime.main.Running has it)."""

    @property
    def settings(self) -> Settings: ...
    @property
    def service(self) -> str: ...
    @property
    def health(self) -> Health: ...


class Projection(Protocol):
    """Topics, tables, and what a record does to them."""

    @property
    def name(self) -> str:
        """Also what its file or schema is called."""

    @property
    def version(self) -> int:
        """To be raised when `apply` means something else by the same tables: they are then built anew."""

    @property
    def topics(self) -> tuple[Topic, ...]: ...
    @property
    def metadata(self) -> sa.MetaData: ...
    @property
    def choices(self) -> Mapping[str, Choice]:
        """By topic, which records `apply` is to see; every record of a topic that is not named here."""

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement | ToStreams]:
        """Write what the records mean. In one transaction, in a worker thread; may be called again after a rollback.

        Records of one partition come in its order. An exception stops the projection: nothing is skipped.
        """


@dataclass(eq=False)
class Stream:
    """One reader of `changes`."""

    waiting: deque[Changed] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, changed: Changed) -> None:
        if len(self.waiting) >= _CHANGES_KEPT:
            self.waiting.clear()
            changed = Changed(changed.upto, (), {}, False, changed.vector)
        self.waiting.append(changed)
        self.wake.set()
