"""What tools hear of what happened to a lead: webhooks, CRMs and the rep himself, as the agreement in force says. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from schemas.agreement.tools import Hears, Notices
from schemas.base import Event
from schemas.events import desk, intake, recycling, routing, scoring, sla
from schemas.events.alerting import News, NewsKind, NewsReleased, ToolKind
from schemas.ids import AlertId, RecipientId, RepId
from schemas.lifecycle import Effect, Life
from schemas.vocabulary import Because
from services.alerting.by_lead.state import Told
from services.runtime.protocol import Context

_KINDS: dict[type[Event], NewsKind] = {
    scoring.LeadQualified: NewsKind.QUALIFIED,
    scoring.LeadNurtured: NewsKind.NURTURED,
    scoring.LeadDisqualified: NewsKind.DISQUALIFIED,
    routing.LeadQueued: NewsKind.QUEUED,
    routing.LeadAssigned: NewsKind.ASSIGNED,
    routing.AssignmentWithdrawn: NewsKind.WITHDRAWN,
    desk.LeadAccepted: NewsKind.ACCEPTED,
    desk.LeadRejected: NewsKind.REJECTED,
    desk.LeadReturned: NewsKind.RETURNED,
    desk.LeadHandedOver: NewsKind.HANDED_OVER,
    desk.ReassignmentOrdered: NewsKind.REASSIGNED,
    desk.OpportunityOpened: NewsKind.OPPORTUNITY_OPENED,
    desk.LeadWon: NewsKind.WON,
    desk.LeadLost: NewsKind.LOST,
    desk.ActionUndone: NewsKind.UNDONE,
    recycling.LeadRecycled: NewsKind.RECYCLED,
    recycling.LeadReactivated: NewsKind.REACTIVATED,
    recycling.LeadRetired: NewsKind.RETIRED,
    recycling.LeadGivenUp: NewsKind.RETURNED,
    intake.LeadSuppressed: NewsKind.SUPPRESSED,
    intake.LeadsMerged: NewsKind.MERGED,
    intake.LeadErased: NewsKind.ERASED,
    sla.ClockWarned: NewsKind.CLOCK_WARNED,
    sla.ClockBreached: NewsKind.CLOCK_BREACHED,
}
_SAID = ("reason", "stream", "wakes_at", "accept_by", "amount")
"""What news take over from events that say it."""


def learned(state: Told, event: Event, context: Context) -> Told:
    """What is remembered for messages to come, where there are tools or escalations: the score as it was last said."""
    agreement = context.agreement
    if (agreement.tools.hear or agreement.escalations) and isinstance(event, scoring.LeadScored | scoring.Verdict):
        return state.scored(str(event.score), event.grade, event.stage)
    return state


def news(state: Told, event: Event, context: Context) -> tuple[NewsReleased, ...]:
    """A message for each tool that is to hear of this; nothing if the event is void here."""
    tools = context.agreement.tools
    if not tools.hear or context.effect is not Effect.EFFECT:
        return ()
    kinds = tuple(_kinds(event, context.before, context.life))
    if not kinds:
        return ()
    facts = _facts(state, event, context)
    out: list[NewsReleased] = []
    for tool, name, hears in _listeners(context, _concerned(context.before, context.life)):
        team = facts["team_id"]
        if hears.teams and team not in hears.teams:
            continue
        for kind in kinds:
            if kind in hears.events:
                recipient = recipient_of(tool, name)
                told = News(kind=kind, **facts)
                out.append(
                    NewsReleased(recipient=recipient, tool=tool, alert_id=_message_id(told, recipient), news=told)
                )
    return tuple(out)


def recipient_of(tool: ToolKind, name: str) -> RecipientId:
    """The tool's id in the log of alerts. Ids of reps may be longer than leaves room for the prefix."""
    plain = f"{tool.value}.{name}"
    if len(plain) > 64:
        plain = f"{tool.value}.{hashlib.blake2b(name.encode(), digest_size=20).hexdigest()}"
    return RecipientId(plain)


def _listeners(context: Context, rep: RepId | None) -> Iterator[tuple[ToolKind, str, Hears | Notices]]:
    tools = context.agreement.tools
    for name, webhook in tools.webhooks.items():
        yield ToolKind.WEBHOOK, name, webhook
    for name, crm in tools.crms.items():
        yield ToolKind.CRM, name, crm
    if tools.notices is not None and rep is not None:
        yield ToolKind.REP, rep, tools.notices


def _kinds(event: Event, before: Life, after: Life) -> Iterator[NewsKind]:
    kind = _KINDS.get(type(event))
    if isinstance(event, desk.LeadReturned) and event.rejected:
        kind = NewsKind.REJECTED
    if isinstance(event, recycling.LeadRetired) and event.suppressed:
        kind = NewsKind.SUPPRESSED
    if isinstance(event, sla.ClockWarned | sla.ClockBreached) and after.assignment_id != event.assignment_id:
        return  # it lost the race against an action
    if kind is not None:
        yield kind
    if before.held and not (after.held and after.offer == before.offer):
        if isinstance(event, desk.ReassignmentOrdered):
            yield NewsKind.WITHDRAWN
        yield NewsKind.ENDED
    elif after.held and not before.held and kind is NewsKind.UNDONE:
        yield NewsKind.ASSIGNED  # the undo gave it back
    if after.lead_status != before.lead_status:
        yield NewsKind.STATUS_CHANGED


def _concerned(before: Life, after: Life) -> RepId | None:
    return after.rep if after.held else before.rep if before.held else None


def _facts(state: Told, event: Event, context: Context) -> dict[str, Any]:
    """Everything that news say but their kind."""
    before, after = context.before, context.life
    whose = after if after.held else before if before.held else None
    return {
        "happened_at": context.now,
        "event_id": context.event_id,
        "lead_id": context.key,
        "cycle": after.cycle,
        "lead_status": after.lead_status,
        "previous_status": before.lead_status if before.lead_status != after.lead_status else None,
        "lifecycle_stage": after.stage,
        "team_id": (whose or after).team or before.team,
        "pool_id": (whose or after).pool or before.pool,
        "rep_id": whose.rep if whose is not None else None,
        "assignment_id": whose.assignment_id if whose is not None else None,
        "buying_stage": state.stage,
        "grade": state.grade,
        "score": state.score,
        "because": getattr(event, "because", Because("")),
        **{name: getattr(event, name, None) for name in _SAID},
    }


def _message_id(told: News, recipient: RecipientId) -> AlertId:
    """The webhook-id: the same for the same occasion and recipient, whenever and however often it is said."""
    text = f"{told.event_id}|{told.kind}|{recipient}"
    return AlertId("msg_" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
