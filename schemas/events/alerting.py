"""What alerting says: who is to be told what, when it was released for delivery, and what became of it."""

from __future__ import annotations

from enum import StrEnum

from schemas.base import Event, Instant, Model
from schemas.ids import AlertId, AssignmentId, ClockName, LeadId, RecipientId, RepId, TeamId
from schemas.vocabulary import Because


class AlertKind(StrEnum):
    CLOCK_WARNED = "clock_warned"
    CLOCK_BREACHED = "clock_breached"
    LEAD_QUEUED = "lead_queued"


class AlertRequested(Event):
    """By lead: whom to tell."""

    recipient: RecipientId
    alert_id: AlertId
    kind: AlertKind
    lead_id: LeadId
    team_id: TeamId
    rep_id: RepId | None
    assignment_id: AssignmentId | None
    clock: ClockName | None
    deadline_at: Instant | None
    happened_at: Instant
    because: Because


class AlertLine(Model):
    """One alert inside a message."""

    alert_id: AlertId
    kind: AlertKind
    lead_id: LeadId
    rep_id: RepId | None
    clock: ClockName | None
    deadline_at: Instant | None
    happened_at: Instant
    because: Because


class AlertReleased(Event):
    """By recipient: this message is to be delivered now. `alert_id` is its stable Message-ID."""

    recipient: RecipientId
    alert_id: AlertId
    lines: tuple[AlertLine, ...]


class AlertSent(Event):
    recipient: RecipientId
    alert_id: AlertId
    attempts: int
    sent_at: Instant


class AlertFailed(Event):
    """Every attempt failed; shown to operations."""

    recipient: RecipientId
    alert_id: AlertId
    attempts: int
    failed_at: Instant
    because: Because
