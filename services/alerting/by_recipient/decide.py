"""When to tell: at once, or in the digest that ends a storm."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from schemas.agreement.alert_terms import Channel
from schemas.base import Event
from schemas.events.alerting import AlertFailed, AlertLine, AlertReleased, AlertRequested, AlertSent, RecipientMuted
from schemas.events.runtime import TimerDue
from schemas.ids import AlertId, RecipientId
from services.alerting.by_recipient.pacing import (
    GATHERED_AGAIN,
    LINES_PER_DIGEST,
    held_until,
    milliseconds,
    next_digest,
    within_window,
)
from services.alerting.by_recipient.state import HELD, UNDER_WAY, Held, Pace, UnderWay
from services.runtime.protocol import Context, Decision


def decide(state: Pace, event: Event, context: Context) -> Decision[Pace]:
    """AlertReleased for what is to be delivered now; AlertRequested for what another channel is to deliver."""
    now = milliseconds(context.now)
    if isinstance(event, AlertRequested):
        return _requested(state, event, context, now)
    if isinstance(event, TimerDue) and state.release_at is not None and now >= state.release_at:
        return _digest(state, context, now)
    if isinstance(event, RecipientMuted):
        return Decision(_muted(state, milliseconds(event.until), now))
    if isinstance(event, AlertSent):
        context.parts.remove(UNDER_WAY, event.alert_id)
    if isinstance(event, AlertFailed):
        return Decision(state, tuple(_handed_to_next(event, context)))
    return Decision(state)


def due(state: Pace) -> datetime | None:
    """When the digest goes out; none if nothing is held back."""
    return None if state.release_at is None else datetime.fromtimestamp(state.release_at / 1000, UTC)


def _muted(state: Pace, until: int, now: int) -> Pace:
    """Silence until then; at its end, or if that has passed, what is held goes out as one."""
    ends = max(until, now)
    return replace(
        state, muted_until=until if until > now else None, release_at=ends if state.held else None
    )


def _requested(state: Pace, alert: AlertRequested, context: Context, now: int) -> Decision[Pace]:
    line = AlertLine.model_validate({name: getattr(alert, name) for name in AlertLine.model_fields})
    recent = within_window(state.released, now)
    channel = context.agreement.channels.get(alert.recipient)
    opens, silent = _opens(channel, context), _silent(state, now)
    if opens is not None and channel is not None and channel.out_of_hours is not None:
        handed = _handed(line, alert.recipient, channel.out_of_hours)
        if handed is not None:
            return Decision(state, (handed,))
    gather = channel.gather if channel is not None else timedelta()
    if alert.via:  # a digest that could not be delivered comes line by line, and is to be one message again
        gather = max(gather, GATHERED_AGAIN)
    waits = [at for at in (opens, silent) if at is not None]
    until = max(waits) if waits else held_until(recent, state.held, gather, now)
    if until is None:
        after = replace(state, released=(*recent, now))
        return Decision(after, (_released(alert.recipient, alert.alert_id, (line,), channel, context),))
    context.parts.put(HELD, f"{state.number:012d}", Held(line.model_dump_json()))
    return Decision(
        replace(
            state,
            released=recent,
            held=state.held + 1,
            number=state.number + 1,
            release_at=state.release_at or until,
        )
    )


def _digest(state: Pace, context: Context, now: int) -> Decision[Pace]:
    recipient = RecipientId(context.key)
    channel = context.agreement.channels.get(recipient)
    waits = [at for at in (_opens(channel, context), _silent(state, now)) if at is not None]
    if waits:  # it closed meanwhile
        return Decision(replace(state, release_at=max(waits)))
    held = [(name, part) for name, part in context.parts.of(HELD)][:LINES_PER_DIGEST]
    for name, _ in held:
        context.parts.remove(HELD, name)
    lines = tuple(AlertLine.model_validate_json(part.line) for _, part in held)
    recent = (*within_window(state.released, now), now)
    left = state.held - len(held)
    after = replace(state, released=recent, held=left, release_at=next_digest((now,), now) if left else None)
    if not lines:
        return Decision(after)
    return Decision(after, (_released(recipient, _digest_id(lines), lines, channel, context),))


def _released(
    recipient: RecipientId, alert_id: AlertId, lines: tuple[AlertLine, ...], channel: Channel | None, context: Context
) -> AlertReleased:
    if channel is not None and channel.next is not None:
        context.parts.put(UNDER_WAY, alert_id, UnderWay(tuple(line.model_dump_json() for line in lines)))
    return AlertReleased(recipient=recipient, alert_id=alert_id, lines=lines)


def _handed_to_next(failed: AlertFailed, context: Context) -> Iterator[AlertRequested]:
    """What could not be delivered, for the next channel that the agreement names, if there is one."""
    message = context.parts.get(UNDER_WAY, failed.alert_id)
    context.parts.remove(UNDER_WAY, failed.alert_id)
    channel = context.agreement.channels.get(failed.recipient)
    if message is None or channel is None or channel.next is None:
        return
    for text in message.lines:
        handed = _handed(AlertLine.model_validate_json(text), failed.recipient, channel.next)
        if handed is not None:
            yield handed


def _handed(line: AlertLine, by: RecipientId, to: RecipientId) -> AlertRequested | None:
    """The alert for another recipient, under an id that is the same whenever it is handed on; none: he has had it already."""
    if to == by or to in line.via or line.team_id is None:
        return None
    text = f"{line.alert_id}|{to}"
    said = {
        **dict(line),
        "recipient": to,
        "alert_id": "alert." + hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        "via": (*line.via, by),
    }
    return AlertRequested.model_validate(said)


def _silent(state: Pace, now: int) -> int | None:
    """Until when the recipient is muted (ms); none: he is not."""
    return state.muted_until if state.muted_until is not None and state.muted_until > now else None


def _opens(channel: Channel | None, context: Context) -> int | None:
    """When the channel's hours begin (ms); none: it has none, or they are now."""
    if channel is None or channel.hours is None:
        return None
    calendar = context.agreement.calendar(channel.hours)
    opens = None if calendar.is_open(context.now) else calendar.next_change(context.now)
    return None if opens is None else milliseconds(opens)


def _digest_id(lines: tuple[AlertLine, ...]) -> AlertId:
    if len(lines) == 1:
        return lines[0].alert_id
    text = "|".join(line.alert_id for line in lines)
    return AlertId("digest." + hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
