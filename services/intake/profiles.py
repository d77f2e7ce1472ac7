"""What is known of a person, and what a new submission adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from schemas.events.intake import LeadProfile
from schemas.ids import LeadId
from schemas.vocabulary import AttributeName
from services.intake.identity import Contact
from services.intake.requests import LeadIn

PersonalAttributes = Mapping[AttributeName, bool | int | float | str]


def profile_of(
    lead_id: LeadId, contact: Contact, said: LeadIn, attributes: PersonalAttributes, at: datetime
) -> LeadProfile:
    """The profile as this one submission tells it. `attributes`: those that must not leave the profile."""
    return LeadProfile(
        lead_id=lead_id,
        updated_at=at,
        email=contact.email,
        phone=contact.phone,
        name=said.name,
        company=said.company,
        country=said.country,
        attributes=dict(attributes),
        external_ids=dict(said.external_ids),
        message=said.message,
    )


def merged(known: LeadProfile | None, new: LeadProfile) -> LeadProfile:
    """`known` with what `new` says on top; what `new` does not say stays."""
    if known is None:
        return new
    said = {
        name: value
        for name in ("email", "phone", "name", "company", "country", "message")
        if (value := getattr(new, name)) is not None
    }
    return known.model_copy(
        update={
            **said,
            "lead_id": new.lead_id,
            "updated_at": new.updated_at,
            "attributes": {**known.attributes, **new.attributes},
            "external_ids": {**known.external_ids, **new.external_ids},
        }
    )


def same(a: LeadProfile | None, b: LeadProfile) -> bool:
    """Whether both say the same, whenever it was."""
    return a is not None and a.model_copy(update={"updated_at": b.updated_at}) == b
