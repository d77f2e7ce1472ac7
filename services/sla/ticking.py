"""What the passing of time does to clocks: pauses end, warnings and deadlines come, an agreement brings other hours."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from schemas.agreement.clock_terms import Clock, LateAnswer
from schemas.agreement.working_hours import RepHours
from schemas.base import Event
from services.runtime.protocol import Context
from services.sla import saying
from services.sla.deadlines import hours, instant, milliseconds, replanned, resumed, start
from services.sla.state import GOING, Hand, Missed, Running, Watch

Dated = list[tuple[int, Event]]
"""What is said of instants (ms since 1970), to be put into their order."""


def look_at_the_time(watch: Watch, context: Context, said: list[Event]) -> Watch:
    """Everything that has fallen due by now, in the order in which it did, however late it is."""
    dated: Dated = []
    clocks = tuple(_tick(c, watch, context, dated) if c.hand in GOING else c for c in watch.clocks)
    said += [event for _, event in sorted(dated, key=lambda at_and_event: at_and_event[0])]
    clocks = tuple(_with_grace(c, watch, context, said) for c in clocks)
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


def _tick(clock: Running, watch: Watch, context: Context, dated: Dated) -> Running:
    """End its pause if it is over, warn of every share that has come, then breach if the deadline has."""
    now_ms = milliseconds(context.now)
    if clock.hand is Hand.PAUSED:
        if clock.resume_ms is None or clock.resume_ms > now_ms:
            return clock
        clock = go_on(clock, watch, context, clock.resume_ms, "what was waited for has come", dated)
    for share, at in clock.warnings:
        if at <= now_ms:
            late = is_late(at, context)
            dated.append((at, saying.warned(clock, watch, context, share, at, late=late)))
    waiting = tuple((share, at) for share, at in clock.warnings if at > now_ms)
    if clock.deadline_ms > now_ms:
        return replace(clock, warnings=waiting)
    late = is_late(clock.deadline_ms, context)
    takes = clock.reassign and not (late and context.agreement.detected_late.answer is not LateAnswer.REASSIGN)
    dated.append(
        (clock.deadline_ms, saying.breached(clock, watch, context, context.position, late=late, reassign=takes))
    )
    return replace(clock, warnings=(), hand=Hand.BREACHED)


def is_late(at_ms: int, context: Context) -> bool:
    """Whether what fell due then counts as detected late."""
    return context.now - instant(at_ms) > context.agreement.detected_late.after


def _with_grace(clock: Running, watch: Watch, context: Context, said: list[Event]) -> Running:
    """A clock whose breach was detected late just now, and would have taken the lead away, gives the time back first.

    As much as it was late, so that the reassignments of an outage come no faster than they would have come without it.
    """
    before = next((c for c in watch.clocks if c.name == clock.name), clock)
    terms, rules = context.agreement.clock(clock.name), context.agreement.detected_late
    breached_now = clock.hand is Hand.BREACHED and before.hand in GOING
    if not (breached_now and clock.reassign and terms is not None and is_late(clock.deadline_ms, context)):
        return clock
    if rules.answer is not LateAnswer.GRACE:
        return clock
    grace = max(rules.grace, context.now - instant(clock.deadline_ms))
    begun = start(
        terms, watch, context.agreement, context.now, context.position,
        by=str(context.event_id), step=clock.step, grace=min(grace, timedelta(milliseconds=clock.within_ms)),
        missed=(*clock.missed, missed(clock)),
    )  # fmt: skip
    said.append(saying.started(begun, terms, watch, context))
    return begun


def missed(clock: Running) -> Missed:
    """The breach of the clock, to be remembered when it starts anew."""
    return Missed(clock.start, clock.started_ms, clock.deadline_ms, clock.step)


def go_on(clock: Running, watch: Watch, context: Context, at_ms: int, because: str, dated: Dated) -> Running:
    """The paused clock, running again from an instant on."""
    terms = context.agreement.clock(clock.name)
    if terms is None:
        return clock
    by = hours(terms, watch, context.agreement)
    clock = resumed(clock, by.open_time, at_ms, context.agreement.version)
    dated.append((at_ms, saying.resumed(clock, watch, context, because)))
    return clock


def replan(watch: Watch, context: Context, said: list[Event]) -> Watch:
    """Running clocks whose hours the agreement now in force has changed run by the new ones from its beginning on."""
    if all(c.version == context.agreement.version or c.hand is not Hand.RUNNING for c in watch.clocks):
        return watch
    return replace(watch, clocks=tuple(_replan(c, watch, context, said) for c in watch.clocks))


def _replan(clock: Running, watch: Watch, context: Context, said: list[Event]) -> Running:
    agreement = context.agreement
    if clock.hand is not Hand.RUNNING or clock.version == agreement.version:
        return clock
    old = context.agreement_at(clock.version)
    terms, before = agreement.clock(clock.name), old.clock(clock.name) if old is not None else None
    since_ms = milliseconds(agreement.since or context.now)
    if old is None or before is None or terms is None or clock.deadline_ms <= since_ms:
        return _of_version(clock, terms, agreement.version)
    was, is_ = hours(before, watch, old), hours(terms, watch, agreement)
    if was.opens_as(is_):
        return _of_version(clock, terms, agreement.version)
    at_ms = max(since_ms, clock.from_ms or clock.started_ms)
    clock = replanned(clock, was.open_time, is_.open_time, at_ms, agreement.version)
    because = f"version {agreement.version} of the agreement lets it run by {is_.words}, as it is from then on"
    said.append(saying.replanned(clock, watch, context, because))
    return clock


def _of_version(clock: Running, terms: Clock | None, version: int) -> Running:
    """The clock with its plan as it was. One that was remembered before its length was is given the agreement's."""
    within_ms = clock.within_ms
    if not within_ms and terms is not None:
        within_ms = terms.within // timedelta(milliseconds=1)
    return replace(clock, version=version, within_ms=within_ms)


def other_hours(watch: Watch, rep_hours: RepHours | None, context: Context, said: list[Event]) -> Watch:
    """The clocks under other hours of the rep, from now on. What has passed counts as it was charged, and what is due is due."""
    after = replace(watch, hours=rep_hours)
    now_ms = milliseconds(context.now)
    clocks = []
    for clock in watch.clocks:
        terms = context.agreement.clock(clock.name)
        if terms is not None and clock.hand is Hand.RUNNING and clock.deadline_ms > now_ms:
            was, is_ = hours(terms, watch, context.agreement), hours(terms, after, context.agreement)
            at_ms = max(now_ms, clock.from_ms or clock.started_ms)
            if not was.opens_as(is_):
                clock = replanned(clock, was.open_time, is_.open_time, at_ms, clock.version)
                because = f"the hours of {watch.rep} are others; it runs by {is_.words}"
                said.append(saying.replanned(clock, after, context, because))
        clocks.append(clock)
    return replace(after, clocks=tuple(clocks))
