"""Naive variants of the rules. Each was once somebody's reading of the plan; the checker must find out each.

A mutant wraps the product's `decide`s or replaces a rule of its fold; the product knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from schemas import lifecycle
from schemas.base import Event
from schemas.events import desk, intake, recycling, routing, runtime, scoring
from schemas.ids import ProcessorName
from schemas.lifecycle import ACTIONS, Effect, Life, State
from services.routing.team.state import OVER, WAIT
from services.runtime.protocol import Context, Decision
from services.sla import decide as sla_decide
from services.sla.state import Hand

Inner = Callable[[Any, Event, Context], Decision[Any]]
Decide = Callable[[Any, Event, Context, Inner], Decision[Any]]
Rule = Callable[[Life, Any, lifecycle.At], lifecycle.After]
LEAD, TEAM, SCORING, RECYCLING = map(ProcessorName, ("routing.lead", "routing.team", "scoring", "recycling"))


@dataclass(frozen=True)
class Mutant:
    """One naive variant, and where to look for what it breaks."""

    name: str
    breaks: str
    """What it breaks, as the invariants say it (a part of the sentence)."""
    decide: dict[ProcessorName, Decide] = field(default_factory=dict)
    rules: dict[type[Event], Callable[[Rule], Rule]] = field(default_factory=dict)
    moves: tuple[str, ...] = ()
    """The moves that the history is made of; none: all."""
    flavour: str = "push"
    dead: bool = False
    zombies: bool = False
    skewed: bool = False
    """Agreements stay in force at different times in different logs."""
    scans_once: bool = False
    never_restarts: bool = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """With the fold and sla's restart changed as this mutant would have them."""
        rules = dict(lifecycle._RULES)
        starts = sla_decide._starts
        for event, change in self.rules.items():
            lifecycle._RULES[event] = change(rules[event])
        if self.never_restarts:
            sla_decide._starts = _without_restart(starts)
        try:
            yield
        finally:
            lifecycle._RULES.update(rules)
            sla_decide._starts = starts


NONE = Mutant("none", "")


