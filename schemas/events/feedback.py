"""What feedback says: where a lead is now, for everybody who only wants that, and which promise will probably be broken."""

from __future__ import annotations

from schemas.base import Event, Instant
from schemas.events.alerting import Probability
from schemas.ids import ClockId, ClockName, EventId, LeadId, RepId, TeamId
from schemas.vocabulary import Because, Grade, LeadStatus, LifecycleStage, LogOffset, Points, Reason


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
