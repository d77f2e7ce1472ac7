"""Sla's one processor: what the engine hosts. Free of the engine, so that replays can use it."""

from __future__ import annotations

from datetime import timedelta

from schemas.base import Event
from schemas.events.routing import WorkingHoursChanged
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadScored
from schemas.ids import ProcessorName
from schemas.topics import LEADS
from services.runtime.protocol import Processor
from services.sla.decide import decide, due, touched_by_agreement
from services.sla.state import Watch

SLA = Processor(
    name=ProcessorName("sla"),
    log=LEADS,
    state=Watch,
    decide=decide,
    listens=frozenset[type[Event]]((TimerDue, LeadScored, WorkingHoursChanged)),
    follows_life=True,
    due=due,
    touched_by_agreement=touched_by_agreement,
    gather=timedelta(milliseconds=100),
)
