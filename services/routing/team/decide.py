"""Routing by team: the pure function that gives leads to reps. The rules are those of `docs/lifecycle.md`."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.agreement import PoolMode, sentence
from schemas.base import Event
from schemas.events.desk import (
    AccountRemoved,
    AccountSet,
    LeadClaimed,
    RepActed,
    RepAvailabilityChanged,
    RepChanged,
    RepJoined,
    RepLeft,
)
from schemas.events.routing import (
    AssignmentReleased,
    AssignmentRequested,
    ChosenBy,
    Directed,
    FromPool,
    QueueReason,
    Retake,
)
from schemas.events.runtime import TimerDue
from schemas.ids import RepId, RequestId
from services.routing.newest import newest_agreement
from services.routing.team import queueing, roster, settling
from services.routing.team.claiming import claimed
from services.routing.team.dealing import (
    assign,
    deal,
    free_place,
    say_queued,
    say_waiting,
    serve,
    serve_rep,
    take_place,
    working_hours,
)
from services.routing.team.sitting import Sitting
from services.routing.team.state import FORGET, OVER, PLACE, WAKE, Over, Place, TeamRouting, Wait
from services.routing.team.success import count_end
from services.runtime.protocol import Context, Decision

LISTENS: frozenset[type[Event]] = frozenset(
    {
        AssignmentRequested,
        AssignmentReleased,
        RepJoined,
        RepChanged,
        RepLeft,
        RepAvailabilityChanged,
        RepActed,
        AccountSet,
        AccountRemoved,
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
    settling.settle(s)
    settling.wake(s)
    settling.move_on(s)
    if state.go_on_ms is not None:
        serve(s, s.pools_with_queue())
    match event:
        case AssignmentRequested():
            _requested(s, event)
        case AssignmentReleased():
            _released(s, event)
        case RepJoined() | RepChanged():
            roster.in_the_team(s, event)
        case RepLeft():
            roster.left(s, event)
        case RepAvailabilityChanged():
            roster.availability(s, event)
        case RepActed():
            roster.acted(s, event.rep_id)
        case AccountSet():
            roster.account_set(s, event)
        case AccountRemoved():
            roster.account_removed(s, event)
        case LeadClaimed():
            claimed(s, event)
        case TimerDue():
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
        _directed(s, e, e.ask)
    elif s.gone(e.ask.pool_id):
        because = sentence(f"the pool {e.ask.pool_id} is none of {s.team}'s any more")
        say_queued(s, request, e.lead_id, e.ask.pool_id, QueueReason.POOL_GONE, because)
    elif queueing.asked_otherwise(s, wait := _wait(s, e, e.ask)):
        because = sentence(f"{e.ask.pool_id} goes by other skills now: the lead is routed anew")
        say_queued(s, request, e.lead_id, e.ask.pool_id, QueueReason.POOL_GONE, because)
    else:
        _from_pool(s, request, queueing.timed(s, wait, s.now_ms))


def _wait(s: Sitting, e: AssignmentRequested, ask: FromPool) -> Wait:
    """What the team remembers of a lead while it waits."""
    mode = s.terms(ask.pool_id).mode
    skills = tuple(str(skill) for skill in e.skills) if mode is PoolMode.SKILL else ()
    offer = ask.to_claim
    wait = Wait(
        e.lead_id,
        ask.pool_id,
        e.number,
        e.grade,
        round(e.arrived_at.timestamp() * 1000),
        QueueReason.NOBODY_AVAILABLE,
        ask.excluded,
        skills,
        owner=e.owner,
        domain=str(e.company_domain) if e.company_domain is not None else None,
        company=str(e.company) if e.company is not None else None,
        role=e.role,
        asked=e.agreement_version,
        asked_at=s.context.position,
        offered=offer is not None,
        offered_until_ms=None if offer is None or offer.until is None else round(offer.until.timestamp() * 1000),
        may_claim=() if offer is None else offer.may_claim,
    )
    return queueing.waits_for(wait, queueing.reason(s, wait))


def _from_pool(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Those who already wait could not be taken by anybody who is able now, so nobody is overtaken."""
    if wait.reason is QueueReason.NOBODY_AVAILABLE and s.left_to_do > 0 and deal(s, request, wait):
        return
    queueing.enter(s, request, wait)
    say_waiting(s, request, wait)


def _directed(s: Sitting, e: AssignmentRequested, ask: Directed) -> None:
    rep = s.rep(ask.rep_id)
    if rep is None or rep.left:
        because = sentence(f"{ask.rep_id} is not in {s.team} any more")
        say_queued(s, e.request_id, e.lead_id, None, QueueReason.REP_GONE, because)
        return
    nowhere = Wait(e.lead_id, queueing.NO_POOL, e.number, e.grade, s.now_ms, QueueReason.NOBODY_AVAILABLE)
    why = f"{ask.rep_id} had it before it rested" if ask.kept else f"a manager gave it to {ask.rep_id}"
    chosen_by = ChosenBy.KNOWN_LEAD if ask.kept else ChosenBy.ORDER
    assign(s, e.request_id, nowhere, ask.rep_id, sentence(why), (), chosen_by=chosen_by)


def _retake(s: Sitting, e: AssignmentRequested, rep_id: RepId) -> None:
    """The rep has the lead already, by an undo: his place is taken, whatever his cap."""
    wait = queueing.waiting(s, e.request_id)
    if wait is not None:
        queueing.leave(s, e.request_id, wait)
    place: Place | None = s.parts.get(PLACE, e.request_id)
    if place is not None:
        free_place(s, e.request_id, place)
    take_place(s, e.request_id, Place(e.lead_id, rep_id, e.number, e.grade))
    rep = s.rep(rep_id)
    if rep is None or rep.left:
        roster.withdraw(s, e.lead_id, e.request_id, rep_id)
    elif working_hours(s, rep_id) is not None:  # they may have changed while it was not his
        roster.say_hours(s, e.lead_id, e.request_id, rep_id)


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
        before = s.rep(place.rep)
        free_place(s, request, place)
        count_end(s, place, e.ended)
        # Who had room before could have had whatever waits: only a rep who was at a cap can be served by it now.
        if before is not None and (not before.able or before.terms.caps):
            serve_rep(s, place.rep)


def _released_up_to(s: Sitting, request: RequestId) -> int:
    over: Over | None = s.parts.get(OVER, request)
    return over.number if over is not None else 0


# ------------------------------------------------------------------ time


def _forget(s: Sitting) -> None:
    """Drop the released requests that no dead letter can ask for any more."""
    if s.forget_ms is None or s.now_ms < s.forget_ms:
        return
    oldest: int | None = None
    for entry, request in s.parts.in_order(FORGET):
        at_ms = int(entry[:15])
        if at_ms > s.now_ms - _KEPT_MS:
            oldest = at_ms
            break
        s.parts.remove(OVER, request)
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
    """The first instant at which time alone changes who can take a lead, or ends a lead's time in its pool."""
    wakes = next((int(entry[:15]) for entry, _ in s.parts.in_order(WAKE)), None)
    times = (wakes, queueing.first_until_ms(s))
    return min((t for t in times if t is not None), default=None)


def _ms(at: datetime | None) -> int | None:
    return round(at.timestamp() * 1000) if at is not None else None


