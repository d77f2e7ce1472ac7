"""The late steps of an escalation path: a lead that stays unworked is offered to the team, or given to another rep."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from schemas.agreement import Agreement, sentence
from schemas.agreement.alert_terms import Step, StepDoes
from schemas.agreement.clock_terms import LateAnswer
from schemas.agreement.durations import say_duration
from schemas.agreement.escalating import step_comes, works
from schemas.base import Event
from schemas.events.routing import AssignmentWithdrawn, Escalated, OfferedToTeam, ToClaim
from schemas.events.runtime import TimerDue
from schemas.events.sla import ClockBreached, ClockCorrected, Reassign
from schemas.ids import AssignmentId, ClockName, LeadId, RuleId, request_id
from schemas.lifecycle import Effect, State
from services.routing.lead.state import Move, ToTeam
from services.runtime.protocol import Context

_WAITS = frozenset({State.UNROUTED, State.OPEN})


def planned(moves: tuple[Move, ...], event: Event, context: Context) -> tuple[Move, ...]:
    """The steps that still come after the event: those of a breach are added; work, a breach taken back and the
    assignment's end take them away."""
    if not moves and not isinstance(event, ClockBreached):
        return moves
    if not context.life.held or context.life.offer != context.before.offer:
        return ()
    if isinstance(event, ClockCorrected):
        return tuple(m for m in moves if m.clock_id != event.clock_id)
    if isinstance(event, ClockBreached):
        known = {(m.escalation, m.step, m.clock_id) for m in moves}
        return (*moves, *(m for m in _of(event, context) if (m.escalation, m.step, m.clock_id) not in known))
    if context.effect is not Effect.EFFECT:
        return moves
    return tuple(m for m in moves if not works(event, ClockName(m.clock), context.agreement))


def _of(event: ClockBreached, context: Context) -> Iterator[Move]:
    """The steps of the agreement in force that take the lead away after this breach; none if it is taken away at once, or
    was worked meanwhile, or the agreement leaves it to the rep when a breach was detected late."""
    agreement, life = context.agreement, context.life
    answered = life.offer != event.assignment_id or life.last_action > event.since
    left = event.detected_late and agreement.detected_late.answer is LateAnswer.ALERT
    if answered or left or isinstance(event.on_breach, Reassign):
        return
    grace = _grace(context.now - event.deadline_at, event.clock, agreement) if event.detected_late else None
    for path in agreement.escalations:
        if not path.concerns(event.clock, event.team_id):
            continue
        for number, step in enumerate(path.steps):
            if step.do is None:
                continue
            start, length = event.deadline_at, step.after
            if grace is not None:
                start, length = context.now, step.after + grace
            due_ms = _ms(step_comes(step, start, agreement, length))
            offer = step.do is StepDoes.OFFER_TO_TEAM
            yield Move(path.id, number, event.clock, event.clock_id, due_ms, offer)


def _grace(late: timedelta, clock: str, agreement: Agreement) -> timedelta | None:
    """What is given back after so much lateness of ours: as much again, as for a clock whose breach was detected late, so
    that what an outage held up does not come all at once. None: nothing, the agreement says so."""
    rules, terms = agreement.detected_late, agreement.clock(clock)
    if rules.answer is not LateAnswer.GRACE:
        return None
    given = max(late, rules.grace)
    return given if terms is None else min(given, terms.within)


def moved(
    moves: tuple[Move, ...], event: Event, context: Context
) -> tuple[tuple[Move, ...], AssignmentWithdrawn | None]:
    """(the steps that are left, the withdrawal that is due). Of two steps that are due giving to another rep wins."""
    now_ms = _ms(context.now)
    if not isinstance(event, TimerDue) or not any(m.due_ms <= now_ms for m in moves):
        return moves, None
    moves = tuple(m for m in moves if _step(m, context.agreement) is not None)
    due = sorted((m for m in moves if m.due_ms <= now_ms), key=lambda m: (m.offer, m.due_ms))
    if not due:
        return moves, None
    late = context.now - _instant(min(m.due_ms for m in due))
    if late > context.agreement.detected_late.after:
        answer = context.agreement.detected_late.answer
        if answer is LateAnswer.ALERT:
            return tuple(m for m in moves if m not in due), None
        if answer is LateAnswer.GRACE:
            return _put_off(moves, min(m.due_ms for m in due), context), None
    return (), _withdrawn(due[0], moves, context)


def _put_off(moves: tuple[Move, ...], first_ms: int, context: Context) -> tuple[Move, ...]:
    """The steps as far from each other as they were, the first of them after the time that is given back."""
    out = []
    for move in moves:
        step = _step(move, context.agreement)
        late = context.now - _instant(first_ms)
        grace = _grace(late, move.clock, context.agreement) or timedelta()
        if step is not None:
            hours = context.agreement.calendar(step.calendar)
            apart = hours.open_time_between(_instant(first_ms), _instant(move.due_ms))
            comes = step_comes(step, context.now, context.agreement, grace + apart)
            out.append(replace(move, due_ms=_ms(comes)))
    return tuple(out)


def _step(move: Move, agreement: Agreement) -> Step | None:
    """The step by the agreement in force; none if that has no such step any more."""
    path = next((p for p in agreement.escalations if p.id == move.escalation), None)
    step = path.steps[move.step] if path is not None and move.step < len(path.steps) else None
    wanted = StepDoes.OFFER_TO_TEAM if move.offer else StepDoes.REASSIGN
    return step if step is not None and step.do is wanted else None


def _withdrawn(move: Move, moves: tuple[Move, ...], context: Context) -> AssignmentWithdrawn:
    step = _step(move, context.agreement)
    after = f" in {say_duration(step.after)}" if step is not None and step.after else ""
    what = "it is offered to the team" if move.offer else "it goes to another rep"
    named = {
        "since": context.position,
        "clock": ClockName(move.clock),
        "escalation": RuleId(move.escalation),
        "step": move.step,
    }
    later = [m.due_ms for m in moves if not m.offer and m.due_ms > move.due_ms]
    until = {"until": _instant(min(later))} if later else {}
    cause = OfferedToTeam.model_validate({**named, **until}) if move.offer else Escalated.model_validate(named)
    return AssignmentWithdrawn(
        lead_id=LeadId(context.key),
        assignment_id=AssignmentId(context.life.offer or ""),
        cause=cause,
        because=sentence(
            f"{context.life.rep} did not work it{after} after {move.clock} had run out, so {what} ({move.escalation})"
        ),
    )


def to_team(known: ToTeam | None, event: Event, context: Context) -> ToTeam | None:
    """What is remembered of a lead that is offered to the team, for as long as it waits for that."""
    life = context.life
    if (
        context.effect is Effect.EFFECT
        and isinstance(event, AssignmentWithdrawn)
        and isinstance(event.cause, OfferedToTeam)
    ):
        until_ms = None if event.cause.until is None else _ms(event.cause.until)
        return ToTeam(request_id(LeadId(context.key), life.epoch), until_ms, str(event.because))
    waits = life.state in _WAITS and (life.state is State.OPEN or life.epoch == context.before.epoch)
    return known if waits else None


def to_claim(known: ToTeam | None, request: str | None, context: Context) -> ToClaim | None:
    """How the request is to be claimed; none: it is not offered to the team."""
    if known is None or known.request != request:
        return None
    back = tuple(rep for rep in context.life.late if rep not in context.life.excluded)
    until = None if known.until_ms is None else _instant(known.until_ms)
    return ToClaim(may_claim=back, until=until)


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
