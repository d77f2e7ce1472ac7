"""Whose turn it is: the next able member of a pool who can take a lead, found without looking at all of them."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain, islice

from msgspec.structs import replace

from schemas.agreement import PoolMode
from schemas.ids import PoolId, RepId
from services.routing.team.ability import fits
from services.routing.team.fairness import ONE_LEAD, advanced, rank, skipped, took
from services.routing.team.sitting import Sitting
from services.routing.team.state import FEWEST, TURN, PoolTurn, Rep, Wait

Ranked = tuple[tuple[int, ...], RepId, Rep]


def choose(s: Sitting, wait: Wait, listed: int) -> tuple[list[Ranked], RepId | None]:
    """(the first `listed` able members in the order in which they are asked, who is to have the lead; none: nobody)."""
    line = in_turn(s, wait.pool, wait.excluded)
    ranked = list(islice(line, listed))
    due = next((rep_id for _, rep_id, rep in chain(ranked, line) if fits_lead(s, rep_id, rep, wait)), None)
    return ranked, due


def fits_lead(s: Sitting, rep_id: RepId, rep: Rep, wait: Wait) -> bool:
    """Whether he, who is able, can take this very lead."""
    return fits(rep_id, rep, s.hours, wait.excluded, wait.grade, wait.skills)


def in_turn(s: Sitting, pool: PoolId, excluded: tuple[RepId, ...]) -> Iterator[Ranked]:
    """The able members in the order in which they are asked. Members of one weight stand in the order of their turns,
    so only the first of each weight are compared: the cost grows with the number of weights, not of members."""
    if s.terms(pool).mode is PoolMode.FEWEST_OPEN:
        yield from _fewest(s, pool)
        return
    virtual = virtual_with(s, pool, excluded)
    lines = [_of_weight(s, pool, w, virtual) for w in s.turn(pool).weights]
    yield from lines[0] if len(lines) == 1 else merge(*lines)


def virtual_with(s: Sitting, pool: PoolId, excluded: tuple[RepId, ...]) -> int:
    """The pool's virtual time with the lead in hand."""
    turn = s.turn(pool)
    weight = _dealing_weight(s, pool, turn, excluded)
    return (advanced(turn, weight) if weight else turn).virtual


def _fewest(s: Sitting, pool: PoolId) -> Iterator[Ranked]:
    for number, (_, rep_id) in enumerate(s.parts.in_order(FEWEST, f"{pool}/")):
        rep = s.rep(RepId(rep_id))
        if rep is not None:
            yield (number,), RepId(rep_id), rep


def _of_weight(s: Sitting, pool: PoolId, weight: int, virtual: int) -> Iterator[Ranked]:
    one = ONE_LEAD // weight
    for _, rep_id in s.parts.in_order(TURN, f"{pool}/{weight:06d}/"):
        rep = s.rep(RepId(rep_id))
        if rep is not None:
            yield (*rank(rep.turns.get(pool, virtual), one, virtual), rep.open), RepId(rep_id), rep


def _dealing_weight(s: Sitting, pool: PoolId, turn: PoolTurn, excluded: tuple[RepId, ...]) -> int:
    """The weight of all who share in a lead: the able members but those who may not have it."""
    return turn.weight - sum(rep.weight(pool) for _, rep in _barred(s, pool, excluded))


def _barred(s: Sitting, pool: PoolId, excluded: tuple[RepId, ...]) -> list[tuple[RepId, Rep]]:
    reps = ((rep_id, s.rep(rep_id)) for rep_id in dict.fromkeys(excluded))
    return [(i, rep) for i, rep in reps if rep is not None and rep.able and pool in rep.pools]


def dealt(s: Sitting, pool: PoolId, rep_id: RepId, excluded: tuple[RepId, ...]) -> Rep:
    """Count a lead that the pool deals to a member; he, with his turn taken, is still to be remembered."""
    turn = s.turn(pool)
    after = advanced(turn, _dealing_weight(s, pool, turn, excluded))
    for barred, rep in _barred(s, pool, excluded):
        s.put_rep(barred, skipped(rep, pool, after.virtual - turn.virtual))
    s.put_turn(pool, after)
    taking = s.rep(rep_id)
    if taking is None:
        raise ValueError(f"{rep_id} is not in the team and cannot be dealt a lead")
    taking = took(taking, pool, turn.virtual, after.virtual)
    since_ms = taking.since_ms if pool in taking.since_ms else {**taking.since_ms, pool: s.now_ms}
    return replace(taking, dealt={**taking.dealt, pool: taking.dealt.get(pool, 0) + 1}, since_ms=since_ms)
