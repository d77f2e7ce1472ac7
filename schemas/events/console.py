"""What the console says: the life of an agreement, and what a person did about a dead letter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from schemas.base import Event, Instant
from schemas.ids import AgreementName, ContentDigest, EventId, ProcessorName

AgreementText = Annotated[str, StringConstraints(max_length=900_000)]
"""The YAML text of an agreement, as both departments read it."""


class AgreementProposed(Event):
    name: AgreementName
    agreement_version: int
    content: ContentDigest
    text: AgreementText


class AgreementApproved(Event):
    name: AgreementName
    agreement_version: int
    content: ContentDigest
    department: Literal["marketing", "sales"]


class AgreementPublished(Event):
    """In force from `effective_at` on; without it (the first of an installation) from the beginning."""

    name: AgreementName
    agreement_version: int
    content: ContentDigest
    text: AgreementText
    effective_at: Instant | None


class DeadLetterClosed(Event):
    """A person has dealt with a dead letter: it is open no longer. A replay that fails again is a new dead letter."""

    processor: ProcessorName
    dead_letter_id: EventId
    """The `ce_id` of the DeadLettered."""
    how: Literal["replayed", "discarded"]
