"""What recycling says: a lead is given up, waits, comes back as a new cycle, or is retired."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Duration, Event, Instant, Model
from schemas.ids import AgreementName, AssignmentId, CampaignId, LeadId, RepId, TeamId
from schemas.vocabulary import Because, LogOffset, Points, Reason, Slug


class NextRep(StrEnum):
    """Who may get a lead when it comes back."""

    ANY = "any"
    ANOTHER = "another"
    """Anybody but the rep who had it last."""
    SAME = "same"
    """The rep who had it last; if he is gone, anybody."""


class OftenEngaged(Model):
    """So many engagements of a kind; `within`: the newest so many in this time."""

    engagement: Slug
    at_least: Annotated[int, Field(ge=1)]
    within: Duration | None = None


class LeadRecycled(Event):
    lead_id: LeadId
    epoch: LogOffset
    reason: Reason
    stream: Slug
    """The nurture stream it goes to."""
    wakes_at: Instant | None
    wakes_on: tuple[Slug, ...] = ()
    """Kinds of engagement that wake it earlier."""
    because: Because
    agreement: AgreementName
    agreement_version: int
    wakes_on_many: tuple[OftenEngaged, ...] = ()
    """Kinds of engagement that wake it earlier once they are seen so often."""
    wakes_from_score: Points | None = None
    """It wakes once it is seen doing something and its score is at least so high."""
    wakes_on_campaigns: tuple[CampaignId, ...] = ()
    """It wakes once one of them touches it."""
    next_rep: NextRep = NextRep.ANY
    buying_stage: Slug | None = None
    """Where the prospect was when it came back."""
    times: int = 1
    """How often it rests for this reason, this time included."""


class DateCame(Model):
    kind: Literal["date"] = "date"
    due_at: Instant


class EngagedAgain(Model):
    kind: Literal["engagement"] = "engagement"
    engagement: Slug
    times: int = 1
    """How often it had been seen by then, as far as it was to be."""


class SubmittedAgain(Model):
    kind: Literal["submission"] = "submission"


class ScoreReached(Model):
    kind: Literal["score"] = "score"
    score: Points


class CampaignTouched(Model):
    kind: Literal["campaign"] = "campaign"
    campaign: CampaignId


Wake = Annotated[
    DateCame | EngagedAgain | SubmittedAgain | ScoreReached | CampaignTouched, Field(discriminator="kind")
]


class KeptFor(Model):
    """The rep who is to get it, if he is still there."""

    rep_id: RepId
    team_id: TeamId


class LeadReactivated(Event):
    """The lead is back as a new cycle."""

    lead_id: LeadId
    epoch: LogOffset
    cycle: int
    woken_by: Wake
    because: Because
    agreement: AgreementName
    agreement_version: int
    not_to: RepId | None = None
    """The rep who had it last, if the rules are not to choose him in this cycle."""
    kept_for: KeptFor | None = None


class LeadRetired(Event):
    lead_id: LeadId
    epoch: LogOffset
    reason: Reason
    because: Because
    agreement: AgreementName
    agreement_version: int
    suppressed: bool = False
    """Nobody works it ever again, whatever it does: more than retired, from which a submission brings it back."""


class GivenUpAs(StrEnum):
    """Why nobody goes on with a lead."""

    UNREACHABLE = "unreachable"
    """It was tried as often as agreed, and nothing has happened for as long as agreed."""
    UNWORKED = "unworked"
    """It was taken away from as many reps as agreed because none of them worked it."""


class LeadGivenUp(Event):
    """The lead comes back to marketing although no rep gave it back."""

    lead_id: LeadId
    cycle: int
    given_up_as: GivenUpAs
    since: LogOffset
    """Position of what this was decided on: an action later than it keeps the lead where it is."""
    assignment_id: AssignmentId | None = None
    """Whose assignment ends, if it is unreachable; an unworked one is whoever's it is by then."""
    reason: Reason
    because: Because
    agreement: AgreementName
    agreement_version: int
