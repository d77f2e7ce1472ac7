"""Fair turns within a pool, by virtual time. The proof is in `docs/decisions/0502-fair-shares.md`.

Each lead that a pool deals adds `w / W` to the share of every able member (W: the sum of their weights) and one to what
he who takes it was assigned. Share less assigned is a member's lag. In virtual time: the pool's clock V advances by
`1 / W` a lead; a member who stands at t has the lag `w * (V - t)`, his next lead may come from t on and is due at
`t + 1 / w`. The lead goes to the member whose next lead may come already (counting the lead in hand) and is due first;
if nobody's may, to him who is nearest to it.

Who can take nothing neither gains nor loses: his distance from V is kept, and he goes on with it. A lag counts as at
most one lead: what a member would be owed beyond, because others left with leads that they had had early, is written off.

What counts is what the pool dealt. An order, a claim, an owner's match and a place taken back after an undo do not.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.ids import PoolId
from services.routing.team.state import PoolTurn, Rep

ONE_LEAD = 10**12
"""A lead in units of virtual time, at a weight of one hundredth."""


def advanced(turn: PoolTurn, weight: int) -> PoolTurn:
    """The pool after one more lead that members of this weight together may take. What divides badly is carried on."""
    step, rest = divmod(ONE_LEAD + turn.rest, weight)
    return replace(turn, virtual=turn.virtual + step, rest=rest)


def rank(start: int, one: int, virtual: int) -> tuple[int, int]:
    """The lowest is next, in a pool whose time with the lead in hand is `virtual`.

    start: the member's turn; one: a lead at his weight, in virtual time.
    """
    return (0, start + one) if start < virtual else (1, start)


def took(rep: Rep, pool: PoolId, before: int, virtual: int) -> Rep:
    """The member after he took a lead that the pool dealt, whose time it took from `before` to `virtual`."""
    one = ONE_LEAD // rep.weight(pool)
    start = rep.turns.get(pool, before)
    counted = min(max(start, before - one), virtual)
    turned = replace(rep, turns={**rep.turns, pool: counted + one})
    lost = (counted - start) * rep.weight(pool) * 1000 // ONE_LEAD
    if lost <= 0:
        return turned
    return replace(turned, written_off={**rep.written_off, pool: rep.written_off.get(pool, 0) + lost})


def skipped(rep: Rep, pool: PoolId, step: int) -> Rep:
    """A member who may not take this very lead: nothing is added to his share for it."""
    return replace(rep, turns={**rep.turns, pool: rep.turns.get(pool, 0) + step})


def lag(rep: Rep, pool: PoolId, virtual: int) -> float:
    """His share less what he was dealt, in leads; at most one either way."""
    behind = virtual - rep.turns.get(pool, virtual) if rep.able else rep.turns.get(pool, 0)
    return max(-1.0, min(1.0, behind * rep.weight(pool) / ONE_LEAD))


def at_distance(before: Rep | None, after: Rep, pool: PoolId, virtual: int) -> int:
    """His turn in a pool after his ability or his weight changed: his lag stays what it was.

    `after` still holds his turns as `before` had them, those that he has just taken included.
    """
    behind = 0
    if before is not None and pool in after.turns:
        dealing = before.able and pool in before.pools
        behind = virtual - after.turns[pool] if dealing else after.turns[pool]
        known = before.pools.get(pool)
        if known is not None and before.weight(pool) != after.weight(pool):
            behind = behind * before.weight(pool) // after.weight(pool)
    return virtual - behind if after.able else behind
