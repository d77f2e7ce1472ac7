"""A journey: what one lead was touched by, in order of time, and what he was worth if he was won."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.vocabulary import Money

NAMELESS = "(none)"
"""Stands for a campaign, channel or collateral that a touch does not name."""


class Dimension(StrEnum):
    """What revenue is attributed to."""

    CAMPAIGN = "campaign"
    CHANNEL = "channel"
    COLLATERAL = "collateral"


@dataclass(frozen=True, slots=True)
class Touch:
    """One moment at which marketing reached a lead. `stage` is the lifecycle stage that the lead had or came to by it."""

    at: datetime
    campaign: str = NAMELESS
    channel: str = NAMELESS
    collateral: str = NAMELESS
    stage: str | None = None

    def of(self, dimension: Dimension) -> str:
        """Its campaign, channel or collateral."""
        match dimension:
            case Dimension.CAMPAIGN:
                return self.campaign
            case Dimension.CHANNEL:
                return self.channel
            case Dimension.COLLATERAL:
                return self.collateral


@dataclass(frozen=True, slots=True)
class Win:
    """When the lead was won, and for how much. A lead that is won twice has made two journeys."""

    at: datetime
    amount: Money


@dataclass(frozen=True, slots=True)
class Journey:
    """Touches in order of time, those after the win left out: what came later cannot have brought it."""

    lead: str
    touches: tuple[Touch, ...]
    win: Win | None = None
    touches_after_win: int = 0

    @classmethod
    def of(cls, lead: str, touches: Iterable[Touch], win: Win | None) -> Journey:
        """In whatever order the touches come; equal times keep it."""
        ordered = sorted(touches, key=lambda touch: touch.at)
        before = tuple(touch for touch in ordered if win is None or touch.at <= win.at)
        return cls(lead, before, win, len(ordered) - len(before))
