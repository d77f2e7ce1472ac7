"""What sla says: clocks start with an assignment, warn, and then are met, breached or cancelled, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from schemas.agreement import Clock
from schemas.agreement.durations import say_duration
from schemas.agreement.facts import sentence
from schemas.agreement.terms import ActionWord, ClockStart
from schemas.base import Event
from schemas.events import sla
from schemas.events.desk import ActionUndone
from schemas.events.routing import LeadAssigned
from schemas.events.runtime import TimerDue
from schemas.ids import AssignmentId, ClockId, ClockName, LeadId, RepId, TeamId
from schemas.lifecycle import ACTIONS, Effect, Life, State
from services.runtime.protocol import Context, Decision
from services.sla.deadlines import applies, instant, meets, milliseconds, next_due_ms, start
from services.sla.state import Hand, Running, Watch

LATE_AFTER_MS = 60_000
"""A deadline noticed later than this is marked as detected late: the service was down, nobody else was slow."""


def due(watch: Watch) -> datetime | None:
    """When the next warning or deadline comes."""
    at = next_due_ms(watch.clocks)
    return None if at is None else instant(at)


def touched_by_agreement(watch: Watch) -> bool:
    """Running clocks look at a new agreement when it comes into force."""
    return any(c.hand is Hand.RUNNING for c in watch.clocks)


def decide(watch: Watch, event: Event, context: Context) -> Decision[Watch]:
    """What `event` does to the clocks of the lead's assignment. Says nothing when nothing has changed."""
    said: list[Event] = []
    if isinstance(event, TimerDue):
        watch = _look_at_the_time(watch, context, said)
    elif context.effect is Effect.EFFECT:
        if type(event) in ACTIONS:
            watch = _take_note(watch, event, context, said)
        watch = _follow(watch, event, context, said)
    return Decision(watch, tuple(said))


# ------------------------------------------------------------------ the time


def _look_at_the_time(watch: Watch, context: Context, said: list[Event]) -> Watch:
    if not _watched(watch, context.life):
        return watch
    watch = _drop_what_is_no_longer_promised(watch, context, said)
    now_ms = milliseconds(context.now)
    clocks = tuple(_tick(c, watch, context, now_ms, said) if c.hand is Hand.RUNNING else c for c in watch.clocks)
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


def _drop_what_is_no_longer_promised(watch: Watch, context: Context, said: list[Event]) -> Watch:
    """A clock that the agreement now in force has no more is cancelled; one that it has changed keeps its promise."""
    gone = [c for c in watch.clocks if c.hand is Hand.RUNNING and context.agreement.clock(c.name) is None]
    if not gone:
        return watch
    because = f"version {context.agreement.version} of the agreement has no such clock"
    return replace(
        watch, clocks=tuple(_cancel(c, watch, context, because, said) if c in gone else c for c in watch.clocks)
    )


def _tick(clock: Running, watch: Watch, context: Context, now_ms: int, said: list[Event]) -> Running:
    """Warn of every share that has come, then breach if the deadline has."""
    for share, at in clock.warnings:
        if at <= now_ms:
            late = now_ms - at > LATE_AFTER_MS
            said.append(
                sla.ClockWarned(
                    **_names(clock, watch, context),
                    share=share,
                    due_at=instant(at),
                    deadline_at=instant(clock.deadline_ms),
                    detected_late=late,
                )
            )
    waiting = tuple((share, at) for share, at in clock.warnings if at > now_ms)
    if clock.deadline_ms > now_ms:
        return replace(clock, warnings=waiting)
    said.append(_breached(clock, watch, context, context.position, now_ms))
    return replace(clock, warnings=(), hand=Hand.BREACHED)


def _breached(clock: Running, watch: Watch, context: Context, since: int, now_ms: int) -> sla.ClockBreached:
    return sla.ClockBreached(
        **_names(clock, watch, context),
        deadline_at=instant(clock.deadline_ms),
        since=since,
        on_breach=sla.Reassign() if clock.reassign else sla.AlertOnly(),
        detected_late=now_ms - clock.deadline_ms > LATE_AFTER_MS,
    )


# ------------------------------------------------------------------ actions


def _take_note(watch: Watch, event: Event, context: Context, said: list[Event]) -> Watch:
    """What an action in effect on the watched assignment means for its clocks, before anything starts or ends."""
    if watch.assignment is None or not (_watched(watch, context.before) or _watched(watch, context.life)):
        return watch
    clocks = tuple(_noted(c, watch, event, context, said) for c in watch.clocks)
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


def _noted(clock: Running, watch: Watch, event: Event, context: Context, said: list[Event]) -> Running:
    if isinstance(event, ActionUndone):
        return replace(clock, hand=Hand.CANCELLED, met_by=None) if clock.met_by == event.action_id else clock
    if (
        not _watched(watch, context.before)
        or not meets(context.agreement.clock(clock.name), event)
        or clock.met_by is not None
    ):
        return clock
    if clock.hand is Hand.CANCELLED:
        return clock
    now_ms = milliseconds(context.now)
    happened_ms = min(max(milliseconds(getattr(event, "occurred_at", context.now)), clock.started_ms), now_ms)
    in_time = happened_ms <= clock.deadline_ms
    if clock.hand is Hand.BREACHED:
        if in_time:
            said.append(_corrected(clock, watch, context, happened_ms))
        return replace(clock, met_by=str(context.event_id))
    if in_time:
        said.append(
            sla.ClockMet(
                **_names(clock, watch, context),
                met_at=instant(happened_ms),
                met_by=context.event_id,
                deadline_at=instant(clock.deadline_ms),
            )
        )
        return replace(clock, warnings=(), hand=Hand.MET, met_by=str(context.event_id))
    # The action itself shows that the promise was broken, before any timer did.
    # `since` lies before it, so that it keeps the assignment.
    said.append(_breached(clock, watch, context, context.position - 1, now_ms))
    return replace(clock, warnings=(), hand=Hand.BREACHED, met_by=str(context.event_id))


