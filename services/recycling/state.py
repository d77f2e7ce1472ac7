"""What recycling remembers of one lead: why it came back, until when it waits, what wakes it, and what it has answered."""

from __future__ import annotations

import msgspec

from schemas.events.recycling import NextRep
from schemas.ids import EventId, RepId, TeamId


class Tried(msgspec.Struct, frozen=True, array_like=True):
    """One attempt to reach the person."""

    action_id: EventId
    channel: str


class Many(msgspec.Struct, frozen=True, array_like=True):
    """So many engagements of a kind that wake the lead; within_ms: the newest so many in that time (0: at any time)."""

    kind: str
    at_least: int
    within_ms: int = 0


class Rests(msgspec.Struct, frozen=True, omit_defaults=True):
    """Positions are epochs of the lead: the state that was answered."""

    returned_for: str | None = None
    """The reason of the last return."""
    lost_for: str | None = None
    """The reason of the last loss, if one was given."""
    ended_ms: int = 0
    """When the lead last came back or was lost."""
    answered: int = -1
    """The epoch at which it was last recycled or retired."""
    woken: int = -1
    """The epoch at which it was last reactivated."""
    sleeps: bool = False
    """Whether it waits now, so that the date counts."""
    wakes_ms: int = 0
    """When the date wakes it; 0: no date."""
    wakes_on: tuple[str, ...] = ()
    seen: dict[str, int | tuple[int, ...]] = {}
    """Engagements since it ended, by kind with the newest times in ms, that may wake it once it is recycled. (One time
    alone is how earlier versions kept it.)"""
    wakes_on_many: tuple[Many, ...] = ()
    wakes_from: str = ""
    """The score that wakes it, as text; empty: none does."""
    wakes_on_campaigns: tuple[str, ...] = ()
    touched_by: tuple[str, ...] = ()
    """Campaigns that have touched it since it ended."""
    score: str = ""
    """As last said since it ended."""
    stage: str | None = None
    """The buying stage, as last said."""
    rep: RepId | None = None
    """Who had it last in this cycle, and in which team."""
    team: TeamId | None = None
    next_rep: NextRep = NextRep.ANY
    """Who may get it after this rest."""
    times: dict[str, int] = {}
    """How often it has rested, by reason."""
    tried: tuple[Tried, ...] = ()
    """Attempts of this cycle."""
    reached: tuple[EventId, ...] = ()
    """Actions of this cycle by which the person was reached."""
    idle_ms: int = 0
    """Since when nothing has happened on the assignment, or until when its next step lets it wait."""
    give_up_ms: int = 0
    """When it is given up as unreachable; 0: never as things are."""
    given_up: int = -1
    """The action or submission after which that was last said."""
    taken_away: int = 0
    """From how many reps it was taken in this cycle because they did not work it."""
