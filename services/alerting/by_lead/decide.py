"""Whom to tell: channels of clocks that warn or breach and of leads that nobody takes, tools of what they hear."""

from __future__ import annotations

import hashlib
from datetime import datetime

from schemas.base import Event
from schemas.events.alerting import AlertKind, AlertRequested
from schemas.events.routing import LeadQueued, QueueReason
from schemas.events.sla import ClockBreached, ClockWarned, Reassign
from schemas.ids import AlertId, RecipientId
from schemas.lifecycle import Effect
from schemas.vocabulary import Because
from services.alerting.by_lead.news import learned, news
from services.alerting.by_lead.state import Told
from services.runtime.protocol import Context, Decision


def decide(state: Told, event: Event, context: Context) -> Decision[Told]:
    """One AlertRequested for each channel, and one NewsReleased for each tool, that the agreement in force names for what happened."""
    state = learned(state, event, context)
    state, alerts = _alerts(state, event, context)
    return Decision(state, (*alerts, *news(state, event, context)))


def _alerts(state: Told, event: Event, context: Context) -> tuple[Told, list[AlertRequested]]:
    if isinstance(event, ClockWarned | ClockBreached):
        if context.life.assignment_id != event.assignment_id:
            return state, []  # it lost the race against an action: there is nothing left to hurry
        template = _of_clock(event)
    elif (
        isinstance(event, LeadQueued)
        and context.effect is Effect.EFFECT
        and event.reason is not QueueReason.TO_BE_CLAIMED
    ):
        template = _of_queue(event, context)
    else:
        return state, []
    said: list[AlertRequested] = []
    for recipient in context.agreement.alerts_on(template.kind, template.clock, template.team_id):
        alert = template.model_copy(update={"recipient": recipient, "alert_id": _alert_id(template, event, recipient)})
        if alert.alert_id not in state.alerts:
            state = state.having(alert.alert_id)
            said.append(alert)
    return state, said


_NOBODY = RecipientId("nobody")
_NO_ALERT = AlertId("none")


def _of_clock(event: ClockWarned | ClockBreached) -> AlertRequested:
    if isinstance(event, ClockWarned):
        kind, at = AlertKind.CLOCK_WARNED, event.due_at
        because = f"{event.share:.0%} of the clock {event.clock} has passed, it runs out at {_when(event.deadline_at)}"
    else:
        kind, at = AlertKind.CLOCK_BREACHED, event.deadline_at
        then = (
            f"the lead is taken from {event.rep_id}"
            if isinstance(event.on_breach, Reassign)
            else f"{event.rep_id} keeps it"
        )
        because = f"the clock {event.clock} ran out at {_when(event.deadline_at)}, {then}"
    return AlertRequested(
        recipient=_NOBODY,
        alert_id=_NO_ALERT,
        kind=kind,
        lead_id=event.lead_id,
        team_id=event.team_id,
        rep_id=event.rep_id,
        assignment_id=event.assignment_id,
        clock=event.clock,
        deadline_at=event.deadline_at,
        happened_at=at,
        because=Because(because),
    )


def _of_queue(event: LeadQueued, context: Context) -> AlertRequested:
    return AlertRequested(
        recipient=_NOBODY,
        alert_id=_NO_ALERT,
        kind=AlertKind.LEAD_QUEUED,
        lead_id=event.lead_id,
        team_id=event.team_id,
        rep_id=None,
        assignment_id=None,
        clock=None,
        deadline_at=None,
        happened_at=context.now,
        because=event.because,
    )


def _alert_id(alert: AlertRequested, event: Event, recipient: RecipientId) -> AlertId:
    """The same for the same occasion and recipient: what a mail's Message-ID and a webhook's id are made of."""
    if isinstance(event, ClockWarned):
        occasion = f"{event.clock_id}|{event.share}"
    elif isinstance(event, ClockBreached):
        occasion = event.clock_id
    else:
        assert isinstance(event, LeadQueued)
        occasion = f"{event.request_id}|{event.reason}"
    text = f"{alert.kind}|{alert.lead_id}|{occasion}|{recipient}"
    return AlertId("alert." + hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
