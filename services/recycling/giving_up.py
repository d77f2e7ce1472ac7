"""When nobody goes on with a lead although no rep gave it back: it cannot be reached, or nobody works it."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from schemas.agreement import say_duration, sentence
from schemas.base import Event
from schemas.events import desk, intake, routing
from schemas.events.recycling import GivenUpAs, LeadGivenUp
from schemas.ids import LeadId
from schemas.lifecycle import Effect, Life
from services.recycling.state import Rests, Tried
from services.runtime.protocol import Context

TRIED_KEPT = 100
"""As many attempts as an agreement can ask for."""
_MS = timedelta(milliseconds=1)


def noticed(rests: Rests, event: Event, context: Context) -> Rests:
    """What is remembered of an event in effect: attempts, what they reached, since when nothing happens, who lost it."""
    before, life, now_ms = context.before, context.life, _milliseconds(context)
    if (before.life, before.cycle) != (life.life, life.cycle):
        return rests
    if isinstance(event, routing.AssignmentWithdrawn) and not isinstance(event.cause, routing.RepGone):
        return replace(rests, taken_away=rests.taken_away + 1, idle_ms=0)
    if not life.held:
        return replace(rests, idle_ms=0) if rests.idle_ms else rests
    if life.last_action == context.position or isinstance(event, intake.LeadSubmitted):
        rests = replace(rests, idle_ms=now_ms)
    match event:
        case desk.ContactAttempted():
            tried = (*rests.tried, Tried(context.event_id, str(event.channel)))[-TRIED_KEPT:]
            return replace(rests, tried=tried)
        case desk.LeadConnected() | desk.MeetingRecorded() | desk.OpportunityOpened():
            return replace(rests, reached=(*rests.reached, context.event_id)[-TRIED_KEPT:])
        case desk.NextStepSet():
            return replace(rests, idle_ms=max(now_ms, round(event.due_at.timestamp() * 1000)))
        case desk.ActionUndone():
            return replace(
                rests,
                tried=tuple(t for t in rests.tried if t.action_id != event.action_id),
                reached=tuple(r for r in rests.reached if r != event.action_id),
            )
    return rests


def planned(rests: Rests, context: Context) -> Rests:
    """When it is given up as unreachable if nothing more happens."""
    at_ms = _unreachable_at(rests, context)
    return replace(rests, give_up_ms=at_ms) if at_ms != rests.give_up_ms else rests


def _unreachable_at(rests: Rests, context: Context) -> int:
    terms, life = context.agreement.terms.giving_up, context.life
    if terms is None or terms.by_itself_after is None or not life.held or not rests.idle_ms or rests.reached:
        return 0
    if rests.given_up == _newest(life) or not terms.enough([t.channel for t in rests.tried]):
        return 0
    return rests.idle_ms + terms.by_itself_after // _MS


def given_up(rests: Rests, event: Event, context: Context) -> LeadGivenUp | None:
    """What is to be said now, if it is given up."""
    agreement, life = context.agreement, context.life
    terms, unworked = agreement.terms.giving_up, agreement.recycling.unworked
    if terms is not None and terms.by_itself_after and rests.give_up_ms and _milliseconds(context) >= rests.give_up_ms:
        channels = dict.fromkeys(t.channel for t in rests.tried)
        because = (
            f"it was tried {len(rests.tried)} times by {', '.join(channels)} and not reached, and nothing has happened for "
            f"{say_duration(terms.by_itself_after)}"
        )
        return _said(GivenUpAs.UNREACHABLE, terms.reasons[0], because, context)
    away = isinstance(event, routing.AssignmentWithdrawn) and context.effect is Effect.EFFECT
    if unworked is None or not away or life.held or rests.taken_away < unworked.taken_away:
        return None
    because = f"it was taken away {rests.taken_away} times because nobody worked it"
    return _said(GivenUpAs.UNWORKED, unworked.reason, because, context)


def answered(rests: Rests, said: LeadGivenUp, context: Context) -> Rests:
    """Remember that it was said, so that a timer that comes twice does not say it again."""
    if said.given_up_as is GivenUpAs.UNWORKED:
        return rests
    return replace(rests, given_up=_newest(context.life), give_up_ms=0)


def _newest(life: Life) -> int:
    """The last thing that somebody did for the lead, or that it did itself."""
    return max(life.last_action, life.submitted)


def _said(how: GivenUpAs, reason: str, because: str, context: Context) -> LeadGivenUp:
    life, agreement = context.life, context.agreement
    return LeadGivenUp.model_validate(
        {
            "lead_id": LeadId(context.key),
            "cycle": life.cycle,
            "given_up_as": how,
            "since": context.position,
            "assignment_id": life.assignment_id,
            "reason": reason,
            "because": sentence(because),
            "agreement": agreement.name,
            "agreement_version": agreement.version,
        }
    )


def _milliseconds(context: Context) -> int:
    return round(context.now.timestamp() * 1000)
