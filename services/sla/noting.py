"""What an action means for the clocks that it finds: it meets them, shows their breach, takes one back, or undoes that."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.agreement import Clock
from schemas.agreement.clock_terms import ClockStart
from schemas.base import Event
from schemas.events.desk import ActionUndone
from services.runtime.protocol import Context
from services.sla import saying
from services.sla.deadlines import milliseconds
from services.sla.meaning import meets, pause
from services.sla.state import GOING, Hand, Missed, Running, Watch
from services.sla.ticking import Dated, go_on, is_late


def take_note(clock: Running, watch: Watch, event: Event, context: Context, said: list[Event]) -> Running:
    """The clock after an action in effect on its assignment, before anything starts or ends."""
    terms = context.agreement.clock(clock.name)
    if isinstance(event, ActionUndone):
        return _undone(clock, terms, watch, event, context, said)
    if terms is None or clock.hand in (Hand.MET, Hand.CANCELLED):
        return clock
    clock, behind = _taken_back(clock, terms, watch, event, context, said)
    if behind or not meets(terms, clock.step, event):
        return _breach_undone_by_waiting(clock, terms, watch, event, context, said)
    return answer(clock, watch, event, context, said)


def answer(clock: Running, watch: Watch, event: Event, context: Context, said: list[Event]) -> Running:
    """The clock after what it waited for, which counts from when it happened."""
    by = str(context.event_id)
    happened_ms = _happened_ms(event, context, clock.started_ms)
    in_time = clock.hand is Hand.PAUSED or happened_ms <= clock.deadline_ms
    if clock.hand is Hand.BREACHED:
        if not in_time:
            return replace(clock, met_by=clock.met_by or by)
        said.append(saying.corrected(clock, clock.name, watch, context, happened_ms))
        return replace(clock, hand=Hand.MET, met_by=by)
    if in_time:
        said.append(saying.met(clock, watch, context, happened_ms))
        return replace(clock, warnings=(), hand=Hand.MET, met_by=by)
    # The action itself shows that the promise was broken, before any timer did.
    # `since` lies before it, so that it keeps the assignment.
    late = is_late(clock.deadline_ms, context)
    said.append(saying.breached(clock, watch, context, context.position - 1, late=late, reassign=clock.reassign))
    return replace(clock, warnings=(), hand=Hand.BREACHED, met_by=by)


def _happened_ms(event: Event, context: Context, started_ms: int) -> int:
    """When the action happened: never before the clock started, never after it was recorded."""
    now_ms = milliseconds(context.now)
    return min(max(milliseconds(getattr(event, "occurred_at", context.now)), started_ms), now_ms)


def _taken_back(
    clock: Running, terms: Clock, watch: Watch, event: Event, context: Context, said: list[Event]
) -> tuple[Running, bool]:
    """Earlier breaches that the action takes back, and whether it belongs to one of them only, not to what runs now."""
    left: list[Missed] = []
    behind = False
    for missed in clock.missed:
        happened_ms = _happened_ms(event, context, missed.started_ms)
        if meets(terms, missed.step, event) and happened_ms <= missed.deadline_ms:
            said.append(saying.corrected(missed, clock.name, watch, context, happened_ms))
            behind = behind or clock.step > missed.step
        else:
            left.append(missed)
    return (replace(clock, missed=tuple(left)) if len(left) < len(clock.missed) else clock), behind


def _breach_undone_by_waiting(
    clock: Running, terms: Clock, watch: Watch, event: Event, context: Context, said: list[Event]
) -> Running:
    """A pause that began before the deadline and was recorded after it takes the breach back; then it starts anew."""
    if clock.hand is not Hand.BREACHED or clock.met_by is not None or pause(terms, event, context.now) is None:
        return clock
    happened_ms = _happened_ms(event, context, clock.started_ms)
    if happened_ms > clock.deadline_ms:
        return clock
    said.append(saying.corrected(clock, clock.name, watch, context, happened_ms))
    return replace(clock, hand=Hand.CANCELLED)


def _undone(
    clock: Running, terms: Clock | None, watch: Watch, event: ActionUndone, context: Context, said: list[Event]
) -> Running:
    """The clock when an action is taken back that met it, paused it, or started it within a row of its kind."""
    if clock.met_by == event.action_id:
        return replace(clock, hand=Hand.CANCELLED, met_by=None)
    if clock.hand is Hand.PAUSED and clock.paused_by == event.action_id:
        return resume(clock, watch, context, "what paused it was taken back", said)
    in_a_row = terms is not None and terms.starts_on in (ClockStart.NEXT_STEP, ClockStart.LAST_ACTION)
    if clock.started_by == event.action_id and (in_a_row or clock.step):
        if clock.hand in GOING:
            said.append(saying.cancelled(clock, watch, context, "the action that started it was taken back"))
        return replace(clock, warnings=(), hand=Hand.CANCELLED, met_by=None, step=max(clock.step - 1, 0))
    return clock


def resume(clock: Running, watch: Watch, context: Context, because: str, said: list[Event]) -> Running:
    """The paused clock, running again from now on."""
    dated: Dated = []
    clock = go_on(clock, watch, context, milliseconds(context.now), because, dated)
    said += [event for _, event in dated]
    return clock
