"""What recycling remembers of one lead: why it came back, until when it waits, and what it has answered."""

from __future__ import annotations

import msgspec


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
    seen: dict[str, int] = {}
    """Engagements since it ended, by kind with the last time in ms, that may wake it once it is recycled."""
