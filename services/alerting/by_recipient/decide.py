"""When to tell: at once, or in the digest that ends a storm."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from schemas.base import Event
from schemas.events.alerting import AlertLine, AlertReleased, AlertRequested
from schemas.events.runtime import TimerDue
from schemas.ids import AlertId, RecipientId
from services.alerting.by_recipient.pacing import LINES_PER_DIGEST, held_until, next_digest, within_window
from services.alerting.by_recipient.state import HELD, Held, Pace
from services.runtime.protocol import Context, Decision


def decide(state: Pace, event: Event, context: Context) -> Decision[Pace]:
    """AlertReleased for what is to be delivered now."""
    now = round(context.now.timestamp() * 1000)
    if isinstance(event, AlertRequested):
        return _requested(state, event, context, now)
    if isinstance(event, TimerDue) and state.release_at is not None and now >= state.release_at:
        return _digest(state, context, now)
    return Decision(state)


def due(state: Pace) -> datetime | None:
    """When the digest goes out; none if nothing is held back."""
    return None if state.release_at is None else datetime.fromtimestamp(state.release_at / 1000, UTC)


def _requested(state: Pace, alert: AlertRequested, context: Context, now: int) -> Decision[Pace]:
    line = AlertLine(
        alert_id=alert.alert_id,
        kind=alert.kind,
        lead_id=alert.lead_id,
        rep_id=alert.rep_id,
        clock=alert.clock,
        deadline_at=alert.deadline_at,
        happened_at=alert.happened_at,
        because=alert.because,
    )
    recent = within_window(state.released, now)
    channel = context.agreement.channels.get(alert.recipient)
    until = held_until(recent, state.held, channel.gather if channel is not None else timedelta(), now)
    if until is None:
        after = Pace(released=(*recent, now), number=state.number)
        return Decision(after, (AlertReleased(recipient=alert.recipient, alert_id=alert.alert_id, lines=(line,)),))
    context.parts.put(HELD, f"{state.number:012d}", Held(line.model_dump_json()))
    return Decision(Pace(recent, state.held + 1, state.number + 1, state.release_at or until))


def _digest(state: Pace, context: Context, now: int) -> Decision[Pace]:
    held = [(name, part) for name, part in context.parts.of(HELD)][:LINES_PER_DIGEST]
    for name, _ in held:
        context.parts.remove(HELD, name)
    lines = tuple(AlertLine.model_validate_json(part.line) for _, part in held)
    recent = (*within_window(state.released, now), now)
    left = state.held - len(held)
    after = Pace(recent, left, state.number, next_digest((now,), now) if left else None)
    if not lines:
        return Decision(after)
    digest = AlertReleased(recipient=RecipientId(context.key), alert_id=_digest_id(lines), lines=lines)
    return Decision(after, (digest,))


def _digest_id(lines: tuple[AlertLine, ...]) -> AlertId:
    if len(lines) == 1:
        return lines[0].alert_id
    text = "|".join(line.alert_id for line in lines)
    return AlertId("digest." + hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
