"""One group of a group commit, as plain data: what it does before any of it is durable or visible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.runtime.protocol import Parts
from services.runtime.sending import Outgoing
from services.runtime.step import KeyRecord


@dataclass(slots=True)
class Touched:
    """One key that the group touched."""

    after: KeyRecord[Any]
    parts: Parts


@dataclass(slots=True)
class Group:
    """What one group does, before any of it is durable or visible."""

    said: dict[tuple[str, int], list[Outgoing]] = field(default_factory=dict)
    touched: dict[int, dict[bytes, Touched]] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    timers: list[tuple[int, bytes, int]] = field(default_factory=list)
    """(partition, key, append time in ms) of TimerDue records that were read back."""
    types: dict[str, int] = field(default_factory=dict)
    worked: int = 0
    repeated: int = 0
    dead: int = 0

    def say(self, topic: str, partition: int, record: Outgoing) -> None:
        """One more record to be appended."""
        self.said.setdefault((topic, partition), []).append(record)


@dataclass(slots=True)
class States:
    """What one group writes into one changelog partition."""

    bundles: list[list[Outgoing]] = field(default_factory=list)
    """What is appended whole: the records of one key."""
    written: set[bytes] = field(default_factory=set)
    anew: list[bytes] = field(default_factory=list)
    buried: list[bytes] = field(default_factory=list)
    memory: int | None = None
    """The position in the partition's own record, if it is among them."""
