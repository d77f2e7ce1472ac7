"""Which alerts are settled by what happened: if they are still held back, nobody needs them any more. Pure."""

from __future__ import annotations

from schemas.base import Event
from schemas.events import desk, intake, recycling, routing
from schemas.events.alerting import AlertKind, AlertRecalled
from schemas.events.sla import ClockBreached, ClockCancelled, ClockCorrected, ClockMet, ClockPaused
from schemas.ids import AlertId, LeadId, RecipientId
from schemas.lifecycle import Effect
from schemas.vocabulary import Because
from services.alerting.by_lead.state import Asked
from services.runtime.protocol import Context

_SETTLES: dict[type[Event], str] = {
    desk.LeadAccepted: "the lead was accepted",
    desk.ContactAttempted: "the lead was tried",
    desk.LeadConnected: "the lead was reached",
    desk.MeetingRecorded: "a meeting was recorded",
    desk.OpportunityOpened: "an opportunity was opened",
    desk.LeadRejected: "the lead was rejected",
    desk.LeadReturned: "the lead was given back",
    desk.LeadHandedOver: "the lead was handed over",
    desk.LeadWon: "the lead was won",
    desk.LeadLost: "the lead was lost",
    recycling.LeadRecycled: "the lead was recycled",
    recycling.LeadGivenUp: "the lead was given up",
    intake.LeadSuppressed: "the lead is not to be contacted any more",
    intake.LeadsMerged: "the lead was merged with another",
    intake.LeadErased: "the lead was erased",
}
"""Whoever worked the lead, whatever clock or queue the alert was about."""
_CALMED: dict[type[Event], str] = {
    ClockMet: "the clock was met",
    ClockCancelled: "the clock does not count any more",
    ClockCorrected: "the breach was taken back",
    ClockPaused: "the clock was paused",
}


def recalled(asked: Asked, event: Event, context: Context) -> AlertRecalled | None:
    """The recall of an alert that is settled by the event; none: it is not."""
    because = _settled(asked, event, context)
    if because is None:
        return None
    return AlertRecalled(
        recipient=RecipientId(asked.recipient),
        alert_id=AlertId(asked.alert),
        lead_id=LeadId(context.key),
        because=Because(f"{because} at {context.now:%Y-%m-%d %H:%M:%S} UTC"),
    )


def _settled(asked: Asked, event: Event, context: Context) -> str | None:
    if asked.of is not None and getattr(event, "clock_id", None) == asked.of:
        if isinstance(event, ClockBreached) and asked.kind == AlertKind.BREACH_LIKELY:
            return "the clock ran out"
        return _CALMED.get(type(event))
    if context.effect is not Effect.EFFECT:
        return None
    if asked.kind == AlertKind.LEAD_QUEUED and isinstance(event, routing.LeadAssigned):
        return f"{event.rep_id} got the lead"
    return _SETTLES.get(type(event))
