"""What an action would do, before it is recorded: the event that says it, or why it cannot be. Pure.

The answer is foreseen by the same fold that every reader applies. Whoever is faster in the log still wins: then routing
answers ActionRefused and the rep is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from schemas.agreement import Agreement, Otherwise, ReasonUse, say_duration
from schemas.agreement import terms as agreement_terms
from schemas.base import Event
from schemas.events import desk
from schemas.events.routing import QueueReason
from schemas.ids import AssignmentId, EventId, LeadId, RepId, RoleId, TeamId
from schemas.lifecycle import Effect, Life, State, fold
from schemas.vocabulary import Actor, ByManager, ByRep, BySystem, Reason, Slug
from services.desk.attempts import Attempt, milliseconds, recorded_before, too_soon
from services.desk.requests import ActionIn, ActionKind

UNSAID = Slug("unspecified")
A_MANAGER = RepId("manager")
BY_ORDER = Reason("reassigned")
CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""A caller's clock may be so far from ours."""


class Why(Enum):
    """The kind of a refusal."""

    UNKNOWN = "unknown"
    INVALID = "invalid"
    ENDED = "ended"
    IMPOSSIBLE = "impossible"


class Refused(Exception):
    """The action cannot be recorded. `field`: which part of the request is wrong, if one is."""

    def __init__(self, why: Why, because: str, field: str | None = None, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(because)
        self.why, self.because, self.field, self.more = why, because, field, more


@dataclass(frozen=True, slots=True)
class Place:
    """A rep in the roster."""

    rep_id: RepId
    team_id: TeamId
    role: RoleId
    pools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Offer:
    """An assignment that took effect at some time."""

    assignment_id: AssignmentId
    lead_id: LeadId
    rep_id: RepId
    accepted_by: EventId | None
    ended_by: EventId | None
    ended_as: str | None
    ended_because: str | None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that decides about an action, as read up to the log's end."""

    lead_id: LeadId
    life: Life
    position: int
    """The last record read of the lead's log."""
    offer: Offer | None
    """The assignment that the action names."""
    roster: Mapping[RepId, Place]
    agreement: Agreement
    now: datetime
    newest_ms: int | None = None
    """When the newest action was recorded that can be undone."""
    attempts: tuple[Attempt, ...] = ()
    """Of the lead's cycle."""
    began_ms: int = 0
    """When the lead's life began."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """It was recorded before; the same again changes nothing."""

    action_id: EventId


@dataclass(frozen=True, slots=True)
class ToSay:
    """What is to be appended: to the lead's log, or (a claim) to the team's."""

    event: Event
    note: str | None = None
    """The text of a note; it goes to the profile first."""


def foresee(said: ActionIn, scene: Scene, event_id: EventId) -> ToSay | Recorded:
    """The event that records the action. Raises Refused."""
    _not_before_the_lead(said, scene)
    if said.type is ActionKind.CLAIM:
        return ToSay(_claim(said, scene))
    if said.type is ActionKind.UNDO:
        event: Event = _undo(said, scene)
    else:
        again = _named(said, scene) or _tried_before(said, scene)
        if again is not None:
            return again
        event = _event(said, scene)
    _, effect = fold(scene.life, event, position=scene.position + 1, now=scene.now, event_id=event_id)
    if effect is Effect.VOID:
        raise Refused(Why.IMPOSSIBLE, _impossible(said, event, scene))
    if effect is Effect.REPEAT and scene.offer is not None and scene.offer.accepted_by is not None:
        return Recorded(scene.offer.accepted_by)
    return ToSay(event, said.text if said.type is ActionKind.NOTE else None)


def _not_before_the_lead(said: ActionIn, scene: Scene) -> None:
    """Nobody worked a lead that was not there; only a deal may have been closed before its lead came."""
    if said.type in (ActionKind.WIN, ActionKind.LOSE):
        return
    if said.at is not None and milliseconds(said.at + CLOCKS_DIFFER_BY) < scene.began_ms:
        began = datetime.fromtimestamp(scene.began_ms / 1000, UTC).isoformat(timespec="seconds")
        raise Refused(
            Why.INVALID, f"{said.at.isoformat()} is before the lead was there, which came at {began}: say when it happened", "at"
        )


def _tried_before(said: ActionIn, scene: Scene) -> Recorded | None:
    """An attempt of the same channel and instant is the same one, told again."""
    if said.type not in (ActionKind.ATTEMPT, ActionKind.CONNECT):
        return None
    before = recorded_before(scene.attempts, str(said.channel or UNSAID), said.at)
    return None if before is None else Recorded(before)


# ------------------------------------------------------------------ which assignment


_TERMINAL = {
    ActionKind.REJECT: "rejected",
    ActionKind.RECYCLE: "recycled",
    ActionKind.HAND_OVER: "handed_over",
    ActionKind.WIN: "won",
    ActionKind.LOSE: "lost",
}


def _named(said: ActionIn, scene: Scene) -> Recorded | None:
    """None if the action's assignment is in effect; Recorded if this very action ended it. Raises Refused."""
    if said.assignment_id is None:
        raise Refused(
            Why.INVALID, f"{said.type.value} needs the assignment_id, as GET /v1/inbox answers it", "assignment_id"
        )
    life = scene.life
    waiting = said.type is ActionKind.REASSIGN and life.state is State.OPEN and life.offer == said.assignment_id
    if waiting or (life.held and life.offer == said.assignment_id):
        return None
    offer = scene.offer
    if offer is None or offer.lead_id != scene.lead_id:
        raise Refused(
            Why.UNKNOWN,
            f"lead {scene.lead_id} never had the assignment {said.assignment_id}; GET /v1/inbox has those in effect",
            "assignment_id",
        )
    if offer.ended_as is not None and offer.ended_as == _TERMINAL.get(said.type) and offer.ended_by is not None:
        return Recorded(offer.ended_by)
    why = offer.ended_because or "it ended"
    more: dict[str, Any] = {"ended_because": why, "lead_status": life.lead_status}
    if life.held and life.rep is not None:
        more |= {"owner": life.rep, "assignment_in_effect": life.offer}
        raise Refused(Why.ENDED, f"this assignment has ended: {why}; {life.rep} has the lead now", None, more)
    raise Refused(
        Why.ENDED, f"this assignment has ended: {why}; the lead is {life.lead_status} and nobody has it now", None, more
    )


# ------------------------------------------------------------------ which event


def _event(said: ActionIn, scene: Scene) -> Event:
    core: dict[str, Any] = {
        "lead_id": scene.lead_id,
        "assignment_id": said.assignment_id,
        "by": _actor(said, scene),
        "occurred_at": said.at or scene.now,
    }
    match said.type:
        case ActionKind.ACCEPT:
            return desk.LeadAccepted(**core)
        case ActionKind.REJECT:
            reason = _reason(said, scene, ReasonUse.REJECT)
            if reason.then not in (Otherwise.REROUTE, Otherwise.STAY):
                return desk.LeadReturned(**core, reason=reason.id, rejected=True)
            return desk.LeadRejected(**core, reason=reason.id)
        case ActionKind.RECYCLE:
            return desk.LeadReturned(**core, reason=_reason(said, scene, ReasonUse.RECYCLE).id)
        case ActionKind.ATTEMPT:
            return desk.ContactAttempted(**core, channel=said.channel or UNSAID, disposition=said.disposition or UNSAID)
        case ActionKind.CONNECT:
            return desk.LeadConnected(**core, channel=said.channel or UNSAID)
        case ActionKind.MEETING | ActionKind.MEETING_BOOKED | ActionKind.MEETING_HELD | ActionKind.MEETING_NO_SHOW:
            return desk.MeetingRecorded(**core, outcome=_outcome(said), meeting_at=said.meeting_at)
        case ActionKind.NOTE:
            if said.text is None:
                raise Refused(Why.INVALID, "a note needs its text", "text")
            return desk.NoteAdded(**core)
        case ActionKind.NEXT_STEP:
            if said.due_at is None:
                raise Refused(Why.INVALID, "a next step needs due_at, the time at which it is due", "due_at")
            return desk.NextStepSet(**core, due_at=said.due_at)
        case ActionKind.OPPORTUNITY:
            return desk.OpportunityOpened(**core, amount=said.amount)
        case ActionKind.HAND_OVER:
            reason_id = _reason(said, scene, ReasonUse.HAND_OVER).id if said.reason is not None else None
            return desk.LeadHandedOver(**core, to_role=_role(said, scene), reason=reason_id)
        case ActionKind.WIN:
            return desk.LeadWon(**core, amount=said.amount)
        case ActionKind.LOSE:
            return desk.LeadLost(**core, reason=_reason(said, scene, ReasonUse.LOSE).id)
        case ActionKind.REASSIGN:
            return _order(said, scene, core)
    raise AssertionError(said.type)


def _actor(said: ActionIn, scene: Scene) -> Actor:
    """Who did it. Raises Refused for a rep whom the roster does not know."""
    if isinstance(said.by, ByManager | BySystem):
        return said.by
    if said.type is ActionKind.REASSIGN:
        return ByManager(
            manager_id=said.by.rep_id
            if isinstance(said.by, ByRep)
            else RepId(said.by)
            if said.by is not None
            else A_MANAGER
        )
    if said.by is not None:
        rep = said.by.rep_id if isinstance(said.by, ByRep) else RepId(said.by)
        if rep not in scene.roster and rep != scene.life.rep:
            raise Refused(Why.UNKNOWN, f"the roster has no rep {rep}", "by")
        return ByRep(rep_id=rep)
    holder = scene.life.rep or (scene.offer.rep_id if scene.offer is not None else None)
    if holder is None:
        raise Refused(Why.INVALID, "nobody has this lead: say who did it in `by`", "by")
    return ByRep(rep_id=holder)


def _reason(said: ActionIn, scene: Scene, use: ReasonUse) -> agreement_terms.ReasonTerms:
    """The agreement's reason. Raises Refused listing those that it has for this use."""
    allowed = [str(r.id) for r in scene.agreement.reasons.values() if r.allows(use)]
    found = scene.agreement.reason(said.reason)
    if found is None or not found.allows(use):
        given = "a reason" if said.reason is None else f"another reason than {said.reason!s}"
        raise Refused(
            Why.INVALID,
            f"{said.type.value} needs {given}: the agreement has {', '.join(allowed) or 'none'} for it",
            "reason",
            {"allowed": allowed},
        )
    soon = too_soon(scene.attempts, scene.agreement.terms.giving_up, found.id)
    if soon is not None:
        raise Refused(Why.IMPOSSIBLE, soon, "reason", {"attempts": len(scene.attempts)})
    return found


_MEETINGS = {
    ActionKind.MEETING_BOOKED: desk.MeetingOutcome.BOOKED,
    ActionKind.MEETING_HELD: desk.MeetingOutcome.HELD,
    ActionKind.MEETING_NO_SHOW: desk.MeetingOutcome.NO_SHOW,
}


def _outcome(said: ActionIn) -> desk.MeetingOutcome:
    outcome = _MEETINGS.get(said.type) or said.outcome
    if outcome is None:
        raise Refused(Why.INVALID, "a meeting needs its outcome: booked, held or no_show", "outcome")
    return outcome


def _role(said: ActionIn, scene: Scene) -> RoleId:
    """To which role it is handed over; without a word to the only other one that has a pool. Raises Refused."""
    roles = sorted({str(p.role) for p in scene.agreement.pools.values()} - {str(scene.life.role)})
    if said.to_role is None and len(roles) == 1:
        return RoleId(roles[0])
    if said.to_role is None or said.to_role not in roles:
        raise Refused(
            Why.INVALID,
            f"hand_over needs to_role: the agreement has pools for {', '.join(roles) or 'no other role'}",
            "to_role",
        )
    return said.to_role


def _order(said: ActionIn, scene: Scene, core: dict[str, Any]) -> Event:
    allowed = [str(r.id) for r in scene.agreement.reasons.values() if r.allows(ReasonUse.REASSIGN)]
    if said.reason is not None and allowed and said.reason not in allowed:
        raise Refused(
            Why.INVALID,
            f"reassign needs another reason than {said.reason!s}: the agreement has {', '.join(allowed)} for it",
            "reason",
        )
    place = None
    if said.to is not None:
        place = scene.roster.get(said.to)
        if place is None:
            raise Refused(Why.UNKNOWN, f"the roster has no rep {said.to}", "to")
    return desk.ReassignmentOrdered(
        **core, to=said.to, team_id=place.team_id if place is not None else None, reason=said.reason or BY_ORDER
    )


def _undo(said: ActionIn, scene: Scene) -> Event:
    life = scene.life
    if not life.undoable:
        raise Refused(
            Why.IMPOSSIBLE,
            f"there is nothing to undo: the lead is {life.lead_status}, and what was done before is final",
        )
    newest = life.undoable[-1][0]
    if said.action_id is not None and said.action_id != newest:
        raise Refused(
            Why.IMPOSSIBLE,
            "only the newest action can be undone, and this is another one",
            "action_id",
            {"newest": newest},
        )
    within = scene.agreement.terms.undo_within
    age = scene.now - datetime.fromtimestamp((scene.newest_ms or 0) / 1000, UTC)
    if within is not None and scene.newest_ms is not None and age > within:
        because = f"an action can be undone for {say_duration(within)}, and this one is older"
        raise Refused(Why.IMPOSSIBLE, because, "action_id", {"newest": newest})
    assignment = said.assignment_id or life.offer or life.last_offer
    if assignment is None:
        raise Refused(Why.IMPOSSIBLE, "there is nothing to undo: nobody ever had this lead")
    core = {
        "lead_id": scene.lead_id,
        "assignment_id": assignment,
        "by": _actor(said, scene),
        "occurred_at": said.at or scene.now,
    }
    return desk.ActionUndone(**core, action_id=newest)


def _claim(said: ActionIn, scene: Scene) -> Event:
    life = scene.life
    rep = said.by.rep_id if isinstance(said.by, ByRep) else RepId(said.by) if isinstance(said.by, str) else None
    if rep is None:
        raise Refused(Why.INVALID, "a claim needs `by`: the rep who takes the lead", "by")
    place = scene.roster.get(rep)
    if place is None:
        raise Refused(Why.UNKNOWN, f"the roster has no rep {rep}", "by")
    if life.held and life.rep is not None:
        said_more = "you have it already" if life.rep == rep else f"{life.rep} has it"
        raise Refused(Why.ENDED, f"this lead cannot be claimed any more: {said_more}", None, {"owner": life.rep})
    if (
        life.state is not State.OPEN
        or life.queued is not QueueReason.TO_BE_CLAIMED
        or life.offer is None
        or life.team is None
    ):
        raise Refused(
            Why.IMPOSSIBLE, f"only a lead that waits to be claimed can be claimed, and this one is {life.lead_status}"
        )
    if said.assignment_id is not None and said.assignment_id != life.offer:
        raise Refused(
            Why.ENDED, "this offer has ended; the lead waits under another one", None, {"request_id": life.offer}
        )
    if life.pool not in place.pools:
        raise Refused(Why.IMPOSSIBLE, f"{rep} is not in the pool {life.pool}, whose lead this is")
    if rep in life.rejected_by or rep in life.excluded:
        raise Refused(Why.IMPOSSIBLE, f"{rep} had this lead in this cycle already and does not get it again")
    return desk.LeadClaimed(team_id=life.team, lead_id=scene.lead_id, request_id=life.offer, rep_id=rep)


# ------------------------------------------------------------------ why not


def _impossible(said: ActionIn, event: Event, scene: Scene) -> str:
    life = scene.life
    status = life.lead_status
    match event:
        case desk.LeadRejected():
            return f"a lead that is being worked cannot be rejected (this one is {status}): recycle it or lose it"
        case desk.LeadHandedOver() if event.to_role == life.role:
            return f"the lead is already with role {life.role}"
        case desk.LeadWon() | desk.LeadLost() | desk.LeadHandedOver():
            return f"{said.type.value} needs an accepted lead, and this one is {status}: accept it first"
        case desk.ReassignmentOrdered() if event.to is not None and event.to in life.rejected_by:
            return f"{event.to} has rejected this lead in this cycle and does not get it again"
        case desk.ReassignmentOrdered() if event.to is not None and event.to == life.rep:
            return f"{event.to} has this lead already"
        case _:
            return f"{said.type.value} is not possible while the lead is {status}"