def _without(keep: Callable[[Event, Event, Context], bool]) -> Decide:
    """A processor that keeps to itself what `keep(said, event, context)` refuses."""

    def decide(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
        decision = inner(state, event, context)
        return Decision(decision.state, tuple(e for e in decision.events if keep(e, event, context)))

    return decide


def _keeps_release(said: Event, event: Event, context: Context) -> bool:
    if not isinstance(said, routing.AssignmentReleased) or isinstance(event, routing.LeadAssigned):
        return True
    return context.before.held and context.before.offer == said.request_id


def _request_early(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    decision = inner(state, event, context)
    said: list[Event] = []
    for e in decision.events:
        asks = isinstance(e, routing.AssignmentRequested) and not isinstance(e.ask, routing.Retake)
        if not asks:
            said.append(e)
        if isinstance(e, routing.LeadRouted):
            said.append(
                routing.AssignmentRequested(
                    team_id=e.team_id,
                    lead_id=e.lead_id,
                    request_id=e.request_id,
                    number=1,
                    ask=e.ask,
                    role=context.life.role,
                    grade="D4",
                    score=decision.state.known.score,
                    arrived_at=context.now,
                    agreement=e.agreement,
                    agreement_version=e.agreement_version,
                )
            )
    return Decision(decision.state, tuple(said))


def _since_breach(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    decision = inner(state, event, context)
    said = [
        e.model_copy(update={"cause": e.cause.model_copy(update={"since": context.position})})
        if isinstance(e, routing.AssignmentWithdrawn) and isinstance(e.cause, routing.AfterBreach)
        else e
        for e in decision.events
    ]
    return Decision(decision.state, tuple(said))


def _react_naively(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    decision = inner(state, event, context)
    reads_it = isinstance(event, intake.LeadSubmitted) and context.effect is Effect.EFFECT

    def late(e: Event) -> bool:
        return isinstance(e, recycling.LeadReactivated) and e.woken_by.kind == "submission" and not reads_it

    if not any(late(e) for e in decision.events):
        return decision
    return Decision(decision.state, tuple(e for e in decision.events if not late(e)))


def _verdict_on_submission(said: Event, event: Event, context: Context) -> bool:
    if not isinstance(said, scoring.LeadQualified | scoring.LeadNurtured | scoring.LeadDisqualified):
        return True
    return isinstance(event, intake.LeadSubmitted | recycling.LeadReactivated | intake.LeadsUnmerged)


def _claim_any(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    if isinstance(event, desk.LeadClaimed):
        wait = context.parts.get(WAIT, event.request_id)
        if wait is not None:
            context.parts.put(WAIT, event.request_id, replace(wait, excluded=()))
    return inner(state, event, context)


def _no_numbers(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    if isinstance(event, routing.AssignmentRequested):
        context.parts.remove(OVER, event.request_id)
    if isinstance(event, routing.AssignmentReleased):
        event = event.model_copy(update={"number": 1_000_000})
    return inner(state, event, context)


def _no_version_team(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    if isinstance(event, routing.AssignmentRequested):
        event = event.model_copy(update={"agreement_version": 0})
    return inner(state, event, context)


def _flush_on_timer(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    if isinstance(event, runtime.TimerDue):
        return inner(state, event, context)
    decision = inner(replace(state, settled=1_000_000), event, context)
    return Decision(replace(decision.state, settled=state.settled), decision.events)


def _without_restart(starts: Callable[..., bool]) -> Callable[..., bool]:
    def never_again(clock: Any, terms: Any, event: Event, context: Context, newly: bool) -> bool:
        again = clock is not None and clock.hand is Hand.BREACHED and type(event) in ACTIONS
        return not again and starts(clock, terms, event, context, newly)

    return never_again


def _whatever_was_done(rule: Rule) -> Rule:
    """An offer whose time was over, or a lead whose escalation comes, is taken away whatever was done with it meanwhile."""

    def withdrawn(life: Life, e: routing.AssignmentWithdrawn, at: lifecycle.At) -> lifecycle.After:
        late = not isinstance(e.cause, routing.AfterBreach | routing.RepGone)
        return rule(replace(life, last_action=-1) if late else life, e, at)

    return withdrawn


def _given_up_whatever_was_done(rule: Rule) -> Rule:
    """A lead is given up as was decided, whatever was done with it meanwhile."""
    return lambda life, e, at: rule(replace(life, last_action=-1), e, at)


def _wakes_whatever_rests(rule: Rule) -> Rule:
    """A contest that was lost by the rep brings the lead back whatever it rests for by now."""

    def decided(life: Life, e: desk.ContestDecided, at: lifecycle.At) -> lifecycle.After:
        contest = life.contest
        if contest is not None:
            life = replace(life, contest=replace(contest, cycle=life.cycle, ended=life.ended))
        return rule(life, e, at)

    return decided


def _asks_anybody(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    """A team is asked for anybody of the pool."""
    decision = inner(state, event, context)
    said = [
        e.model_copy(update={"ask": routing.FromPool(pool_id=e.ask.pool_id)})
        if isinstance(e, routing.AssignmentRequested) and isinstance(e.ask, routing.FromPool)
        else e
        for e in decision.events
    ]
    return Decision(decision.state, tuple(said))


def _keeps_overflowed(state: Any, event: Event, context: Context, inner: Inner) -> Decision[Any]:
    before = dict(context.parts.of(WAIT))
    decision = inner(state, event, context)
    for said in decision.events:
        if isinstance(said, routing.LeadQueued) and said.reason is routing.QueueReason.OVERFLOWED:
            context.parts.put(WAIT, said.request_id, replace(before[said.request_id], until_ms=None))
    return decision


def _any_epoch(rule: Rule) -> Rule:
    return lambda life, e, at: rule(life, e.model_copy(update={"epoch": life.epoch}), at)


def _any_life(rule: Rule) -> Rule:
    return lambda life, e, at: rule(life, e.model_copy(update={"judged_at": at.position}), at)


def _reopens(rule: Rule) -> Rule:
    def undone(life: Life, e: desk.ActionUndone, at: lifecycle.At) -> lifecycle.After:
        after, effect = rule(life, e, at)
        if effect is Effect.EFFECT and life.undoable[-1][1].state is State.OPEN:
            before = life.undoable[-1][1]
            return replace(
                before, undoable=life.undoable[:-1], submitted=life.submitted, contents=life.contents
            ), effect
        return after, effect

    return undone


def _to_anybody(rule: Rule) -> Rule:
    def ordered(life: Life, e: desk.ReassignmentOrdered, at: lifecycle.At) -> lifecycle.After:
        after, effect = rule(replace(life, rejected_by=()), e, at)
        return replace(after, rejected_by=life.rejected_by), effect

    return ordered


def _no_version(rule: Rule) -> Rule:
    return lambda life, e, at: rule(life, e.model_copy(update={"agreement_version": 0}), at)


def _by_escalation(cause: Any) -> bool:
    return isinstance(cause, routing.Escalated | routing.OfferedToTeam)


_BASE = ("LeadAccepted", "LeadRejected", "RepJoined")

MUTANTS = (
    Mutant(
        "a release is said only at the end of an assignment",
        "I3 queue entries differ",
        {LEAD: _without(_keeps_release)},
        moves=("LeadErased", "LeadSubmitted", "RepLeft", "LeadSuppressed"),
    ),
    Mutant(
        "a request is sent with LeadRouted and not on reading it back",
        "I",
        {LEAD: _request_early},
        moves=("LeadErased", "LeadSubmitted", "CrmWon", "ActionUndone", "RepLeft"),
    ),
    Mutant(
        "any LeadRouted opens a waiting lead",
        "I6 routed",
        rules={routing.LeadRouted: _any_epoch},
        moves=("LeadErased", "LeadSubmitted", "CrmWon", "ActionUndone"),
    ),
    Mutant(
        "a verdict counts whenever it arrives",
        "I6 a verdict",
        rules=dict.fromkeys((scoring.LeadQualified, scoring.LeadNurtured, scoring.LeadDisqualified), _any_life),
        moves=("LeadErased", "LeadSubmitted", "LeadsMerged", "LeadsUnmerged"),
    ),
    Mutant(
        "undo brings back a request under its old id",
        "I",
        rules={desk.ActionUndone: _reopens},
        moves=("CrmWon", "CrmLost", "ActionUndone", "RepAvailabilityChanged"),
    ),
    Mutant(
        "undo of a rejection does not take the place again",
        "I2 places differ",
        {LEAD: _without(lambda said, event, context: not isinstance(getattr(said, "ask", None), routing.Retake))},
        moves=("LeadRejected", "LeadReturned", "ActionUndone"),
    ),
    Mutant(
        "the team says nothing when a rep who is to take his place again has left",
        "I3 assigned to a rep who has left",
        {
            TEAM: _without(
                lambda said, event, context: (
                    not (
                        isinstance(said, routing.AssignmentWithdrawn) and isinstance(event, routing.AssignmentRequested)
                    )
                )
            )
        },
        moves=("LeadReturned", "LeadRejected", "ActionUndone", "RepLeft"),
    ),
    Mutant(
        "RepLeft says nothing to the leads",
        "I3 assigned to a rep who has left",
        {TEAM: _without(lambda said, event, context: not isinstance(event, desk.RepLeft))},
        moves=("RepLeft", "LeadAccepted"),
    ),
    Mutant(
        "the window of a withdrawal begins at the breach and not at its deadline",
        "I7",
        {LEAD: _since_breach},
        moves=("LeadAccepted", "ContactAttempted", "TimerDue"),
    ),
    Mutant(
        "a clock whose withdrawal lost against an action does not start again",
        "I3 assigned, unworked, and no clock runs",
        moves=("LeadAccepted", "ContactAttempted", "TimerDue"),
        never_restarts=True,
    ),
    Mutant(
        "recycling reacts to a submission only at the moment it reads it",
        "I3 a submission came",
        {RECYCLING: _react_naively},
        moves=("LeadReturned", "LeadSubmitted"),
    ),
    Mutant(
        "scoring speaks only on submissions",
        "I3 stuck in new",
        {SCORING: _without(_verdict_on_submission)},
        moves=("CrmWon", "CrmLost", "ActionUndone", "LeadSubmitted"),
    ),
    Mutant(
        "a claim that lost the race is answered by nobody",
        "I4",
        {
            LEAD: _without(
                lambda said, event, context: (
                    not (isinstance(said, routing.ActionRefused) and isinstance(event, routing.LeadAssigned))
                )
            )
        },
        moves=("LeadClaimed", "LeadErased", "CrmWon"),
        flavour="claim",
    ),
    Mutant(
        "anybody may claim",
        "I5",
        {TEAM: _claim_any},
        moves=("LeadClaimed", "LeadReturned", "LeadRejected"),
        flavour="claim",
    ),
    Mutant(
        "a manager may give a lead to whoever rejected it",
        "I5",
        rules={desk.ReassignmentOrdered: _to_anybody},
        moves=("LeadRejected", "ReassignmentOrdered"),
    ),
    Mutant(
        "requests and releases have no number",
        "I",
        {TEAM: _no_numbers},
        moves=("LeadReturned", "LeadRejected", "ActionUndone", "LeadErased"),
        dead=True,
    ),
    Mutant(
        "nobody heeds a newer version that an event names",
        "I3 never quiet",
        {TEAM: _no_version_team},
        rules={routing.LeadQueued: _no_version},
        moves=("agreement", "RepLeft", "RepAvailabilityChanged"),
        skewed=True,
    ),
    Mutant(
        "waiting leads are looked through once, when a new agreement comes",
        "I3 waits in a pool that is gone",
        {TEAM: _flush_on_timer},
        moves=("agreement", "RepLeft", "RepAvailabilityChanged", "LeadSubmitted"),
        scans_once=True,
    ),
    Mutant(
        "an offer is withdrawn although it was accepted before the withdrawal was in the log",
        "I7",
        rules={routing.AssignmentWithdrawn: _whatever_was_done},
        moves=("LeadAccepted", "ContactAttempted", "TimerDue"),
        flavour="offers",
    ),
    Mutant(
        "an escalation takes a lead that was worked before the withdrawal was in the log",
        "I7",
        rules={routing.AssignmentWithdrawn: _whatever_was_done},
        moves=("LeadAccepted", "ContactAttempted", "TimerDue"),
        flavour="paths",
    ),
    Mutant(
        "nobody says what the escalation has decided",
        "I3 broken, unworked, and nothing follows",
        {LEAD: _without(lambda said, event, context: not _by_escalation(getattr(said, "cause", None)))},
        moves=("LeadAccepted", "LeadClaimed", "TimerDue"),
        flavour="paths",
    ),
    Mutant(
        "anybody may claim what is offered to the team",
        "I",
        {TEAM: _claim_any},
        moves=("LeadClaimed", "LeadRejected", "TimerDue"),
        flavour="paths",
    ),
    Mutant(
        "nobody remembers that an offer's time is over",
        "I3 offered, untouched, beyond its time",
        {LEAD: _without(lambda said, event, context: not isinstance(getattr(said, "cause", None), routing.NotAccepted))},
        moves=("LeadAccepted", "ActionUndone", "TimerDue"),
        flavour="offers",
    ),
    Mutant(
        "a lead that overflowed stays in the queue that it left",
        "I3",
        {TEAM: _keeps_overflowed},
        moves=("RepLeft", "RepAvailabilityChanged", "TimerDue", "LeadSubmitted"),
        flavour="offers",
    ),
    Mutant(
        "a lead is given up although it was worked before that was in the log",
        "I9",
        rules={recycling.LeadGivenUp: _given_up_whatever_was_done},
        moves=("LeadAccepted", "ContactAttempted", "TimerDue"),
        flavour="gives up",
    ),
    Mutant(
        "a contest wakes whatever rests",
        "I10",
        rules={desk.ContestDecided: _wakes_whatever_rests},
        moves=("LeadReturned", "RejectionContested", "ContestDecided", "CrmLost", "LeadSubmitted", "ActionUndone"),
    ),
    Mutant(
        "nobody remembers who is not to get a lead that comes back",
        "I8",
        {LEAD: _asks_anybody},
        moves=("LeadAccepted", "ContactAttempted", "TimerDue", "LeadSubmitted"),
        flavour="gives up",
    ),
)
