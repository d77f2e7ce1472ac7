"""What a stream processor is: a state per key, a pure `decide`, and the instant at which it wants to be asked again.

This module and `step` are pure; `decide.py` modules import nothing else of the runtime.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from typing import Any, Generic, TypeVar

import msgspec

from schemas.agreement import Agreement
from schemas.base import Event
from schemas.ids import EventId, ProcessorName
from schemas.learning.course import ModelInForce
from schemas.lifecycle import Effect, Life
from schemas.topics import LEADS, Topic

S = TypeVar("S", bound=msgspec.Struct)


class PartStore(Mapping[str, Mapping[str, Any]]):
    """The visible parts of one key, by kind and name. Kinds that were walked keep their names sorted, so that a walk
    begins at once; kinds that are only looked up pay nothing."""

    __slots__ = ("_kinds", "_sorted")

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Any]] = {}
        self._sorted: dict[str, list[str]] = {}

    def __getitem__(self, kind: str) -> Mapping[str, Any]:
        return self._kinds[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def set(self, kind: str, name: str, part: Any) -> None:
        """Keep `part` under its name; None marks a removed part in an overlay and is a part like any other here."""
        parts = self._kinds.setdefault(kind, {})
        if name not in parts and kind in self._sorted:
            insort(self._sorted[kind], name)
        parts[name] = part

    def drop(self, kind: str, name: str) -> None:
        """Forget a part; forgetting one that is not there is nothing."""
        if self._kinds.get(kind, {}).pop(name, None) is not None and kind in self._sorted:
            names = self._sorted[kind]
            del names[bisect_left(names, name)]

    def apply(self, changes: Mapping[tuple[str, str], Any]) -> None:
        """Make the changes of a `Parts` visible."""
        for (kind, name), part in changes.items():
            if part is None:
                self.drop(kind, name)
            else:
                self.set(kind, name, part)

    def names(self, kind: str, prefix: str) -> list[str]:
        """The names of a kind that begin with `prefix`, sorted."""
        if kind not in self._sorted:
            self._sorted[kind] = sorted(self._kinds.get(kind, ()))
        names = self._sorted[kind]
        if not prefix:
            return names
        return names[bisect_left(names, prefix) : bisect_left(names, prefix + _LAST)]


_LAST = "\U0010ffff"


class Parts:
    """The named parts of one key's state, by kind: a mapping that remembers what was changed.

    A part is a frozen msgspec.Struct of the type that the processor declares for its kind. What grows with a key (one
    record per waiting lead, per place taken) is a part, so that it is never one ever larger record rewritten whole.
    The base is never written to: hand in a `PartStore` and `apply` the changes to it when they are durable.
    """

    __slots__ = ("_base", "_below", "_changed")

    def __init__(self, base: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._base = base if isinstance(base, PartStore) else _stored(base) if base else _EMPTY
        self._below: Parts | None = None
        self._changed = PartStore()

    @property
    def changed(self) -> bool:
        """Whether there are any changes."""
        return bool(self._changed._kinds)

    @property
    def changes(self) -> dict[tuple[str, str], Any]:
        """(kind, name) -> the new part, or None where it was removed."""
        return {(kind, name): part for kind, parts in self._changed.items() for name, part in parts.items()}

    def get(self, kind: str, name: str) -> Any | None:
        """The part, or None."""
        layer: Parts | None = self
        while layer is not None:
            changed = layer._changed._kinds.get(kind)
            if changed is not None and name in changed:
                return changed[name]
            if layer._below is None:
                return layer._base.get(kind, _NOTHING).get(name)
            layer = layer._below
        return None

    def put(self, kind: str, name: str, part: msgspec.Struct) -> None:
        """Set a part."""
        self._changed.set(kind, name, part)

    def remove(self, kind: str, name: str) -> None:
        """Remove a part; removing one that is not there is nothing."""
        if self.get(kind, name) is not None:
            self._changed.set(kind, name, None)

    def of(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """The parts of a kind whose names begin with `prefix`, sorted by name.

        Works its way forward, so that one who stops early pays for what he saw only. Parts may be changed during the
        walk; those not yet passed are seen as they were when the walk began, or as they are.
        """
        layers: list[list[str]] = []
        layer: Parts | None = self
        while layer is not None:
            if kind in layer._changed._kinds:
                layers.append(list(layer._changed.names(kind, prefix)))
            if layer._below is None:
                layers.append(layer._base.names(kind, prefix))
            layer = layer._below
        previous = None
        for name in layers[0] if len(layers) == 1 else merge(*layers):
            if name != previous:
                previous = name
                part = self.get(kind, name)
                if part is not None:
                    yield name, part

    def over(self) -> Parts:
        """An overlay on this one: its changes can be taken or dropped as a whole."""
        child = Parts(self._base)
        child._below = self
        return child

    def take(self, overlay: Parts) -> None:
        """Take over the changes of an overlay."""
        for kind, parts in overlay._changed.items():
            for name, part in parts.items():
                self._changed.set(kind, name, part)


_NOTHING: Mapping[str, Any] = {}
_EMPTY = PartStore()
"""The base of a key without parts: shared, for a base is never written to."""


def _stored(base: Mapping[str, Mapping[str, Any]]) -> PartStore:
    store = PartStore()
    store.apply({(kind, name): part for kind, parts in base.items() for name, part in parts.items()})
    return store


def no_model(at: datetime) -> ModelInForce | None:
    """As long as nothing is learned."""
    return None


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
    model_at: Callable[[datetime], ModelInForce | None] = no_model
    """The learned model in force at an instant."""


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
    """What `decide` is called for; nothing else is decoded (but what `lifecycle` listens to, if `follows_life`)."""
    follows_life: bool = False
    """Whether the runtime keeps the lead's `Life` beside the state; then every life event is decided on, too."""
    due: Callable[[S], datetime | None] = _never
    """When this key wants a TimerDue; asked after every decision."""
    touched_by_agreement: Callable[[S], bool] = _untouched
    """Whether the key gets a TimerDue when a new agreement comes into force."""
    parts: Mapping[str, type[msgspec.Struct]] = field(default_factory=dict)
    """The type of each kind of part."""
    gather: timedelta = timedelta(milliseconds=3)
    """How long records may gather after a delivery before the next one is taken: under load fewer and larger groups, which
    cost less; the first record after a silence waits for nothing. More for a processor that nobody waits for."""

    def __post_init__(self) -> None:
        if self.follows_life and self.log is not LEADS:
            raise ValueError(f"{self.name} cannot follow a lead's life on {self.log.name}: only {LEADS.name} holds it")

    @property
    def service(self) -> str:
        """The writer of what it says."""
        return self.name.split(".", 1)[0]
