"""What can happen in a simulated history. Times are aware UTC; `place` says where it was read, such as "line 7"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from schemas.base import Event
from schemas.ids import EventId, LeadId, RepId
from schemas.vocabulary import AttributeName, AttributeValue, Grade, Reason, Slug, Source

NO_SOURCE = Source()


@dataclass(frozen=True, slots=True)
class Scored:
    """A score that is known already."""

    score: Decimal
    fit: Decimal
    engagement: Decimal
    grade: Grade
    stage: Slug | None = None


@dataclass(frozen=True, slots=True)
class LeadComes:
    """A lead that is to be routed comes, or comes again; without `scored` the agreement's scoring rules are asked."""

    at: datetime
    place: str
    lead: LeadId
    attributes: Mapping[AttributeName, AttributeValue] = field(default_factory=dict)
    country: str | None = None
    source: Source = NO_SOURCE
    scored: Scored | None = None


@dataclass(frozen=True, slots=True)
class LeadActed:
    """Something is done with a lead by whoever has it. rep: who did it; if he does not have the lead, nothing happens
    (closing needs nobody). reason: the agreement's consequence of it follows. won: how a closed lead ended."""

    at: datetime
    place: str
    lead: LeadId
    what: Literal["accept", "reject", "close"]
    rep: RepId | None = None
    reason: Reason | None = None
    won: bool = False


@dataclass(frozen=True, slots=True)
class LeadTold:
    """An event of a recorded log about a lead, to be said of the assignment that is in effect here; positions and
    who did it are those of the simulated world."""

    at: datetime
    place: str
    lead: LeadId
    event: Event
    rep: RepId | None = None
    """Who must have the lead for it to be said; none: whoever has it."""
    event_id: EventId | None = None


@dataclass(frozen=True, slots=True)
class TeamTold:
    """An event of a team's log: who joins, changes, is away, acts, leaves; whose a company is."""

    at: datetime
    place: str
    event: Event


Happening = LeadComes | LeadActed | LeadTold | TeamTold
