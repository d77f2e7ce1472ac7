"""What the desk says: the actions of reps, managers and CRMs on leads, and the roster."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.base import Event, Instant, Model
from schemas.ids import (
    AccountId,
    AssignmentId,
    CalendarId,
    DomainName,
    EventId,
    LeadId,
    OpportunityId,
    PoolId,
    RepId,
    RequestId,
    RoleId,
    TeamId,
    ZoneName,
)
from schemas.presence import Break, Cap, Leave
from schemas.vocabulary import Actor, Money, NonPersonalText, PersonalText, Reason, Slug


class Action(Event):
    """What every action on an assignment says. Never said itself."""

    lead_id: LeadId
    assignment_id: AssignmentId
    by: Actor
    occurred_at: Instant
    """When it happened, as its author says; the log's own time is when it was recorded."""


class LeadAccepted(Action): ...


class LeadRejected(Action):
    reason: Reason


class ContactAttempted(Action):
    channel: Slug
    disposition: Slug


class LeadConnected(Action):
    channel: Slug


class MeetingOutcome(StrEnum):
    BOOKED = "booked"
    HELD = "held"
    NO_SHOW = "no_show"


class MeetingRecorded(Action):
    outcome: MeetingOutcome
    meeting_at: Instant | None = None


class NoteAdded(Action):
    """The rep wrote something down; the text itself is a ProfileNote of the same id."""


class NextStepSet(Action):
    due_at: Instant


class OpportunityOpened(Action):
    amount: Money | None = None


class LeadHandedOver(Action):
    """On to another role, such as from SDR to AE."""

    to_role: RoleId
    reason: Reason | None = None


class LeadReturned(Action):
    """Back to marketing, to be recycled: the rep recycled it, or rejected it for a reason that the agreement recycles."""

    reason: Reason
    rejected: bool = False
    """Whether what the rep did was a rejection."""


class ReassignmentOrdered(Action):
    """A manager takes the offer from whoever has it, and gives it to `to` or back to the rules."""

    to: RepId | None = None
    team_id: TeamId | None = None
    """The team of `to`."""
    reason: Reason


class ActionUndone(Action):
    action_id: EventId
    """The newest action that can be undone."""


class ContestVerdict(StrEnum):
    """What a manager says of a contested rejection."""

    UPHELD = "upheld"
    """The rep was right: the rejection stands."""
    OVERTURNED = "overturned"
    """Marketing was right: if the lead still rests because of it, sales gets it again."""


class ContestDecided(Event):
    """A manager has decided about a contested rejection."""

    lead_id: LeadId
    contest_id: EventId
    verdict: ContestVerdict
    by: Actor
    occurred_at: Instant
    because: NonPersonalText | None = None


class Outcome(Event):
    """How it ended. Without `assignment_id` it is what a CRM knows."""

    lead_id: LeadId
    assignment_id: AssignmentId | None = None
    by: Actor
    occurred_at: Instant


class LeadWon(Outcome):
    amount: Money | None = None


class LeadLost(Outcome):
    reason: Reason | None = None


class ProfileNote(Event):
    """The text of a note: personal data, so it lives in `profiles` beside the profile and is erased with it."""

    lead_id: LeadId
    note_id: EventId
    text: PersonalText
    written_at: Instant


class RosterMember(Event):
    """What RepJoined and RepChanged say of a rep. Never said itself."""

    team_id: TeamId
    rep_id: RepId
    role: RoleId
    pools: dict[PoolId, Annotated[int, Field(ge=1, le=1000)]]
    """Weight per pool."""
    open_leads_cap: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """How many leads he may hold at once; none: no cap."""
    calendar: CalendarId | None = None
    """His working hours, by name from the agreement; none: around the clock."""
    caps: Annotated[tuple[Cap, ...], Field(max_length=20)] = ()
    zone: ZoneName | None = None
    """Where his days begin; none: the zone of his calendar, else UTC."""
    breaks: Annotated[tuple[Break, ...], Field(max_length=20)] = ()
    leave: Annotated[tuple[Leave, ...], Field(max_length=100)] = ()
    skills: Annotated[tuple[Slug, ...], Field(max_length=100)] = ()


class RepJoined(RosterMember): ...


class RepChanged(RosterMember): ...


class RepLeft(Event):
    team_id: TeamId
    rep_id: RepId
    reason: Reason | None = None
    """Why, where a manager said so: it stands in what becomes of his leads."""


class RepAvailabilityChanged(Event):
    team_id: TeamId
    rep_id: RepId
    available: bool
    until: Instant | None = None
    """When it turns back by itself."""


class RepActed(Event):
    """A rep was seen at work: he did something with a lead. Said at most once a minute of each."""

    team_id: TeamId
    rep_id: RepId


class Opportunity(Model):
    """An open opportunity at a company, and whose it is."""

    opportunity_id: OpportunityId
    owner: RepId


class AccountSet(Event):
    """What is known of a company now, as far as this team's reps own it; replaces what was said before."""

    team_id: TeamId
    account_id: AccountId
    name: NonPersonalText | None = None
    """The company's name; found by it if the agreement says so."""
    domains: Annotated[tuple[DomainName, ...], Field(max_length=50)] = ()
    owners: Annotated[tuple[RepId, ...], Field(max_length=20)] = ()
    """Reps of this team, the first one first."""
    customer: bool = False
    open_opportunities: Annotated[tuple[Opportunity, ...], Field(max_length=50)] = ()


class AccountRemoved(Event):
    """The company is nobody's in this team any more."""

    team_id: TeamId
    account_id: AccountId


class LeadClaimed(Event):
    """A rep asks for a waiting lead of a claim pool."""

    team_id: TeamId
    lead_id: LeadId
    request_id: RequestId
    rep_id: RepId
