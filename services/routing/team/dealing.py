"""Giving leads to reps: who is due for one, and whom of the queue somebody who became able can take."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from schemas.agreement import sentence
from schemas.events.routing import LeadAssigned, LeadQueued, QueueReason
from schemas.ids import EventId, LeadId, PoolId, RepId, RequestId, RoleId
from schemas.vocabulary import Because, Candidate
from services.routing.team import queueing
from services.routing.team.ability import able
from services.routing.team.candidates import candidates, nobody
from services.routing.team.fairness import back, missing, next_of, taking
from services.routing.team.sitting import Sitting
from services.routing.team.state import PLACE, Place, Rep, Wait


def deal(s: Sitting, request: RequestId, wait: Wait) -> bool:
    """Give a lead to the member of its pool who is due, if anybody can take it."""
    pool, virtual = wait.pool, s.turn(wait.pool).virtual
    members = s.members(pool)
    takers = {rep_id: rep for rep_id, rep in members.items() if able(rep, s.hours)}
    due = next_of(((i, r) for i, r in takers.items() if i not in wait.excluded), pool, virtual)
    if due is None:
        return False
    reasons = candidates(members, pool, virtual, s.hours, wait.excluded, due)
    for rep_id, rep in members.items():
        turned = back(rep, pool, virtual) if rep_id in takers else missing(rep, pool)
        if turned is not rep and rep_id != due:
            s.put_rep(rep_id, turned)
    took, virtual = taking(members[due], pool, virtual)
    s.put_rep(due, took)
    s.put_virtual(pool, virtual)
    assign(s, request, wait.lead, due, wait.number, pool, sentence(f"{due} is due in {pool}"), reasons)
    return True


def assign(
    s: Sitting,
    request: RequestId,
    lead: LeadId,
    rep_id: RepId,
    number: int,
    pool: PoolId | None,
    because: Because,
    reasons: tuple[Candidate, ...],
    claim: EventId | None = None,
) -> None:
    """Take a place of the rep for the lead and say so."""
    take_place(s, request, lead, rep_id, number)
    s.say(
        LeadAssigned(
            lead_id=lead,
            request_id=request,
            team_id=s.team,
            pool_id=pool,
            rep_id=rep_id,
            number=number,
            claimed_by=claim,
            because=because,
            candidates=reasons,
            agreement=s.agreement.name,
            agreement_version=s.agreement.version,
        )
    )


def take_place(s: Sitting, request: RequestId, lead: LeadId, rep_id: RepId, number: int) -> None:
    """Count a place as taken; who is no longer in the team is remembered until it is released."""
    s.parts.put(PLACE, request, Place(lead, rep_id, number))
    rep = s.rep(rep_id) or Rep(role=RoleId("gone"), left=True)
    s.put_rep(rep_id, replace(rep, open=rep.open + 1))


def free_place(s: Sitting, request: RequestId, place: Place) -> Rep | None:
    """Count a place as free; the rep who had it, if he is still in the team."""
    s.parts.remove(PLACE, request)
    rep = s.rep(place.rep)
    if rep is None:
        return None
    s.put_rep(place.rep, replace(rep, open=rep.open - 1))
    return None if rep.left else s.rep(place.rep)


def serve(s: Sitting, pools: Iterable[PoolId]) -> None:
    """Give waiting leads of these pools, in order, to whoever can take them."""
    with_queue = set(s.pools_with_queue())
    served = [p for p in sorted(set(pools) & with_queue) if not s.gone(p) and not s.claimed(p) and _anybody(s, p)]
    if not served:
        return
    line = queueing.InOrder(s, served)
    takers = {pool: _takers(s, pool) for pool in served}
    for request, wait in line:
        if s.left_to_do <= 0:
            return
        if takers[wait.pool].issubset(wait.excluded):  # looked at first: a long queue may hold many whom nobody may take
            continue
        if deal(s, request, wait):
            queueing.leave(s, request, wait)
            s.left_to_do -= 1
            for pool in served:
                takers[pool] = _takers(s, pool)
                if not takers[pool]:
                    line.drop(pool)


def _anybody(s: Sitting, pool: PoolId) -> bool:
    return any(able(rep, s.hours) for rep in s.members(pool).values())


def _takers(s: Sitting, pool: PoolId) -> frozenset[RepId]:
    """The members of the pool who can take a lead now."""
    return frozenset(rep_id for rep_id, rep in s.members(pool).items() if able(rep, s.hours))


def say_waiting(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Say that the lead waits, and why nobody takes it."""
    if wait.reason is QueueReason.TO_BE_CLAIMED:
        because = sentence(f"whoever of {wait.pool} takes it first has it")
        reasons: tuple[Candidate, ...] = ()
    else:
        members = s.members(wait.pool)
        because = nobody(members, wait.pool, s.hours, wait.excluded)
        reasons = candidates(members, wait.pool, s.turn(wait.pool).virtual, s.hours, wait.excluded, None)
    say_queued(s, request, wait.lead, wait.pool, wait.reason, because, reasons)


def say_queued(
    s: Sitting,
    request: RequestId,
    lead: LeadId,
    pool: PoolId | None,
    reason: QueueReason,
    because: Because,
    reasons: tuple[Candidate, ...] = (),
) -> None:
    """Say LeadQueued."""
    s.say(
        LeadQueued(
            lead_id=lead,
            request_id=request,
            team_id=s.team,
            pool_id=pool,
            reason=reason,
            because=because,
            candidates=reasons,
            agreement=s.agreement.name,
            agreement_version=s.agreement.version,
        )
    )
