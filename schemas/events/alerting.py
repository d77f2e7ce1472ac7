"""What alerting says: who is to be told what, when it was released for delivery, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.base import Event, Instant, Model
from schemas.ids import (
    AlertId,
    AssignmentId,
    ClockName,
    CrmRecordId,
    EventId,
    LeadId,
    PoolId,
    RecipientId,
    RepId,
    RuleId,
    TeamId,
)
from schemas.vocabulary import Because, Grade, LeadStatus, LifecycleStage, Money, NonPersonalText, Points, Reason, Slug


class AlertKind(StrEnum):
    CLOCK_WARNED = "clock_warned"
    CLOCK_BREACHED = "clock_breached"
    LEAD_QUEUED = "lead_queued"
    BREACH_LIKELY = "breach_likely"
    """A clock still runs, and will probably not be met."""


Probability = Annotated[float, Field(ge=0, le=1)]


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
    escalation: RuleId | None = None
    """The escalation path that this is a step of."""
    grade: Grade | None = None
    score: Points | None = None
    buying_stage: Slug | None = None
    via: tuple[RecipientId, ...] = ()
    """The recipients that it was handed on by: they could not be reached, or it was out of their hours."""
    probability: Probability | None = None
    """Of a breach that is likely."""


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
    team_id: TeamId | None = None
    assignment_id: AssignmentId | None = None
    escalation: RuleId | None = None
    """The escalation path that this is a step of."""
    grade: Grade | None = None
    score: Points | None = None
    buying_stage: Slug | None = None
    via: tuple[RecipientId, ...] = ()
    """The recipients that it was handed on by: they could not be reached, or it was out of their hours."""
    probability: Probability | None = None
    """Of a breach that is likely."""


class AlertReleased(Event):
    """By recipient: this message is to be delivered now. `alert_id` is its stable Message-ID."""

    recipient: RecipientId
    alert_id: AlertId
    lines: tuple[AlertLine, ...]


class AlertRecalled(Event):
    """By lead: what this alert is about is settled. If it is still held back, it need not come any more."""

    recipient: RecipientId
    alert_id: AlertId
    lead_id: LeadId
    because: Because
    via: tuple[RecipientId, ...] = ()
    """As in the alert: whom it was handed on by."""


class AlertWithdrawn(Event):
    """By recipient: this alert was held back, and was recalled before it could come. Nobody was told."""

    recipient: RecipientId
    alert_id: AlertId
    lead_id: LeadId
    because: Because
    """What settled it, and what it had waited for."""


class AlertSent(Event):
    recipient: RecipientId
    alert_id: AlertId
    attempts: int
    sent_at: Instant
    replay: int = 0
    """Which delivery of the message it was: 0 the first one, then each replay that was ordered."""


class AlertFailed(Event):
    """Every attempt failed; shown to operations."""

    recipient: RecipientId
    alert_id: AlertId
    attempts: int
    failed_at: Instant
    because: Because
    replay: int = 0


class NewsKind(StrEnum):
    """What tools can hear of."""

    QUALIFIED = "qualified"
    NURTURED = "nurtured"
    DISQUALIFIED = "disqualified"
    QUEUED = "queued"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETURNED = "returned"
    HANDED_OVER = "handed_over"
    REASSIGNED = "reassigned"
    WITHDRAWN = "withdrawn"
    """The assignment was taken from its rep, by a clock, an order or because he left."""
    ENDED = "ended"
    """The assignment ended, whatever ended it."""
    OPPORTUNITY_OPENED = "opportunity_opened"
    WON = "won"
    LOST = "lost"
    UNDONE = "undone"
    RECYCLED = "recycled"
    REACTIVATED = "reactivated"
    RETIRED = "retired"
    SUPPRESSED = "suppressed"
    MERGED = "merged"
    ERASED = "erased"
    CLOCK_WARNED = "clock_warned"
    CLOCK_BREACHED = "clock_breached"
    STATUS_CHANGED = "status_changed"


class ToolKind(StrEnum):
    WEBHOOK = "webhook"
    CRM = "crm"
    REP = "rep"


class News(Model):
    """What happened to a lead, as tools are told it. Nothing personal: that is added on the way out, as the agreement allows."""

    kind: NewsKind
    happened_at: Instant
    event_id: EventId
    """The event of the lead's log."""
    lead_id: LeadId
    cycle: int
    lead_status: LeadStatus
    previous_status: LeadStatus | None = None
    lifecycle_stage: LifecycleStage
    team_id: TeamId | None = None
    pool_id: PoolId | None = None
    rep_id: RepId | None = None
    """Whom it concerns: who has the lead, or had it where it was taken from him."""
    assignment_id: AssignmentId | None = None
    accept_by: Instant | None = None
    reason: Reason | None = None
    stream: Slug | None = None
    """The nurture stream of a recycled lead."""
    wakes_at: Instant | None = None
    buying_stage: Slug | None = None
    grade: Grade | None = None
    score: Points | None = None
    amount: Money | None = None
    because: Because = Because("")


class NewsReleased(Event):
    """By lead: a tool is to be told now. `alert_id` is the webhook-id, the same at every attempt and replay."""

    recipient: RecipientId
    tool: ToolKind
    alert_id: AlertId
    news: News


class DeliveryReplayed(Event):
    """A person had a message delivered once more, after it had been sent or given up."""

    recipient: RecipientId
    tool: ToolKind
    alert_id: AlertId
    news: News
    replay: Annotated[int, Field(ge=1)]


class DeliveryAttempted(Event):
    """An attempt failed, and when the next one is. So a restart goes on where it was."""

    recipient: RecipientId
    alert_id: AlertId
    replay: int
    attempt: int
    """Counted from 1."""
    attempted_at: Instant
    status: int | None
    """The HTTP status, if there was an answer."""
    because: Because
    next_at: Instant
    held_until: Instant | None = None
    """Until when the receiver asked to be left alone (Retry-After)."""


class RecipientDisabled(Event):
    """Nothing is delivered any more: the receiver said that it is gone, or took nothing for days."""

    recipient: RecipientId
    disabled_at: Instant
    because: Because


class RecipientEnabled(Event):
    """A person had deliveries taken up again."""

    recipient: RecipientId
    enabled_at: Instant


class RecipientMuted(Event):
    """A person wants silence: what is for this recipient waits until `until`, and comes then as one message. An end that has passed
    ends the silence."""

    recipient: RecipientId
    muted_at: Instant
    until: Instant
    by: NonPersonalText | None = None
    """Who wanted it; none: he did not say."""
    because: Because = Because("")


class CrmRecord(Event):
    """What a CRM's record of a lead is known to say. Never said itself."""

    recipient: RecipientId
    record: CrmRecordId
    lead_id: LeadId
    stage: NonPersonalText | None
    """In the CRM's words."""
    owner: RepId | None


class CrmRecordWritten(CrmRecord):
    """It was told so from here. What is none was left as it is."""


class CrmRecordHeard(CrmRecord):
    """Somebody changed it there, and what that means here was recorded, or was refused."""

    modified_at: Instant
    """By the CRM's clock."""
    refused: Because | None = None
    """Why the desk took nothing of it."""


class CrmRead(Event):
    """All changes up to this time, by the CRM's clock, have been seen to."""

    recipient: RecipientId
    upto: Instant
