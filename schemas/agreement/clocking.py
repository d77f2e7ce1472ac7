"""Planning a clock: when it warns and when it is due, from a start, with pauses, by the hours that it runs by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.agreement.durations import say_duration
from schemas.agreement.open_time import OpenTime, Pause
from schemas.agreement.terms import Clock
from schemas.agreement.working_hours import ClockHours


class Planned(NamedTuple):
    """What a clock has before it, in UTC."""

    deadline: datetime
    warn_at: tuple[tuple[float, datetime], ...]
    """(share, instant), in order."""


def plan(
    open_time: OpenTime, start: datetime, within: timedelta, shares: Iterable[float], pauses: Iterable[Pause] = ()
) -> Planned:
    """`within` of open time from `start` on, and each share of it; pauses do not count. Raises NeverOpen.

    A deadline on the minute at which it closes is that minute, not the next opening.
    """
    breaks = sorted(pauses)
    return Planned(
        open_time.deadline(start, within, breaks),
        tuple((share, open_time.deadline(start, within * share, breaks)) for share in shares),
    )


def promise_in_words(clock: Clock, hours: ClockHours) -> str:
    """What a clock promises, for the reasons of an event."""
    title = f" ({clock.title})" if clock.title else ""
    return (
        f"{clock.id}{title} promises one of {', '.join(clock.met_by)} "
        f"within {say_duration(clock.within)} of {hours.words}"
    )
