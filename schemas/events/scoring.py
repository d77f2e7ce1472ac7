"""What scoring says: the score with its contributions, the verdict of the agreement's definition, and models learned across leads."""

from __future__ import annotations

from decimal import Decimal

from schemas.base import Event, Instant
from schemas.ids import AgreementName, CampaignId, LeadId, RuleId
from schemas.learning.published import Learned, ModelCard, ModelFigures, NamedLeak
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
    learned: Learned | None = None
    """What the model in force says, where the agreement asks for it."""
    campaigns: tuple[CampaignId, ...] = ()
    """Of the campaigns that routing's rules and clocks ask for, those that have touched the lead."""


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
    """What was learned across leads up to now, in force from `effective_at` on. Without `card` the rules alone count."""

    name: AgreementName
    model_version: int
    effective_at: Instant
    weights: dict[Slug, Points]
    """By how much of log-odds each attribute moved the latest leads, on the average; the strongest ones."""
    outcomes: int = 0
    """Known by then, each counted once."""
    wins: int = 0
    learned: bool = False
    """Shown, beyond chance, to say more than the general rate of winning."""
    better: bool = False
    """Shown, beyond chance, to rank better than the rules."""
    better_by: Points = Decimal(0)
    """By so much of ROC-AUC."""
    because: Because = Because("")
    figures: ModelFigures | None = None
    """Of the latest outcomes."""
    leaks: tuple[NamedLeak, ...] = ()
    card: ModelCard | None = None
