"""Random histories of one lead in which everything may happen at any moment, for what follows its life."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from schemas.base import Event
from schemas.events import desk, intake
from tests.builders import LEAD, OneLead, engaged, submitted

OTHER = "0b0f6c1a-5b5e-5f6e-9d58-1f0b7c3f8a12"
_ATTRIBUTES: list[dict[str, object]] = [
    {},
    {"topic": "demo"},
    {"topic": "other"},
    {"employees": 60},
    {"employees": 5},
    {"student": True},
    {"student": False},
]
_REASONS = ("no_budget", "bad_data", "lost_interest", "unheard_of")
_KINDS = ("pricing_viewed", "mail_clicked", "webinar_attended", "unheard_of")


def _erased(lead: OneLead[Any]) -> Event:
    return intake.LeadErased(lead_id=LEAD)


def _undone(lead: OneLead[Any]) -> Event:
    action = lead.life.undoable[-1][0] if lead.life.undoable else "nothing"
    return lead.act(desk.ActionUndone, assignment_id=lead.life.offer or "none", action_id=action)


def _action(action: Callable[..., Event], **said: Any) -> Callable[[OneLead[Any]], Event]:
    return lambda lead: lead.act(action, assignment_id=lead.life.offer or lead.life.last_offer or "none", **said)


_MOVES: dict[str, Callable[[OneLead[Any]], Event]] = {
    **{f"submitted {i}": lambda lead, a=a: submitted(at=lead.now, attributes=a) for i, a in enumerate(_ATTRIBUTES)},  # type: ignore[misc]
    **{
        f"engaged {k} {late}h ago": lambda lead, k=k, late=late: engaged(k, lead.now - timedelta(hours=late))  # type: ignore[misc]
        for k in _KINDS
        for late in (0, 30)
    },
    "qualified": lambda lead: lead.qualified(),
    "nurtured": lambda lead: lead.nurtured(),
    "routed": lambda lead: lead.routed(),
    "assigned to anna": lambda lead: lead.assigned("anna") if lead.life.offer else lead.routed(),
    "assigned to ben": lambda lead: lead.assigned("ben") if lead.life.offer else lead.routed(),
    "claimed": lambda lead: lead.assigned("ben", claimed_by="claim") if lead.life.offer else lead.routed(),
    "withdrawn": lambda lead: lead.withdrawn(lead.position) if lead.life.offer else _erased(lead),
    "withdrawn too late": lambda lead: lead.withdrawn(-1) if lead.life.offer else lead.routed(),
    "accepted": _action(desk.LeadAccepted),
    "accepted long ago": lambda lead: _action(desk.LeadAccepted, at=lead.now - timedelta(hours=6))(lead),
    "attempted": _action(desk.ContactAttempted, channel="phone", disposition="voicemail"),
    "connected": _action(desk.LeadConnected, channel="phone"),
    "waited for": _action(desk.ContactAttempted, channel="mail", disposition="awaiting_reply"),
    "attempted long ago": lambda lead: _action(
        desk.ContactAttempted, channel="phone", disposition="voicemail", at=lead.now - timedelta(hours=6)
    )(lead),
    "call me tomorrow": lambda lead: _action(desk.NextStepSet, due_at=lead.now + timedelta(hours=20))(lead),
    "called me yesterday": lambda lead: _action(
        desk.NextStepSet, due_at=lead.now + timedelta(hours=2), at=lead.now - timedelta(hours=20)
    )(lead),
    "opportunity": _action(desk.OpportunityOpened),
    "noted": _action(desk.NoteAdded),
    "rejected": _action(desk.LeadRejected, reason="not_mine"),
    **{f"returned for {r}": _action(desk.LeadReturned, reason=r) for r in _REASONS},
    "handed over": _action(desk.LeadHandedOver, to_role="ae"),
    "reassigned": _action(desk.ReassignmentOrdered, reason="workload"),
    "won": _action(desk.LeadWon),
    **{f"lost for {r}": _action(desk.LeadLost, reason=r) for r in _REASONS},
    "won in the crm": lambda lead: lead.outcome(desk.LeadWon),
    "lost in the crm": lambda lead: lead.outcome(desk.LeadLost, reason="no_budget"),
    "undone": _undone,
    "recycled": lambda lead: lead.recycled(lead.now + timedelta(hours=8), ("mail_clicked",)),
    "reactivated": lambda lead: lead.reactivated(),
    "suppressed": lambda lead: intake.LeadSuppressed.model_validate({"lead_id": LEAD, "reason": "spam"}),
    "merged": lambda lead: intake.LeadsMerged.model_validate({"lead_id": LEAD, "survivor": OTHER}),
    "unmerged": lambda lead: intake.LeadsUnmerged.model_validate({"lead_id": LEAD, "survivor": OTHER}),
    "erased": _erased,
    "a timer": lambda lead: lead.timer(lead.now),
}

_RARE = [
    "suppressed",
    "erased",
    "merged",
    "won in the crm",
    "lost in the crm",
    "withdrawn",
    "nurtured",
    "reassigned",
    "won",
]
_USUAL = [m for m in _MOVES if m not in _RARE]
_IN_HAND = [
    "accepted",
    "accepted long ago",
    "noted",
    "attempted",
    "attempted long ago",
    "waited for",
    "call me tomorrow",
    "called me yesterday",
    "opportunity",
    "connected",
    "undone",
    "rejected",
    "returned for no_budget",
    "lost for no_budget",
    "withdrawn too late",
    "submitted 2",
    "engaged pricing_viewed 0h ago",
    "wait 5h",
]
_ONWARD = {
    "none": "submitted 0",
    "erased": "submitted 1",
    "new": "qualified",
    "nurtured": "qualified",
    "disqualified": "qualified",
    "unrouted": "routed",
    "open": "assigned to anna",
    "returned": "arrive",
    "merged": "unmerged",
}

steps = st.one_of(
    *[st.just("onward")] * 4,
    *[st.sampled_from(_IN_HAND)] * 3,
    *[st.sampled_from(_USUAL)] * 2,
    st.just("arrive"),
    st.sampled_from(["arrive one", "wait 1h", "wait 5h", "wait 40d", "wait 100d"]),
    st.sampled_from([*["onward"] * 5, *_RARE]),
)
histories = st.lists(steps, min_size=12, max_size=45).map(lambda more: ["submitted 0", *more])
"""What happens, one thing after the other; answers of the processor stay on their way until `arrive`."""


def take(lead: OneLead[Any], step: str) -> list[Event]:
    """Let one thing happen. Returns what the processor says."""
    if step == "onward":
        step = _ONWARD.get(lead.life.state.value, "accepted")
    if step == "arrive":
        return lead.arrive()
    if step == "arrive one":
        return lead.reads(lead.in_flight.popleft()) if lead.in_flight else []
    if step.startswith("wait "):
        number, unit = int(step[5:-1]), step[-1]
        return lead.wait(timedelta(hours=number) if unit == "h" else timedelta(days=number))
    return lead.reads(_MOVES[step](lead))
