"""What intake says: leads sent in, what prospects were seen doing, consent, merges, erasure, and the profile."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from schemas.base import Event, Instant
from schemas.ids import ContentDigest, FormId, LeadId, SubmissionId
from schemas.vocabulary import (
    AttributeName,
    AttributeValue,
    CountryCode,
    Email,
    PersonalText,
    Phone,
    Reason,
    Slug,
    Source,
)


class LeadSubmitted(Event):
    """Someone showed interest. Holds only what the agreement declares non-personal; the rest is in the profile."""

    lead_id: LeadId
    submission_id: SubmissionId
    content: ContentDigest
    repeat_window: timedelta = timedelta(hours=1)
    """Within this time of an equal submission (same `content`) in effect, this one is a repeat. Zero: never a repeat."""
    submitted_at: Instant
    source: Source = Source()
    country: CountryCode | None = None
    attributes: dict[AttributeName, AttributeValue] = {}
    consent: dict[Slug, bool] = {}
    form: FormId | None = None


class EngagementObserved(Event):
    """A prospect was seen doing something."""

    lead_id: LeadId
    kind: Slug
    occurred_at: Instant
    source: Source = Source()
    asset: Slug | None = None
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class ConsentChanged(Event):
    lead_id: LeadId
    purpose: Slug
    granted: bool
    occurred_at: Instant


class LeadSuppressed(Event):
    """Nobody may work this lead any more (it is a competitor, a spammer, somebody who asked not to be called)."""

    lead_id: LeadId
    reason: Reason


class LeadsMerged(Event):
    """This lead turned out to be `survivor`; it ends here."""

    lead_id: LeadId
    survivor: LeadId


class LeadsUnmerged(Event):
    lead_id: LeadId
    survivor: LeadId


class LeadErased(Event):
    """The person asked to be forgotten; the profile is deleted."""

    lead_id: LeadId


class LeadProfile(Event):
    """The person behind a lead: the only event with personal data, in the only topic that may hold it."""

    lead_id: LeadId
    updated_at: Instant
    email: Email | None = None
    phone: Phone | None = None
    name: PersonalText | None = None
    company: PersonalText | None = None
    country: CountryCode | None = None
    attributes: dict[AttributeName, PersonalText | bool | int | float] = {}
    external_ids: dict[Slug, PersonalText] = {}
    message: PersonalText | None = None
