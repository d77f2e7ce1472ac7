"""The events of a clock, as sla says them."""

from __future__ import annotations

from typing import Any

from schemas.agreement import Clock
from schemas.agreement.clocking import promise_in_words
from schemas.agreement.facts import sentence
from schemas.events import sla
from schemas.ids import AssignmentId, ClockId, ClockName, LeadId, RepId, TeamId
from services.runtime.protocol import Context
from services.sla.deadlines import hours, instant
from services.sla.state import Missed, Running, Watch


def started(clock: Running, terms: Clock, watch: Watch, context: Context) -> sla.ClockStarted:
    by = hours(terms, watch, context.agreement)
    promise = promise_in_words(terms, by, terms.step(clock.step), clock.step)
    if clock.grace:
        promise = f"the breach of {terms.id} was detected late, and the lead stays until then"
    return sla.ClockStarted(
        **_names(clock, watch, context),
        started_at=instant(clock.started_ms),
        deadline_at=instant(clock.deadline_ms),
        warn_at=_warnings(clock),
        calendar=by.calendar_id,
        because=sentence(promise),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
        step=clock.step,
        grace=clock.grace,
    )


def warned(clock: Running, watch: Watch, context: Context, share: float, at_ms: int, *, late: bool) -> sla.ClockWarned:
    return sla.ClockWarned(
        **_names(clock, watch, context),
        share=share,
        due_at=instant(at_ms),
        deadline_at=instant(clock.deadline_ms),
        detected_late=late,
    )


def breached(
    clock: Running, watch: Watch, context: Context, since: int, *, late: bool, reassign: bool
) -> sla.ClockBreached:
    return sla.ClockBreached(
        **_names(clock, watch, context),
        deadline_at=instant(clock.deadline_ms),
        since=since,
        on_breach=sla.Reassign() if reassign else sla.AlertOnly(),
        detected_late=late,
    )


def met(clock: Running, watch: Watch, context: Context, at_ms: int) -> sla.ClockMet:
    return sla.ClockMet(
        **_names(clock, watch, context),
        met_at=instant(at_ms),
        met_by=context.event_id,
        deadline_at=instant(clock.deadline_ms),
    )


def corrected(clock: Running | Missed, name: str, watch: Watch, context: Context, at_ms: int) -> sla.ClockCorrected:
    return sla.ClockCorrected(
        **_names(clock, watch, context, name),
        corrected_by=context.event_id,
        happened_at=instant(at_ms),
        because=sentence("it was recorded after the deadline and had happened before it"),
    )


def cancelled(clock: Running, watch: Watch, context: Context, because: str) -> sla.ClockCancelled:
    return sla.ClockCancelled(
        **_names(clock, watch, context), cancelled_at=context.now, because=sentence(because)
    )


def paused(clock: Running, watch: Watch, context: Context, at_ms: int, because: str) -> sla.ClockPaused:
    until = None if clock.resume_ms is None else instant(clock.resume_ms)
    return sla.ClockPaused(
        **_names(clock, watch, context), paused_at=instant(at_ms), because=sentence(because), until=until
    )


def resumed(clock: Running, watch: Watch, context: Context, because: str) -> sla.ClockResumed:
    return sla.ClockResumed(
        **_names(clock, watch, context),
        resumed_at=instant(clock.from_ms),
        deadline_at=instant(clock.deadline_ms),
        because=sentence(because),
        warn_at=_warnings(clock),
    )


def replanned(clock: Running, watch: Watch, context: Context, because: str) -> sla.ClockReplanned:
    return sla.ClockReplanned(
        **_names(clock, watch, context),
        replanned_at=instant(clock.from_ms),
        deadline_at=instant(clock.deadline_ms),
        warn_at=_warnings(clock),
        because=sentence(because),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )


def _warnings(clock: Running) -> tuple[tuple[float, Any], ...]:
    return tuple((share, instant(at)) for share, at in clock.warnings)


def _names(clock: Running | Missed, watch: Watch, context: Context, name: str | None = None) -> dict[str, Any]:
    """What every event of this clock says."""
    named = clock.name if isinstance(clock, Running) else name
    return {
        "lead_id": LeadId(context.key),
        "clock_id": ClockId(f"{watch.assignment}.{named}.{clock.start}"),
        "clock": ClockName(named or ""),
        "assignment_id": AssignmentId(watch.assignment or ""),
        "team_id": TeamId(watch.team),
        "rep_id": RepId(watch.rep),
    }

