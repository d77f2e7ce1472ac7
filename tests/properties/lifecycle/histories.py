"""Random histories of a world: everything races, then everybody stops, and the invariants must hold."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.base import Event
from schemas.ids import RepId
from tests.properties.lifecycle.moves import TEAM_A, TEAM_S, Move
from tests.properties.lifecycle.mutants import NONE, Mutant
from tests.properties.lifecycle.quiet import check_quiet
from tests.properties.lifecycle.world import Bad, Entry, World

RARE = {
    "LeadErased": 0.3,
    "LeadSuppressed": 0.1,
    "LeadsMerged": 0.15,
    "LeadsUnmerged": 0.5,
    "agreement": 0.3,
    "CrmWon": 0.3,
    "CrmLost": 0.3,
    "RepLeft": 0.5,
    "RepJoined": 0.25,
    "RepChanged": 0.15,
    "RepAvailabilityChanged": 0.2,
    "ReassignmentOrdered": 0.3,
    "LeadSubmitted": 0.25,
    "ActionUndone": 2.0,
    "RejectionContested": 1.0,
    "ContestDecided": 1.5,
    "LeadAccepted": 1.5,
    "LeadRejected": 2.0,
    "TimerDue": 1.5,
    "LeadClaimed": 0.6,
}
"""How often a move is made, against 1 for the others."""

ALWAYS_AMONG = ("ContactAttempted", "LeadReturned", "LeadHandedOver")


@dataclass(frozen=True)
class History:
    """One history and what came of it."""

    seed: int
    world: World
    wrong: str | None


def history(seed: int, mutant: Mutant = NONE) -> History:
    """The history of a seed: always the same."""
    rng = random.Random(seed)
    with mutant.at_work():
        w = _begin(rng, mutant)
        try:
            _live(rng, w, mutant)
            if not mutant.skewed:
                _one_agreement(w)
            w.drain(rng)
            check_quiet(w)
        except Bad as bad:
            return History(seed, w, str(bad))
        return History(seed, w, None)


def _begin(rng: random.Random, mutant: Mutant) -> World:
    flavours = ("push", "push", "claim", "offers", "grabs", "paths", "gives up")
    flavour = mutant.flavour if mutant is not NONE else rng.choice(flavours)
    w = World(rng.choice((1, 1, 2, 3)), flavour, mutant)
    for rep in rng.choice(((), ("ana",), ("ana", "bob"), ("ana", "bob"), ("ana", "bob"))):
        w.do(Move(TEAM_S, "RepJoined", (RepId(rep), rng.choice((1, 1, 2)))))
    if rng.random() < 0.6:
        w.do(Move(TEAM_A, "RepJoined", (RepId("paul"), 1)))
    for lead in w.leads:
        w.do(Move(lead, "LeadSubmitted", ("demo",)))
    return w


def _live(rng: random.Random, w: World, mutant: Mutant) -> None:
    hunted = mutant is not NONE
    p_dead = 0.15 if mutant.dead else 0.0 if hunted else rng.choice((0, 0, 0.05))
    p_zombie = 0.1 if mutant.zombies else 0.0 if hunted else rng.choice((0, 0, 0.1))
    pace = rng.choice((0.3, 0.5, 0.7, 0.9))
    only = mutant.moves or rng.choice(((), (), (*rng.sample(sorted(RARE), 5), *ALWAYS_AMONG)))
    for _ in range(rng.randrange(2, 40)):
        ways = w.sendable()
        x = rng.random()
        if ways and x < pace:
            way, pointer = rng.choice(ways)
            w.send(way, pointer, fails=w.can_die(way, pointer) and rng.random() < p_dead)
        elif x > 1 - p_zombie and w.pointers:
            _another_owner(rng, w)
        elif w.dead and rng.random() < 0.2:
            w.replay_letter(rng.randrange(len(w.dead)))
        elif w.forward and rng.random() < 0.3:
            w.do_forward()
        elif w.announce and rng.random() < 0.3:
            w.do_announce()
        else:
            _move(rng, w, only)


def _another_owner(rng: random.Random, w: World) -> None:
    """Somebody who was stopped goes on where he was, and appends what was appended already."""
    way = rng.choice(list(w.pointers))
    furthest = max(w.pointers[way])
    if furthest:
        w.pointers[way].append(rng.randrange(furthest))


def _move(rng: random.Random, w: World, only: Iterable[str]) -> None:
    moves = [m for m in w.moves() if not only or m.what in only]
    if moves:
        kinds = sorted({m.what for m in moves})
        kind = rng.choices(kinds, [RARE.get(k, 1) for k in kinds])[0]
        w.do(rng.choice([m for m in moves if m.what == kind]), again=rng.random() < 0.05)


def _one_agreement(w: World) -> None:
    """In the end all logs live under the same agreement."""
    if any(log.agreements.now_in_force == 2 for log in w.logs.values()):
        for key, log in w.logs.items():
            if log.agreements.now_in_force == 1:
                w.do(Move(key, "agreement"))


def smallest(mutant: Mutant, seeds: Iterable[int], seconds: float) -> History | None:
    """The bad history with the fewest records among these seeds, looked for as long as that."""
    best: History | None = None
    end = time.monotonic() + seconds
    for seed in seeds:
        found = history(seed, mutant)
        if found.wrong is not None and (best is None or found.world.records < best.world.records):
            best = found
        if time.monotonic() > end:
            break
    return best


def told(h: History) -> str:
    """The history as a person reads it: every log, every record, what it did."""
    lines = [f"{h.wrong} (seed {h.seed}, {h.world.records} records)"]
    names = {lead: f"lead {i}" for i, lead in enumerate(h.world.leads)}
    for key, log in h.world.logs.items():
        if log.entries:
            lines.append(f"{names.get(key, key)}:")  # type: ignore[call-overload]
            lines += [_line(i, e, names) for i, e in enumerate(log.entries)]
            lines.append(f"    -> {h.world.life(key) if key in names else h.world.state('routing.team', key)}")
    text = "\n".join(lines)
    for lead, name in names.items():
        text = text.replace(lead, name)
    return text


def _line(i: int, e: Entry, names: dict[str, str]) -> str:
    source = f"{e.envelope.cause.source}|{e.envelope.cause.offset}" if e.envelope.cause else str(e.envelope.event_id)
    effect = e.effect or ("for " + e.envelope.addressed_to if e.envelope.addressed_to else "")
    return f"  {i:3} {type(e.event).__name__} {_fields(e.event)} [{source}] {effect}"


_DULL = {
    "lead_id",
    "by",
    "occurred_at",
    "agreement",
    "because",
    "candidates",
    "passed_over",
    "submitted_at",
    "content",
    "submission_id",
}


def _fields(event: Event) -> str:
    shown = {
        k: v for k, v in event.model_dump(mode="json", exclude=_DULL, exclude_defaults=True).items() if v is not None
    }
    return ", ".join(f"{k}={v}" for k, v in shown.items())
