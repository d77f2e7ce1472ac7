"""What scoring says: the score whenever it changes, and a verdict whenever the lead is owed another."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement import Judged, Standing, VerdictKind
from schemas.agreement.knowledge import facts, learn, milliseconds
from schemas.base import Event
from schemas.events.intake import EngagementObserved, LeadSubmitted
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored
from schemas.ids import CampaignId, LeadId
from schemas.learning.judging import in_place_of_the_score, learned_of
from schemas.learning.published import Learned
from schemas.lifecycle import Effect, Life, State
from services.runtime.protocol import Context, Decision
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
    """When a window such as "within 30d" ends or fading points cross a threshold: then time alone changes the score."""
    return datetime.fromtimestamp(known.due_ms / 1000, UTC) if known.due_ms else None


def touched_by_agreement(known: Known) -> bool:
    """Leads in marketing's hands are judged anew when a new agreement comes into force."""
    return known.verdict in (VerdictKind.NURTURED, VerdictKind.DISQUALIFIED)


def decide(known: Known, event: Event, context: Context) -> Decision[Known]:
    """What is remembered of `event`, and what it makes scoring say. Says nothing when nothing has changed.

    What a prospect did before the first submission is remembered in silence and counts from the submission on.
    """
    life = context.life
    known = learn(
        known,
        event,
        context.agreement,
        life=life,
        effect=context.effect,
        position=context.position,
        now=context.now,
    )
    if life.state in _NOT_SCORED:
        return Decision(replace(known, due_ms=0) if known.due_ms else known)
    if not _calls_for_judgement(event, context):
        return Decision(known)
    return _judge(known, event, context)


def _calls_for_judgement(event: Event, context: Context) -> bool:
    if isinstance(event, LeadSubmitted):
        return context.effect is Effect.EFFECT
    if isinstance(event, EngagementObserved | TimerDue):
        return True
    return context.life.state in _JUDGED and context.life.epoch != context.before.epoch and not isinstance(event, _OURS)


def _judge(known: Known, event: Event, context: Context) -> Decision[Known]:
    agreement = context.agreement
    standing = agreement.standing(facts(known, context.life, context.now))
    ends = agreement.changes_at(standing)
    learned = _learned(standing, context)
    by_model = in_place_of_the_score(agreement, standing, learned)
    verdict = standing.rule.verdict if by_model is None else by_model.verdict
    said: list[Event] = []
    digest = _digest(standing, learned, context)
    if digest != known.scored:
        said.append(_scored(standing, learned, context))
    answers = _owes_verdict(known, event, verdict, context.life)
    if answers:
        said.append(_verdict(standing, by_model, context))
    return Decision(
        replace(
            known,
            scored=digest,
            due_ms=milliseconds(ends) if ends is not None else 0,
            verdict=verdict.value if answers else known.verdict,
            epoch=context.life.epoch if answers else known.epoch,
        ),
        tuple(said),
    )


def _learned(standing: Standing, context: Context) -> Learned | None:
    """What the model in force says, if the agreement asks for it at all: where the rules count, nothing is spent on it."""
    if not context.agreement.terms.learning.model_counts:
        return None
    return learned_of(context.agreement, standing, context.model_at(context.now))


def _digest(standing: Standing, learned: Learned | None, context: Context) -> str:
    digest = context.agreement.digest(standing)
    campaigns = _campaigns(standing, context)
    digest = f"{digest} {' '.join(campaigns)}" if campaigns else digest
    return digest if learned is None else f"{digest} {learned.model_version} {learned.log_odds} {learned.counts}"


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


def _scored(standing: Standing, learned: Learned | None, context: Context) -> LeadScored:
    """Made without checking anew what our own rules have made: the types of all that stands in it are right."""
    score = context.agreement.score_of(standing)
    return LeadScored.model_construct(
        lead_id=LeadId(context.key),
        score=score.score,
        fit=score.fit,
        engagement=score.engagement,
        grade=score.grade,
        stage=standing.stage,
        contributions=score.contributions,
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
        learned=learned,
        campaigns=_campaigns(standing, context),
    )


def _campaigns(standing: Standing, context: Context) -> tuple[CampaignId, ...]:
    """The campaigns that have touched the lead and that somebody asks for who does not follow engagements."""
    asked = context.agreement.campaigns_asked_later
    return tuple(sorted(CampaignId(name) for name in standing.facts.campaigns if name in asked)) if asked else ()


def _verdict(standing: Standing, by_model: Judged | None, context: Context) -> Event:
    judged = context.agreement.judge(standing.facts) if by_model is None else by_model
    return _VERDICTS[judged.verdict].model_construct(
        lead_id=LeadId(context.key),
        judged_at=context.position,
        rule=judged.rule,
        because=judged.because,
        score=standing.score,
        grade=standing.grade,
        stage=standing.stage,
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )
