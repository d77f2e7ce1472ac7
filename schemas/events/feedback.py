"""What feedback says: where a lead is now, which promise will probably be broken, and what marketing contests."""

from __future__ import annotations

from schemas.base import Event, Instant
from schemas.events.alerting import Probability
from schemas.ids import ClockId, ClockName, EventId, LeadId, RepId, TeamId
from schemas.vocabulary import (
    Because,
    Grade,
    LeadStatus,
    LifecycleStage,
    LogOffset,
    NonPersonalText,
    Points,
    Reason,
    Slug,
)


class LeadStatusChanged(Event):
    lead_id: LeadId
    lead_status: LeadStatus
    previous_status: LeadStatus | None
    lifecycle_stage: LifecycleStage
    cycle: int
    grade: Grade | None
    score: Points | None
    owner: RepId | None
    team_id: TeamId | None
    reason: Reason | None
    """The reason given, if a person or rule gave one."""
    because: Because
    changed_at: Instant
    changed_by: EventId
    position: LogOffset


class BreachForeseen(Event):
    """A running clock will probably be breached: once for each clock and deadline, as soon as it is as likely as the agreement asks."""

    lead_id: LeadId
    clock_id: ClockId
    clock: ClockName
    team_id: TeamId
    rep_id: RepId
    deadline_at: Instant
    probability: Probability
    because: Because


class RejectionContested(Event):
    """Marketing says that a lead was turned down wrongly; a manager is to decide."""

    lead_id: LeadId
    action_id: EventId
    """The LeadRejected or LeadReturned that is contested."""
    position: LogOffset
    """Where it stands in the lead's log."""
    cycle: int
    returned: bool
    """Whether the lead came back to marketing by it; else it went on to the next rep."""
    rep_id: RepId | None
    """Who turned it down."""
    reason: Reason
    contested_by: Slug
    because: NonPersonalText | None = None
