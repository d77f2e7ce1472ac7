"""What people, timers and the agreement may do in a small world, and the events that they then say."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from schemas.base import Event
from schemas.events import desk, feedback, intake
from schemas.ids import LeadId, PoolId, RepId, RequestId, RoleId, SubmissionId, TeamId, digest
from schemas.vocabulary import ByManager, ByRep, BySystem, Reason, Slug

if TYPE_CHECKING:
    from tests.properties.lifecycle.world import World

TEAM_S, TEAM_A = TeamId("s"), TeamId("a")
REPS = {TEAM_S: (RepId("ana"), RepId("bob")), TEAM_A: (RepId("paul"),)}
POOLS = {
    TEAM_S: {PoolId("p1"): 1, PoolId("pc"): 1, PoolId("p2"): 1, PoolId("px"): 1},
    TEAM_A: {PoolId("pa"): 1},
}
NAMES = uuid.UUID("7d3c5a7e-33b1-4b0c-9a5e-000000000000")


@dataclass(frozen=True)
class Move:
    """What a person, a timer or the agreement may do."""

    key: str
    what: str
    about: tuple[Any, ...] = ()


def _by_rep(w: World, move: Move) -> dict[str, Any]:
    offer, rep = move.about
    return {"lead_id": move.key, "assignment_id": offer, "by": ByRep(rep_id=rep), "occurred_at": w.clock}


def _ordered(w: World, move: Move) -> Event:
    offer, to = move.about
    return desk.ReassignmentOrdered(
        lead_id=LeadId(move.key),
        assignment_id=offer,
        by=ByManager(manager_id=RepId("boss")),
        occurred_at=w.clock,
        to=to[0] if to else None,
        team_id=to[1] if to else None,
        reason=Reason("reroute"),
    )


def _outcome(what: type[desk.LeadWon] | type[desk.LeadLost]) -> Callable[[World, Move], Event]:
    def make(w: World, move: Move) -> Event:
        return what.model_validate(
            {"lead_id": move.key, "by": BySystem(system=Slug("crm")), "occurred_at": w.clock, **_lost(w, what)}
        )

    return make


def _lost(w: World, what: type[Event]) -> dict[str, Any]:
    return {"reason": "later" if sum(w.made.values()) % 2 else "never"} if what is desk.LeadLost else {}


def _contest(w: World, move: Move) -> Event:
    action, position, cycle, rep, returned = move.about
    return feedback.RejectionContested(
        lead_id=LeadId(move.key),
        action_id=action,
        position=position,
        cycle=cycle,
        returned=returned,
        rep_id=rep,
        reason=Reason("later"),
        contested_by=Slug("marketing"),
    )


def _submitted(w: World, move: Move) -> Event:
    return intake.LeadSubmitted(
        lead_id=LeadId(move.key),
        submission_id=SubmissionId(str(uuid.uuid5(NAMES, f"submission {w.made.get('LeadSubmitted')}"))),
        content=digest(f"content {w.made.get('LeadSubmitted')}".encode()),
        submitted_at=w.clock,
        attributes={"topic": move.about[0]},  # type: ignore[dict-item]
    )


def _merged(what: type[intake.LeadsMerged] | type[intake.LeadsUnmerged]) -> Callable[[World, Move], Event]:
    def make(w: World, move: Move) -> Event:
        other = next((k for k in w.leads if k != move.key), LeadId(str(uuid.uuid5(NAMES, "somebody else"))))
        return what(lead_id=LeadId(move.key), survivor=other)

    return make


def _roster(what: type[desk.RepJoined] | type[desk.RepChanged]) -> Callable[[World, Move], Event]:
    def make(w: World, move: Move) -> Event:
        team = TeamId(move.key)
        rep, cap = move.about
        pools = {} if cap == 0 else POOLS[team]  # now and then a rep is taken out of all pools
        role = RoleId("ae" if team == TEAM_A else "sdr")
        return what(team_id=team, rep_id=rep, role=role, pools=pools, open_leads_cap=cap)

    return make


def _available(w: World, move: Move) -> Event:
    rep, available, returns = move.about
    until = w.clock + timedelta(hours=1) if returns else None
    return desk.RepAvailabilityChanged(team_id=TeamId(move.key), rep_id=rep, available=available, until=until)


ON_ASSIGNMENT = (
    "LeadAccepted",
    "ContactAttempted",
    "LeadRejected",
    "LeadReturned",
    "LeadHandedOver",
    "LeadWon",
    "LeadLost",
)

EVENTS: dict[str, Callable[[World, Move], Event]] = {
    "LeadAccepted": lambda w, m: desk.LeadAccepted(**_by_rep(w, m)),
    "ContactAttempted": lambda w, m: desk.ContactAttempted(
        **_by_rep(w, m), channel=Slug("phone"), disposition=Slug("none")
    ),
    "LeadRejected": lambda w, m: desk.LeadRejected(**_by_rep(w, m), reason=Reason("reroute")),
    "LeadReturned": lambda w, m: desk.LeadReturned(**_by_rep(w, m), reason=Reason("later")),
    "LeadHandedOver": lambda w, m: desk.LeadHandedOver(**_by_rep(w, m), to_role=RoleId("ae")),
    "LeadWon": lambda w, m: desk.LeadWon(**_by_rep(w, m)),
    "LeadLost": lambda w, m: desk.LeadLost(**_by_rep(w, m), **_lost(w, desk.LeadLost)),
    "CrmWon": _outcome(desk.LeadWon),
    "CrmLost": _outcome(desk.LeadLost),
    "ReassignmentOrdered": _ordered,
    "ActionUndone": lambda w, m: desk.ActionUndone(
        lead_id=LeadId(m.key),
        assignment_id=(w.requests[m.key] or [RequestId("none")])[-1],
        by=BySystem(system=Slug("desk")),
        occurred_at=w.clock,
        action_id=m.about[0],
    ),
    "RejectionContested": _contest,
    "ContestDecided": lambda w, m: desk.ContestDecided(
        lead_id=LeadId(m.key),
        contest_id=m.about[0],
        verdict=m.about[1],
        by=ByManager(manager_id=RepId("boss")),
        occurred_at=w.clock,
    ),
    "LeadSubmitted": _submitted,
    "LeadErased": lambda w, m: intake.LeadErased(lead_id=LeadId(m.key)),
    "LeadSuppressed": lambda w, m: intake.LeadSuppressed(lead_id=LeadId(m.key), reason=Reason("spam")),
    "LeadsMerged": _merged(intake.LeadsMerged),
    "LeadsUnmerged": _merged(intake.LeadsUnmerged),
    "RepJoined": _roster(desk.RepJoined),
    "RepChanged": _roster(desk.RepChanged),
    "RepLeft": lambda w, m: desk.RepLeft(team_id=TeamId(m.key), rep_id=m.about[0]),
    "RepAvailabilityChanged": _available,
    "LeadClaimed": lambda w, m: desk.LeadClaimed(
        team_id=TeamId(m.key), request_id=m.about[0], lead_id=m.about[1], rep_id=m.about[2]
    ),
}
