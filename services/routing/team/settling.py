"""What has changed by itself when a team is asked: the agreement, who is able, which lead's time in its pool is over."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.agreement import PoolMode, sentence
from schemas.events.routing import QueueReason
from schemas.ids import PoolId, RepId, RequestId
from schemas.vocabulary import Because
from services.routing.team import queueing
from services.routing.team.dealing import deal_by_turn, say_queued, say_waiting, serve
from services.routing.team.sitting import Sitting
from services.routing.team.state import REP, WAKE, Wait


def settle(s: Sitting) -> None:
    """Under a newer agreement: look at all reps anew, send away who waits for a pool that is gone, deal out pools that
    were claimed."""
    if s.agreement.version <= s.settled:
        return
    if s.settled:
        for name, rep in list(s.parts.of(REP)):
            s.put_rep(RepId(name), rep)
    for pool in s.pools_with_queue():
        if s.gone(pool):
            _send_away(s, pool)
    for pool in s.pools_with_queue():
        if not s.gone(pool):
            _say_anew(s, pool)
    serve(s, s.pools_with_queue())
    if s.left_to_do > 0:
        s.settled = s.agreement.version


def _send_away(s: Sitting, pool: PoolId) -> None:
    because = sentence(f"the pool {pool} is none of {s.team}'s any more")
    for request, wait in queueing.of_pool(s, pool):
        if s.left_to_do <= 0:
            return
        _route_anew(s, request, wait, because)


def _route_anew(s: Sitting, request: RequestId, wait: Wait, because: Because) -> None:
    s.left_to_do -= 1
    queueing.leave(s, request, wait)
    say_queued(s, request, wait.lead, wait.pool, QueueReason.POOL_GONE, because)


def _say_anew(s: Sitting, pool: PoolId) -> None:
    """Say why leads wait if the new agreement turned the pool from dealing to claiming, or back, or from skills to turns.
    What a lead needs is read by routing by lead alone: if the pool goes by other skills now, its leads are routed anew."""
    mode = s.terms(pool).mode
    for request, wait in list(queueing.of_pool(s, pool)):
        if s.left_to_do <= 0:
            return
        reason = queueing.reason(s, wait)
        skills = wait.skills if mode is PoolMode.SKILL else ()
        if queueing.asked_otherwise(s, wait):
            _route_anew(s, request, wait, sentence(f"{pool} goes by other skills now: the lead is routed anew"))
        elif (wait.reason, wait.skills) != (reason, skills):
            s.left_to_do -= 1
            changed = queueing.timed(s, queueing.waits_for(replace(wait, skills=skills), reason), s.now_ms)
            queueing.leave(s, request, wait)
            queueing.enter(s, request, changed)
            say_waiting(s, request, changed)


def wake(s: Sitting) -> None:
    """Reps whose hours, absence or cap has changed by time; whoever became able is served from the queue."""
    woken: list[RepId] = []
    for entry, name in list(_due(s)):
        rep = s.rep(RepId(name))
        if rep is None or int(entry[:15]) > s.now_ms:
            continue
        was_able = rep.able
        rep = s.put_rep(RepId(name), rep)
        if rep.able and (not was_able or rep.terms.caps):
            woken.append(RepId(name))
    pools = {pool for rep_id in woken if (rep := s.rep(rep_id)) is not None for pool in rep.pools}
    if pools:
        serve(s, pools, frozenset(woken))


def _due(s: Sitting) -> list[tuple[str, str]]:
    due = []
    for entry, name in s.parts.in_order(WAKE):
        if int(entry[:15]) > s.now_ms:
            break
        due.append((entry, name))
    return due


def move_on(s: Sitting) -> None:
    """Leads whose time in their pool is over: dealt instead of claimed, or on to the pool that takes what overflows."""
    for request, wait in list(queueing.over(s)):
        if s.left_to_do <= 0:
            return
        if s.gone(wait.pool):
            continue
        s.left_to_do -= 1
        queueing.leave(s, request, wait)
        terms = s.terms(wait.pool)
        claims_end = wait.offered_until_ms is not None or terms.claim_within is not None
        if wait.reason is QueueReason.TO_BE_CLAIMED and claims_end:
            unclaimed = replace(wait, offered=False, offered_until_ms=None)
            dealt = queueing.timed(s, queueing.waits_for(unclaimed, QueueReason.NOBODY_AVAILABLE), s.now_ms)
            if not deal_by_turn(s, request, dealt, [], "nobody has claimed it in time, and "):
                queueing.enter(s, request, dealt)
                say_waiting(s, request, dealt)
        elif terms.overflow is not None:
            because = sentence(f"it waited in {wait.pool} as long as leads may, and goes on to {terms.overflow.to}")
            say_queued(s, request, wait.lead, wait.pool, QueueReason.OVERFLOWED, because)
        else:  # a newer agreement took the end away
            queueing.enter(s, request, replace(wait, until_ms=None))
