"""What recycling says: a lead that comes back is recycled or retired, and woken as a new cycle, once for each time."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement import sentence
from schemas.base import Event
from schemas.events.desk import LeadLost, LeadReturned
from schemas.events.intake import EngagementObserved
from schemas.events.recycling import (
    CampaignTouched,
    DateCame,
    EngagedAgain,
    KeptFor,
    LeadGivenUp,
    LeadReactivated,
    LeadRecycled,
    NextRep,
    ScoreReached,
    SubmittedAgain,
)
from schemas.events.scoring import LeadScored, Verdict
from schemas.ids import LeadId
from schemas.lifecycle import Effect, Life, State
from services.recycling import giving_up
from services.recycling.consequences import answer
from services.recycling.state import Rests
from services.recycling.waking import ENDED, Woken, milliseconds, promised, remembered, wake
from services.runtime.protocol import Context, Decision


def due(rests: Rests) -> datetime | None:
    """When the date comes that wakes the lead, or it is given up as unreachable."""
    wakes_ms = rests.wakes_ms if rests.sleeps else 0
    at_ms = min(ms for ms in (wakes_ms, rests.give_up_ms) if ms) if wakes_ms or rests.give_up_ms else 0
    return datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms else None


def touched_by_agreement(rests: Rests) -> bool:
    """Leads that are about to be given up: a new agreement may give them longer."""
    return rests.give_up_ms != 0


def decide(rests: Rests, event: Event, context: Context) -> Decision[Rests]:
    """What is remembered of `event`, and whether the lead is given up, goes to rest, retires or wakes. Never twice for one
    epoch."""
    life = context.life
    if life.state is State.ERASED:
        return Decision(Rests())
    rests = giving_up.planned(_learn(rests, event, context), context)
    said: list[Event] = []
    ends = giving_up.given_up(rests, event, context)
    if ends is not None:
        said.append(ends)
        rests = giving_up.answered(rests, ends, context)
    if life.state in ENDED and rests.answered < life.epoch:
        answered = answer(rests, context)
        said += () if answered is None else (answered,)
        rests = replace(rests, answered=life.epoch)
    woken_by = wake(rests, life, milliseconds(context.now))
    if woken_by is not None:
        said.append(_reactivated(woken_by, rests, context))
        rests = replace(rests, woken=life.epoch)
    sleeps = life.state is State.RECYCLED and rests.woken < life.epoch
    return Decision(replace(rests, sleeps=sleeps) if sleeps != rests.sleeps else rests, tuple(said))


def _learn(rests: Rests, event: Event, context: Context) -> Rests:
    life = context.life
    rests_or_ended = life.state in ENDED or life.state is State.RECYCLED
    if isinstance(event, EngagementObserved):
        return remembered(rests, event, milliseconds(context.now)) if rests_or_ended else rests
    if isinstance(event, LeadScored):
        rests = _in_stage(rests, event)
        return replace(rests, score=f"{event.score:f}") if rests_or_ended else rests
    if context.effect is not Effect.EFFECT:
        return rests
    if life.cycle == 1 and life.epoch == life.start == context.position:
        return Rests()
    rests = giving_up.noticed(rests, event, context)
    if isinstance(event, Verdict):
        return _in_stage(rests, event)
    if isinstance(event, LeadReturned | LeadGivenUp):
        return _ended(replace(rests, returned_for=str(event.reason)), context)
    if isinstance(event, LeadLost):
        return _ended(replace(rests, lost_for=str(event.reason) if event.reason is not None else None), context)
    if isinstance(event, LeadRecycled):
        return promised(rests, event)
    if isinstance(event, LeadReactivated):
        return Rests(answered=rests.answered, woken=rests.woken, times=rests.times, stage=rests.stage)
    return rests


def _in_stage(rests: Rests, event: LeadScored | Verdict) -> Rests:
    stage = str(event.stage) if event.stage is not None else None
    return replace(rests, stage=stage) if stage != rests.stage else rests


def _ended(rests: Rests, context: Context) -> Rests:
    """What is remembered of the lead's end: who had it, and nothing of what it did before."""
    before = context.before
    rep, team = (before.rep, before.team) if before.held else (rests.rep, rests.team)
    ended_ms = milliseconds(context.now)
    return replace(rests, ended_ms=ended_ms, seen={}, touched_by=(), score="", rep=rep, team=team)


def _reactivated(woken_by: Woken, rests: Rests, context: Context) -> LeadReactivated:
    life = context.life
    next_rep = rests.next_rep if life.state is State.RECYCLED else NextRep.ANY
    keeps = next_rep is NextRep.SAME and rests.rep is not None and rests.team is not None
    return LeadReactivated(
        lead_id=LeadId(context.key),
        epoch=life.epoch,
        cycle=life.cycle + 1,
        woken_by=woken_by,
        because=sentence(_why(woken_by, life)),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
        not_to=rests.rep if next_rep is NextRep.ANOTHER else None,
        kept_for=KeptFor.model_validate({"rep_id": rests.rep, "team_id": rests.team}) if keeps else None,
    )


def _why(woken_by: Woken, life: Life) -> str:
    match woken_by:
        case DateCame():
            return f"its time to rest is over after cycle {life.cycle}"
        case EngagedAgain(engagement=kind, times=times):
            often = "" if times == 1 else f" {times} times"
            return f"{kind} was seen{often} while it rested after cycle {life.cycle}"
        case SubmittedAgain():
            return f"it was submitted again after the end of cycle {life.cycle}"
        case ScoreReached(score=score):
            return f"its score rose to {score.normalize():f} while it rested after cycle {life.cycle}"
        case CampaignTouched(campaign=campaign):
            return f"the campaign {campaign} touched it while it rested after cycle {life.cycle}"
