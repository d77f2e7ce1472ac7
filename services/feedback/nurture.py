"""Nurture streams: who rests in which, why, since when and until when, for marketing's tools."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from schemas.vocabulary import LeadStatus, as_number
from services.feedback import tables
from services.feedback.lead_views import instant
from services.runtime.bulk import select_by

SOON = timedelta(days=7)
COLUMNS = (
    "lead_id", "stream", "buying_stage", "reason", "cycle", "grade", "score", "campaign", "channel", "recycled_at", "wakes_at",
    "consents",
)  # fmt: skip


def _resting() -> sa.Select[Any]:
    """The leads that rest now, with the cycle that they have ended."""
    leads, passed = tables.LEADS.c, tables.CYCLES.c
    newest = (
        sa.select(passed.lead_id, sa.func.max(passed.life).label("life")).group_by(passed.lead_id).subquery()
    )
    return (
        sa.select(
            leads.lead_id, passed.stream, passed.buying_stage, passed.reason, leads.cycle, leads.grade, leads.score,
            leads.campaign, leads.channel, passed.ended_ms, passed.wakes_ms,
        )
        .select_from(
            tables.LEADS.join(tables.CYCLES, sa.and_(passed.lead_id == leads.lead_id, passed.cycle == leads.cycle)).join(
                newest, sa.and_(newest.c.lead_id == passed.lead_id, newest.c.life == passed.life)
            )
        )
        .where(leads.status == LeadStatus.RECYCLED.value, passed.ended_as == "recycled")
    )  # fmt: skip


def streams(connection: sa.Connection, now: datetime) -> list[dict[str, Any]]:
    """Every stream in which somebody rests: how many, why, in which buying stage, and who is due soon."""
    soon_ms = int((now + SOON).timestamp() * 1000)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(_resting()):
        found[row.stream].append(row)
    return [
        {
            "stream": stream,
            "leads": len(rows),
            "due_within_7_days": sum(row.wakes_ms is not None and row.wakes_ms <= soon_ms for row in rows),
            "next_due_at": instant(min((row.wakes_ms for row in rows if row.wakes_ms is not None), default=None)),
            "reasons": dict(Counter(row.reason for row in rows).most_common()),
            "buying_stages": dict(Counter(row.buying_stage or "(unknown)" for row in rows).most_common()),
        }
        for stream, rows in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def audience(connection: sa.Connection, stream: str, *, buying_stage: str | None, consent: str | None) -> list[dict[str, Any]]:
    """Who rests in a stream, in the order of their dates. consent: only who has allowed this and not taken it back."""
    passed = tables.CYCLES.c
    wanted = [passed.stream == stream]
    if buying_stage is not None:
        wanted.append(passed.buying_stage == buying_stage)
    rows = connection.execute(_resting().where(*wanted).order_by(passed.wakes_ms, passed.lead_id)).all()
    consents = _consents(connection, [row.lead_id for row in rows])
    return [
        {
            **{name: row._mapping[name] for name in COLUMNS if name in row._mapping},
            "score": None if row.score is None else as_number(Decimal(row.score)),
            "recycled_at": instant(row.ended_ms),
            "wakes_at": instant(row.wakes_ms),
            "consents": consents.get(row.lead_id, []),
        }
        for row in rows
        if consent is None or consent in consents.get(row.lead_id, [])
    ]


def _consents(connection: sa.Connection, leads: list[str]) -> Mapping[str, list[str]]:
    """What each has allowed."""
    allowed: dict[str, list[str]] = defaultdict(list)
    table = tables.CONSENTS.c
    for row in select_by(connection, table.lead_id, leads, table.lead_id, table.purpose, table.granted):
        if row.granted:
            allowed[row.lead_id].append(row.purpose)
    return {lead: sorted(purposes) for lead, purposes in allowed.items()}
