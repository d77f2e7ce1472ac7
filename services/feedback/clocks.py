"""A clock's row of the ledger, and what is due: from sla's events alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from schemas.events import sla
from services.feedback import tables
from services.feedback.lead_row import LeadRow
from services.feedback.lead_views import instant

RUNNING, PAUSED, MET, BREACHED, CORRECTED, CANCELLED = "running", "paused", "met", "breached", "corrected", "cancelled"
KEPT = frozenset({MET, CORRECTED})
"""The promise was kept; a correction says that it had been, after all."""

_CLOCK = tables.CLOCKS.c
CHANGE = (
    sa.update(tables.CLOCKS)
    .where(_CLOCK.clock_id == sa.bindparam("of_clock"))
    .values(
        state=sa.func.coalesce(sa.bindparam("to", type_=sa.Text), _CLOCK.state),
        deadline_ms=sa.func.coalesce(sa.bindparam("due", type_=sa.BigInteger), _CLOCK.deadline_ms),
        ended_ms=sa.func.coalesce(sa.bindparam("ended", type_=sa.BigInteger), _CLOCK.ended_ms),
        warned_ms=sa.func.coalesce(sa.bindparam("warned", type_=sa.BigInteger), _CLOCK.warned_ms),
        late=sa.or_(_CLOCK.late, sa.bindparam("detected_late", type_=sa.Boolean)),
    )
)
"""One statement for all changes, so that those of one clock come in the order of its events."""


def started(event: sla.ClockStarted, lead: LeadRow) -> dict[str, Any]:
    """The row of a clock that begins, with what its lead is then."""
    return {
        "clock_id": event.clock_id,
        "lead_id": event.lead_id,
        "clock": event.clock,
        "team_id": event.team_id,
        "rep_id": event.rep_id,
        "grade": lead.grade,
        "channel": lead.channel,
        "campaign": lead.campaign,
        "calendar": event.calendar,
        "started_ms": _ms(event.started_at),
        "deadline_ms": _ms(event.deadline_at),
        "ended_ms": None,
        "warned_ms": None,
        "state": RUNNING,
        "late": False,
        "grace": event.grace,
    }


def change(event: sla.ClockEvent) -> dict[str, Any]:
    """The parameters of `CHANGE`; None leaves what there is."""
    to: str | None = None
    due = ended = warned = None
    late = False
    match event:
        case sla.ClockWarned():
            warned, due = event.due_at, event.deadline_at
        case sla.ClockBreached():
            to, due, ended, late = BREACHED, event.deadline_at, event.deadline_at, event.detected_late
        case sla.ClockMet():
            to, due, ended = MET, event.deadline_at, event.met_at
        case sla.ClockPaused():
            to = PAUSED
        case sla.ClockResumed():
            to, due = RUNNING, event.deadline_at
        case sla.ClockReplanned():
            due = event.deadline_at
        case sla.ClockCancelled():
            to, ended = CANCELLED, event.cancelled_at
        case sla.ClockCorrected():
            to, ended = CORRECTED, event.happened_at
    times = {name: None if at is None else _ms(at) for name, at in (("due", due), ("ended", ended), ("warned", warned))}
    return {"of_clock": event.clock_id, "to": to, "detected_late": late, **times}


def of_lead(connection: sa.Connection, lead_id: str, now: datetime) -> list[dict[str, Any]]:
    """Every clock that a lead ever had, in order, each with a sentence."""
    rows = connection.execute(
        sa.select(tables.CLOCKS).where(_CLOCK.lead_id == lead_id).order_by(_CLOCK.started_ms, _CLOCK.clock_id)
    )
    return [shown(row, now) for row in rows]


def due(connection: sa.Connection, now: datetime, within: timedelta, limit: int) -> dict[str, Any]:
    """The running clocks whose deadline is near or has passed, the nearest first, and how many there are."""
    wanted = (_CLOCK.state == RUNNING, _CLOCK.deadline_ms <= _ms(now + within))
    total = connection.execute(sa.select(sa.func.count()).select_from(tables.CLOCKS).where(*wanted)).scalar_one()
    rows = connection.execute(
        sa.select(tables.CLOCKS).where(*wanted).order_by(_CLOCK.deadline_ms, _CLOCK.clock_id).limit(limit)
    )
    return {"within_minutes": within / timedelta(minutes=1), "total": total, "due": [shown(row, now) for row in rows]}


def shown(row: Any, now: datetime) -> dict[str, Any]:
    """A clock as people and programs see it."""
    left = (row.deadline_ms - _ms(now)) / 60_000
    return {
        "lead_id": row.lead_id,
        "clock": row.clock,
        "clock_id": row.clock_id,
        "rep": row.rep_id,
        "team_id": row.team_id,
        "grade": row.grade,
        "campaign": row.campaign,
        "state": row.state,
        "started_at": instant(row.started_ms),
        "deadline_at": instant(row.deadline_ms),
        "ended_at": instant(row.ended_ms),
        "warned_at": instant(row.warned_ms),
        "detected_late": bool(row.late),
        "minutes_left": round(left, 1) if row.state == RUNNING else None,
        "says": _sentence(row, left),
    }


def _sentence(row: Any, minutes_left: float) -> str:
    whose = f"{row.rep_id}'s clock {row.clock}{', a grace,' if row.grace else ''}"
    deadline, ended = _at(row.deadline_ms), _at(row.ended_ms) if row.ended_ms is not None else ""
    match row.state:
        case "running" if minutes_left >= 0:
            return f"{whose} runs until {deadline}: {span(minutes_left)} left"
        case "running":
            return f"{whose} was due at {deadline}, {span(-minutes_left)} ago"
        case "paused":
            return f"{whose} is paused"
        case "met":
            return f"{whose} was met at {ended}, {span((row.deadline_ms - row.ended_ms) / 60_000)} before its deadline"
        case "breached":
            return f"{whose} was breached at {deadline}{', which was detected late' if row.late else ''}"
        case "corrected":
            return f"{whose} seemed breached at {deadline}, but what meets it had happened at {ended}"
        case _:
            return f"{whose} was cancelled at {ended}: nothing was owed any more"


def span(minutes: float) -> str:
    """A length of time for people: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    seconds = round(minutes * 60)
    if seconds < 60:
        return f"{seconds} s"
    whole = seconds // 60
    if whole < 60:
        return f"{whole} min"
    if whole < 48 * 60:
        return f"{whole // 60} h {whole % 60} min" if whole % 60 else f"{whole // 60} h"
    return f"{whole // 1440} d {whole % 1440 // 60} h"


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
