"""Who is in the team, with which terms, and which companies are whose."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from schemas.agreement import sentence
from schemas.events.desk import AccountRemoved, AccountSet, RepAvailabilityChanged, RepChanged, RepJoined, RepLeft
from schemas.events.routing import AssignmentWithdrawn, RepGone, WorkingHoursChanged
from schemas.ids import AssignmentId, LeadId, RepId, RequestId
from schemas.vocabulary import Reason
from services.routing.team.dealing import serve_rep, working_hours
from services.routing.team.sitting import Sitting
from services.routing.team.state import ACCOUNT, HOLDS, PLACE, Account, CapTerms, Place, Rep, Terms


def in_the_team(s: Sitting, e: RepJoined | RepChanged) -> None:
    """A rep joins, comes back, or has other terms. What he was given so far goes on counting."""
    known = s.rep(e.rep_id)
    if isinstance(e, RepChanged) and (known is None or known.left):
        return  # said by somebody who had not read that he left
    hours = working_hours(s, e.rep_id)
    terms = _terms(e)
    rep = known or Rep(role=e.role)
    given = rep.given if rep.terms.caps == terms.caps else ()
    rep = replace(
        rep, role=e.role, pools=dict(e.pools), cap=e.open_leads_cap, calendar=e.calendar, terms=terms, given=given
    )
    if rep.left:
        rep = replace(rep, left=False, available=True, until_ms=None, unanswered_ms=None)
    s.put_rep(e.rep_id, rep)
    if working_hours(s, e.rep_id) != hours:
        _say_hours(s, e.rep_id)
    serve_rep(s, e.rep_id)


def _say_hours(s: Sitting, rep_id: RepId) -> None:
    """Tell the clocks of what he holds that he works otherwise from now on."""
    for request, place in _held(s, rep_id):
        say_hours(s, place.lead, request, rep_id)


def say_hours(s: Sitting, lead: LeadId, assignment: AssignmentId, rep_id: RepId) -> None:
    """Tell the clocks of an assignment when its rep works from now on."""
    hours = working_hours(s, rep_id)
    s.say(WorkingHoursChanged(lead_id=lead, assignment_id=assignment, team_id=s.team, rep_id=rep_id, hours=hours))


def _held(s: Sitting, rep_id: RepId) -> Iterator[tuple[RequestId, Place]]:
    for _, request in s.parts.in_order(HOLDS, f"{rep_id}/"):
        place: Place | None = s.parts.get(PLACE, request)
        if place is not None:
            yield RequestId(request), place


def _terms(e: RepJoined | RepChanged) -> Terms:
    return Terms(
        caps=tuple(CapTerms(c.at_most, c.per.value, c.rolling, tuple(c.grades)) for c in e.caps),
        zone=str(e.zone) if e.zone is not None else None,
        breaks=tuple((b.days, b.start, b.end) for b in e.breaks),
        leave=tuple((x.first, x.last) for x in e.leave),
        skills=tuple(str(skill) for skill in e.skills),
    )


def left(s: Sitting, e: RepLeft) -> None:
    """Everything that he holds is withdrawn; the places stay taken until they are released."""
    rep = s.rep(e.rep_id)
    if rep is None:
        return
    s.put_rep(e.rep_id, replace(rep, left=True))
    for request, place in _held(s, e.rep_id):
        withdraw(s, place.lead, request, e.rep_id, e.reason)


def withdraw(
    s: Sitting, lead: LeadId, assignment: AssignmentId, rep_id: RepId, reason: Reason | None = None
) -> None:
    """Take a lead from a rep who is gone."""
    because = sentence(f"{rep_id} is not in {s.team} any more" + (f": {reason}" if reason is not None else ""))
    s.say(AssignmentWithdrawn(lead_id=lead, assignment_id=assignment, cause=RepGone(rep_id=rep_id), because=because))


def availability(s: Sitting, e: RepAvailabilityChanged) -> None:
    """He says whether he is there; who says so is not idle."""
    rep = s.rep(e.rep_id)
    if rep is None or rep.left:
        return
    until_ms = round(e.until.timestamp() * 1000) if e.until is not None else None
    unanswered_ms = None if e.available else rep.unanswered_ms
    s.put_rep(e.rep_id, replace(rep, available=e.available, until_ms=until_ms, unanswered_ms=unanswered_ms))
    serve_rep(s, e.rep_id)


def acted(s: Sitting, rep_id: RepId) -> None:
    """He was seen at work."""
    rep = s.rep(rep_id)
    if rep is None or rep.left or rep.unanswered_ms is None:
        return
    was_able = rep.able
    rep = s.put_rep(rep_id, replace(rep, unanswered_ms=None))
    if rep.able and not was_able:
        serve_rep(s, rep_id)


def account_set(s: Sitting, e: AccountSet) -> None:
    """A company is known from here on, for leads that come."""
    account = Account(
        name=str(e.name) if e.name is not None else None,
        domains=tuple(str(d) for d in e.domains),
        owners=e.owners,
        customer=e.customer,
        opportunities=tuple(dict.fromkeys(o.owner for o in e.open_opportunities)),
    )
    s.parts.put(ACCOUNT, e.account_id, account)


def account_removed(s: Sitting, e: AccountRemoved) -> None:
    """The company is nobody's any more."""
    s.parts.remove(ACCOUNT, e.account_id)
