"""Whom the lead was offered to, and until when an offer stands that nothing is done with."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.agreement import sentence
from schemas.base import Event
from schemas.events.routing import AssignmentWithdrawn, Ended, LeadAssigned, NotAccepted
from schemas.events.runtime import TimerDue
from schemas.ids import LeadId, RepId
from schemas.lifecycle import Effect, Life, State
from services.routing.lead.state import Had, Offered
from services.runtime.protocol import Context

_TAKEN_UP = frozenset({State.ACCEPTED, State.WORKING})


def remembered(had: tuple[Had, ...], context: Context) -> tuple[Had, ...]:
    """The reps who were given the lead, after the event."""
    before, life = context.before, context.life
    if life.life != before.life:
        return ()
    if life.rep is None or not life.held:
        return had
    accepted = life.state in _TAKEN_UP
    known = next((h for h in had if h.rep == life.rep), None)
    if known is not None and (known.role, known.cycle) == (life.role, life.cycle) and (known.accepted or not accepted):
        return had
    same_cycle = known is not None and (known.role, known.cycle) == (life.role, life.cycle)
    kept = known is not None and known.accepted and not same_cycle and not accepted
    now = Had(life.rep, life.role, life.cycle, accepted)
    if kept and known is not None:
        now = replace(now, cycle=known.cycle, role=known.role, accepted=True)  # he took it up once, and only then
    return (*(h for h in had if h.rep != life.rep), now)


def owner(had: tuple[Had, ...], life: Life) -> RepId | None:
    """Who accepted the lead last, in an earlier cycle and this role."""
    return next((h.rep for h in reversed(had) if h.accepted and h.cycle < life.cycle and h.role == life.role), None)


def offered(known: Offered | None, event: Event, context: Context) -> Offered | None:
    """Until when the offer stands, after the event. Any action ends that; an undo that restores it begins it anew."""
    life, now_ms = context.life, round(context.now.timestamp() * 1000)
    if isinstance(event, LeadAssigned) and context.effect is Effect.EFFECT:
        if event.accept_by is None:
            return None
        by_ms = round(event.accept_by.timestamp() * 1000)
        known = Offered(event.request_id, max(by_ms - now_ms, 1), life.epoch, by_ms)
    if known is None:
        return None
    if life.state is not State.ASSIGNED or life.offer != known.request or life.last_action != life.epoch:
        return replace(known, by_ms=None) if known.by_ms is not None else known
    if known.epoch != life.epoch:
        return replace(known, epoch=life.epoch, by_ms=now_ms + known.within_ms)
    return known


def expired(known: Offered | None, event: Event, context: Context) -> AssignmentWithdrawn | None:
    """The offer is withdrawn if its time is over and nothing was done with it."""
    if known is None or known.by_ms is None or not isinstance(event, TimerDue):
        return None
    if round(context.now.timestamp() * 1000) < known.by_ms:
        return None
    rep = context.life.rep
    return AssignmentWithdrawn.model_validate(
        {
            "lead_id": LeadId(context.key),
            "assignment_id": known.request,
            "cause": NotAccepted.model_validate({"since": context.position, "accept_by": known.by_ms / 1000}),
            "because": sentence(f"{rep} did nothing with it in the time that the offer stood"),
        }
    )


_ENDS = {
    State.WON: Ended.WON,
    State.LOST: Ended.LOST,
    State.RETURNED: Ended.RETURNED,
}


def ended(context: Context) -> Ended | None:
    """How the assignment ended that was in effect before the event."""
    before, life = context.before, context.life
    if not before.held:
        return None
    if life.state in _ENDS:
        return _ENDS[life.state]
    if life.state is State.UNROUTED and life.role != before.role:
        return Ended.HANDED_OVER
    if life.state is State.UNROUTED and len(life.rejected_by) > len(before.rejected_by):
        return Ended.REJECTED
    return Ended.WITHDRAWN if life.state is State.UNROUTED else Ended.OTHER
