"""What sla says: clocks start with an assignment, warn, and then are met, breached or cancelled, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from schemas.agreement.clock_terms import ActionWord, Clock, ClockStart
from schemas.agreement.known import facts, learn
from schemas.agreement.working_hours import RepHours
from schemas.base import Event
from schemas.events.desk import ContactAttempted, NextStepSet
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import LeadAssigned, WorkingHoursChanged
from schemas.events.runtime import TimerDue
from schemas.lifecycle import ACTIONS, LIFE_EVENTS, Effect, Life
from schemas.presence import WorkingHours
from services.runtime.protocol import Context, Decision
from services.sla import saying
from services.sla.deadlines import hours, instant, milliseconds, next_due_ms, paused, start
from services.sla.meaning import applies, pause
from services.sla.noting import answer, resume, take_note
from services.sla.state import GOING, Hand, Missed, Running, Watch
from services.sla.ticking import look_at_the_time, missed, other_hours, replan


def due(watch: Watch) -> datetime | None:
    """When the next warning or deadline comes, or a pause ends."""
    at = next_due_ms(watch.clocks)
    return None if at is None else instant(at)


def touched_by_agreement(watch: Watch) -> bool:
    """Clocks that promise something look at a new agreement when it comes into force."""
    return any(c.hand in GOING for c in watch.clocks)


def decide(watch: Watch, event: Event, context: Context) -> Decision[Watch]:
    """What `event` does to the clocks of the lead's assignment. Says nothing when nothing has changed."""
    said: list[Event] = []
    known = learn(watch.known, event, context.before, context.effect)
    if known is not watch.known:
        watch = replace(watch, known=known)
    if _watched(watch, context.before):
        watch = replan(watch, context, said)
    if isinstance(event, WorkingHoursChanged):
        if _watched(watch, context.life) and event.assignment_id == watch.assignment:
            watch = other_hours(watch, _rep_hours(event.hours), context, said)
    elif isinstance(event, TimerDue):
        if _watched(watch, context.life):
            watch = look_at_the_time(_drop_what_is_no_longer_promised(watch, context, said), context, said)
    elif context.effect is Effect.EFFECT and type(event) in LIFE_EVENTS:
        if _watched(watch, context.before) or _watched(watch, context.life):
            watch = _take_note(watch, event, context, said)
        watch = _follow(watch, event, context, said)
    return Decision(watch, tuple(said))


def _drop_what_is_no_longer_promised(watch: Watch, context: Context, said: list[Event]) -> Watch:
    """A clock that the agreement now in force has no more is cancelled; one that it has changed keeps its promise."""
    gone = [c for c in watch.clocks if c.hand in GOING and context.agreement.clock(c.name) is None]
    if not gone:
        return watch
    because = f"version {context.agreement.version} of the agreement has no such clock"
    return replace(
        watch, clocks=tuple(_cancel(c, watch, context, because, said) if c in gone else c for c in watch.clocks)
    )


def _take_note(watch: Watch, event: Event, context: Context, said: list[Event]) -> Watch:
    """What an action in effect, or a word of the prospect, means for the clocks that there are."""
    if isinstance(event, LeadSubmitted):
        because = "the prospect has written again"
        clocks = tuple(
            resume(c, watch, context, because, said) if c.hand is Hand.PAUSED and c.until_answered else c
            for c in watch.clocks
        )
    elif type(event) in ACTIONS:
        clocks = tuple(take_note(c, watch, event, context, said) for c in watch.clocks)
    else:
        return watch
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


# ------------------------------------------------------------------ the life of the assignment


def _watched(watch: Watch, life: Life) -> bool:
    return life.held and watch.assignment == life.offer


def _follow(watch: Watch, event: Event, context: Context, said: list[Event]) -> Watch:
    """Let the clocks be those that the lead's state now calls for."""
    life = context.life
    if not life.held:
        ended = _cancel_all(watch, context, f"the assignment ended with {type(event).__name__}", said)
        return ended if life.undoable else Watch(known=watch.known)
    newly = watch.assignment != life.offer
    if newly:
        _cancel_all(watch, context, "another assignment is in effect", said)
        watch = Watch(
            assignment=str(life.offer),
            rep=str(life.rep or ""),
            team=str(life.team or ""),
            hours=_hours_of(event),
            known=watch.known,
        )
    clocks = tuple(_wanted(watch, event, context, newly, said))
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


def _hours_of(event: Event) -> RepHours | None:
    """When the rep works who was given the lead, as the roster said then."""
    return _rep_hours(event.hours) if isinstance(event, LeadAssigned) else None


def _rep_hours(said: WorkingHours | None) -> RepHours | None:
    if said is None:
        return None
    return RepHours(
        None if said.calendar is None else str(said.calendar),
        None if said.zone is None else str(said.zone),
        tuple((tuple(b.days), b.start, b.end) for b in said.breaks),
        tuple((str(x.first), str(x.last)) for x in said.leave),
    )


def _cancel_all(watch: Watch, context: Context, because: str, said: list[Event]) -> Watch:
    clocks = tuple(_cancel(c, watch, context, because, said) if c.hand in GOING else c for c in watch.clocks)
    return replace(watch, clocks=clocks) if clocks != watch.clocks else watch


def _cancel(clock: Running, watch: Watch, context: Context, because: str, said: list[Event]) -> Running:
    said.append(saying.cancelled(clock, watch, context, because))
    return replace(clock, warnings=(), hand=Hand.CANCELLED, resume_ms=None)


