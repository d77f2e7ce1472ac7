"""How often one recipient is told: what comes alone at once, a storm as one message in five minutes, and no more than agreed.

A channel for which the agreement says `gather` is never told at once: what comes within that time is one digest.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.agreement.message_terms import AtMost

WINDOW = timedelta(minutes=5)
ALERTS_PER_WINDOW = 10
"""So many in a window are told as they come; more are a storm: they wait for the window's digest."""
BREATH = timedelta(seconds=2)
"""What comes so soon after a message is gathered until then."""
LINES_PER_DIGEST = 500
"""A digest with more would outgrow a record; the rest is the next digest."""
GATHERED_AGAIN = timedelta(seconds=10)
"""So long what another channel could not deliver is gathered."""

_MS = timedelta(milliseconds=1)
_WINDOW_MS, _BREATH_MS = WINDOW // _MS, BREATH // _MS
_HOUR_MS, _DAY_MS = timedelta(hours=1) // _MS, timedelta(days=1) // _MS


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def kept(released: tuple[int, ...], at_most: AtMost | None, now: int) -> tuple[int, ...]:
    """Those of the releases that still count at `now` (ms) for anything: a window, or a limit of the agreement."""
    day = _DAY_MS if at_most is not None and at_most.per_day is not None else 0
    hour = _HOUR_MS if at_most is not None else 0
    return _since(released, now - max(day, hour, _WINDOW_MS))


def free_at(released: tuple[int, ...], at_most: AtMost | None, now: int) -> int | None:
    """When the limits allow the next message (ms); none: now."""
    if at_most is None:
        return None
    free = now
    for number, length in ((at_most.per_hour, _HOUR_MS), (at_most.per_day, _DAY_MS)):
        within = _since(released, now - length)
        if number is not None and len(within) >= number:
            free = max(free, within[-number] + length)
    return free if free > now else None


def told(recent: tuple[int, ...], lines: int, now: int) -> tuple[int, ...]:
    """When the newest alerts were told, after a message of so many."""
    return (*_since(recent, now - _WINDOW_MS), *(now,) * min(lines, ALERTS_PER_WINDOW))[-ALERTS_PER_WINDOW:]


def held_until(recent: tuple[int, ...], held: int, gather: timedelta, now: int) -> int | None:
    """When an alert that comes at `now` goes out with the digest; none: it goes out by itself, at once.

    recent: when the newest alerts were told. While `held` are waiting, none overtakes them.
    """
    if gather > timedelta():
        return now + gather // _MS
    recent = _since(recent, now - _WINDOW_MS)
    if recent and len(recent) + held >= ALERTS_PER_WINDOW:
        return recent[0] + _WINDOW_MS
    if recent and now - recent[-1] < _BREATH_MS:
        return recent[-1] + _BREATH_MS
    return now if held else None


def next_digest(now: int) -> int:
    """When what did not fit into a digest goes out (ms)."""
    return now + _WINDOW_MS


def _since(released: tuple[int, ...], at: int) -> tuple[int, ...]:
    return tuple(one for one in released if one > at)
