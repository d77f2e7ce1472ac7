"""What the doors and pages show of leads: one, many, a timeline, the latest changes."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa

from schemas.vocabulary import as_number
from schemas.wire import UndecodableRecord, decode
from services.feedback import tables
from services.feedback.sentences import sentence
from services.runtime.lead_log import decode_memory
from services.runtime.problems import Problem


def instant(ms: int | None) -> str | None:
    """ISO 8601 of a time in ms since 1970."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def lead(connection: sa.Connection, lead_id: str) -> dict[str, Any]:
    """One lead. Raises Problem 404."""
    row = connection.execute(sa.select(tables.LEADS).where(tables.LEADS.c.lead_id == lead_id)).one_or_none()
    if row is None or row.status is None:
        raise Problem(
            404, "No such lead", f"There is no lead {lead_id} in the ledger; GET /v1/leads lists those that there are."
        )
    return {**shown(row), "assignees": assignees(connection, lead_id)}


def leads(
    connection: sa.Connection,
    *,
    statuses: list[str],
    owner: str | None,
    campaign: str | None,
    limit: int,
    after: str | None,
) -> dict[str, Any]:
    """A page of leads, the latest moved first; `next` is the cursor of the page after it."""
    table = tables.LEADS.c
    wanted: list[sa.ColumnElement[bool]] = [table.status.is_not(None)]
    if statuses:
        wanted.append(table.status.in_(statuses))
    if owner is not None:
        wanted.append(table.owner == owner)
    if campaign is not None:
        wanted.append(table.campaign == campaign)
    total = connection.execute(sa.select(sa.func.count()).select_from(tables.LEADS).where(*wanted)).scalar_one()
    if after is not None:
        at_ms, lead_id = _position(after)
        wanted.append(sa.or_(table.at_ms < at_ms, sa.and_(table.at_ms == at_ms, table.lead_id > lead_id)))
    rows = connection.execute(
        sa.select(tables.LEADS).where(*wanted).order_by(table.at_ms.desc(), table.lead_id).limit(limit + 1)
    ).all()
    more = len(rows) > limit
    return {
        "leads": [shown(row) for row in rows[:limit]],
        "total": total,
        "next": _cursor(rows[limit - 1]) if more else None,
    }


def shown(row: Any) -> dict[str, Any]:
    """A row of the ledger as people and programs see it."""
    life = decode_memory(row.memory).life
    return {
        "lead_id": row.lead_id,
        "lead_status": row.status,
        "lifecycle_stage": row.stage,
        "cycle": row.cycle,
        "grade": row.grade,
        "score": None if row.score is None else as_number(Decimal(row.score)),
        "owner": row.owner,
        "team_id": row.team_id,
        "pool_id": life.pool,
        "assignment_id": row.assignment_id,
        "queued": life.queued.value if life.queued is not None else None,
        "merged_into": life.survivor,
        "campaign": row.campaign,
        "channel": row.channel,
        "submissions": row.submissions,
        "submitted_at": instant(row.submitted_ms),
        "status_since": instant(row.status_ms),
        "last_event_at": instant(row.at_ms),
        "owed": row.owed,
    }


def assignees(connection: sa.Connection, lead_id: str) -> list[dict[str, Any]]:
    """Everybody who ever had the lead, in order: nobody is forgotten when another takes it over."""
    table = tables.ASSIGNMENTS
    rows = connection.execute(sa.select(table).where(table.c.lead_id == lead_id).order_by(table.c.from_position))
    return [
        {
            "rep": row.rep_id,
            "team_id": row.team_id,
            "assignment_id": row.assignment_id,
            "since": instant(row.from_ms),
            "accepted": row.accepted,
            "now": row.until_position is None,
        }
        for row in rows
    ]


def timeline(connection: sa.Connection, lead_id: str) -> dict[str, Any]:
    """Every event of a lead in its order; void ones are marked. Raises Problem 404."""
    about = lead(connection, lead_id)
    table = tables.TIMELINE
    rows = connection.execute(sa.select(table).where(table.c.lead_id == lead_id).order_by(table.c.position)).all()
    return {"lead_id": lead_id, "lead_status": about["lead_status"], "events": [_happened(row) for row in rows]}


def _happened(row: Any) -> dict[str, Any]:
    content = orjson.loads(row.body)
    try:
        says = sentence(decode(row.type, bytes(row.body)))
    except UndecodableRecord:
        says = row.type
    return {
        "position": row.position,
        "at": instant(row.at_ms),
        "type": row.type.removeprefix("leadloop.").rsplit(".v", 1)[0],
        "event_id": row.event_id,
        "effect": row.effect,
        "void": row.effect == "void",
        "sentence": says,
        "reason": content.get("reason"),
        "because": content.get("because"),
        "caused_by": row.caused_by,
        "event": content,
    }


def by_status(connection: sa.Connection) -> dict[str, int]:
    """How many leads are in each status."""
    status = tables.LEADS.c.status
    counted = connection.execute(sa.select(status, sa.func.count()).where(status.is_not(None)).group_by(status))
    return dict(counted.all())


def latest_changes(connection: sa.Connection, number: int) -> list[dict[str, Any]]:
    """The last changes of status, the newest first, as LeadStatusChanged says them."""
    table = tables.CHANGES.c
    rows = connection.execute(sa.select(table.body).order_by(table.at_ms.desc(), table.position.desc()).limit(number))
    return [orjson.loads(row.body) for row in rows]


def _cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row.at_ms, row.lead_id])).rstrip(b"=").decode()


def _position(cursor: str) -> tuple[int, str]:
    try:
        at_ms, lead_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return int(at_ms), str(lead_id)
    except (binascii.Error, orjson.JSONDecodeError, ValueError, TypeError) as error:
        raise Problem(
            400, "Not a cursor", "The parameter `after` is no cursor; take `next` from the page before."
        ) from error
