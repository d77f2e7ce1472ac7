"""Giving leads to reps: an owner first, then who is due; and whom of the queue somebody who became able can take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from schemas.agreement import PoolMode, sentence
from schemas.events.routing import ChosenBy, LeadAssigned, LeadQueued, QueueReason
from schemas.ids import AccountId, EventId, LeadId, PoolId, RepId, RequestId, RoleId
from schemas.presence import Break, Leave, WorkingHours
from schemas.vocabulary import Because, Candidate
from services.routing.team import queueing
from services.routing.team.candidates import candidates, listed_of, nobody, vetted
from services.routing.team.caps import counting
from services.routing.team.choosing import choose, dealt, fits_lead
from services.routing.team.owners import able_owner
from services.routing.team.sitting import Sitting
from services.routing.team.state import PLACE, Place, Rep, Wait

_BY_MODE = {
    PoolMode.FAIR: ChosenBy.TURN,
    PoolMode.CLAIM: ChosenBy.TURN,
    PoolMode.FEWEST_OPEN: ChosenBy.FEWEST_OPEN,
    PoolMode.SKILL: ChosenBy.SKILL,
}


def deal(s: Sitting, request: RequestId, wait: Wait) -> bool:
    """Give a lead to its owner, or to the member of its pool who is due, if anybody can take it."""
    owner, passed = able_owner(s, wait)
    if owner is not None:
        because = sentence(f"{owner.rep_id} {owner.because}")
        reasons = (*_passed(passed), Candidate(rep_id=owner.rep_id, taken=True, because=sentence(owner.because)))
        assign(
            s, request, wait, owner.rep_id, because, reasons, chosen_by=owner.chosen_by, account_id=owner.account_id
        )
        return True
    return deal_by_turn(s, request, wait, passed)


def deal_by_turn(
    s: Sitting, request: RequestId, wait: Wait, passed: list[tuple[RepId, str]], before: str = ""
) -> bool:
    """Give a lead to the member of its pool who is due, if anybody can take it. before: what was before, for the reason."""
    ranked, due = choose(s, wait, listed_of(s, wait.pool))
    if due is None:
        return False
    reasons = (*_passed(passed), *candidates(s, wait, ranked, due))
    taking = dealt(s, wait.pool, due, wait.excluded)
    mode = _BY_MODE[s.terms(wait.pool).mode]
    because = vetted(f"{before}{due} is due in {wait.pool}")
    assign(s, request, wait, due, because, reasons, chosen_by=mode, taking=taking)
    return True


def _passed(passed: list[tuple[RepId, str]]) -> tuple[Candidate, ...]:
    return tuple(Candidate(rep_id=rep_id, taken=False, because=sentence(why)) for rep_id, why in passed)


def assign(
    s: Sitting,
    request: RequestId,
    wait: Wait,
    rep_id: RepId,
    because: Because,
    reasons: tuple[Candidate, ...],
    *,
    chosen_by: ChosenBy,
    claim: EventId | None = None,
    account_id: AccountId | None = None,
    taking: Rep | None = None,
) -> None:
    """Take a place of the rep for the lead and say so. taking: the rep, if anything of him is to be changed besides."""
    pool = None if wait.pool == queueing.NO_POOL else wait.pool
    take_place(s, request, Place(wait.lead, rep_id, wait.number, wait.grade, pool), taking)
    s.say(
        LeadAssigned(
            lead_id=wait.lead,
            request_id=request,
            team_id=s.team,
            pool_id=pool,
            rep_id=rep_id,
            number=wait.number,
            claimed_by=claim,
            because=because,
            candidates=reasons,
            chosen_by=chosen_by,
            accept_by=_accept_by(s, pool, rep_id) if claim is None else None,
            account_id=account_id,
            hours=working_hours(s, rep_id),
            agreement=s.agreement.name,
            agreement_version=s.agreement.version,
        )
    )


def working_hours(s: Sitting, rep_id: RepId) -> WorkingHours | None:
    """When the rep works, for the clocks that run by it; of his leave what is not over."""
    rep = s.rep(rep_id)
    if rep is None or not (rep.calendar or rep.terms.zone or rep.terms.breaks or rep.terms.leave):
        return None
    yesterday = (s.context.now - timedelta(days=1)).date().isoformat()
    return WorkingHours.model_validate(
        {
            "calendar": rep.calendar,
            "zone": rep.terms.zone,
            "breaks": [Break(days=days, start=start, end=end) for days, start, end in rep.terms.breaks],
            "leave": [Leave(first=first, last=last) for first, last in rep.terms.leave if last >= yesterday],
        }
    )


def _accept_by(s: Sitting, pool: PoolId | None, rep_id: RepId) -> datetime | None:
    """Until when the offer stands: by the pool's calendar, else the rep's."""
    terms = s.agreement.pools.get(pool) if pool is not None else None
    if terms is None or terms.accept_within is None:
        return None
    rep = s.rep(rep_id)
    calendar = terms.accept_calendar or (rep.calendar if rep is not None else None)
    return s.agreement.calendar(calendar).add_open_time(s.context.now, terms.accept_within)


def take_place(s: Sitting, request: RequestId, place: Place, taking: Rep | None = None) -> None:
    """Count a place as taken; who is no longer in the team is remembered, too."""
    s.parts.put(PLACE, request, place)
    rep = taking or s.rep(place.rep) or Rep(role=RoleId("gone"), left=True)
    held = {**rep.held_grades, place.grade: rep.held_grades.get(place.grade, 0) + 1}
    rep = replace(counting(rep, place.grade, s.hours), open=rep.open + 1, held_grades=held)
    s.put_rep(place.rep, rep if rep.unanswered_ms is not None else replace(rep, unanswered_ms=s.now_ms))


def free_place(s: Sitting, request: RequestId, place: Place) -> None:
    """Count a place as free."""
    s.parts.remove(PLACE, request)
    rep = s.rep(place.rep)
    if rep is None:
        return
    held = {**rep.held_grades, place.grade: rep.held_grades.get(place.grade, 0) - 1}
    held = {grade: number for grade, number in held.items() if number > 0}
    s.put_rep(place.rep, replace(rep, open=rep.open - 1, held_grades=held))


def serve(s: Sitting, pools: Iterable[PoolId], only: frozenset[RepId] | None = None) -> None:
    """Give waiting leads of these pools, in order, to whoever can take them.

    only: nobody else can take any of what waits, because nobody else became able or got room since it was looked at.
    """
    with_queue = set(s.pools_with_queue())
    served = [p for p in sorted(set(pools) & with_queue) if not s.gone(p) and s.turn(p).weights]
    if not served:
        return
    line = queueing.InOrder(s, queueing.lanes(s, served))
    for request, wait in line:
        if s.left_to_do <= 0:
            return
        if not s.turn(wait.pool).weights:
            line.drop(wait.pool)
        elif (only is None or _anybody(s, only, wait)) and deal(s, request, wait):
            queueing.leave(s, request, wait)
            s.left_to_do -= 1
            if only is not None and not any(_able(s, rep_id) for rep_id in only):
                return


def _anybody(s: Sitting, reps: frozenset[RepId], wait: Wait) -> bool:
    """Whether one of these reps can take the lead."""
    for rep_id in reps:
        rep = s.rep(rep_id)
        if rep is not None and rep.able and wait.pool in rep.pools and fits_lead(s, rep_id, rep, wait):
            return True
    return False


def _able(s: Sitting, rep_id: RepId) -> bool:
    rep = s.rep(rep_id)
    return rep is not None and rep.able


def serve_rep(s: Sitting, rep_id: RepId) -> None:
    """Give waiting leads to a rep who became able or got room."""
    rep = s.rep(rep_id)
    if rep is not None and rep.able:
        serve(s, rep.pools, frozenset((rep_id,)))


def say_waiting(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Say that the lead waits, and why nobody takes it."""
    if wait.reason is QueueReason.TO_BE_CLAIMED:
        offered = "it is offered to the team: " if wait.offered else ""
        because = vetted(f"{offered}whoever of {wait.pool} takes it first has it")
        reasons: tuple[Candidate, ...] = ()
    else:
        because = nobody(s, wait)
        reasons = candidates(s, wait, choose(s, wait, listed_of(s, wait.pool))[0], None)
    until = queueing.instant(wait.until_ms, s.context.now)
    say_queued(s, request, wait.lead, wait.pool, wait.reason, because, reasons, until)


def say_queued(
    s: Sitting,
    request: RequestId,
    lead: LeadId,
    pool: PoolId | None,
    reason: QueueReason,
    because: Because,
    reasons: tuple[Candidate, ...] = (),
    until: datetime | None = None,
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
            until=until,
            agreement=s.agreement.name,
            agreement_version=s.agreement.version,
        )
    )