def _corrected(clock: Running, watch: Watch, context: Context, happened_ms: int) -> sla.ClockCorrected:
    return sla.ClockCorrected(
        **_names(clock, watch, context),
        corrected_by=context.event_id,
        happened_at=instant(happened_ms),
        because=sentence("it was recorded after the deadline and had happened before it"),
    )


# ------------------------------------------------------------------ the life of the assignment


def _watched(watch: Watch, life: Life) -> bool:
    return life.held and watch.assignment == life.offer


def _follow(watch: Watch, event: Event, context: Context, said: list[Event]) -> Watch:
    """Let the clocks be those that the lead's state now calls for."""
    life = context.life
    if not life.held:
        ended = _cancel_all(watch, context, f"the assignment ended with {type(event).__name__}", said)
        return ended if life.undoable else Watch()
    newly = watch.assignment != life.offer
    if newly:
        _cancel_all(watch, context, "another assignment is in effect", said)
        watch = Watch(assignment=str(life.offer), rep=str(life.rep or ""), team=str(life.team or ""))
    return replace(watch, clocks=tuple(_wanted(watch, event, context, newly, said)))


def _cancel_all(watch: Watch, context: Context, because: str, said: list[Event]) -> Watch:
    clocks = tuple(_cancel(c, watch, context, because, said) if c.hand is Hand.RUNNING else c for c in watch.clocks)
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


def _cancel(clock: Running, watch: Watch, context: Context, because: str, said: list[Event]) -> Running:
    said.append(
        sla.ClockCancelled(**_names(clock, watch, context), cancelled_at=context.now, because=sentence(because))
    )
    return replace(clock, warnings=(), hand=Hand.CANCELLED)


def _wanted(watch: Watch, event: Event, context: Context, newly: bool, said: list[Event]) -> Iterator[Running]:
    """The clocks after `event`, in the agreement's order; those that it no longer has stay as they are."""
    have = {c.name: c for c in watch.clocks}
    for terms in context.agreement.clocks:
        clock = have.pop(terms.id, None)
        if not applies(terms, context.life):
            if clock is not None and clock.hand is Hand.RUNNING:
                clock = _cancel(clock, watch, context, "the lead is no longer in the state that the clock is for", said)
            elif clock is not None and clock.hand is Hand.BREACHED:
                clock = replace(clock, hand=Hand.CANCELLED, met_by=None)
        elif _starts(clock, terms, event, context, newly):
            clock = start(terms, context.agreement, context.now, context.position)
            said.append(_started(clock, terms, watch, context))
        if clock is not None:
            yield clock
    yield from have.values()


def _starts(clock: Running | None, terms: Clock, event: Event, context: Context, newly: bool) -> bool:
    """Whether the clock starts here, for the first time or anew.

    A breach whose withdrawal lost against an action would leave the lead unwatched, so every action in effect
    that does not meet a breached clock starts it anew.
    """
    if clock is None:
        became_accepted = terms.starts_on is ClockStart.ACCEPTED and context.before.state is State.ASSIGNED
        return (newly or became_accepted) and not _claim_meets(terms, event)
    if clock.hand is Hand.CANCELLED:
        return True
    return clock.hand is Hand.BREACHED and clock.met_by is None and type(event) in ACTIONS


def _claim_meets(terms: Clock, event: Event) -> bool:
    """A rep who claims a lead has accepted it: a clock that waits for that has nothing to promise."""
    claimed = isinstance(event, LeadAssigned) and event.claimed_by is not None
    return claimed and terms.starts_on is ClockStart.ASSIGNED and ActionWord.ACCEPTED in terms.met_by


def _started(clock: Running, terms: Clock, watch: Watch, context: Context) -> sla.ClockStarted:
    title = f" ({terms.title})" if terms.title else ""
    return sla.ClockStarted(
        **_names(clock, watch, context),
        started_at=instant(clock.started_ms),
        deadline_at=instant(clock.deadline_ms),
        warn_at=tuple((share, instant(at)) for share, at in clock.warnings),
        calendar=terms.calendar,
        because=sentence(
            f"{terms.id}{title} promises one of {', '.join(terms.met_by)} "
            f"within {say_duration(terms.within)} of the calendar {terms.calendar}"
        ),
        agreement=context.agreement.name,
        agreement_version=context.agreement.version,
    )


def _names(clock: Running, watch: Watch, context: Context) -> dict[str, Any]:
    """What every event of this clock says."""
    return {
        "lead_id": LeadId(context.key),
        "clock_id": ClockId(f"{watch.assignment}.{clock.name}.{clock.start}"),
        "clock": ClockName(clock.name),
        "assignment_id": AssignmentId(watch.assignment or ""),
        "team_id": TeamId(watch.team),
        "rep_id": RepId(watch.rep),
    }
