"""What scoring says: the score whenever it changes, and a verdict whenever the lead is owed another."""

from __future__ import annotations

from dataclasses import replace as with_facts
from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement import Judged, Score, VerdictKind
from schemas.agreement.conditions import changes_at
from schemas.base import Event
from schemas.events.intake import EngagementObserved, LeadSubmitted
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored
from schemas.ids import LeadId
from schemas.lifecycle import Effect, Life, State
from services.runtime.protocol import Context, Decision
from services.scoring.remembering import facts, milliseconds, with_engagement, with_submission
from services.scoring.state import Known

_VERDICTS: dict[VerdictKind, type[LeadQualified] | type[LeadNurtured] | type[LeadDisqualified]] = {
    VerdictKind.QUALIFIED: LeadQualified,
    VerdictKind.NURTURED: LeadNurtured,
    VerdictKind.DISQUALIFIED: LeadDisqualified,
}
_OURS = (LeadQualified, LeadNurtured, LeadDisqualified)
_JUDGED = frozenset({State.NEW, State.NURTURED, State.DISQUALIFIED})
_WAITING = frozenset({State.UNROUTED, State.OPEN})
_NOT_SCORED = frozenset({State.NONE, State.ERASED, State.MERGED, State.SUPPRESSED})


def due(known: Known) -> datetime | None:
    """When a window such as "within 30d" ends, so that the score may change by the passing of time alone."""
    return datetime.fromtimestamp(known.due_ms / 1000, UTC) if known.due_ms else None


def touched_by_agreement(known: Known) -> bool:
    """Leads in marketing's hands are judged anew when a new agreement comes into force."""
    return known.verdict in (VerdictKind.NURTURED, VerdictKind.DISQUALIFIED)


def decide(known: Known, event: Event, context: Context) -> Decision[Known]:
    """What is remembered of `event`, and what it makes scoring say. Says nothing when nothing has changed.

    What a prospect did before the first submission is remembered in silence and counts from the submission on.
    """
    life = context.life
    if life.state is State.ERASED:
        return Decision(Known(life=life.life))
    known = _learn(_of_this_life(known, life), event, context)
    if life.state in _NOT_SCORED:
        return Decision(replace(known, due_ms=0) if known.due_ms else known)
    if not _calls_for_judgement(event, context):
        return Decision(known)
    return _judge(known, event, context)


def _of_this_life(known: Known, life: Life) -> Known:
    """A submission after an erasure begins a new life, of which nothing is known yet."""
    if known.life == life.life:
        return known
    return replace(known, life=life.life) if known.life == 0 and life.life == 1 else Known(life=life.life)


def _learn(known: Known, event: Event, context: Context) -> Known:
    if isinstance(event, LeadSubmitted):
        if context.effect is not Effect.EFFECT:
            return known
        return with_submission(known, event, context.agreement, milliseconds(context.now))
    if isinstance(event, EngagementObserved):
        return with_engagement(known, event, context.agreement, context.position, milliseconds(context.now))
    return known


def _calls_for_judgement(event: Event, context: Context) -> bool:
    if isinstance(event, LeadSubmitted):
        return context.effect is Effect.EFFECT
    if isinstance(event, EngagementObserved | TimerDue):
        return True
    return context.life.state in _JUDGED and context.life.epoch != context.before.epoch and not isinstance(event, _OURS)


def _judge(known: Known, event: Event, context: Context) -> Decision[Known]:
    agreement, asked = context.agreement, facts(known, context.now)
    score = agreement.score(agreement.fired(asked))
    judged = agreement.judge(
        with_facts(asked, score=score.score, fit=score.fit, engagement=score.engagement, grade=score.grade)
    )
    ends = changes_at(agreement.windows, asked)
    said: list[Event] = []
    lead = LeadId(context.key)
    if score.digest != known.scored:
        said.append(_scored(lead, score, context))
    answers = _owes_verdict(known, event, judged.verdict, context.life)
    if answers:
        said.append(_verdict(lead, score, judged, context))
    return Decision(
        replace(
            known,
            scored=score.digest,
            due_ms=milliseconds(ends) if ends is not None else 0,
            verdict=judged.verdict.value if answers else known.verdict,
            epoch=context.life.epoch if answers else known.epoch,
        ),
        tuple(said),
    )


def _owes_verdict(known: Known, event: Event, verdict: VerdictKind, life: Life) -> bool:
    """Whether the lead is owed this verdict: it is new and unanswered, or what it was told last no longer holds.

    A lead that waits for a rep can only be told, by a new submission, that it is disqualified: what sales already
    has is not taken away because points have faded.
    """
    if life.state in _WAITING:
        return isinstance(event, LeadSubmitted) and verdict is VerdictKind.DISQUALIFIED
    if life.state not in _JUDGED:
        return False
    told = known.verdict if known.epoch == life.epoch else life.state.value
    return told != verdict


def _scored(lead: LeadId, score: Score, context: Context) -> LeadScored:
    return LeadScored(
        lead_id=lead,
        score=score.score,
        fit=score.fit,
        engagement=score.engagement,
        grade=score.grade,
        contributions=score.contributions,
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )


def _verdict(lead: LeadId, score: Score, judged: Judged, context: Context) -> Event:
    return _VERDICTS[judged.verdict](
        lead_id=lead,
        judged_at=context.position,
        rule=judged.rule,
        because=judged.because,
        score=score.score,
        grade=score.grade,
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )
