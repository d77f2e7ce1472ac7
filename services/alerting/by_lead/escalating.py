"""Escalation: the steps that follow a clock's warning or breach while nobody works the lead. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from schemas.agreement import Agreement
from schemas.agreement.alert_terms import THE_REP, Step
from schemas.agreement.clock_terms import ActionWord
from schemas.base import Event
from schemas.events import desk
from schemas.events.alerting import ToolKind
from schemas.events.sla import ClockBreached, ClockCancelled, ClockCorrected, ClockMet, ClockPaused, ClockWarned
from schemas.ids import ClockName, RecipientId, RuleId
from schemas.lifecycle import Effect
from services.alerting.by_lead.news import recipient_of
from services.alerting.by_lead.state import Pending
from services.runtime.protocol import Context

CALMS: frozenset[type[Event]] = frozenset({ClockMet, ClockCancelled, ClockCorrected, ClockPaused})
"""What sla says when there is nothing left to hurry about."""
_WORK: frozenset[type[Event]] = frozenset(
    {
        desk.LeadAccepted,
        desk.ContactAttempted,
        desk.LeadConnected,
        desk.MeetingRecorded,
        desk.OpportunityOpened,
    }
)
"""Actions by which a rep works the lead that he has; those that end the assignment end its paths anyhow."""
_WRITING = {desk.NoteAdded: ActionWord.NOTED, desk.NextStepSet: ActionWord.NEXT_STEP}
"""A note is no work, unless the agreement says that it meets the clock."""


def planned(event: ClockWarned | ClockBreached, context: Context) -> Iterator[Pending]:
    """The steps that the agreement in force has for this warning or breach, the next one first."""
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
                )


def still_open(pending: tuple[Pending, ...], event: Event, context: Context) -> tuple[Pending, ...]:
    """The steps that still come after the event: none of an assignment that has ended or is worked, none of a clock that is at peace."""
    if not pending:
        return pending
    if type(event) in CALMS:
        pending = tuple(p for p in pending if p.clock_id != getattr(event, "clock_id", None))
    life = context.life
    pending = tuple(p for p in pending if p.assignment == life.assignment_id)
    if context.effect is not Effect.EFFECT:
        return pending
    return tuple(p for p in pending if not _works(event, p, context.agreement))


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
    if step.calendar is None:
        return start + step.after
    calendar = context.agreement.calendar(step.calendar)
    due = calendar.add_open_time(start, step.after)
    return due if calendar.is_open(due) or due > start else calendar.next_change(due) or due


def _works(event: Event, pending: Pending, agreement: Agreement) -> bool:
    if type(event) in _WORK:
        return True
    word = _WRITING.get(type(event))
    clock = agreement.clock(ClockName(pending.clock))
    return word is not None and clock is not None and word in clock.met_by


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)
