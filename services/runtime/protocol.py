"""What a stream processor is: a state per key, a pure `decide`, and the instant at which it wants to be asked again.

This module and `step` are pure; `decide.py` modules import nothing else of the runtime.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from typing import Any, Generic, TypeVar

import msgspec
from sortedcontainers import SortedList

from schemas.agreement import Agreement
from schemas.base import Event
from schemas.ids import EventId, ProcessorName
from schemas.learning.course import ModelInForce
from schemas.lifecycle import Effect, Life
from schemas.topics import LEADS, Topic

S = TypeVar("S", bound=msgspec.Struct)


class PartStore(Mapping[str, Mapping[str, Any]]):
    """The visible parts of one key, by kind and name. Kinds that were walked keep their names sorted, so that a walk
    begins at once; kinds that are only looked up pay nothing.

    A part whose type has a method `standings(name)` also stands in orders: it yields (order, entry), and a walk of the
    order sees the entries sorted. Orders follow from the parts, so they are in no changelog.
    """

    __slots__ = ("_kinds", "_orders", "_sorted")

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Any]] = {}
        self._orders: dict[str, _Order] = {}
        self._sorted: dict[str, list[str]] = {}

    def __getitem__(self, kind: str) -> Mapping[str, Any]:
        return self._kinds[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def set(self, kind: str, name: str, part: Any) -> None:
        """Keep `part` under its name, and where it stands."""
        self._stand(kind, name, part)
        self.keep(kind, name, part)

    def keep(self, kind: str, name: str, part: Any) -> None:
        """Keep `part` without its standings; None marks a removed part in an overlay and is a part like any other."""
        parts = self._kinds.setdefault(kind, {})
        if name not in parts and kind in self._sorted:
            insort(self._sorted[kind], name)
        parts[name] = part

    def drop(self, kind: str, name: str) -> None:
        """Forget a part; forgetting one that is not there is nothing."""
        self._stand(kind, name, None)
        if self._kinds.get(kind, {}).pop(name, None) is not None and kind in self._sorted:
            names = self._sorted[kind]
            del names[bisect_left(names, name)]

    def _stand(self, kind: str, name: str, part: Any) -> None:
        before = self._kinds.get(kind, _NOTHING).get(name)
        for order, entry in standings(before, name):
            self.order(order).leave(entry)
        for order, entry in standings(part, name):
            self.order(order).enter(entry, name)

    def order(self, order: str) -> _Order:
        """The order of that name."""
        known = self._orders.get(order)
        if known is None:
            known = self._orders[order] = _Order()
        return known

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


class _Order:
    """Entries in order, each with the name of the part that stands there; None hides what lies below an overlay."""

    __slots__ = ("entries", "sorted")

    def __init__(self) -> None:
        self.entries: dict[str, str | None] = {}
        self.sorted: SortedList[str] | None = None
        """None until it is walked first."""

    def enter(self, entry: str, name: str | None) -> None:
        if self.sorted is not None and entry not in self.entries:
            self.sorted.add(entry)
        self.entries[entry] = name

    def leave(self, entry: str) -> None:
        if self.entries.pop(entry, _ABSENT) is not _ABSENT and self.sorted is not None:
            self.sorted.remove(entry)

    def walk(self, prefix: str) -> Iterator[str]:
        if self.sorted is None:
            self.sorted = SortedList(self.entries)
        entries: Iterator[str] = self.sorted.irange(prefix, prefix + _LAST)
        return entries


_ABSENT = object()
_LAST = "\U0010ffff"


def standings(part: Any, name: str) -> Iterable[tuple[str, str]]:
    """Where a part stands: what its type says, nothing if it says nothing."""
    said = getattr(part, "standings", None)
    return () if said is None else said(name)


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
                return layer._base._kinds.get(kind, _NOTHING).get(name)
            layer = layer._below
        return None

    def put(self, kind: str, name: str, part: msgspec.Struct) -> None:
        """Set a part."""
        self._move(self.get(kind, name), part, name)
        self._changed.keep(kind, name, part)

    def remove(self, kind: str, name: str) -> None:
        """Remove a part; removing one that is not there is nothing."""
        before = self.get(kind, name)
        if before is not None:
            self._move(before, None, name)
            self._changed.keep(kind, name, None)

    def _move(self, before: Any, after: Any, name: str) -> None:
        stood = dict.fromkeys(standings(before, name))
        stands = dict.fromkeys(standings(after, name))
        for order, entry in stood:
            if (order, entry) not in stands:
                self._changed.order(order).enter(entry, None)
        for order, entry in stands:
            if (order, entry) not in stood:
                self._changed.order(order).enter(entry, name)

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

    def in_order(self, order: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        """(entry, name of the part) of those who stand in an order with entries that begin with `prefix`, sorted.

        Pays for what is looked at only. Parts may be changed during the walk; who moves meanwhile may be seen where he
        was, where he is, or twice.
        """
        layers: list[Iterable[str]] = []
        orders: list[_Order] = []
        layer: Parts | None = self
        while layer is not None:
            changed = layer._changed._orders.get(order)
            if changed is not None:
                orders.append(changed)
                layers.append(list(changed.walk(prefix)))
            if layer._below is None and order in layer._base._orders:
                orders.append(layer._base._orders[order])
                layers.append(orders[-1].walk(prefix))
            layer = layer._below
        previous = None
        for entry in layers[0] if len(layers) == 1 else merge(*layers):
            if entry != previous:
                previous = entry
                stands = next((o.entries[entry] for o in orders if entry in o.entries), None)
                if stands is not None:
                    yield entry, stands

    def over(self) -> Parts:
        """An overlay on this one: its changes can be taken or dropped as a whole."""
        child = Parts(self._base)
        child._below = self
        return child

    def take(self, overlay: Parts) -> None:
        """Take over the changes of an overlay."""
        for kind, parts in overlay._changed.items():
            for name, part in parts.items():
                self._changed.keep(kind, name, part)
        for order, stands in overlay._changed._orders.items():
            own = self._changed.order(order)
            for entry, stands_there in stands.entries.items():
                own.enter(entry, stands_there)


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


class Context(msgspec.Struct, frozen=True):
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


class Decision(msgspec.Struct, Generic[S], frozen=True):
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
    look: Callable[[S, Mapping[str, Mapping[str, Any]], str, Agreement, datetime], Mapping[str, Any] | None] | None = None
    """What a person may be told of somebody or something in a key's state and parts, by name, at an instant under an
    agreement; None: nothing is known under that name. Doors and simulations ask it; it decides nothing."""
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
