"""What alerting remembers of a recipient: what it released lately, and what it holds back."""

from __future__ import annotations

import msgspec

HELD = "held"
"""The kind of part that holds one alert back; named by its number, so that they come out in order."""


UNDER_WAY = "under-way"
"""The kind of part that keeps a released message whose channel names a next one; named by the message's id."""


class UnderWay(msgspec.Struct, frozen=True):
    """A message that is handed on if it cannot be delivered."""

    lines: tuple[str, ...]
    """AlertLines as JSON."""


class Pace(msgspec.Struct, frozen=True, omit_defaults=True):
    """How busy one recipient is. Times in ms since 1970."""

    released: tuple[int, ...] = ()
    """When messages were released, as far back as a window or limit looks."""
    recent: tuple[int, ...] = ()
    """When the newest alerts were told, each of a digest's counted."""
    held: int = 0
    """How many alerts are held back."""
    number: int = 0
    """How many were ever held back; the next one's name."""
    release_at: int | None = None
    """When what is held goes out as one digest."""
    muted_until: int | None = None


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert held back for the next digest."""

    line: str
    """An AlertLine as JSON."""
    alert: str = ""
    """Its id."""
    why: str = ""
    """What it waits for, in words."""