def _wanted(watch: Watch, event: Event, context: Context, newly: bool, said: list[Event]) -> Iterator[Running]:
    """The clocks after `event`, in the agreement's order; those that it no longer has stay as they are."""
    have = {c.name: c for c in watch.clocks}
    for terms in context.agreement.clocks:
        clock = have.pop(terms.id, None)
        if not applies(terms, context.life):
            clock = _without_object(clock, terms, watch, event, context, said)
        elif _starts(clock, terms, event, context, newly) and _is_for(terms, watch, context):
            clock = _begin(clock, terms, watch, event, context, said)
        if clock is not None:
            yield _held_up(clock, terms, watch, event, context, said)
    yield from have.values()


def _without_object(
    clock: Running | None, terms: Clock, watch: Watch, event: Event, context: Context, said: list[Event]
) -> Running | None:
    """The clock of a lead that has left the state that it is for; leaving a stage is what a stage's clock waits for."""
    if clock is None or clock.hand in (Hand.MET, Hand.CANCELLED):
        return clock
    if terms.starts_on is ClockStart.STAGE and clock.met_by is None:
        return answer(clock, watch, event, context, said)
    if clock.hand in GOING:
        return _cancel(clock, watch, context, "the lead is no longer in the state that the clock is for", said)
    return replace(clock, hand=Hand.CANCELLED, met_by=None)


def _is_for(terms: Clock, watch: Watch, context: Context) -> bool:
    """Whether the clock is for this team and for such leads."""
    if terms.teams and watch.team not in terms.teams:
        return False
    return terms.when is None or context.agreement.evaluate(
        terms.when, facts(watch.known, context.now, context.key)
    ).holds


def _starts(clock: Running | None, terms: Clock, event: Event, context: Context, newly: bool) -> bool:
    """Whether the clock starts here, for the first time or anew.

    A breach whose withdrawal lost against an action would leave the lead unwatched, so every action in effect
    that does not meet a breached clock starts it anew.
    """
    unanswered = clock is not None and clock.hand is Hand.BREACHED and clock.met_by is None and type(event) in ACTIONS
    if terms.starts_on is ClockStart.NEXT_STEP:
        return isinstance(event, NextStepSet) or unanswered
    if clock is None:
        entered = context.before.held and not applies(terms, context.before)
        return (newly or entered) and not _claim_meets(terms, event)
    return clock.hand is Hand.CANCELLED or unanswered or _goes_on(clock, terms, event, context)


def _goes_on(clock: Running, terms: Clock, event: Event, context: Context) -> bool:
    """Whether what has just met the clock starts the next of its row."""
    if clock.met_by != str(context.event_id):
        return False
    if terms.starts_on is ClockStart.LAST_ACTION:
        return True
    return isinstance(event, ContactAttempted) and clock.step < len(terms.then)


def _claim_meets(terms: Clock, event: Event) -> bool:
    """A rep who claims a lead has accepted it: a clock that waits for that has nothing to promise."""
    claimed = isinstance(event, LeadAssigned) and event.claimed_by is not None
    return claimed and terms.starts_on is ClockStart.ASSIGNED and ActionWord.ACCEPTED in terms.met_by


def _begin(
    clock: Running | None, terms: Clock, watch: Watch, event: Event, context: Context, said: list[Event]
) -> Running:
    """The clock, started here. A next step's starts when the step is due; of a row the next one starts."""
    earlier: tuple[Missed, ...] = ()
    step = 0
    if clock is not None:
        if clock.hand in GOING:
            _cancel(clock, watch, context, "another next step was set", said)
        earlier = (*clock.missed, missed(clock)) if clock.hand is Hand.BREACHED else clock.missed
        next_one = terms.starts_on is not ClockStart.LAST_ACTION and _goes_on(clock, terms, event, context)
        step = clock.step + 1 if next_one else clock.step
    at = context.now
    if terms.starts_on is ClockStart.NEXT_STEP and isinstance(event, NextStepSet):
        at = max(at, event.due_at)
    begun = start(
        terms, watch, context.agreement, at, context.position, by=str(context.event_id), step=step, missed=earlier
    )
    said.append(saying.started(begun, terms, watch, context))
    return begun


def _held_up(
    clock: Running, terms: Clock, watch: Watch, event: Event, context: Context, said: list[Event]
) -> Running:
    """The clock, paused if the action says that something is waited for and that in time."""
    wait = pause(terms, event, context.now) if clock.hand in GOING and type(event) in ACTIONS else None
    if wait is None:
        return clock
    until, until_answered = wait
    if clock.hand is Hand.PAUSED:
        clock = resume(clock, watch, context, "something else is waited for now", said)
    begun = clock.from_ms or clock.started_ms
    at_ms = min(max(milliseconds(getattr(event, "occurred_at", context.now)), begun), milliseconds(context.now))
    if at_ms > clock.deadline_ms or begun > milliseconds(context.now):
        return clock
    by = hours(terms, watch, context.agreement).open_time
    clock = paused(clock, by, at_ms, milliseconds(until), str(context.event_id), until_answered=until_answered)
    because = f"{type(event).__name__} says that something is waited for" + (
        ", or until the prospect writes" if until_answered else ""
    )
    said.append(saying.paused(clock, watch, context, at_ms, because))
    return clock
