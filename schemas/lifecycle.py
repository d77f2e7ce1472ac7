"""The life of a lead: one pure, total fold over its log, the same for every reader.

Every event was decided on a prefix of the log and appended a little later. It takes effect at its own position if this
module allows it there; otherwise it is void, for every reader alike. An event that the table does not list changes
nothing. `docs/lifecycle.md` has the table and the diagram; `tests/properties` checks the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from schemas.base import Event
from schemas.events import desk, feedback, intake, recycling, routing, scoring
from schemas.ids import AssignmentId, EventId, LeadId, PoolId, RepId, RequestId, RoleId, TeamId
from schemas.vocabulary import LeadStatus, LifecycleStage

FIRST_ROLE = RoleId("sdr")
UNDO_DEPTH = 16
"""How many actions of one assignment can be undone one after the other."""


class State(StrEnum):
    """Where a lead is, as the protocol knows it. `UNROUTED` and `OPEN` both show as waiting, `RETURNED` as recycled."""

    NONE = "none"
    NEW = "new"
    NURTURED = "nurtured"
    DISQUALIFIED = "disqualified"
    UNROUTED = "unrouted"
    OPEN = "open"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    WORKING = "working"
    WON = "won"
    LOST = "lost"
    RETURNED = "returned"
    RECYCLED = "recycled"
    RETIRED = "retired"
    SUPPRESSED = "suppressed"
    MERGED = "merged"
    ERASED = "erased"


HELD = frozenset({State.ASSIGNED, State.ACCEPTED, State.WORKING})
"""The states in which an assignment is in effect."""

_STATUS = {
    State.UNROUTED: LeadStatus.WAITING,
    State.OPEN: LeadStatus.WAITING,
    State.RETURNED: LeadStatus.RECYCLED,
}


class Effect(StrEnum):
    """What an event does at its position."""

    EFFECT = "effect"
    VOID = "void"
    REPEAT = "repeat"
    """It says again what is already so: changes nothing, and nobody is refused."""


RESTS = frozenset({State.RETURNED, State.RECYCLED, State.RETIRED})
"""The states in which a lead is that sales has given back."""


class Contest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rejection that marketing contests and no manager has decided about yet."""

    contest: EventId
    action: EventId
    """The rejection."""
    cycle: int
    rep: RepId | None = None
    """Who turned the lead down."""
    ended: int = -1
    """Where the rejection stands, if the lead came back by it."""


