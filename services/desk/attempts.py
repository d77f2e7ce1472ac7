"""How often a lead was tried in this cycle, and whether that is enough to give it up. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.agreement.clock_terms import GivingUp
from schemas.base import Event
from schemas.events import desk
from schemas.ids import EventId
from schemas.lifecycle import Life
from schemas.vocabulary import Reason

ATTEMPTS_KEPT = 100
"""As many as an agreement can ask for."""


class Attempt(msgspec.Struct, frozen=True):
    """One time that somebody tried to reach the person, or did reach him."""

    action_id: str
    channel: str
    at_ms: int
    """When it happened, as its author says."""


def attempts_after(
    attempts: tuple[Attempt, ...], event: Event, event_id: str, before: Life, after: Life
) -> tuple[Attempt, ...]:
    """The attempts of the lead's cycle after an event in effect; an undone one does not count, a new cycle begins at none."""
    if (before.life, before.cycle) != (after.life, after.cycle):
        return ()
    match event:
        case desk.ContactAttempted() | desk.LeadConnected():
            attempt = Attempt(str(event_id), str(event.channel), milliseconds(event.occurred_at))
            return (*attempts, attempt)[-ATTEMPTS_KEPT:]
        case desk.ActionUndone():
            return tuple(a for a in attempts if a.action_id != event.action_id)
    return attempts


def recorded_before(attempts: tuple[Attempt, ...], channel: str, at: datetime | None) -> EventId | None:
    """The attempt on that channel at that very instant, if the caller has named one: the same told twice."""
    if at is None:
        return None
    at_ms = milliseconds(at)
    return next((EventId(a.action_id) for a in attempts if (a.channel, a.at_ms) == (channel, at_ms)), None)


def too_soon(attempts: tuple[Attempt, ...], terms: GivingUp | None, reason: Reason) -> str | None:
    """Why the lead may not be given up for this reason yet; none if it may."""
    if terms is None or reason not in terms.reasons:
        return None
    if terms.enough([a.channel for a in attempts]):
        return None
    channels = dict.fromkeys(a.channel for a in attempts)
    by = f" ({', '.join(channels)})" if channels else ""
    return (
        f"the agreement asks for {_count(terms.attempts, 'attempt')} on {_count(terms.channels, 'channel')} before a lead is "
        f"given up for {reason}, and there were {_count(len(attempts), 'attempt')} on {_count(len(channels), 'channel')}{by}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)
