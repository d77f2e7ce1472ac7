"""Alerting's two processors: whom to tell (by lead), when and how often (by recipient). Free of the engine itself."""

from __future__ import annotations

from datetime import timedelta

from schemas.base import Event
from schemas.events.alerting import AlertFailed, AlertRecalled, AlertRequested, AlertSent, RecipientMuted
from schemas.events.feedback import BreachForeseen
from schemas.events.routing import LeadQueued
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadScored
from schemas.events.sla import ClockBreached, ClockWarned
from schemas.ids import ProcessorName
from schemas.topics import ALERTS, LEADS
from services.alerting import by_lead, by_recipient
from services.runtime.protocol import Processor

LEAD = Processor(
    name=ProcessorName("alerting.lead"),
    log=LEADS,
    state=by_lead.Told,
    decide=by_lead.decide,
    listens=frozenset[type[Event]]((ClockWarned, ClockBreached, BreachForeseen, LeadQueued, LeadScored, TimerDue, *by_lead.CALMS)),
    follows_life=True,
    due=by_lead.due,
    gather=timedelta(milliseconds=200),
)

RECIPIENT = Processor(
    name=ProcessorName("alerting.recipient"),
    log=ALERTS,
    state=by_recipient.Pace,
    decide=by_recipient.decide,
    listens=frozenset[type[Event]]((AlertRequested, AlertRecalled, AlertSent, AlertFailed, RecipientMuted, TimerDue)),
    due=by_recipient.due,
    parts={by_recipient.HELD: by_recipient.Held, by_recipient.UNDER_WAY: by_recipient.UnderWay},
)
