"""How often one recipient is told: each alert at once, a storm as one digest at the end of the window.

A channel for which the agreement says `gather` is never told at once: what comes within that time is one digest.
"""

from __future__ import annotations

from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
MESSAGES_PER_WINDOW = 10
"""So many single messages in a window; what comes beyond waits for the window's digest."""
LINES_PER_DIGEST = 500
"""A digest with more would outgrow a record; the rest is the next digest."""
GATHERED_AGAIN = timedelta(seconds=10)
"""So long what another channel could not deliver is gathered."""

_WINDOW_MS = int(WINDOW.total_seconds() * 1000)


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def within_window(released: tuple[int, ...], now: int) -> tuple[int, ...]:
    """Those of the releases that still count at `now` (ms)."""
    return tuple(at for at in released if at > now - _WINDOW_MS)


def held_until(recent: tuple[int, ...], held: int, gather: timedelta, now: int) -> int | None:
    """When an alert that comes at `now` goes out with the digest; none: it goes out by itself, at once.

    recent: the releases within the window. While `held` are waiting, none overtakes them.
    """
    if gather > timedelta():
        return now + int(gather / timedelta(milliseconds=1))
    if held == 0 and len(recent) < MESSAGES_PER_WINDOW:
        return None
    return next_digest(recent, now)


def next_digest(recent: tuple[int, ...], now: int) -> int:
    """When what is held goes out (ms): the window's end."""
    return (recent[0] if recent else now) + _WINDOW_MS
