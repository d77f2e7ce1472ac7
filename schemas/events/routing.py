"""What routing says: by lead (which pool, what ended) and by team (which rep, or why nobody)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Event, Instant, Model
from schemas.ids import (
    AgreementName,
    AssignmentId,
    ClockName,
    EventId,
    LeadId,
    PoolId,
    RepId,
    RequestId,
    RoleId,
    RuleId,
    TeamId,
)
from schemas.vocabulary import Because, Candidate, Grade, LogOffset, PassedOver, Points, Slug


class FromPool(Model):
    """Whoever of the pool's members is due, but none of `excluded`."""

    kind: Literal["pool"] = "pool"
    pool_id: PoolId
    excluded: tuple[RepId, ...] = ()


class Directed(Model):
    """This rep, whatever his capacity, by a manager's order."""

    kind: Literal["directed"] = "directed"
    rep_id: RepId


class Retake(Model):
    """This rep takes back a place that he had, after an undo."""

    kind: Literal["retake"] = "retake"
    rep_id: RepId


Ask = Annotated[FromPool | Directed | Retake, Field(discriminator="kind")]
RoutedTo = Annotated[FromPool | Directed, Field(discriminator="kind")]


class LeadRouted(Event):
    """A pool (or, by order, a rep) was chosen for the lead; opens the request."""

    lead_id: LeadId
    epoch: LogOffset
    """The state of the lead that this answers."""
    request_id: RequestId
    team_id: TeamId
    ask: RoutedTo
    rule: RuleId
    because: Because
    passed_over: tuple[PassedOver, ...] = ()
    agreement: AgreementName
    agreement_version: int


class LeadAssigned(Event):
    lead_id: LeadId
    request_id: RequestId
    """Also the assignment's id from here on."""
    team_id: TeamId
    pool_id: PoolId | None
    rep_id: RepId
    number: int
    claimed_by: EventId | None = None
    """The claim that took it, if the rep took it himself."""
    because: Because
    candidates: tuple[Candidate, ...] = ()
    agreement: AgreementName
    agreement_version: int


class QueueReason(StrEnum):
    NOBODY_AVAILABLE = "nobody_available"
    TO_BE_CLAIMED = "to_be_claimed"
    POOL_GONE = "pool_gone"
    REP_GONE = "rep_gone"


class LeadQueued(Event):
    """Nobody takes the lead now, and why."""

    lead_id: LeadId
    request_id: RequestId
    team_id: TeamId
    pool_id: PoolId | None
    reason: QueueReason
    because: Because
    candidates: tuple[Candidate, ...] = ()
    agreement: AgreementName
    agreement_version: int


class AfterBreach(Model):
    kind: Literal["breach"] = "breach"
    since: LogOffset
    """Position of the TimerDue that the clock's breach acted on: an action later than it saves the assignment."""
    clock: ClockName


class RepGone(Model):
    """The rep has left the team; always in effect."""

    kind: Literal["rep_gone"] = "rep_gone"
    rep_id: RepId


WithdrawalCause = Annotated[AfterBreach | RepGone, Field(discriminator="kind")]


class AssignmentWithdrawn(Event):
    lead_id: LeadId
    assignment_id: AssignmentId
    cause: WithdrawalCause
    because: Because


class ActionRefused(Event):
    """An action or a claim that lost the race in the log; it has changed nothing."""

    lead_id: LeadId
    action_id: EventId
    action: Slug
    rep_id: RepId | None
    because: Because


class AssignmentRequested(Event):
    """A lead asks a team for a rep: the number-th time for this request."""

    team_id: TeamId
    lead_id: LeadId
    request_id: RequestId
    number: Annotated[int, Field(ge=1)]
    ask: Ask
    role: RoleId
    grade: Grade
    score: Points
    arrived_at: Instant
    agreement: AgreementName
    agreement_version: int


class AssignmentReleased(Event):
    """The request, up to its number-th asking, needs no place or queue entry any more."""

    team_id: TeamId
    lead_id: LeadId
    request_id: RequestId
    number: Annotated[int, Field(ge=1)]
