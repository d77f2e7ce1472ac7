"""What a stream processor is: a state per key, a pure `decide`, and the instant at which it wants to be asked again.

This module and `step` are pure; `decide.py` modules import nothing else of the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from schemas.agreement import Agreement
from schemas.base import Event
from schemas.ids import EventId, ProcessorName
from schemas.lifecycle import Effect, Life
from schemas.topics import LEADS, Topic

S = TypeVar("S", bound=msgspec.Struct)


class Parts:
    """The named parts of one key's state, by kind: a mapping that remembers what was changed.

    A part is a frozen msgspec.Struct of the type that the processor declares for its kind. What grows with a key (one
    record per waiting lead, per place taken) is a part, so that it is never one ever larger record rewritten whole.
    """

    __slots__ = ("_base", "changes")

    def __init__(self, base: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._base: Mapping[str, Mapping[str, Any]] = base or {}
        self.changes: dict[tuple[str, str], Any] = {}
        """(kind, name) -> the new part, or None where it was removed."""

    def get(self, kind: str, name: str) -> Any | None:
        """The part, or None."""
        if (kind, name) in self.changes:
            return self.changes[kind, name]
        return self._base.get(kind, {}).get(name)

    def put(self, kind: str, name: str, part: msgspec.Struct) -> None:
        """Set a part."""
        self.changes[kind, name] = part

    def remove(self, kind: str, name: str) -> None:
        """Remove a part; removing one that is not there is nothing."""
        if self.get(kind, name) is not None:
            self.changes[kind, name] = None

    def of(self, kind: str) -> Iterator[tuple[str, Any]]:
        """All parts of a kind, sorted by name, as they are when the walk begins."""
        names = dict(self._base.get(kind, {}))
        for (k, name), part in self.changes.items():
            if k == kind:
                names[name] = part
        return iter(sorted((n, p) for n, p in names.items() if p is not None))

    def over(self) -> Parts:
        """An overlay on this one: its changes can be taken or dropped as a whole."""
        child = Parts()
        child._base = _Overlay(self)
        return child


class _Overlay(Mapping[str, Mapping[str, Any]]):
    """A Parts seen as a base for another."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __getitem__(self, kind: str) -> Mapping[str, Any]:
        return dict(self._parts.of(kind))

    def __iter__(self) -> Iterator[str]:
        return iter({*self._parts._base, *(k for k, _ in self._parts.changes)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Context:
    """What `decide` may know besides the state and the event. All of it is a function of the log."""

    key: str
    now: datetime
    """The record's append time, never before the key's previous one."""
    position: int
    """The record's offset in its log."""
    event_id: EventId
    agreement: Agreement
    """In force at `now`."""
    parts: Parts
    before: Life
    """The lead before the event. On logs that are not leads, the unborn life."""
    life: Life
    """The lead after the event."""
    effect: Effect
    """What the event does to the lead's life here. EFFECT for what `lifecycle` does not listen to."""
    agreement_at: Callable[[int], Agreement | None]
    """An agreement by version, where an event names a newer one than is in force here."""
    next_agreement_at: datetime | None = None
    """When the next agreement that is already published comes into force."""


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What is remembered from now on, and what is said."""

    state: S
    events: tuple[Event, ...] = ()


def _never(state: Any) -> datetime | None:
    return None


def _untouched(state: Any) -> bool:
    return False


@dataclass(frozen=True)
class Processor(Generic[S]):
    """One stream processor: everything that the runtime needs to host it."""

    name: ProcessorName
    """`scoring`, `routing.lead`; the service that writes is what stands before the dot."""
    log: Topic
    """Its one input."""
    state: type[S]
    """A frozen msgspec.Struct; `state()` is what is remembered of a key never seen."""
    decide: Callable[[S, Event, Context], Decision[S]]
    listens: frozenset[type[Event]]
    """What `decide` is called for. The runtime decodes nothing else (but what `lifecycle` listens to, if `follows_life`)."""
    follows_life: bool = False
    """Whether the runtime keeps the lead's `Life` beside the state; `decide` is then called for every life event, too."""
    due: Callable[[S], datetime | None] = _never
    """When this key wants a TimerDue; asked after every decision."""
    touched_by_agreement: Callable[[S], bool] = _untouched
    """Whether the key gets a TimerDue when a new agreement comes into force."""
    parts: Mapping[str, type[msgspec.Struct]] = field(default_factory=dict)
    """The type of each kind of part."""

    def __post_init__(self) -> None:
        if self.follows_life and self.log is not LEADS:
            raise ValueError(f"{self.name} cannot follow a lead's life on {self.log.name}: only {LEADS.name} holds it")

    @property
    def service(self) -> str:
        """The writer of what it says."""
        return self.name.split(".", 1)[0]
