"""What the console says: the life of an agreement, and what a person did about a dead letter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from schemas.base import Event, Instant
from schemas.ids import AgreementName, ApproverId, ContentDigest, EventId, ProcessorName, PublicKey, Signature
from schemas.vocabulary import Because

AgreementText = Annotated[str, StringConstraints(max_length=900_000)]
"""The YAML text of an agreement, as both departments read it."""


Department = Literal["marketing", "sales"]
DEPARTMENTS: tuple[Department, ...] = ("marketing", "sales")


class ApproverRegistered(Event):
    """The key by which a department approves. The first needs no more; another needs the signature of the one before.

    Without that signature (the former key is lost) `because` says why, and the key counts only after a week in which
    the holder of the former one can object. The log holds it under the department.
    """

    department: Department
    key: PublicKey
    signature: Signature | None = None
    because: Because | None = None
    registered_by: ApproverId | None = None

    @property
    def name(self) -> str:
        """The record's key."""
        return self.department


class AgreementProposed(Event):
    name: AgreementName
    agreement_version: int
    content: ContentDigest
    text: AgreementText
    proposed_by: ApproverId | None = None


class AgreementApproved(Event):
    """A department's word for exactly this content as this version, signed with its key. Without a signature it is void."""

    name: AgreementName
    agreement_version: int
    content: ContentDigest
    department: Department
    approved_by: ApproverId | None = None
    key: PublicKey | None = None
    signature: Signature | None = None


class AgreementPublished(Event):
    """In force from `effective_at` on; without it (the first of an installation) from the beginning."""

    name: AgreementName
    agreement_version: int
    content: ContentDigest
    text: AgreementText
    effective_at: Instant | None
    published_by: ApproverId | None = None


class DeadLetterClosed(Event):
    """A person has dealt with a dead letter: it is open no longer. A replay that fails again is a new dead letter."""

    processor: ProcessorName
    dead_letter_id: EventId
    """The `ce_id` of the DeadLettered."""
    how: Literal["replayed", "discarded"]
