"""Weights that follow past success, where the agreement says so: within its bounds, so that nobody starves.

What counts is how assignments of a pool ended: won and handed over are successes. A rep's factor is his rate against
his pool's, in steps of five per cent, and stays at 100 until enough of his assignments have ended.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from schemas.agreement import Success
from schemas.events.routing import Ended
from schemas.ids import PoolId
from services.routing.team.sitting import Sitting
from services.routing.team.state import Place, PoolTurn, Rep

ONE = 1000
"""An assignment, in the thousandths in which faded ones are counted."""
STEP = 5
_SUCCESSES = frozenset({Ended.WON, Ended.HANDED_OVER})
_COUNTED = _SUCCESSES | {Ended.LOST, Ended.RETURNED, Ended.REJECTED}


def count_end(s: Sitting, place: Place, ended: Ended | None) -> None:
    """Count how an assignment ended, and set the rep's weight by it."""
    pool = place.pool
    terms = s.agreement.pools.get(pool) if pool is not None else None
    rep = s.rep(place.rep)
    if pool is None or terms is None or terms.success is None or ended not in _COUNTED or rep is None:
        return
    success = ONE if ended in _SUCCESSES else 0
    turn = _faded_pool(s.turn(pool), terms.success, s.now_ms)
    s.put_turn(pool, replace(turn, ended=turn.ended + ONE, succeeded=turn.succeeded + success))
    mine = rep.tally.get(pool, (0, 0))
    tally = {**rep.tally, pool: (mine[0] + ONE, mine[1] + success)}
    s.put_rep(place.rep, with_factor(s, replace(rep, tally=tally), pool, terms.success))


def with_factor(s: Sitting, rep: Rep, pool: PoolId, terms: Success) -> Rep:
    """The rep with the weight that his success gives him."""
    if pool not in rep.pools:
        return rep
    turn, (ended, succeeded) = s.turn(pool), rep.tally.get(pool, (0, 0))
    factor = 100
    if ended >= terms.counted_from * ONE and turn.succeeded:
        percent = 100 * succeeded * turn.ended // (ended * turn.succeeded)
        factor = max(terms.at_least, min(terms.at_most, (percent + STEP // 2) // STEP * STEP))
    factors = {p: f for p, f in {**rep.factors, pool: factor}.items() if f != 100}
    return rep if factors == rep.factors else replace(rep, factors=factors)


def _faded_pool(turn: PoolTurn, terms: Success, now_ms: int) -> PoolTurn:
    """The pool's tally with its past halved for every half-life that is over."""
    if terms.half_life is None or not turn.counted_ms:
        return replace(turn, counted_ms=turn.counted_ms or now_ms)
    lives = (now_ms - turn.counted_ms) // (terms.half_life // timedelta(milliseconds=1))
    if lives <= 0:
        return turn
    begun = turn.counted_ms + lives * (terms.half_life // timedelta(milliseconds=1))
    return replace(turn, ended=turn.ended >> lives, succeeded=turn.succeeded >> lives, counted_ms=begun)
