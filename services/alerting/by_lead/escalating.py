"""Escalation: the steps that follow a clock's warning or breach while nobody works the lead. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from schemas.agreement import Agreement
from schemas.agreement.alert_terms import THE_REP, Step
from schemas.agreement.escalating import step_comes, works
from schemas.base import Event
from schemas.events.alerting import ToolKind
from schemas.events.routing import AssignmentWithdrawn, Escalated, OfferedToTeam
from schemas.events.sla import ClockBreached, ClockCancelled, ClockCorrected, ClockMet, ClockPaused, ClockWarned
from schemas.ids import ClockName, RecipientId, RuleId
from schemas.lifecycle import Effect
from services.alerting.by_lead.news import recipient_of
from services.alerting.by_lead.state import Pending
from services.runtime.protocol import Context

CALMS: frozenset[type[Event]] = frozenset({ClockMet, ClockCancelled, ClockCorrected, ClockPaused})
"""What sla says when there is nothing left to hurry about."""


def planned(event: ClockWarned | ClockBreached, context: Context) -> Iterator[Pending]:
    """The steps that the agreement in force has for this warning or breach; none after a breach that an action has answered."""
    if isinstance(event, ClockBreached) and context.life.last_action > event.since:
        return
    for path in context.agreement.escalations:
        if not path.concerns(event.clock, event.team_id):
            continue
        for number, step in enumerate(path.steps):
            if _is_of(step, event, context.agreement):
                yield Pending(
                    escalation=path.id,
                    step=number,
                    clock=event.clock,
                    clock_id=event.clock_id,
                    assignment=event.assignment_id,
                    rep=event.rep_id,
                    team=event.team_id,
                    deadline_ms=_ms(event.deadline_at),
                    due_ms=_ms(_due(step, event, context)),
                    share=event.share if isinstance(event, ClockWarned) else None,
                    takes=step.do is not None,
                )


def still_open(pending: tuple[Pending, ...], event: Event, context: Context) -> tuple[Pending, ...]:
    """The steps that still come after the event: none of an assignment that has ended or is worked, none of a clock that is at peace."""
    if not pending:
        return pending
    if type(event) in CALMS:
        pending = tuple(p for p in pending if p.clock_id != getattr(event, "clock_id", None))
    life = context.life
    pending = tuple(p for p in pending if p.assignment == life.assignment_id or is_told_by(event, p, context))
    if context.effect is not Effect.EFFECT:
        return pending
    return tuple(p for p in pending if not works(event, ClockName(p.clock), context.agreement))


def comes(pending: Pending, event: Event, context: Context) -> bool:
    """Whether the step's time has come; that of one that takes the lead away with the event that does so."""
    return is_told_by(event, pending, context) if pending.takes else pending.due_ms <= _ms(context.now)


def is_told_by(event: Event, pending: Pending, context: Context) -> bool:
    """Whether this step takes the lead from its rep by this event."""
    cause = event.cause if isinstance(event, AssignmentWithdrawn) else None
    if not isinstance(cause, Escalated | OfferedToTeam) or context.effect is not Effect.EFFECT:
        return False
    return (cause.escalation, cause.step, cause.clock) == (pending.escalation, pending.step, pending.clock)


def audience(pending: Pending, agreement: Agreement) -> tuple[RecipientId, ...]:
    """Whom the step tells by the agreement in force; nobody if that has no such step any more."""
    path = next((p for p in agreement.escalations if p.id == pending.escalation), None)
    if path is None or pending.step >= len(path.steps):
        return ()
    to = path.steps[pending.step].to
    return tuple(recipient_of(ToolKind.REP, pending.rep) if name == THE_REP else name for name in to)


def late_by(pending: Pending, agreement: Agreement) -> timedelta:
    """How long after its warning or breach the step comes, as the agreement says."""
    path = next(p for p in agreement.escalations if p.id == RuleId(pending.escalation))
    return path.steps[pending.step].after


def _is_of(step: Step, event: ClockWarned | ClockBreached, agreement: Agreement) -> bool:
    if isinstance(event, ClockBreached):
        return step.on == "breached"
    if step.on != "warned":
        return False
    if step.share is not None:
        return step.share == event.share
    clock = agreement.clock(event.clock)
    return clock is None or not clock.warn_at or event.share == clock.warn_at[0]


def _due(step: Step, event: ClockWarned | ClockBreached, context: Context) -> datetime:
    """The instant of the step. What was detected late counts from now: an outage does not have every step come at once."""
    at = event.due_at if isinstance(event, ClockWarned) else event.deadline_at
    start = max(at, context.now) if event.detected_late else at
    return step_comes(step, start, context.agreement)


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)
