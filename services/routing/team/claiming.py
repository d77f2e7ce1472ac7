"""Claims: who first takes a lead that waits to be claimed has it."""

from __future__ import annotations

from schemas.agreement import sentence
from schemas.events.desk import LeadClaimed
from schemas.events.routing import ActionRefused, ChosenBy, QueueReason
from schemas.vocabulary import Slug
from services.routing.team import queueing
from services.routing.team.ability import knows
from services.routing.team.dealing import assign
from services.routing.team.sitting import Sitting
from services.routing.team.state import Wait


def claimed(s: Sitting, e: LeadClaimed) -> None:
    """Give the lead to the claimant, or say why not."""
    wait = queueing.waiting(s, e.request_id)
    refused = _refused(s, e, wait)
    if refused is None and wait is not None:
        queueing.leave(s, e.request_id, wait)
        because = sentence(f"{e.rep_id} claimed it")
        claim = s.context.event_id
        assign(s, e.request_id, wait, e.rep_id, because, (), chosen_by=ChosenBy.CLAIM, claim=claim)
        return
    s.say(
        ActionRefused(
            lead_id=e.lead_id,
            action_id=s.context.event_id,
            action=Slug("LeadClaimed"),
            rep_id=e.rep_id,
            because=sentence(refused or "the lead waits no more"),
        )
    )


def _refused(s: Sitting, e: LeadClaimed, wait: Wait | None) -> str | None:
    if wait is None or wait.lead != e.lead_id:
        return "the lead does not wait here any more: somebody has it, or it is out of routing's hands"
    rep = s.rep(e.rep_id)
    if rep is None or rep.left:
        return f"{e.rep_id} is not in {s.team}"
    if s.gone(wait.pool) or wait.pool not in rep.pools:
        return f"{e.rep_id} is not in the pool {wait.pool}"
    if not (wait.offered or s.claimed(wait.pool)) or wait.reason is not QueueReason.TO_BE_CLAIMED:
        return f"{wait.pool} deals this lead out: it cannot be claimed"
    if wait.skills and not knows(rep, wait.skills):
        return f"{e.rep_id} does not know {' and '.join(wait.skills)}"
    if e.rep_id in wait.excluded and e.rep_id not in wait.may_claim:
        return f"{e.rep_id} has had this lead, and rejected it, did not take it up in time, or is not to get it again"
    return None
