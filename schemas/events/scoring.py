"""What scoring says: the score with its contributions, and the verdict of the agreement's definition."""

from __future__ import annotations

from schemas.base import Event, Instant
from schemas.ids import AgreementName, LeadId, RuleId
from schemas.vocabulary import Because, Contribution, Grade, LogOffset, Points, Slug


class LeadScored(Event):
    lead_id: LeadId
    score: Points
    fit: Points
    engagement: Points
    grade: Grade
    stage: Slug | None = None
    """The buying stage."""
    contributions: tuple[Contribution, ...]
    agreement: AgreementName
    agreement_version: int


class Verdict(Event):
    """What the three verdicts share. Never said itself."""

    lead_id: LeadId
    judged_at: LogOffset
    """Position of the event that was judged; before the cycle's start the verdict is void."""
    rule: RuleId
    because: Because
    score: Points
    grade: Grade
    stage: Slug | None = None
    agreement: AgreementName
    agreement_version: int


class LeadQualified(Verdict):
    """The lead is what both departments call qualified."""


class LeadNurtured(Verdict):
    """Not yet: marketing goes on."""


class LeadDisqualified(Verdict):
    """Not at all."""


class ModelPublished(Event):
    """A model learnt across leads, in force from `effective_at` on."""

    name: AgreementName
    model_version: int
    effective_at: Instant
    weights: dict[Slug, Points]
