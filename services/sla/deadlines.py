"""When a clock's promise falls due and when it warns: at its start, after a pause, under other hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from schemas.agreement import ALWAYS, Agreement, BreachAnswer, Clock
from schemas.agreement.open_time import NeverOpen, OpenTime
from schemas.agreement.working_hours import ClockHours, Whose, hours_of, prospect_zone
from services.sla.state import Hand, Missed, Running, Watch

MISSED_KEPT = 8


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def instant(ms: int) -> datetime:
    """The instant of so many ms since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def hours(terms: Clock, watch: Watch, agreement: Agreement) -> ClockHours:
    """The hours that the clock runs by for this assignment."""
    where = prospect_zone(watch.known.attributes, watch.known.country)
    return hours_of(agreement, terms, Whose(watch.hours, watch.team, where))


def _after(open_time: OpenTime, at: datetime, length: timedelta) -> datetime:
    """A deadline by hours that never come (a rep who is on leave for ever) is one around the clock."""
    try:
        return open_time.after(at, length)
    except NeverOpen:
        return ALWAYS.add_open_time(at, length)


def start(
    terms: Clock,
    watch: Watch,
    agreement: Agreement,
    at: datetime,
    position: int,
    *,
    by: str,
    step: int = 0,
    missed: tuple[Missed, ...] = (),
    grace: timedelta | None = None,
) -> Running:
    """A running of the clock from `at` on. step: which attempt of a cadence; grace: only so much time, and no warning."""
    within = grace if grace is not None else terms.step(step).within
    begun = Running(
        name=str(terms.id),
        start=position,
        started_ms=milliseconds(at),
        deadline_ms=0,
        reassign=terms.on_breach is BreachAnswer.REASSIGN,
        version=agreement.version,
        within_ms=within // timedelta(milliseconds=1),
        step=step,
        grace=grace is not None,
        started_by=by,
        missed=missed[-MISSED_KEPT:],
    )
    shares = () if grace is not None else terms.warn_at
    return _planned(begun, hours(terms, watch, agreement).open_time, milliseconds(at), 0, shares)


def _planned(clock: Running, open_time: OpenTime, from_ms: int, spent_ms: int, shares: Iterable[float]) -> Running:
    """The clock with the rest of its time from an instant on. shares: those that it has not warned of yet."""
    at, spent, within = instant(from_ms), timedelta(milliseconds=spent_ms), timedelta(milliseconds=clock.within_ms)
    return replace(
        clock,
        from_ms=from_ms,
        spent_ms=spent_ms,
        deadline_ms=milliseconds(_after(open_time, at, within - spent)),
        warnings=tuple((s, milliseconds(_after(open_time, at, within * s - spent))) for s in shares),
    )


def spent_by(clock: Running, open_time: OpenTime, at_ms: int) -> int:
    """Open time of the clock that has passed by an instant, in ms."""
    passed = open_time.between(instant(clock.from_ms or clock.started_ms), instant(at_ms))
    return min(clock.within_ms, clock.spent_ms + passed // timedelta(milliseconds=1))


def paused(clock: Running, open_time: OpenTime, at_ms: int, until_ms: int, by: str, *, until_answered: bool) -> Running:
    """The clock, held from an instant on."""
    return replace(
        clock,
        hand=Hand.PAUSED,
        spent_ms=spent_by(clock, open_time, at_ms),
        resume_ms=until_ms,
        paused_by=by,
        until_answered=until_answered,
    )


def resumed(clock: Running, open_time: OpenTime, at_ms: int, version: int) -> Running:
    """The clock, going on from an instant."""
    on = replace(
        clock, hand=Hand.RUNNING, resume_ms=None, paused_by=None, until_answered=False, version=version
    )
    return _planned(on, open_time, at_ms, clock.spent_ms, [share for share, _ in clock.warnings])


def replanned(clock: Running, before: OpenTime, after: OpenTime, at_ms: int, version: int) -> Running:
    """The clock under other hours from an instant on."""
    spent = spent_by(clock, before, at_ms)
    shares = [share for share, at in clock.warnings if at > at_ms]
    due = tuple(w for w in clock.warnings if w[1] <= at_ms)
    on = _planned(replace(clock, version=version), after, at_ms, spent, shares)
    return replace(on, warnings=(*due, *on.warnings))


def next_due_ms(clocks: tuple[Running, ...]) -> int | None:
    """When the next warning, deadline or end of a pause comes."""
    return min((at for c in clocks for at in _instants(c)), default=None)


def _instants(clock: Running) -> tuple[int, ...]:
    if clock.hand is Hand.PAUSED:
        return () if clock.resume_ms is None else (clock.resume_ms,)
    return (clock.deadline_ms, *(at for _, at in clock.warnings)) if clock.hand is Hand.RUNNING else ()
