"""Scoring's one processor: what the engine hosts. Free of the engine, so that replays can use it."""

from __future__ import annotations

from schemas.events.intake import EngagementObserved, LeadSubmitted
from schemas.events.runtime import TimerDue
from schemas.ids import ProcessorName
from schemas.topics import LEADS
from services.runtime.protocol import Processor
from services.scoring.decide import decide, due, touched_by_agreement
from services.scoring.state import Known

SCORING = Processor(
    name=ProcessorName("scoring"),
    log=LEADS,
    state=Known,
    decide=decide,
    listens=frozenset({LeadSubmitted, EngagementObserved, TimerDue}),
    follows_life=True,
    due=due,
    touched_by_agreement=touched_by_agreement,
)
