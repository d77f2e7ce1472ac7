"""Recycling's one processor: what the engine hosts. Free of the engine, so that replays can use it."""

from __future__ import annotations

from datetime import timedelta

from schemas.events.intake import EngagementObserved
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadScored
from schemas.ids import ProcessorName
from schemas.topics import LEADS
from services.recycling.decide import decide, due, touched_by_agreement
from services.recycling.state import Rests
from services.runtime.protocol import Processor

RECYCLING = Processor(
    name=ProcessorName("recycling"),
    log=LEADS,
    state=Rests,
    decide=decide,
    listens=frozenset({EngagementObserved, LeadScored, TimerDue}),
    follows_life=True,
    due=due,
    touched_by_agreement=touched_by_agreement,
    gather=timedelta(milliseconds=200),
)
