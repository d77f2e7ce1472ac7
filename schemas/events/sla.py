"""What sla says: the life of a clock."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Event, Instant, Model
from schemas.ids import AgreementName, AssignmentId, CalendarId, ClockId, ClockName, EventId, LeadId, RepId, TeamId
from schemas.vocabulary import Because, LogOffset

Share = Annotated[float, Field(gt=0, lt=1)]


class ClockEvent(Event):
    """What every clock event says. Never said itself."""

    lead_id: LeadId
    clock_id: ClockId
    clock: ClockName
    assignment_id: AssignmentId
    team_id: TeamId
    rep_id: RepId


class ClockStarted(ClockEvent):
    started_at: Instant
    deadline_at: Instant
    warn_at: tuple[tuple[Share, Instant], ...] = ()
    calendar: CalendarId
    because: Because
    agreement: AgreementName
    agreement_version: int
    step: Annotated[int, Field(ge=0, le=50)] = 0
    """Which attempt of a cadence it waits for, after the first."""
    grace: bool = False
    """Time given after a breach that was detected late."""


class ClockWarned(ClockEvent):
    share: Share
    due_at: Instant
    """When the warning fell due."""
    deadline_at: Instant
    detected_late: bool = False


class Reassign(Model):
    kind: Literal["reassign"] = "reassign"


class AlertOnly(Model):
    kind: Literal["alert"] = "alert"


OnBreach = Annotated[Reassign | AlertOnly, Field(discriminator="kind")]


class ClockBreached(ClockEvent):
    deadline_at: Instant
    since: LogOffset
    """Position of the TimerDue acted on."""
    on_breach: OnBreach
    detected_late: bool = False


class ClockMet(ClockEvent):
    met_at: Instant
    met_by: EventId
    deadline_at: Instant


class ClockPaused(ClockEvent):
    paused_at: Instant
    because: Because
    until: Instant | None = None
    """When it goes on by itself."""


class ClockResumed(ClockEvent):
    resumed_at: Instant
    deadline_at: Instant
    because: Because
    warn_at: tuple[tuple[Share, Instant], ...] = ()
    """The warnings still to come."""


class ClockReplanned(ClockEvent):
    """Its hours are others from an instant on: what had passed by then counts as before, the rest by the new ones."""

    replanned_at: Instant
    deadline_at: Instant
    warn_at: tuple[tuple[Share, Instant], ...] = ()
    because: Because
    agreement: AgreementName
    agreement_version: int


class ClockCancelled(ClockEvent):
    """The clock no longer has an object: the assignment ended, or a new one of its kind runs."""

    cancelled_at: Instant
    because: Because


class ClockCorrected(ClockEvent):
    """An action reported late had happened in time: the breach is taken back."""

    corrected_by: EventId
    happened_at: Instant
    because: Because