class Life(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lead at one position of its log. Positions are offsets of the lead's partition."""

    state: State = State.NONE
    life: int = 0
    """How many lives began: a submission after an erasure begins a new one."""
    cycle: int = 0
    start: int = -1
    """Where this cycle (or unmerged life) began."""
    epoch: int = -1
    """Where the event stands that put the lead into its state."""
    offer: RequestId | None = None
    """The request while it is open, the assignment while it is held."""
    rep: RepId | None = None
    team: TeamId | None = None
    pool: PoolId | None = None
    queued: routing.QueueReason | None = None
    """Why nobody takes it now."""
    ordered_to: tuple[RepId, TeamId] | None = None
    kept_for: tuple[RepId, TeamId] | None = None
    """Who had it in the cycle before and is to get it again, until he is asked or it goes another way."""
    role: RoleId = FIRST_ROLE
    rejected_by: tuple[RepId, ...] = ()
    """Reps who rejected it in this cycle."""
    excluded: tuple[RepId, ...] = ()
    """Reps whom the rules do not choose in this cycle."""
    late: tuple[RepId, ...] = ()
    """Reps from whom it was offered to the team: the rules do not choose them either, but each may claim it back once."""
    last_action: int = -1
    """The last action in effect on the offer; at first, where it was assigned."""
    undoable: tuple[tuple[EventId, Life], ...] = ()
    submitted: int = -1
    """The last submission in effect."""
    ended: int = -1
    """Where the last assignment came to its end."""
    last_offer: RequestId | None = None
    agreement_version: int = 0
    """The newest version that an event in effect has named."""
    survivor: LeadId | None = None
    stage: LifecycleStage = LifecycleStage.LEAD
    contents: tuple[tuple[str, int], ...] = ()
    """Digests of the recent submissions, with their time in ms."""
    contest: Contest | None = None
    contested: tuple[EventId, ...] = ()
    """Rejections of this cycle that were contested: each is once."""

    @property
    def lead_status(self) -> LeadStatus | None:
        """The published status; none before the first submission."""
        if self.state is State.NONE:
            return None
        return _STATUS.get(self.state) or LeadStatus(self.state.value)

    @property
    def held(self) -> bool:
        """Whether an assignment is in effect."""
        return self.state in HELD

    @property
    def not_dealt_to(self) -> tuple[RepId, ...]:
        """Whom the rules do not choose in this cycle."""
        return (*self.excluded, *(rep for rep in self.late if rep not in self.excluded))

    @property
    def assignment_id(self) -> AssignmentId | None:
        """The assignment in effect."""
        return self.offer if self.held else None


UNBORN = Life()


def owed(life: Life) -> str | None:
    """What a service still owes this lead, or none if it is at rest."""
    match life.state:
        case State.NEW:
            return "a verdict from scoring"
        case State.UNROUTED:
            return "a pool from routing"
        case State.OPEN if life.queued is None:
            return "a rep or a queue entry from routing"
        case State.RETURNED:
            return "a waiting time from recycling"
    return None


def fold(life: Life, event: Event, *, position: int, now: datetime, event_id: EventId) -> tuple[Life, Effect]:
    """The lead after `event` at `position`, and what the event does there. Total: never raises on a decoded event."""
    rule = _RULES.get(type(event))
    if rule is None:
        return life, Effect.EFFECT
    return rule(life, event, At(position, round(now.timestamp() * 1000), event_id))


class At(NamedTuple):
    """Where and when an event stands in the log."""

    position: int
    now_ms: int
    event_id: EventId


After = tuple[Life, Effect]


# ------------------------------------------------------------------ the shapes of a change


def _unroute(life: Life, position: int, **change: object) -> Life:
    """The offer ends; routing is to choose anew."""
    changes: dict[str, object] = {
        "state": State.UNROUTED,
        "epoch": position,
        "offer": None,
        "rep": None,
        "team": None,
        "pool": None,
        "queued": None,
        "ordered_to": None,
        **change,
    }
    return replace(life, **changes)


def _close(life: Life, position: int, state: State, **change: object) -> Life:
    """The offer ends, and the lead is out of routing's hands."""
    return _unroute(life, position, state=state, **change)


def _undoable(before: Life, after: Life, event_id: EventId) -> Life:
    """`after`, from which one can go back to `before`. What an undo does not bring back is not kept twice."""
    kept = replace(before, undoable=(), contents=())
    return replace(after, undoable=(*before.undoable, (event_id, kept))[-UNDO_DEPTH:])


def _with(reps: tuple[RepId, ...], rep: RepId | None) -> tuple[RepId, ...]:
    return reps if rep is None or rep in reps else (*reps, rep)


# ------------------------------------------------------------------ intake


def _submitted(life: Life, e: intake.LeadSubmitted, at: At) -> After:
    window = int(e.repeat_window / timedelta(milliseconds=1))
    if life.state in (State.NONE, State.ERASED):
        return Life(
            state=State.NEW,
            life=life.life + 1,
            cycle=1,
            start=at.position,
            epoch=at.position,
            submitted=at.position,
            agreement_version=life.agreement_version,
            contents=_remember((), e, window, at.now_ms),
        ), Effect.EFFECT
    if life.state in (State.MERGED, State.SUPPRESSED):
        return life, Effect.VOID
    if window and any(content == e.content and when > at.now_ms - window for content, when in life.contents):
        return life, Effect.REPEAT
    return replace(life, submitted=at.position, contents=_remember(life.contents, e, window, at.now_ms)), Effect.EFFECT


def _remember(
    contents: tuple[tuple[str, int], ...], e: intake.LeadSubmitted, window: int, now_ms: int
) -> tuple[tuple[str, int], ...]:
    recent = tuple(c for c in contents if c[1] > now_ms - window)[-19:]
    return (*recent, (str(e.content), now_ms)) if window else contents


def _erased(life: Life, e: intake.LeadErased, at: At) -> After:
    if life.state in (State.NONE, State.ERASED):
        return life, Effect.VOID
    return Life(
        state=State.ERASED, life=life.life, epoch=at.position, agreement_version=life.agreement_version
    ), Effect.EFFECT


def _merged(life: Life, e: intake.LeadsMerged, at: At) -> After:
    if life.state in (State.NONE, State.ERASED, State.MERGED):
        return life, Effect.VOID
    return _close(life, at.position, State.MERGED, undoable=(), survivor=e.survivor), Effect.EFFECT


def _unmerged(life: Life, e: intake.LeadsUnmerged, at: At) -> After:
    if life.state is not State.MERGED:
        return life, Effect.VOID
    return _close(life, at.position, State.NEW, start=at.position, undoable=(), survivor=None), Effect.EFFECT


_GONE = frozenset({State.NONE, State.ERASED, State.MERGED, State.SUPPRESSED})


def _suppressed(life: Life, e: intake.LeadSuppressed, at: At) -> After:
    if life.state in _GONE:
        return life, Effect.VOID
    return _close(life, at.position, State.SUPPRESSED, undoable=()), Effect.EFFECT


# ------------------------------------------------------------------ scoring

_JUDGED = frozenset({State.NEW, State.NURTURED, State.DISQUALIFIED})
_JUDGEABLE = _JUDGED | {State.UNROUTED, State.OPEN}


def _qualified(life: Life, e: scoring.LeadQualified, at: At) -> After:
    if e.judged_at < life.start or life.state not in _JUDGED:
        return life, Effect.VOID
    return _unroute(life, at.position, undoable=(), stage=LifecycleStage.MQL), Effect.EFFECT


def _not_qualified(life: Life, e: scoring.LeadNurtured | scoring.LeadDisqualified, at: At) -> After:
    state = State.NURTURED if isinstance(e, scoring.LeadNurtured) else State.DISQUALIFIED
    if e.judged_at < life.start or life.state not in _JUDGEABLE or life.state is state:
        return life, Effect.VOID
    return _close(life, at.position, state, undoable=(), stage=LifecycleStage.LEAD), Effect.EFFECT


# ------------------------------------------------------------------ routing


def _routed(life: Life, e: routing.LeadRouted, at: At) -> After:
    if life.state is not State.UNROUTED or e.epoch != life.epoch:
        return life, Effect.VOID
    pool = e.ask.pool_id if isinstance(e.ask, routing.FromPool) else None
    return replace(
        life, state=State.OPEN, epoch=at.position, offer=e.request_id, team=e.team_id, pool=pool, queued=None
    ), Effect.EFFECT


def _assigned(life: Life, e: routing.LeadAssigned, at: At) -> After:
    if life.state is not State.OPEN or life.offer != e.request_id:
        return life, Effect.VOID
    claimed = e.claimed_by is not None
    return replace(
        life,
        state=State.ACCEPTED if claimed else State.ASSIGNED,
        epoch=at.position,
        rep=e.rep_id,
        queued=None,
        ordered_to=None,
        kept_for=None,
        last_action=at.position,
        undoable=(),
        last_offer=e.request_id,
        stage=LifecycleStage.SAL if claimed else life.stage,
    ), Effect.EFFECT


_NOT_HERE = frozenset({routing.QueueReason.POOL_GONE, routing.QueueReason.REP_GONE, routing.QueueReason.OVERFLOWED})
"""Reasons for which the lead waits here no more, and routing is to choose anew."""


def _queued(life: Life, e: routing.LeadQueued, at: At) -> After:
    if life.state is not State.OPEN or life.offer != e.request_id:
        return life, Effect.VOID
    if e.reason in _NOT_HERE:
        return _unroute(
            life, at.position, kept_for=None, agreement_version=max(life.agreement_version, e.agreement_version)
        ), Effect.EFFECT
    return replace(life, queued=e.reason), Effect.EFFECT


def _withdrawn(life: Life, e: routing.AssignmentWithdrawn, at: At) -> After:
    if not life.held or life.offer != e.assignment_id:
        return life, Effect.VOID
    if isinstance(e.cause, routing.RepGone):
        return _unroute(life, at.position, undoable=()), Effect.EFFECT
    if life.last_action > e.cause.since:
        return life, Effect.VOID
    if isinstance(e.cause, routing.OfferedToTeam) and life.rep not in life.late:
        return _unroute(life, at.position, late=_with(life.late, life.rep), undoable=()), Effect.EFFECT
    return _unroute(life, at.position, excluded=_with(life.excluded, life.rep), undoable=()), Effect.EFFECT


# ------------------------------------------------------------------ recycling


def _recycled(life: Life, e: recycling.LeadRecycled, at: At) -> After:
    if life.state not in (State.RETURNED, State.LOST) or e.epoch != life.epoch:
        return life, Effect.VOID
    return _close(life, at.position, State.RECYCLED, undoable=()), Effect.EFFECT


def _retired(life: Life, e: recycling.LeadRetired, at: At) -> After:
    if life.state not in (State.RETURNED, State.LOST, State.RECYCLED) or e.epoch != life.epoch:
        return life, Effect.VOID
    end = State.SUPPRESSED if e.suppressed else State.RETIRED
    return _close(life, at.position, end, undoable=()), Effect.EFFECT


def _reactivated(life: Life, e: recycling.LeadReactivated, at: At) -> After:
    if life.state not in (State.RECYCLED, State.RETIRED, State.LOST) or e.epoch != life.epoch:
        return life, Effect.VOID
    return _close(
        life,
        at.position,
        State.NEW,
        cycle=life.cycle + 1,
        start=at.position,
        undoable=(),
        rejected_by=(),
        excluded=_with((), e.not_to),
        late=(),
        contested=(),
        kept_for=(e.kept_for.rep_id, e.kept_for.team_id) if e.kept_for is not None else None,
        role=FIRST_ROLE,
        stage=LifecycleStage.LEAD,
    ), Effect.EFFECT


def _given_up(life: Life, e: recycling.LeadGivenUp, at: At) -> After:
    if e.cycle != life.cycle or e.since < life.start or life.submitted > e.since:
        return life, Effect.VOID
    if e.given_up_as is recycling.GivenUpAs.UNREACHABLE:
        goes_on = not life.held or life.offer != e.assignment_id or life.last_action > e.since
    else:
        waits = life.state in (State.UNROUTED, State.OPEN) and life.ordered_to is None
        goes_on = not waits and (life.state is not State.ASSIGNED or life.last_action != life.epoch)
    if goes_on:
        return life, Effect.VOID
    return _close(life, at.position, State.RETURNED, ended=at.position, undoable=(), kept_for=None), Effect.EFFECT


# ------------------------------------------------------------------ contests

CONTESTED_KEPT = 16
"""So many rejections of one cycle can be contested."""


def _contested(life: Life, e: feedback.RejectionContested, at: At) -> After:
    if life.contest is not None and life.contest.action == e.action_id:
        return life, Effect.REPEAT
    stands = life.state in RESTS and life.ended == e.position if e.returned else e.rep_id in life.rejected_by
    again = e.action_id in life.contested or len(life.contested) >= CONTESTED_KEPT
    if life.state in _GONE or e.cycle != life.cycle or life.contest is not None or again or not stands:
        return life, Effect.VOID
    contest = Contest(at.event_id, e.action_id, e.cycle, e.rep_id, e.position if e.returned else -1)
    return replace(life, contest=contest, contested=(*life.contested, e.action_id)), Effect.EFFECT


def _contest_decided(life: Life, e: desk.ContestDecided, at: At) -> After:
    contest = life.contest
    if life.state in _GONE or contest is None or contest.contest != e.contest_id:
        return life, Effect.VOID
    after = replace(life, contest=None)
    rests_for_it = life.state in RESTS and (life.cycle, life.ended) == (contest.cycle, contest.ended)
    if e.verdict is desk.ContestVerdict.UPHELD or not rests_for_it:
        return after, Effect.EFFECT
    return _unroute(after, at.position, excluded=_with(life.excluded, contest.rep), undoable=()), Effect.EFFECT


# ------------------------------------------------------------------ actions


def _undone(life: Life, e: desk.ActionUndone, at: At) -> After:
    if life.state in _GONE or not life.undoable or life.undoable[-1][0] != e.action_id:
        return life, Effect.VOID
    before = life.undoable[-1][1]
    kept: dict[str, object] = {
        "undoable": life.undoable[:-1],
        "submitted": life.submitted,
        "agreement_version": life.agreement_version,
        "contents": life.contents,
        "contest": life.contest if life.contest is None or life.contest.action != e.action_id else None,
        "contested": life.contested,
    }
    if before.held:
        return replace(before, epoch=at.position, last_action=at.position, **kept), Effect.EFFECT
    if before.state in (State.OPEN, State.UNROUTED):
        return _unroute(before, at.position, **kept), Effect.EFFECT
    return replace(before, epoch=at.position, **kept), Effect.EFFECT


def _reassigned(life: Life, e: desk.ReassignmentOrdered, at: At) -> After:
    if not (life.held or life.state is State.OPEN) or life.offer != e.assignment_id:
        return life, Effect.VOID
    if e.to is not None and (e.to in life.rejected_by or (life.held and e.to == life.rep)):
        return life, Effect.VOID
    excluded = _with(life.excluded, life.rep) if life.held and e.to is None else life.excluded
    team = e.team_id or life.team
    ordered_to = (e.to, team) if e.to is not None and team is not None else None
    return _unroute(
        life, at.position, ordered_to=ordered_to, kept_for=None, excluded=excluded, undoable=()
    ), Effect.EFFECT


def _outcome(life: Life, e: desk.LeadWon | desk.LeadLost, at: At) -> After:
    state = State.WON if isinstance(e, desk.LeadWon) else State.LOST
    stage = LifecycleStage.CUSTOMER if state is State.WON else life.stage
    if life.state in _GONE:
        return life, Effect.VOID
    if e.assignment_id is None:
        if life.state is state:
            return life, Effect.REPEAT
    elif not life.held or life.offer != e.assignment_id:
        again = life.state is state and life.last_offer == e.assignment_id
        return life, Effect.REPEAT if again else Effect.VOID
    elif life.state is State.ASSIGNED:
        return life, Effect.VOID
    return _undoable(life, _close(life, at.position, state, ended=at.position, stage=stage), at.event_id), Effect.EFFECT


def _accepted(life: Life, e: desk.LeadAccepted, at: At) -> After:
    if not life.held or life.offer != e.assignment_id:
        return life, Effect.VOID
    if life.state is not State.ASSIGNED:
        return life, Effect.REPEAT
    after = replace(life, state=State.ACCEPTED, last_action=at.position, stage=LifecycleStage.SAL)
    return _undoable(life, after, at.event_id), Effect.EFFECT


def _worked(
    life: Life, e: desk.ContactAttempted | desk.LeadConnected | desk.MeetingRecorded | desk.OpportunityOpened, at: At
) -> After:
    if not life.held or life.offer != e.assignment_id:
        return life, Effect.VOID
    state = life.state if life.state is State.ASSIGNED else State.WORKING
    stage = LifecycleStage.SQL if isinstance(e, desk.OpportunityOpened) else life.stage
    return _undoable(life, replace(life, state=state, last_action=at.position, stage=stage), at.event_id), Effect.EFFECT


def _noted(life: Life, e: desk.NoteAdded | desk.NextStepSet, at: At) -> After:
    if not life.held or life.offer != e.assignment_id:
        return life, Effect.VOID
    return _undoable(life, replace(life, last_action=at.position), at.event_id), Effect.EFFECT


def _rejected(life: Life, e: desk.LeadRejected, at: At) -> After:
    if not life.held or life.offer != e.assignment_id or life.state is State.WORKING:
        return life, Effect.VOID
    after = _unroute(
        life, at.position, rejected_by=_with(life.rejected_by, life.rep), excluded=_with(life.excluded, life.rep)
    )
    return _undoable(life, after, at.event_id), Effect.EFFECT


def _returned(life: Life, e: desk.LeadReturned, at: At) -> After:
    if not life.held or life.offer != e.assignment_id:
        return life, Effect.VOID
    return _undoable(life, _close(life, at.position, State.RETURNED, ended=at.position), at.event_id), Effect.EFFECT


def _handed_over(life: Life, e: desk.LeadHandedOver, at: At) -> After:
    if not life.held or life.offer != e.assignment_id or life.state is State.ASSIGNED or e.to_role == life.role:
        return life, Effect.VOID
    return _undoable(life, _unroute(life, at.position, role=e.to_role), at.event_id), Effect.EFFECT


ACTIONS: frozenset[type[Event]] = frozenset(
    {
        desk.LeadAccepted,
        desk.LeadRejected,
        desk.ContactAttempted,
        desk.LeadConnected,
        desk.MeetingRecorded,
        desk.NoteAdded,
        desk.NextStepSet,
        desk.OpportunityOpened,
        desk.LeadHandedOver,
        desk.LeadReturned,
        desk.ReassignmentOrdered,
        desk.LeadWon,
        desk.LeadLost,
        desk.ActionUndone,
    }
)
"""What reps, managers and CRMs do to a lead; void ones are answered by ActionRefused."""

_Rule = Callable[[Life, Any, At], After]

_RULES: dict[type[Event], _Rule] = {
    intake.LeadSubmitted: _submitted,
    intake.LeadErased: _erased,
    intake.LeadsMerged: _merged,
    intake.LeadsUnmerged: _unmerged,
    intake.LeadSuppressed: _suppressed,
    scoring.LeadQualified: _qualified,
    scoring.LeadNurtured: _not_qualified,
    scoring.LeadDisqualified: _not_qualified,
    routing.LeadRouted: _routed,
    routing.LeadAssigned: _assigned,
    routing.LeadQueued: _queued,
    routing.AssignmentWithdrawn: _withdrawn,
    recycling.LeadRecycled: _recycled,
    recycling.LeadRetired: _retired,
    recycling.LeadReactivated: _reactivated,
    recycling.LeadGivenUp: _given_up,
    desk.ActionUndone: _undone,
    desk.ReassignmentOrdered: _reassigned,
    desk.LeadWon: _outcome,
    desk.LeadLost: _outcome,
    desk.LeadAccepted: _accepted,
    desk.ContactAttempted: _worked,
    desk.LeadConnected: _worked,
    desk.MeetingRecorded: _worked,
    desk.OpportunityOpened: _worked,
    desk.NoteAdded: _noted,
    desk.NextStepSet: _noted,
    desk.LeadRejected: _rejected,
    desk.LeadReturned: _returned,
    desk.LeadHandedOver: _handed_over,
    feedback.RejectionContested: _contested,
    desk.ContestDecided: _contest_decided,
}

LIFE_EVENTS: frozenset[type[Event]] = frozenset(_RULES)
"""The events that `fold` listens to."""
