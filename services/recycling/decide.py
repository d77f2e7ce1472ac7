"""What recycling says: a lead that comes back is recycled or retired, and woken as a new cycle, once for each time."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement import Otherwise, Rest, say_duration, sentence
from schemas.base import Event
from schemas.events.desk import LeadLost, LeadReturned
from schemas.events.intake import EngagementObserved
from schemas.events.recycling import DateCame, EngagedAgain, LeadReactivated, LeadRecycled, LeadRetired, SubmittedAgain
from schemas.ids import LeadId
from schemas.lifecycle import Effect, Life, State
from schemas.vocabulary import Reason
from services.recycling.state import Rests
from services.recycling.waking import ENDED, consequence, milliseconds, remembered, wake
from services.runtime.protocol import Context, Decision

UNSAID = Reason("unsaid")
"""The reason of a lead whose reason nobody knows."""


def due(rests: Rests) -> datetime | None:
    """When the date comes that wakes the lead."""
    return datetime.fromtimestamp(rests.wakes_ms / 1000, UTC) if rests.sleeps and rests.wakes_ms else None


def decide(rests: Rests, event: Event, context: Context) -> Decision[Rests]:
    """What is remembered of `event`, and whether the lead goes to rest, retires or wakes. Never twice for one epoch."""
    life = context.life
    if life.state is State.ERASED:
        return Decision(Rests())
    rests = _learn(rests, event, context)
    said: list[Event] = []
    if life.state in ENDED and rests.answered < life.epoch:
        rests = _answer(rests, context, said)
    woken_by = wake(rests, life, milliseconds(context.now))
    if woken_by is not None:
        said.append(_reactivated(woken_by, context))
        rests = replace(rests, woken=life.epoch)
    sleeps = life.state is State.RECYCLED and rests.woken < life.epoch
    return Decision(replace(rests, sleeps=sleeps) if sleeps != rests.sleeps else rests, tuple(said))


def _learn(rests: Rests, event: Event, context: Context) -> Rests:
    life = context.life
    if isinstance(event, EngagementObserved):
        if life.state not in ENDED and life.state is not State.RECYCLED:
            return rests
        seen = remembered(rests, event, milliseconds(context.now))
        return replace(rests, seen=seen) if seen != rests.seen else rests
    if context.effect is not Effect.EFFECT:
        return rests
    if life.cycle == 1 and life.epoch == life.start == context.position:
        return Rests()
    if isinstance(event, LeadReturned):
        return replace(rests, returned_for=str(event.reason), ended_ms=milliseconds(context.now), seen={})
    if isinstance(event, LeadLost):
        return replace(
            rests,
            lost_for=str(event.reason) if event.reason is not None else None,
            ended_ms=milliseconds(context.now),
            seen={},
        )
    if isinstance(event, LeadRecycled):
        wakes_ms = milliseconds(event.wakes_at) if event.wakes_at is not None else 0
        return replace(rests, wakes_ms=wakes_ms, wakes_on=tuple(str(k) for k in event.wakes_on))
    if isinstance(event, LeadReactivated):
        return Rests(answered=rests.answered, woken=rests.woken)
    return rests


def _answer(rests: Rests, context: Context, said: list[Event]) -> Rests:
    """Recycle or retire what has come back; a lost lead may stay lost."""
    life, agreement = context.life, context.agreement
    reason = rests.returned_for if life.state is State.RETURNED else rests.lost_for
    follows = consequence(agreement, reason, life.state)
    if follows is Otherwise.RETIRE:
        said.append(_retired(reason, _told(reason, context), context))
    elif isinstance(follows, Rest) and life.cycle >= agreement.recycling.cycles_at_most:
        because = f"this was cycle {life.cycle}, and the agreement gives a lead {agreement.recycling.cycles_at_most}"
        said.append(_retired(reason, because, context))
    elif isinstance(follows, Rest):
        said.append(_recycled(reason, follows, context))
    return replace(rests, answered=life.epoch)


def _told(reason: str | None, context: Context) -> str:
    terms = context.agreement.reason(reason)
    return (
        f"the reason given was {terms.title}" if terms is not None else "no reason that the agreement knows was given"
    )


def _recycled(reason: str | None, rest: Rest, context: Context) -> LeadRecycled:
    return LeadRecycled(
        lead_id=LeadId(context.key),
        epoch=context.life.epoch,
        reason=Reason(reason) if reason is not None else UNSAID,
        stream=rest.stream,
        wakes_at=context.now + rest.after,
        wakes_on=rest.wakes_on,
        because=sentence(f"{_told(reason, context)}, so it rests for {say_duration(rest.after)} in {rest.stream}"),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )


def _retired(reason: str | None, because: str, context: Context) -> LeadRetired:
    return LeadRetired(
        lead_id=LeadId(context.key),
        epoch=context.life.epoch,
        reason=Reason(reason) if reason is not None else UNSAID,
        because=sentence(because),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )


def _reactivated(woken_by: DateCame | EngagedAgain | SubmittedAgain, context: Context) -> LeadReactivated:
    life = context.life
    return LeadReactivated(
        lead_id=LeadId(context.key),
        epoch=life.epoch,
        cycle=life.cycle + 1,
        woken_by=woken_by,
        because=sentence(_why(woken_by, life)),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )


def _why(woken_by: DateCame | EngagedAgain | SubmittedAgain, life: Life) -> str:
    match woken_by:
        case DateCame():
            return f"its time to rest is over after cycle {life.cycle}"
        case EngagedAgain(engagement=kind):
            return f"{kind} was seen while it rested after cycle {life.cycle}"
        case SubmittedAgain():
            return f"it was submitted again after the end of cycle {life.cycle}"
