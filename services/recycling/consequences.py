"""What follows from the reason for which a lead came back: a rest, its end, or nothing."""

from __future__ import annotations

from datetime import datetime

from schemas.agreement import Agreement, End, Otherwise, Recycle, Rest, say_duration, sentence
from schemas.events.recycling import LeadRecycled, LeadRetired, OftenEngaged
from schemas.ids import LeadId
from schemas.lifecycle import State
from schemas.vocabulary import Reason, Slug
from services.recycling.state import Rests
from services.runtime.protocol import Context

UNSAID = Reason("unsaid")
"""The reason of a lead whose reason nobody knows."""


def answer(rests: Rests, context: Context) -> LeadRecycled | LeadRetired | None:
    """What is said of a lead that has come back or was lost; a lost one may stay lost."""
    life, agreement = context.life, context.agreement
    reason = rests.returned_for if life.state is State.RETURNED else rests.lost_for
    follows = consequence(agreement, reason, life.state)
    if isinstance(follows, Rest):
        rested = rests.times.get(str(reason or UNSAID), 0)
        end = follows.finally_ or agreement.recycling.finally_
        if life.cycle >= agreement.recycling.cycles_at_most:
            because = f"this was cycle {life.cycle}, and the agreement gives a lead {agreement.recycling.cycles_at_most}"
            return _retired(reason, because, end, context)
        if follows.at_most is not None and rested >= follows.at_most:
            because = f"it has rested {rested} times because {_told(reason, agreement)}, and the agreement lets it do so {follows.at_most} times"
            return _retired(reason, because, end, context)
        return _recycled(reason, follows, rests, context)
    if follows in (Otherwise.RETIRE, Otherwise.SUPPRESS):
        end = End.RETIRE if follows is Otherwise.RETIRE else End.SUPPRESS
        return _retired(reason, _told(reason, agreement), end, context)
    return None


def consequence(agreement: Agreement, reason: str | None, state: State) -> Rest | Otherwise:
    """What follows from ending for `reason`: a rest, the end, or staying lost.

    A returned lead must go somewhere: if the agreement in force does not say where, `recycling.otherwise` does.
    """
    terms = agreement.reason(reason)
    if terms is not None and isinstance(terms.then, Recycle):
        return terms.then.recycle
    if terms is not None and terms.then in (Otherwise.RETIRE, Otherwise.SUPPRESS):
        return terms.then
    if state is State.RETURNED:
        return agreement.recycling.otherwise
    return Otherwise.STAY if terms is not None else agreement.recycling.lost or Otherwise.STAY


def wakes_at(rest: Rest, context: Context) -> datetime:
    """The date that wakes the lead if nothing does earlier."""
    recycling = context.agreement.recycling
    return recycling.wakes_at(context.now, rest, context.agreement.calendar(recycling.calendar), context.key)


def _told(reason: str | None, agreement: Agreement) -> str:
    terms = agreement.reason(reason)
    return (
        f"the reason given was {terms.title}" if terms is not None else "no reason that the agreement knows was given"
    )


def _recycled(reason: str | None, rest: Rest, rests: Rests, context: Context) -> LeadRecycled:
    agreement = context.agreement
    said = Reason(reason) if reason is not None else UNSAID
    told = _told(reason, agreement)
    return LeadRecycled(
        lead_id=LeadId(context.key),
        epoch=context.life.epoch,
        reason=said,
        stream=rest.stream,
        wakes_at=wakes_at(rest, context),
        wakes_on=rest.kinds,
        because=sentence(f"{told}, so it rests for {say_duration(rest.after)} in {rest.stream}"),
        agreement=agreement.name,
        agreement_version=agreement.version,
        wakes_on_many=tuple(
            OftenEngaged(engagement=o.engagement, at_least=o.at_least, within=o.within) for o in rest.often
        ),
        wakes_from_score=rest.wakes_from_score,
        wakes_on_campaigns=rest.wakes_on_campaigns,
        next_rep=rest.next_rep,
        buying_stage=Slug(rests.stage) if rests.stage is not None else None,
        times=rests.times.get(str(said), 0) + 1,
    )


def _retired(reason: str | None, because: str, end: End, context: Context) -> LeadRetired:
    return LeadRetired(
        lead_id=LeadId(context.key),
        epoch=context.life.epoch,
        reason=Reason(reason) if reason is not None else UNSAID,
        because=sentence(because),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
        suppressed=end is End.SUPPRESS,
    )
