"""Weighted fair turns within a pool, by virtual time.

Each member has a virtual time per pool: the leads that the pool has dealt to him, divided by his weight. The next lead
goes to the able member whose time would be the lowest *after* taking it, `time + 1 / weight`: he has the greatest
shortfall against his share. (Weighted fair queueing; compare Golestani, "A self-clocked fair queueing scheme",
INFOCOM 1994.)

Why it is fair: let i and j both be able all the while. When i was last chosen, his time became
`i + 1/w_i <= j + 1/w_j`, and j's has not fallen since. So i is never ahead of j by more than `1/w_j`: one lead of j's.

Who comes new or comes back (from leave, a closed calendar or his cap) starts at the pool's virtual time, the time at
which the last chosen member stood before he took his lead, unless he is ahead of it. So what he missed is not made up
for: he is not flooded (he is behind no able member by more than one lead of him who was last chosen) and not starved
(he is ahead of none by more than one lead of that member's). Missing is noted when the pool deals a lead that he could
not have taken; while the pool deals nothing its time stands still and nobody misses anything.

Being excluded from one lead is no absence: who may not take this one is next in line for another.

What counts is what the pool dealt. A lead that a manager directed, a claim and a place taken back after an undo do not.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from schemas.ids import PoolId, RepId
from services.routing.team.state import Rep

ONE_LEAD = 10**9
"""A lead in units of virtual time at weight 1. Weights that do not divide it are off by less than one in a million."""


def due_at(rep: Rep, pool: PoolId, virtual: int) -> int:
    """The member's virtual time after he would have taken the next lead. The lowest is due."""
    return time_of(rep, pool, virtual) + ONE_LEAD // rep.pools[pool]


def time_of(rep: Rep, pool: PoolId, virtual: int) -> int:
    """The member's virtual time in a pool whose own is `virtual`."""
    own = rep.turns.get(pool)
    if own is None:
        return virtual
    return max(own, virtual) if pool in rep.missed else own


def next_of(able: Iterable[tuple[RepId, Rep]], pool: PoolId, virtual: int) -> RepId | None:
    """Who of the able members is due. Among equals he who holds fewer leads, then by name."""
    best = min(((due_at(rep, pool, virtual), rep.open, rep_id) for rep_id, rep in able), default=None)
    return best[2] if best is not None else None


def missing(rep: Rep, pool: PoolId) -> Rep:
    """A member who can take nothing while the pool deals."""
    return rep if pool in rep.missed else replace(rep, missed=(*rep.missed, pool))


def taking(rep: Rep, pool: PoolId, virtual: int) -> tuple[Rep, int]:
    """(the member after he took a lead of the pool, the pool's virtual time)."""
    time = time_of(rep, pool, virtual)
    took = replace(
        rep,
        turns={**rep.turns, pool: time + ONE_LEAD // rep.pools[pool]},
        missed=tuple(p for p in rep.missed if p != pool),
    )
    return took, max(virtual, time)


def back(rep: Rep, pool: PoolId, virtual: int) -> Rep:
    """A member who is able while the pool deals: from here on nothing that he missed counts."""
    if pool in rep.turns and pool not in rep.missed:
        return rep
    return replace(
        rep,
        turns={**rep.turns, pool: time_of(rep, pool, virtual)},
        missed=tuple(p for p in rep.missed if p != pool),
    )


def later_by(rep: Rep, other: Rep, pool: PoolId, virtual: int) -> float:
    """By how many leads `rep`'s shortfall is lower than `other`'s."""
    return (due_at(rep, pool, virtual) - due_at(other, pool, virtual)) * rep.pools[pool] / ONE_LEAD
