"""What the ledger keeps of cycles and contests: rows and changes of rows, made of events in effect. Pure."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from schemas.base import Event
from schemas.events import desk, feedback, recycling
from schemas.ids import EventId
from schemas.lifecycle import RESTS, Life, State
from schemas.vocabulary import Actor, ByManager, ByRep, LifecycleStage
from services.feedback import tables
from services.feedback.lead_row import LeadRow

Row = dict[str, Any]

_OF_CYCLE = (
    tables.CYCLES.c.lead_id == sa.bindparam("of_lead"),
    tables.CYCLES.c.life == sa.bindparam("of_life"),
    tables.CYCLES.c.cycle == sa.bindparam("of_cycle"),
)
STAGE = sa.update(tables.CYCLES).where(*_OF_CYCLE).values(stage=sa.bindparam("as_stage"))
DECIDE = (
    sa.update(tables.CONTESTS)
    .where(tables.CONTESTS.c.contest_id == sa.bindparam("of_contest"))
    .values(
        verdict=sa.bindparam("as_verdict"),
        decided_ms=sa.bindparam("at"),
        decided_by=sa.bindparam("by"),
        decided_because=sa.bindparam("why"),
    )
)
FORGET_CONSENTS = (
    sa.update(tables.CONSENTS).where(tables.CONSENTS.c.lead_id == sa.bindparam("of_lead")).values(granted=sa.false())
)


def passed(event: Event, before: Life, row: LeadRow) -> Row | None:
    """The row of the cycle that an event begins, ends, or goes on with; None for what does none of that."""
    life = row.memory.life
    core: Row = {
        "lead_id": row.lead_id,
        "life": life.life,
        "cycle": life.cycle,
        "began_ms": row.cycle_ms,
        "woken_by": None,
        "because": None,
        "stage": str(life.stage),
        "campaign": row.campaign,
        "ended_ms": None,
        "ended_as": None,
        "reason": None,
        "stream": None,
        "buying_stage": None,
        "wakes_ms": None,
    }
    match event:
        case recycling.LeadReactivated():
            return core | {"began_ms": row.at_ms, "woken_by": event.woken_by.kind, "because": str(event.because)}
        case recycling.LeadRecycled():
            wakes_ms = round(event.wakes_at.timestamp() * 1000) if event.wakes_at is not None else None
            rests = {"stream": str(event.stream), "buying_stage": _text(event.buying_stage), "wakes_ms": wakes_ms}
            return core | rests | {"ended_ms": row.at_ms, "ended_as": "recycled", "reason": str(event.reason)}
        case recycling.LeadRetired():
            end = "suppressed" if event.suppressed else "retired"
            return core | {"ended_ms": row.at_ms, "ended_as": end, "reason": str(event.reason)}
        case desk.ContestDecided() if before.state in RESTS and life.state is State.UNROUTED:
            return core  # it goes on as if it had not ended
    return None


def stage(row: LeadRow) -> Row:
    """How far the lead's cycle has come; an undone step is taken back."""
    life = row.memory.life
    return {"of_lead": row.lead_id, "of_life": life.life, "of_cycle": life.cycle, "as_stage": str(life.stage)}


def contested(event: feedback.RejectionContested, event_id: EventId, row: LeadRow) -> Row:
    """A new contest."""
    return {
        "contest_id": event_id,
        "lead_id": row.lead_id,
        "action_id": event.action_id,
        "at_ms": row.at_ms,
        "rep_id": _text(event.rep_id),
        "reason": str(event.reason),
        "campaign": row.campaign,
        "contested_by": str(event.contested_by),
        "because": _text(event.because),
        "verdict": None,
        "decided_ms": None,
        "decided_by": None,
        "decided_because": None,
    }


def decided(event: desk.ContestDecided, row: LeadRow) -> Row:
    """What a manager said of it."""
    return {
        "of_contest": event.contest_id,
        "as_verdict": event.verdict.value,
        "at": row.at_ms,
        "by": _who(event.by),
        "why": _text(event.because),
    }


def _who(by: Actor) -> str:
    match by:
        case ByManager():
            return str(by.manager_id)
        case ByRep():
            return str(by.rep_id)
    return str(by.system)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


STAGES = tuple(LifecycleStage)
"""From the first to the last."""
