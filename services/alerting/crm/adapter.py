"""What a CRM is to leadloop: something that takes a lead's record and tells which records have changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from schemas.ids import LeadId


@dataclass(frozen=True, slots=True)
class Written:
    """A lead as the CRM is told it, in the CRM's own words."""

    record: str
    """The CRM's id of the record; made under it if there is none yet."""
    lead_id: LeadId
    stage: str | None
    """None: as it is."""
    owner: str | None
    """The CRM's user; none: as it is."""
    person: Mapping[str, Any]
    """What may be told of the person, by the names of schemas.agreement.tools.PersonalField."""
    fields: Mapping[str, Any]
    """Further fields of the record."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record that has changed, in the CRM's own words."""

    record: str
    stage: str | None
    owner: str | None
    modified_at: datetime
    amount: str | None = None


class Crm(Protocol):
    """One CRM. Every call raises NotDelivered if another attempt may succeed, and ChannelUnusable if none can."""

    async def write(self, lead: Written) -> None:
        """Make or change the lead's record. Twice is as good as once."""

    async def erase(self, record: str) -> None:
        """Delete the record; one that is not there is deleted."""

    async def changed(self, since: datetime, page: int) -> tuple[list[Found], bool]:
        """A page, counted from 1, of the records changed at `since` or later, the longest unchanged first; and whether it is full."""
