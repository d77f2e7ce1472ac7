"""Every interleaving of a small world: a few moves at any moment, every order of appends."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from schemas.ids import RepId
from services.runtime.protocol import PartStore
from services.runtime.replay import Hosted
from tests.properties.lifecycle.histories import _one_agreement
from tests.properties.lifecycle.moves import TEAM_A, TEAM_S, Move
from tests.properties.lifecycle.mutants import NONE, Mutant
from tests.properties.lifecycle.quiet import check_quiet
from tests.properties.lifecycle.world import Bad, Log, World


@dataclass(frozen=True)
class Searched:
    """How far the search came."""

    states: int
    quiet: int
    complete: bool
    wrong: str | None
    world: World | None


def search(
    moves_left: int,
    kinds: Iterable[str],
    *,
    flavour: str = "push",
    reps: tuple[str, ...] = ("ana",),
    mutant: Mutant = NONE,
    seconds: float = 60.0,
) -> Searched:
    """Go through every state that `moves_left` moves of these kinds, at any moments, can lead to."""
    kinds = frozenset(kinds)
    end = time.monotonic() + seconds
    with mutant.at_work():
        first = _first(flavour, reps, mutant)
        seen = {_key(first, moves_left)}
        stack = [(first, moves_left)]
        quiet = 0
        while stack and time.monotonic() < end:
            world, left = stack.pop()
            try:
                if not world.sendable():
                    quiet += 1
                    _must_be_well(world)
                for after, then_left in _next(world, left, kinds):
                    key = _key(after, then_left)
                    if key not in seen:
                        seen.add(key)
                        stack.append((after, then_left))
            except Bad as bad:
                return Searched(len(seen), quiet, False, str(bad), world)
    return Searched(len(seen), quiet, not stack, None, None)


def _first(flavour: str, reps: tuple[str, ...], mutant: Mutant) -> World:
    world = World(1, flavour, mutant)
    world.moment = (
        timedelta()
    )  # time stands still but for deadlines, so that orders that come to the same are one state
    for rep in reps:
        world.do(Move(TEAM_A if rep == "paul" else TEAM_S, "RepJoined", (RepId(rep), 1)))
    world.do(Move(world.leads[0], "LeadSubmitted", ("demo",)))
    return world


def _must_be_well(world: World) -> None:
    last = _clone(world)
    _one_agreement(last)
    last.drain()
    check_quiet(last)


def _next(world: World, left: int, kinds: frozenset[str]) -> Iterable[tuple[World, int]]:
    for way, pointer in world.sendable():
        after = _clone(world)
        after.send(way, pointer)
        yield after, left
    if left:
        for move in world.moves():
            if move.what in kinds:
                after = _clone(world)
                after.do(move)
                yield after, left - 1


def _key(w: World, left: int) -> int:
    """What distinguishes two states: the logs (all that was said and is remembered follows from them), how far the
    pointers are, which agreements are in force, and what may still be done."""
    logs = tuple(
        (log.agreements.now_in_force, tuple((e.envelope.event_id, e.record.value) for e in log.entries))
        for log in w.logs.values()
    )
    return hash((logs, tuple(sorted((way, tuple(at)) for way, at in w.pointers.items())), len(w.forward), left))


def _clone(w: World) -> World:
    after = object.__new__(World)
    for name, value in w.__dict__.items():
        after.__dict__[name] = _copied(value)
    after.logs = {k: Log(x.topic, x.partition, replace(x.agreements), x.entries.copy()) for k, x in w.logs.items()}
    after.hosted = [
        Hosted(h.processor, h.types, h.keys.copy(), {k: _stored(p) for k, p in h.parts.items()}) for h in w.hosted
    ]
    return after


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return {k: v.copy() if isinstance(v, dict | list | set) else v for k, v in value.items()}
    return copy.copy(value) if isinstance(value, list | set) else value


def _stored(parts: PartStore) -> PartStore:
    out = PartStore()
    for kind, named in parts.items():
        for name, part in named.items():
            out.set(kind, name, part)
    return out
