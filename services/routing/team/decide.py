"""Routing by team: the pure function that gives leads to reps. The rules are those of `docs/lifecycle.md`."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from schemas.agreement import sentence
from schemas.base import Event
from schemas.events.desk import LeadClaimed, RepAvailabilityChanged, RepChanged, RepJoined, RepLeft
from schemas.events.routing import (
    ActionRefused,
    AssignmentReleased,
    AssignmentRequested,
    AssignmentWithdrawn,
    Directed,
    QueueReason,
    RepGone,
    Retake,
)
from schemas.events.runtime import TimerDue
from schemas.ids import AssignmentId, LeadId, PoolId, RepId, RequestId
from schemas.vocabulary import Slug
from services.routing.newest import newest_agreement
from services.routing.team import queueing
from services.routing.team.ability import able, able_again_ms
from services.routing.team.dealing import assign, deal, free_place, say_queued, say_waiting, serve, take_place
from services.routing.team.sitting import Sitting
from services.routing.team.state import OVER, PLACE, WAIT, Over, Place, Rep, TeamRouting, Wait
from services.runtime.protocol import Context, Decision

LISTENS: frozenset[type[Event]] = frozenset(
    {
        AssignmentRequested,
        AssignmentReleased,
        RepJoined,
        RepChanged,
        RepLeft,
        RepAvailabilityChanged,
        LeadClaimed,
        TimerDue,
    }
)

RELEASED_KEPT_FOR = timedelta(days=30)
"""So long a dead letter can be replayed (the retention of `dead-letters`), so long a released request is remembered."""
_KEPT_MS = int(RELEASED_KEPT_FOR.total_seconds() * 1000)
_DAY_MS = 86_400_000


def decide(state: TeamRouting, event: Event, context: Context) -> Decision[TeamRouting]:
    """What a team does about one record of its log."""
    heard_of = event.agreement_version if isinstance(event, AssignmentRequested) else 0
    s = Sitting(state, context, newest_agreement(context, max(state.version, heard_of)))
    _settle(s)
    match event:
        case AssignmentRequested():
            _requested(s, event)
        case AssignmentReleased():
            _released(s, event)
        case RepJoined() | RepChanged():
            _in_the_team(s, event)
        case RepLeft():
            _left(s, event.rep_id)
        case RepAvailabilityChanged():
            _availability(s, event)
        case LeadClaimed():
            _claimed(s, event)
        case TimerDue():
            serve(s, s.pools_with_queue())
            _forget(s)
    return Decision(_head(s), tuple(s.events))


# ------------------------------------------------------------------ what routing by lead asks


def _requested(s: Sitting, e: AssignmentRequested) -> None:
    request = e.request_id
    if e.number <= _released_up_to(s, request):
        return
    if isinstance(e.ask, Retake):
        _retake(s, e, e.ask.rep_id)
    elif s.parts.get(PLACE, request) is not None or queueing.waiting(s, request) is not None:
        return
    elif isinstance(e.ask, Directed):
        _directed(s, e, e.ask.rep_id)
    elif s.gone(e.ask.pool_id):
        because = sentence(f"the pool {e.ask.pool_id} is none of {s.team}'s any more")
        say_queued(s, request, e.lead_id, e.ask.pool_id, QueueReason.POOL_GONE, because)
    else:
        claimed = s.claimed(e.ask.pool_id)
        reason = QueueReason.TO_BE_CLAIMED if claimed else QueueReason.NOBODY_AVAILABLE
        arrived_ms = round(e.arrived_at.timestamp() * 1000)
        wait = Wait(e.lead_id, e.ask.pool_id, e.number, e.grade, arrived_ms, reason, e.ask.excluded)
        _from_pool(s, request, wait)


def _from_pool(s: Sitting, request: RequestId, wait: Wait) -> None:
    if wait.reason is QueueReason.NOBODY_AVAILABLE and s.turn(wait.pool).waiting == 0:
        if deal(s, request, wait):
            return
        queueing.enter(s, request, wait)
    else:  # those who already wait are asked first
        queueing.enter(s, request, wait)
        serve(s, (wait.pool,))
    if queueing.waiting(s, request) is not None:
        say_waiting(s, request, wait)


def _directed(s: Sitting, e: AssignmentRequested, rep_id: RepId) -> None:
    rep = s.rep(rep_id)
    if rep is None or rep.left:
        because = sentence(f"{rep_id} is not in {s.team} any more")
        say_queued(s, e.request_id, e.lead_id, None, QueueReason.REP_GONE, because)
        return
    assign(s, e.request_id, e.lead_id, rep_id, e.number, None, sentence(f"a manager gave it to {rep_id}"), ())


def _retake(s: Sitting, e: AssignmentRequested, rep_id: RepId) -> None:
    """The rep has the lead already, by an undo: his place is taken, whatever his cap."""
    wait = queueing.waiting(s, e.request_id)
    if wait is not None:
        queueing.leave(s, e.request_id, wait)
    place: Place | None = s.parts.get(PLACE, e.request_id)
    if place is not None:
        free_place(s, e.request_id, place)
    take_place(s, e.request_id, e.lead_id, rep_id, e.number)
    rep = s.rep(rep_id)
    if rep is None or rep.left:
        _withdraw(s, e.lead_id, e.request_id, rep_id)


def _released(s: Sitting, e: AssignmentReleased) -> None:
    request = e.request_id
    s.parts.put(OVER, request, Over(max(e.number, _released_up_to(s, request)), s.now_ms))
    if s.forget_ms is None:
        s.forget_ms = s.now_ms + _KEPT_MS + _DAY_MS
    wait = queueing.waiting(s, request)
    if wait is not None and wait.number <= e.number:
        queueing.leave(s, request, wait)
    place: Place | None = s.parts.get(PLACE, request)
    if place is not None and place.number <= e.number:
        rep = free_place(s, request, place)
        # Who had room before could have had whatever waits: only a rep who was full can be served by it now.
        if rep is not None and rep.cap is not None and rep.open + 1 >= rep.cap:
            serve(s, rep.pools)


def _released_up_to(s: Sitting, request: RequestId) -> int:
    over: Over | None = s.parts.get(OVER, request)
    return over.number if over is not None else 0


# ------------------------------------------------------------------ who is in the team


def _in_the_team(s: Sitting, e: RepJoined | RepChanged) -> None:
    known = s.rep(e.rep_id)
    if isinstance(e, RepChanged) and (known is None or known.left):
        return  # said by somebody who had not read that he left
    rep = known or Rep(role=e.role)
    rep = replace(rep, role=e.role, pools=dict(e.pools), cap=e.open_leads_cap, calendar=e.calendar)
    if rep.left:
        rep = replace(rep, left=False, available=True, until_ms=None, missed=tuple(rep.turns))
    rep = replace(rep, missed=tuple(p for p in rep.turns if p in rep.missed or p not in rep.pools))
    s.put_rep(e.rep_id, rep)
    serve(s, rep.pools)


def _left(s: Sitting, rep_id: RepId) -> None:
    rep = s.rep(rep_id)
    if rep is None:
        return
    s.put_rep(rep_id, replace(rep, left=True))
    for request, place in s.parts.of(PLACE):
        if place.rep == rep_id:
            _withdraw(s, place.lead, RequestId(request), rep_id)


def _withdraw(s: Sitting, lead: LeadId, assignment: AssignmentId, rep_id: RepId) -> None:
    because = sentence(f"{rep_id} is not in {s.team} any more")
    s.say(AssignmentWithdrawn(lead_id=lead, assignment_id=assignment, cause=RepGone(rep_id=rep_id), because=because))


def _availability(s: Sitting, e: RepAvailabilityChanged) -> None:
    rep = s.rep(e.rep_id)
    if rep is None or rep.left:
        return
    until_ms = round(e.until.timestamp() * 1000) if e.until is not None else None
    rep = replace(rep, available=e.available, until_ms=until_ms)
    s.put_rep(e.rep_id, rep)
    serve(s, rep.pools)


def _claimed(s: Sitting, e: LeadClaimed) -> None:
    wait = queueing.waiting(s, e.request_id)
    refused = _claim_refused(s, e, wait)
    if refused is None and wait is not None:
        queueing.leave(s, e.request_id, wait)
        because = sentence(f"{e.rep_id} claimed it")
        assign(s, e.request_id, wait.lead, e.rep_id, wait.number, wait.pool, because, (), claim=s.context.event_id)
        return
    s.say(
        ActionRefused(
            lead_id=e.lead_id,
            action_id=s.context.event_id,
            action=Slug("LeadClaimed"),
            rep_id=e.rep_id,
            because=sentence(refused or "the lead waits no more"),
        )
    )


def _claim_refused(s: Sitting, e: LeadClaimed, wait: Wait | None) -> str | None:
    if wait is None or wait.lead != e.lead_id:
        return "the lead does not wait here any more: somebody has it, or it is out of routing's hands"
    rep = s.rep(e.rep_id)
    if rep is None or rep.left:
        return f"{e.rep_id} is not in {s.team}"
    if s.gone(wait.pool) or wait.pool not in rep.pools:
        return f"{e.rep_id} is not in the pool {wait.pool}"
    if not s.claimed(wait.pool):
        return f"{wait.pool} deals its leads out: they cannot be claimed"
    if e.rep_id in wait.excluded:
        return f"{e.rep_id} has had this lead in this cycle and rejected it or did not work it in time"
    return None


# ------------------------------------------------------------------ a new agreement


def _settle(s: Sitting) -> None:
    """Under a newer agreement: send away who waits for a pool that is gone, deal out pools that were claimed."""
    if s.agreement.version <= s.settled:
        return
    for pool in s.pools_with_queue():
        if s.gone(pool):
            _send_away(s, pool)
    serve(s, s.pools_with_queue())
    for pool in s.pools_with_queue():
        if not s.gone(pool):
            _say_anew(s, pool)
    if s.left_to_do > 0:
        s.settled = s.agreement.version


def _send_away(s: Sitting, pool: PoolId) -> None:
    because = sentence(f"the pool {pool} is none of {s.team}'s any more")
    for request, wait in queueing.of_pool(s, pool):
        if s.left_to_do <= 0:
            return
        s.left_to_do -= 1
        queueing.leave(s, request, wait)
        say_queued(s, request, wait.lead, pool, QueueReason.POOL_GONE, because)


def _say_anew(s: Sitting, pool: PoolId) -> None:
    """Say why leads wait if the new agreement turned the pool from dealing to claiming, or back."""
    reason = QueueReason.TO_BE_CLAIMED if s.claimed(pool) else QueueReason.NOBODY_AVAILABLE
    for request, wait in queueing.of_pool(s, pool):
        if wait.reason is not reason and s.left_to_do > 0:
            s.left_to_do -= 1
            changed = replace(wait, reason=reason)
            s.parts.put(WAIT, request, changed)
            say_waiting(s, request, changed)


# ------------------------------------------------------------------ time


def _forget(s: Sitting) -> None:
    """Drop the released requests that no dead letter can ask for any more."""
    if s.forget_ms is None or s.now_ms < s.forget_ms:
        return
    oldest: int | None = None
    for request, over in s.parts.of(OVER):
        if over.at_ms <= s.now_ms - _KEPT_MS:
            s.parts.remove(OVER, request)
        else:
            oldest = over.at_ms if oldest is None else min(oldest, over.at_ms)
    s.forget_ms = None if oldest is None else oldest + _KEPT_MS + _DAY_MS


def _head(s: Sitting) -> TeamRouting:
    waiting = any(s.pools_with_queue())
    return TeamRouting(
        version=s.agreement.version,
        settled=s.settled,
        pools=s.pools,
        somebody_ms=_somebody_ms(s) if waiting else None,
        agreement_ms=_ms(s.context.next_agreement_at) if waiting else None,
        forget_ms=s.forget_ms,
        go_on_ms=s.now_ms if s.left_to_do <= 0 else None,
    )


def _somebody_ms(s: Sitting) -> int | None:
    """The first instant at which time alone makes a member of a waiting pool able."""
    pools = [p for p in s.pools_with_queue() if not s.gone(p) and not s.claimed(p)]
    absent = (r for r in s.all_reps().values() if any(p in r.pools for p in pools) and not able(r, s.hours))
    times = (able_again_ms(rep, s.hours) for rep in absent)
    return min((t for t in times if t is not None and t > s.now_ms), default=None)


def _ms(at: datetime | None) -> int | None:
    return round(at.timestamp() * 1000) if at is not None else None
