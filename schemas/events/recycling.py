"""What recycling says: a lead waits, comes back as a new cycle, or is retired."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Event, Instant, Model
from schemas.ids import AgreementName, LeadId
from schemas.vocabulary import Because, LogOffset, Reason, Slug


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


class DateCame(Model):
    kind: Literal["date"] = "date"
    due_at: Instant


class EngagedAgain(Model):
    kind: Literal["engagement"] = "engagement"
    engagement: Slug


class SubmittedAgain(Model):
    kind: Literal["submission"] = "submission"


Wake = Annotated[DateCame | EngagedAgain | SubmittedAgain, Field(discriminator="kind")]


class LeadReactivated(Event):
    """The lead is back as a new cycle."""

    lead_id: LeadId
    epoch: LogOffset
    cycle: int
    woken_by: Wake
    because: Because
    agreement: AgreementName
    agreement_version: int


class LeadRetired(Event):
    lead_id: LeadId
    epoch: LogOffset
    reason: Reason
    because: Because
    agreement: AgreementName
    agreement_version: int
