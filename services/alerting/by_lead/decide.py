"""Whom to tell: channels of clocks that warn or breach and of leads that nobody takes, tools of what they hear."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement.durations import say_duration
from schemas.base import Event
from schemas.events.alerting import AlertKind, AlertRecalled, AlertRequested
from schemas.events.feedback import BreachForeseen
from schemas.events.routing import AssignmentWithdrawn, LeadQueued, QueueReason
from schemas.events.sla import ClockBreached, ClockCancelled, ClockCorrected, ClockMet, ClockWarned, Reassign
from schemas.ids import AlertId, AssignmentId, ClockName, LeadId, RecipientId, RepId, RuleId, TeamId
from schemas.lifecycle import Effect
from schemas.vocabulary import Because
from services.alerting.by_lead.escalating import audience, comes, late_by, planned, still_open
from services.alerting.by_lead.news import learned, news
from services.alerting.by_lead.recalling import recalled
from services.alerting.by_lead.state import CALMED_KEPT, Asked, Pending, Told
from services.runtime.protocol import Context, Decision


def decide(state: Told, event: Event, context: Context) -> Decision[Told]:
    """One AlertRequested for each channel, step of an escalation and rep, and one NewsReleased for each tool, that the agreement in
    force names for what happened."""
    state = replace(learned(state, event, context), pending=still_open(state.pending, event, context))
    state, settled = _settled(state, event, context)
    state, alerts = _alerts(state, event, context)
    state, steps = _steps(state, event, context)
    return Decision(state, (*settled, *alerts, *steps, *news(state, event, context)))


def _settled(state: Told, event: Event, context: Context) -> tuple[Told, list[AlertRecalled]]:
    """The recalls of alerts that nobody needs any more, should they be held back still."""
    if isinstance(event, ClockMet | ClockCancelled | ClockCorrected) and context.agreement.forecasts:
        state = replace(state, calmed=(*state.calmed, event.clock_id)[-CALMED_KEPT:])
    found = [(asked, recalled(asked, event, context)) for asked in state.asked]
    recalls = [recall for _, recall in found if recall is not None]
    return (replace(state, asked=tuple(a for a, recall in found if recall is None)) if recalls else state), recalls


def _alerts(state: Told, event: Event, context: Context) -> tuple[Told, list[AlertRequested]]:
    if isinstance(event, ClockWarned | ClockBreached):
        if context.life.assignment_id != event.assignment_id:
            return state, []  # it lost the race against an action: there is nothing left to hurry
        known = {(p.escalation, p.step, p.clock_id, p.share) for p in state.pending}
        new = [p for p in planned(event, context) if (p.escalation, p.step, p.clock_id, p.share) not in known]
        state = replace(state, pending=(*state.pending, *new))
        template = _of_clock(event)
    elif isinstance(event, BreachForeseen):
        if not context.life.held or context.life.rep != event.rep_id or event.clock_id in state.calmed:
            return state, []
        template = _of_forecast(event, context)
    elif (
        isinstance(event, LeadQueued)
        and context.effect is Effect.EFFECT
        and event.reason is not QueueReason.TO_BE_CLAIMED
    ):
        template = _of_queue(event, context)
    else:
        return state, []
    if isinstance(event, BreachForeseen):
        recipients = context.agreement.foretold_to(event.clock, event.team_id, event.probability)
    else:
        recipients = context.agreement.alerts_on(template.kind, template.clock, template.team_id)
    return _told(state, template, _occasion(event), recipients, getattr(event, "clock_id", None))


def _steps(state: Told, event: Event, context: Context) -> tuple[Told, list[AlertRequested]]:
    """The steps that are due; each tells each of its audience once."""
    said: list[AlertRequested] = []
    for step in sorted((p for p in state.pending if comes(p, event, context)), key=lambda p: (p.due_ms, p.step)):
        state = replace(state, pending=tuple(p for p in state.pending if p is not step))
        recipients = audience(step, context.agreement)
        if recipients:
            template, occasion = _of_step(step, context)
            if step.takes and isinstance(event, AssignmentWithdrawn):
                template = template.model_copy(update={"because": event.because, "happened_at": context.now})
            state, alerts = _told(state, template, occasion, recipients, step.clock_id)
            said += alerts
    return state, said


def _told(
    state: Told, template: AlertRequested, occasion: str, recipients: Iterable[RecipientId], clock_id: str | None
) -> tuple[Told, list[AlertRequested]]:
    said: list[AlertRequested] = []
    for recipient in recipients:
        alert_id = _alert_id(template, occasion, recipient)
        if alert_id not in state.alerts:
            state = state.having(Asked(alert_id, recipient, template.kind, clock_id))
            brief = {"grade": state.grade, "score": state.score, "buying_stage": state.stage}
            said.append(
                AlertRequested.model_validate({**dict(template), **brief, "recipient": recipient, "alert_id": alert_id})
            )
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


def _of_forecast(event: BreachForeseen, context: Context) -> AlertRequested:
    return AlertRequested(
        recipient=_NOBODY,
        alert_id=_NO_ALERT,
        kind=AlertKind.BREACH_LIKELY,
        lead_id=event.lead_id,
        team_id=event.team_id,
        rep_id=event.rep_id,
        assignment_id=context.life.assignment_id,
        clock=event.clock,
        deadline_at=event.deadline_at,
        happened_at=context.now,
        because=event.because,
        probability=event.probability,
    )


def _of_step(step: Pending, context: Context) -> tuple[AlertRequested, str]:
    """The alert of a step, and its occasion: that of the warning or breach itself if it comes with it, so that who is told of that
    by `alerts`, too, is told once."""
    deadline, after = _instant(step.deadline_ms), late_by(step, context.agreement)
    warned = step.share is not None
    what = (
        f"{step.share:.0%} of the clock {step.clock} has passed, it runs out at {_when(deadline)}"
        if warned
        else f"the clock {step.clock} ran out at {_when(deadline)}"
    )
    since = (
        f", and {say_duration(after)} later {step.rep} has not worked it"
        if after
        else f", {step.rep} has not worked it"
    )
    occasion = step.clock_id if not warned else f"{step.clock_id}|{step.share}"
    template = AlertRequested(
        recipient=_NOBODY,
        alert_id=_NO_ALERT,
        kind=AlertKind.CLOCK_WARNED if warned else AlertKind.CLOCK_BREACHED,
        lead_id=LeadId(context.key),
        team_id=TeamId(step.team),
        rep_id=RepId(step.rep),
        assignment_id=AssignmentId(step.assignment),
        clock=ClockName(step.clock),
        deadline_at=deadline,
        happened_at=_instant(step.due_ms),
        because=Because(what + since),
        escalation=RuleId(step.escalation),
    )
    return template, f"{occasion}|{step.escalation}|{step.step}" if after else occasion


def _occasion(event: Event) -> str:
    if isinstance(event, BreachForeseen):
        return f"{event.clock_id}|{event.deadline_at.timestamp():.3f}"
    if isinstance(event, ClockWarned):
        return f"{event.clock_id}|{event.share}"
    if isinstance(event, ClockBreached):
        return event.clock_id
    assert isinstance(event, LeadQueued)
    return f"{event.request_id}|{event.reason}"


def _alert_id(alert: AlertRequested, occasion: str, recipient: RecipientId) -> AlertId:
    """The same for the same occasion and recipient: what a mail's Message-ID and a webhook's id are made of."""
    text = f"{alert.kind}|{alert.lead_id}|{occasion}|{recipient}"
    return AlertId("alert." + hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
