"""What routing by lead remembers: what it has said for this lead, and the facts that the rules ask for."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from schemas.ids import RequestId, TeamId


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that a team was asked for; kept for as long as it is open or held, or an undo can restore it."""

    request: RequestId
    team: TeamId
    number: int
    """How often it was asked for: 1, and one more each time its place is taken again."""
    released: bool = False


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rules may ask about the lead, from its submissions and its score."""

    attributes: dict[str, bool | int | str] = {}
    country: str | None = None
    source: dict[str, str] = {}
    score: Decimal = Decimal(0)
    fit: Decimal | None = None
    engagement: Decimal | None = None
    grade: str = "D4"


class LeadRouting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole memory of one lead."""

    routed: int = -1
    """The epoch that LeadRouted was last said for."""
    told: tuple[Told, ...] = ()
    arrived_ms: int | None = None
    """Since when the lead has been waiting for a rep of its role in this cycle: its place in a queue goes by that."""
    known: Known = Known()
