"""When to tell: at once, in a digest, or not at all because it is settled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from msgspec.structs import replace

from schemas.agreement.alert_terms import Channel
from schemas.base import Event
from schemas.events.alerting import (
    AlertFailed,
    AlertKind,
    AlertLine,
    AlertRecalled,
    AlertReleased,
    AlertRequested,
    AlertSent,
    AlertWithdrawn,
    RecipientMuted,
)
from schemas.events.runtime import TimerDue
from schemas.ids import AlertId, RecipientId
from schemas.vocabulary import Because
from services.alerting.by_recipient.pacing import (
    GATHERED_AGAIN,
    LINES_PER_DIGEST,
    WINDOW,
    free_at,
    held_until,
    kept,
    milliseconds,
    next_digest,
    told,
)
from services.alerting.by_recipient.state import HELD, UNDER_WAY, Held, Pace, UnderWay
from services.runtime.protocol import Context, Decision


def decide(state: Pace, event: Event, context: Context) -> Decision[Pace]:
    """AlertReleased for what is to be delivered now; AlertRequested for what another channel is to deliver; AlertWithdrawn for
    what need not be delivered any more."""
    now = milliseconds(context.now)
    if isinstance(event, AlertRequested):
        return _requested(state, event, context, now)
    if isinstance(event, TimerDue) and state.release_at is not None and now >= state.release_at:
        return _digest(state, context, now)
    if isinstance(event, RecipientMuted):
        return Decision(_muted(state, milliseconds(event.until), now))
    if isinstance(event, AlertRecalled):
        return _recalled(state, event, context)
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
    channel = context.agreement.channels.get(alert.recipient)
    if channel is not None and channel.out_of_hours is not None and _opens(channel, context) is not None:
        handed = _handed(line, alert.recipient, channel.out_of_hours)
        if handed is not None:
            return Decision(state, (handed,))
    manner = context.agreement.manner_of(alert.recipient)
    state = replace(state, released=kept(state.released, manner.at_most, now))
    wait, gather = _wait(state, alert.recipient, context, now), _gathered(alert, manner.gather, now)
    until = wait.until if wait is not None else held_until(state.recent, state.held, gather, now)
    if until is None:
        after = _after(state, 1, now)
        return Decision(after, (_released(alert.recipient, alert.alert_id, (line,), channel, context),))
    why = wait.why if wait is not None else "gathered with others into one message"
    context.parts.put(HELD, f"{state.number:012d}", Held(line.model_dump_json(), line.alert_id, why))
    known = state.release_at if state.held else None
    return Decision(
        replace(
            state,
            held=state.held + 1,
            number=state.number + 1,
            release_at=until if known is None else known if gather else max(known, until),
        )
    )


def _after(state: Pace, lines: int, now: int) -> Pace:
    """The state after a message of so many alerts."""
    return replace(state, released=(*state.released, now), recent=told(state.recent, lines, now))


def _gathered(alert: AlertRequested, gather: timedelta, now: int) -> timedelta:
    """For how long it is gathered; none: it comes at once when it comes alone."""
    if alert.via:  # a digest that could not be delivered comes line by line, and is to be one message again
        gather = max(gather, GATHERED_AGAIN)
    if alert.kind is AlertKind.BREACH_LIKELY and alert.deadline_at is not None:  # in a digest, but while there is time to act
        left = timedelta(milliseconds=max(0, milliseconds(alert.deadline_at) - now))
        gather = min(max(gather, WINDOW), left / 2)
    return gather


def _digest(state: Pace, context: Context, now: int) -> Decision[Pace]:
    recipient = RecipientId(context.key)
    channel = context.agreement.channels.get(recipient)
    state = replace(state, released=kept(state.released, context.agreement.manner_of(recipient).at_most, now))
    wait = _wait(state, recipient, context, now)
    if wait is not None:  # it closed meanwhile
        return Decision(replace(state, release_at=wait.until))
    held = list(islice(context.parts.of(HELD), LINES_PER_DIGEST))
    for name, _ in held:
        context.parts.remove(HELD, name)
    lines = tuple(AlertLine.model_validate_json(part.line) for _, part in held)
    left = state.held - len(held)
    after = replace(_after(state, len(lines), now), held=left, release_at=next_digest(now) if left else None)
    if not lines:
        return Decision(after)
    return Decision(after, (_released(recipient, _digest_id(lines), lines, channel, context),))


def _recalled(state: Pace, recalled: AlertRecalled, context: Context) -> Decision[Pace]:
    """Withdraw the alert if it is held still; if it was handed on, so is the recall. What has been released is too late."""
    for name, part in context.parts.of(HELD):
        if (part.alert or AlertLine.model_validate_json(part.line).alert_id) != recalled.alert_id:
            continue
        context.parts.remove(HELD, name)
        left = state.held - 1
        because = f"{recalled.because}; until then it was held back: {part.why or 'for a digest'}"
        withdrawn = AlertWithdrawn(
            recipient=recalled.recipient, alert_id=recalled.alert_id, lead_id=recalled.lead_id, because=Because(because)
        )
        return Decision(replace(state, held=left, release_at=state.release_at if left else None), (withdrawn,))
    channel = context.agreement.channels.get(recalled.recipient)
    onward = {} if channel is None else dict.fromkeys(to for to in (channel.out_of_hours, channel.next) if to is not None)
    return Decision(
        state,
        tuple(
            AlertRecalled(
                recipient=to,
                alert_id=_id_for(recalled.alert_id, to),
                lead_id=recalled.lead_id,
                because=recalled.because,
                via=(*recalled.via, recalled.recipient),
            )
            for to in onward
            if to != recalled.recipient and to not in recalled.via
        ),
    )


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
    said = {**dict(line), "recipient": to, "alert_id": _id_for(line.alert_id, to), "via": (*line.via, by)}
    return AlertRequested.model_validate(said)


def _id_for(alert_id: AlertId, to: RecipientId) -> AlertId:
    """The id of an alert once it is handed on."""
    return AlertId("alert." + hashlib.blake2b(f"{alert_id}|{to}".encode(), digest_size=16).hexdigest())


@dataclass(frozen=True, slots=True)
class _Wait:
    """Until when nothing may come (ms), and why."""

    until: int
    why: str


def _wait(state: Pace, recipient: RecipientId, context: Context, now: int) -> _Wait | None:
    """What the recipient is to be left alone for: the longest; none: nothing."""
    at_most = context.agreement.manner_of(recipient).at_most
    waits = {
        "out of its hours": _opens(context.agreement.channels.get(recipient), context),
        "muted": state.muted_until if state.muted_until is not None and state.muted_until > now else None,
        "so many messages as the agreement allows had come": free_at(state.released, at_most, now),
    }
    found = [_Wait(until, why) for why, until in waits.items() if until is not None]
    return max(found, key=lambda wait: wait.until, default=None)


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
