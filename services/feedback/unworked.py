"""Leads that are owed a rep's first move: who has them, since when, and why nobody has moved."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from schemas.events.routing import LeadQueued
from schemas.vocabulary import LeadStatus
from schemas.wire import decode
from services.feedback import tables
from services.feedback.clocks import BREACHED, RUNNING, span
from services.feedback.lead_views import instant

_QUEUED = LeadQueued.type_name()


def unworked(connection: sa.Connection, now: datetime, *, team: str | None, limit: int) -> dict[str, Any]:
    """Qualified leads that wait for a rep, and assigned ones on which he has done nothing yet; the oldest first."""
    leads, held = tables.LEADS.c, tables.ASSIGNMENTS.c
    idle = sa.exists().where(
        held.lead_id == leads.lead_id, held.until_position.is_(None), held.answered_ms.is_(None)
    )
    wanted = [
        sa.or_(
            leads.status == LeadStatus.WAITING.value, sa.and_(leads.status == LeadStatus.ASSIGNED.value, idle)
        )
    ]
    if team is not None:
        wanted.append(leads.team_id == team)
    counted = connection.execute(sa.select(leads.status, sa.func.count()).where(*wanted).group_by(leads.status))
    by_status = {status: number for status, number in counted}  # noqa: C416 - rows are no pairs to mypy
    since = sa.func.coalesce(leads.mql_ms, leads.status_ms)
    rows = connection.execute(
        sa.select(tables.LEADS, since.label("since_ms")).where(*wanted).order_by(since, leads.lead_id).limit(limit)
    ).all()
    queued, clocks = _queued(connection, rows), _clocks(connection, rows)
    return {
        "total": sum(by_status.values()),
        "by_status": by_status,
        "leads": [_shown(row, now, queued.get(row.lead_id), clocks.get(row.lead_id)) for row in rows],
    }


def _queued(connection: sa.Connection, rows: Any) -> dict[str, LeadQueued]:
    """What routing said last of those that wait."""
    waiting = [row.lead_id for row in rows if row.status == LeadStatus.WAITING.value]
    line = tables.TIMELINE.c
    found = connection.execute(
        sa.select(line.lead_id, line.body)
        .where(line.lead_id.in_(waiting), line.type == _QUEUED, line.effect == "effect")
        .order_by(line.position)
    )
    said = {row.lead_id: decode(_QUEUED, bytes(row.body), explained=False) for row in found}
    return {lead: event for lead, event in said.items() if isinstance(event, LeadQueued)}


def _clocks(connection: sa.Connection, rows: Any) -> dict[str, Any]:
    """The nearest deadline of each that a rep has."""
    assigned = [row.lead_id for row in rows if row.status == LeadStatus.ASSIGNED.value]
    clock = tables.CLOCKS.c
    found = connection.execute(
        sa.select(tables.CLOCKS)
        .where(clock.lead_id.in_(assigned), clock.state.in_([RUNNING, BREACHED]))
        .order_by(clock.started_ms.desc(), clock.deadline_ms.desc())
    )
    return {row.lead_id: row for row in found}


def _shown(row: Any, now: datetime, queued: LeadQueued | None, clock: Any) -> dict[str, Any]:
    minutes = (now.timestamp() * 1000 - row.since_ms) / 60_000
    deadline = None if clock is None else clock.deadline_ms
    return {
        "lead_id": row.lead_id,
        "lead_status": row.status,
        "team_id": row.team_id,
        "owner": row.owner,
        "grade": row.grade,
        "campaign": row.campaign,
        "qualified_at": instant(row.since_ms),
        "status_since": instant(row.status_ms),
        "minutes": round(max(minutes, 0.0), 1),
        "deadline_at": instant(deadline),
        "overdue": deadline is not None and deadline < now.timestamp() * 1000,
        "why": _why(row, now, queued, clock),
    }


def _why(row: Any, now: datetime, queued: LeadQueued | None, clock: Any) -> str:
    if row.status == LeadStatus.WAITING.value:
        return f"waits in the queue: {queued.because}" if queued is not None else "routing has not answered yet"
    held = span(max(0.0, (now.timestamp() * 1000 - row.status_ms) / 60_000))
    had = f"{row.owner} has it for {held} and has done nothing"
    if clock is None:
        return f"{had}; no clock runs"
    left = (clock.deadline_ms - now.timestamp() * 1000) / 60_000
    return f"{had}; {clock.clock} {f'is due in {span(left)}' if left >= 0 else f'was due {span(-left)} ago'}"
