"""What routing decided in a simulated history: an assignment, a wait, a withdrawal, each with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.events import routing
from schemas.ids import LeadId, PoolId, RepId, TeamId

Name = Callable[[str], str]
"""What a lead or rep is called in the history that was given."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A lead was given to a rep."""

    at: datetime
    event: routing.LeadAssigned
    routed: routing.LeadRouted | None
    """What chose the pool."""
    grade: str
    cycle: int


@dataclass(frozen=True, slots=True)
class Waits:
    """Nobody takes a lead now; or it goes on to another pool."""

    at: datetime
    event: routing.LeadQueued
    routed: routing.LeadRouted | None
    grade: str
    cycle: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lead."""

    rep_id: RepId
    pool_id: PoolId | None
    team_id: TeamId


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A lead was taken from its rep."""

    at: datetime
    event: routing.AssignmentWithdrawn
    was: Holder


Decision = Assigned | Waits | Withdrawn


def lead_of(decision: Decision) -> LeadId:
    """The lead that it is about."""
    return decision.event.lead_id


def rep_of(decision: Decision) -> RepId | None:
    """Who got the lead, or lost it."""
    match decision:
        case Assigned(event=event):
            return event.rep_id
        case Withdrawn(was=was):
            return was.rep_id
    return None


def document(decision: Decision, name: Name = str) -> dict[str, Any]:
    """The decision as one JSON line."""
    match decision:
        case Assigned(event=event):
            said = event.model_dump(mode="json", include={"chosen_by", "accept_by", "account_id"})
            return {
                "type": "assignment",
                **_who(decision, name, event.rep_id, event.pool_id, event.team_id),
                **_rule(decision.routed),
                "because": event.because,
                "candidates": _candidates(event, name),
                "grade": decision.grade,
                "cycle": decision.cycle,
                "assignment_id": event.request_id,
                **said,
            }
        case Waits(event=event):
            until = event.model_dump(mode="json", include={"until"})
            return {
                "type": "wait",
                **_who(decision, name, None, event.pool_id, event.team_id),
                **_rule(decision.routed),
                "reason": event.reason.value,
                "because": event.because,
                "candidates": _candidates(event, name),
                "grade": decision.grade,
                "cycle": decision.cycle,
                **until,
            }
        case Withdrawn(event=event, was=was):
            return {
                "type": "withdrawal",
                **_who(decision, name, was.rep_id, was.pool_id, was.team_id),
                "reason": event.cause.kind,
                "because": event.because,
                "assignment_id": event.assignment_id,
            }


def sentences(decision: Decision, name: Name = str) -> Iterator[str]:
    """The decision for a person: what, then why."""
    told = document(decision, name)
    if told["type"] == "assignment":
        yield f"{told['at']}  {told['lead']} to {told['rep']} in {told['pool'] or 'no pool'}: {told['because']}"
    elif told["type"] == "wait":
        yield f"{told['at']}  {told['lead']} waits for {told['pool'] or told['team']}: {told['because']}"
    else:
        yield f"{told['at']}  {told['lead']} is taken from {told['rep']}: {told['because']}"


def spell(at: datetime) -> str:
    """An instant as JSON says it."""
    return at.isoformat().replace("+00:00", "Z")


def _who(decision: Decision, name: Name, rep: str | None, pool: str | None, team: str) -> dict[str, Any]:
    return {
        "at": spell(decision.at),
        "lead": name(lead_of(decision)),
        "rep": None if rep is None else name(rep),
        "pool": pool,
        "team": team,
    }


def _rule(routed: routing.LeadRouted | None) -> dict[str, Any]:
    if routed is None:
        return {"rule": None, "rule_because": None, "passed_over": []}
    passed = [{"rule": p.rule, "because": p.because} for p in routed.passed_over]
    return {"rule": routed.rule, "rule_because": routed.because, "passed_over": passed}


def _candidates(event: routing.LeadAssigned | routing.LeadQueued, name: Name) -> list[dict[str, Any]]:
    return [{"rep": name(c.rep_id), "taken": c.taken, "because": c.because} for c in event.candidates]
