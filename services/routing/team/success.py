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
from services.routing.team.state import Place, Rep

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
    success, lives = ONE if ended in _SUCCESSES else 0, _lives(terms.success, s.now_ms)
    turn = s.turn(pool)
    all_ended, all_succeeded = faded(turn.ended, turn.succeeded, lives - turn.lives)
    s.put_turn(pool, replace(turn, ended=all_ended + ONE, succeeded=all_succeeded + success, lives=lives))
    before = rep.tally.get(pool, (0, 0, lives))
    mine = faded(before[0], before[1], lives - before[2])
    tally = {**rep.tally, pool: (mine[0] + ONE, mine[1] + success, lives)}
    s.put_rep(place.rep, with_factor(s, replace(rep, tally=tally), pool, terms.success))


def with_factor(s: Sitting, rep: Rep, pool: PoolId, terms: Success) -> Rep:
    """The rep with the weight that his success gives him."""
    if pool not in rep.pools:
        return rep
    turn, (ended, succeeded, _) = s.turn(pool), rep.tally.get(pool, (0, 0, 0))
    factor = 100
    if ended >= terms.counted_from * ONE and turn.succeeded:
        percent = 100 * succeeded * turn.ended // (ended * turn.succeeded)
        factor = max(terms.at_least, min(terms.at_most, (percent + STEP // 2) // STEP * STEP))
    factors = {p: f for p, f in {**rep.factors, pool: factor}.items() if f != 100}
    return rep if factors == rep.factors else replace(rep, factors=factors)


def _lives(terms: Success, now_ms: int) -> int:
    """How many half-lives have passed since 1970."""
    return 0 if terms.half_life is None else now_ms // (terms.half_life // timedelta(milliseconds=1))


def faded(ended: int, succeeded: int, lives: int) -> tuple[int, int]:
    """Tallies after so many half-lives."""
    return (ended >> min(lives, 64), succeeded >> min(lives, 64)) if lives > 0 else (ended, succeeded)
