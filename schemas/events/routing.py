"""What routing says: by lead (which pool, what ended) and by team (which rep, or why nobody)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Event, Explanation, Instant, Model
from schemas.ids import (
    AccountId,
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
from schemas.presence import WorkingHours
from schemas.vocabulary import Because, Candidate, Grade, LogOffset, NonPersonalText, PassedOver, Points, Slug


class ToClaim(Model):
    """The lead waits to be claimed, whatever the pool's mode, and is dealt then."""

    may_claim: tuple[RepId, ...] = ()
    """Of those whom the pool must not deal it to: who may claim it all the same."""
    until: Instant | None = None
    """When it is dealt, if nobody has claimed it; none: when the pool's own time for that is over."""


class FromPool(Model):
    """Whoever of the pool's members is due, but none of `excluded`."""

    kind: Literal["pool"] = "pool"
    pool_id: PoolId
    excluded: tuple[RepId, ...] = ()
    to_claim: ToClaim | None = None
    """Offered to the team by an escalation; none: as the pool's mode says."""


class Directed(Model):
    """This rep, whatever his capacity, by a manager's order."""

    kind: Literal["directed"] = "directed"
    rep_id: RepId
    kept: bool = False
    """Not by an order: he had the lead before it rested, and the agreement gives it back to him."""


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
    passed_over: Annotated[tuple[PassedOver, ...], Explanation] = ()
    agreement: AgreementName
    agreement_version: int


class ChosenBy(StrEnum):
    """How the rep came to the lead. Only what a pool dealt (`turn`, `fewest_open`, `skill`) counts as his turn."""

    TURN = "turn"
    FEWEST_OPEN = "fewest_open"
    SKILL = "skill"
    CLAIM = "claim"
    ORDER = "order"
    KNOWN_LEAD = "known_lead"
    """He accepted the lead in an earlier cycle."""
    OPPORTUNITY = "opportunity"
    """He has an open opportunity with the lead's company."""
    ACCOUNT = "account"
    """He owns the lead's company."""


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
    candidates: Annotated[tuple[Candidate, ...], Explanation] = ()
    chosen_by: ChosenBy | None = None
    accept_by: Instant | None = None
    """Until when the offer stands if nothing is done with it; none: until a clock ends it."""
    account_id: AccountId | None = None
    """The company by which an owner was found."""
    hours: WorkingHours | None = None
    """When the rep works, as the roster says at this moment; none: it says nothing of that."""
    agreement: AgreementName
    agreement_version: int


class QueueReason(StrEnum):
    NOBODY_AVAILABLE = "nobody_available"
    TO_BE_CLAIMED = "to_be_claimed"
    POOL_GONE = "pool_gone"
    REP_GONE = "rep_gone"
    OVERFLOWED = "overflowed"
    """It waited as long as the pool lets leads wait, and goes to the pool that takes what overflows."""


class LeadQueued(Event):
    """Nobody takes the lead now, and why."""

    lead_id: LeadId
    request_id: RequestId
    team_id: TeamId
    pool_id: PoolId | None
    reason: QueueReason
    because: Because
    candidates: Annotated[tuple[Candidate, ...], Explanation] = ()
    until: Instant | None = None
    """When it goes on to another pool, or is dealt instead of claimed, if nobody takes it before."""
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


class NotAccepted(Model):
    """The offer's time was over and nothing had been done with it."""

    kind: Literal["not_accepted"] = "not_accepted"
    since: LogOffset
    """Position of the TimerDue acted on: an action later than it saves the assignment."""
    accept_by: Instant


class Escalated(Model):
    """A step of an escalation path gives the lead to another rep."""

    kind: Literal["escalated"] = "escalated"
    since: LogOffset
    """Position of the TimerDue acted on: an action later than it saves the assignment."""
    clock: ClockName
    escalation: RuleId
    step: Annotated[int, Field(ge=0)]
    """Its number in the path, from 0."""


class OfferedToTeam(Model):
    """A step of an escalation path offers the lead to the team; who lost it may claim it back, once a cycle."""

    kind: Literal["offered_to_team"] = "offered_to_team"
    since: LogOffset
    """Position of the TimerDue acted on: an action later than it saves the assignment."""
    clock: ClockName
    escalation: RuleId
    step: Annotated[int, Field(ge=0)]
    """Its number in the path, from 0."""
    until: Instant | None = None
    """When it is dealt, if nobody has claimed it: the path's next step that reassigns."""


WithdrawalCause = Annotated[
    AfterBreach | RepGone | NotAccepted | Escalated | OfferedToTeam, Field(discriminator="kind")
]


class AssignmentWithdrawn(Event):
    lead_id: LeadId
    assignment_id: AssignmentId
    cause: WithdrawalCause
    because: Because


class WorkingHoursChanged(Event):
    """The rep works otherwise from here on, as the roster says now; for the clocks of this assignment that run by it."""

    lead_id: LeadId
    assignment_id: AssignmentId
    team_id: TeamId
    rep_id: RepId
    hours: WorkingHours | None
    """None: the roster says nothing of that any more."""


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
    owner: RepId | None = None
    """Who accepted this lead in an earlier cycle."""
    company_domain: NonPersonalText | None = None
    company: NonPersonalText | None = None
    skills: tuple[NonPersonalText, ...] = ()
    """What a rep must know to take it, where the pool goes by skills."""
    agreement: AgreementName
    agreement_version: int


class Ended(StrEnum):
    """How an assignment came to its end, as far as a team reckons with it."""

    WON = "won"
    HANDED_OVER = "handed_over"
    LOST = "lost"
    RETURNED = "returned"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    OTHER = "other"


class AssignmentReleased(Event):
    """The request, up to its number-th asking, needs no place or queue entry any more."""

    team_id: TeamId
    lead_id: LeadId
    request_id: RequestId
    number: Annotated[int, Field(ge=1)]
    ended: Ended | None = None
    """How the assignment ended; none: it was only asked for."""
