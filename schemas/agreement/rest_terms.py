"""What becomes of a lead that comes back: how long it rests and where, what wakes it, who may get it, how often, and the end."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from schemas.agreement.calendars import Calendar
from schemas.agreement.conditions import Number
from schemas.agreement.durations import Length, PositiveLength, say_duration
from schemas.agreement.part import Part
from schemas.events.recycling import NextRep
from schemas.ids import CalendarId, CampaignId
from schemas.vocabulary import Reason, Slug

TIMES_AT_MOST = 20
"""So many engagements of a kind can be waited for: as many are remembered."""
_MS = timedelta(milliseconds=1)


class Often(Part):
    """So many engagements of a kind; with `within` the newest so many in this time."""

    engagement: Slug
    at_least: Annotated[int, Field(ge=1, le=TIMES_AT_MOST)] = 1
    within: PositiveLength | None = None

    def __str__(self) -> str:
        lately = "" if self.within is None else f" within {say_duration(self.within)}"
        return f"{self.at_least} × {self.engagement}{lately}"


def _waking(value: Any) -> str:
    return "<often>" if isinstance(value, dict | Often) else "<kind>"


Waking = Annotated[Annotated[Often, Tag("<often>")] | Annotated[Slug, Tag("<kind>")], Discriminator(_waking)]
"""A kind of engagement, of which one is enough, or so many of a kind."""


class End(StrEnum):
    """What becomes of a lead that has rested as often as it may. `retire`: only a new submission brings it back; `suppress`:
    nothing does."""

    RETIRE = "retire"
    SUPPRESS = "suppress"


class Rest(Part):
    """How long a recycled lead waits, in which stream, what wakes it earlier, and who may get it then.

    wakes_from_score: it is seen doing something and its score is at least so high. A new submission always wakes it.
    next_rep: `another`: not the rep who had it last; `same`: only he, as long as he is there. at_most: so often a lead
    rests for this; `finally` follows when it comes back once more, or has had all its cycles.
    """

    after: PositiveLength
    stream: Slug = Slug("nurture")
    wakes_on: tuple[Waking, ...] = ()
    wakes_from_score: Number | None = None
    wakes_on_campaigns: tuple[CampaignId, ...] = ()
    next_rep: NextRep = NextRep.ANY
    at_most: Annotated[int, Field(ge=1, le=1000)] | None = None
    finally_: Annotated[End | None, Field(alias="finally")] = None

    @property
    def kinds(self) -> tuple[Slug, ...]:
        """The kinds of engagement of which one is enough."""
        return tuple(w for w in self.wakes_on if not isinstance(w, Often))

    @property
    def often(self) -> tuple[Often, ...]:
        """The kinds of engagement that must be seen more than once."""
        return tuple(w for w in self.wakes_on if isinstance(w, Often))

    @property
    def wakes_early(self) -> bool:
        """Whether anything but its date and a new submission wakes it."""
        return bool(self.wakes_on or self.wakes_on_campaigns) or self.wakes_from_score is not None


class Unworked(Part):
    """A lead that was taken away from so many reps of a cycle because none worked it comes back to marketing."""

    taken_away: Annotated[int, Field(ge=1, le=100)]
    reason: Reason


class Recycling(Part):
    """How often leads go round, and what holds for reasons that say nothing else.

    cycles_at_most: passes through the loop before `finally` follows. otherwise: the rest of what comes back for a reason
    without terms; lost: of a deal lost for such a reason, or for none (without it: it stays lost). spread: leads that wake
    on the same date do so over this time, each at its own place; with a calendar within its hours. unworked: what ends
    the path of a lead that nobody works.
    """

    cycles_at_most: Annotated[int, Field(ge=1, le=1000)] = 3
    otherwise: Rest = Rest.model_validate({"after": "90d", "stream": "nurture"})
    lost: Rest | None = None
    spread: Length = timedelta()
    calendar: CalendarId | None = None
    unworked: Unworked | None = None
    finally_: Annotated[End, Field(alias="finally")] = End.RETIRE

    def wakes_at(self, rests_from: datetime, rest: Rest, calendar: Calendar, lead: str) -> datetime:
        """The date that wakes a lead, in UTC to the millisecond: never before its waiting time is over.

        calendar: that of the agreement, around the clock if none is named. Of one instant's leads each takes its own place
        in the window by a hash of its id, so they are spread evenly, and the same lead always stands in the same place.
        """
        earliest = rests_from + rest.after
        place = place_of(lead, self.spread)
        if self.calendar is None:
            return earliest + place
        return calendar.add_open_time(earliest, place + _MS)


def place_of(lead: str, window: timedelta) -> timedelta:
    """Where a lead stands in a window: from zero on and before its end, to the millisecond."""
    fraction = int.from_bytes(hashlib.blake2b(lead.encode(), digest_size=8, person=b"recycling").digest(), "big")
    return (fraction * (window // _MS) >> 64) * _MS


__all__ = ["End", "NextRep", "Often", "Recycling", "Rest", "Unworked", "Waking", "place_of"]
