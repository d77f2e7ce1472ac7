"""How far a reader has come in a topic: one position a partition, and its spelling as an opaque id of a stream's event."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

Positions = Mapping[tuple[str, int], int]
"""(topic's name in the registry, partition) -> offset of the next record to read."""


class NoVector(ValueError):
    """A text that is no vector of ours."""


@dataclass(frozen=True, slots=True)
class Vector:
    """The positions in one topic up to which a client of a stream has been told.

    It speaks of the log and not of a table, so it is still good after the tables have been built anew.
    """

    incarnation: str
    """Which making of the topic it speaks of."""
    next: tuple[int, ...]
    """By partition: the offset of the next record."""

    @classmethod
    def start(cls, incarnation: str, partitions: int) -> Vector:
        """Before the first record."""
        return cls(incarnation, (0,) * partitions)

    @classmethod
    def of(cls, positions: Positions, topic: str, incarnation: str, partitions: int) -> Vector:
        """The vector of one topic's positions."""
        return cls(incarnation, tuple(positions.get((topic, p), 0) for p in range(partitions)))

    @classmethod
    def parse(cls, text: str) -> Vector:
        """Raises NoVector."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            incarnation, positions = msgspec.msgpack.decode(raw, type=tuple[str, tuple[int, ...]])
        except (binascii.Error, msgspec.MsgspecError, UnicodeEncodeError, ValueError) as error:
            raise NoVector("that is no event id of this stream: leave it out to begin with now") from error
        return cls(incarnation, positions)

    def __str__(self) -> str:
        raw = msgspec.msgpack.encode((self.incarnation, self.next))
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def covers(self, partition: int, offset: int) -> bool:
        """Whether the client has been told of the record at `offset`."""
        return offset < self.next[partition]

    def after(self, partition: int, offset: int) -> Vector:
        """The vector after telling of the record at `offset`."""
        moved = max(self.next[partition], offset + 1)
        return Vector(self.incarnation, (*self.next[:partition], moved, *self.next[partition + 1 :]))

    def joined(self, other: Vector) -> Vector:
        """The further position of both, by partition."""
        return Vector(self.incarnation, tuple(max(a, b) for a, b in zip(self.next, other.next, strict=True)))
