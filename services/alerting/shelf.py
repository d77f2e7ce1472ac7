"""What alerting's tables answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from schemas.agreement.tools import PersonalField
from schemas.events.intake import LeadProfile
from services.alerting.rows import ALERTS, MESSAGES, MUTES, PEOPLE, RECIPIENTS, RECORDS


def disabled(connection: sa.Connection) -> dict[str, str]:
    """The recipients that nothing is delivered to, with why."""
    found = connection.execute(
        sa.select(RECIPIENTS.c.recipient, RECIPIENTS.c.because).where(RECIPIENTS.c.disabled_ms.is_not(None))
    )
    return {row.recipient: row.because or "it was disabled" for row in found}


def person(connection: sa.Connection, lead_id: str, allowed: Iterable[PersonalField]) -> dict[str, Any]:
    """What of a person may be told; empty if nothing is known (any more)."""
    text = connection.scalar(sa.select(PEOPLE.c.profile).where(PEOPLE.c.lead_id == lead_id))
    if text is None:
        return {}
    profile = LeadProfile.model_validate_json(text).model_dump(mode="json")
    return {field.value: profile[field.value] for field in allowed if profile.get(field.value)}


def recipients(connection: sa.Connection) -> list[dict[str, Any]]:
    """How each recipient fares, with how many messages it is owed, was sent and was not."""
    counted = connection.execute(
        sa.select(MESSAGES.c.recipient, MESSAGES.c.state, sa.func.count(), sa.func.min(MESSAGES.c.next_ms)).group_by(
            MESSAGES.c.recipient, MESSAGES.c.state
        )
    ).all()
    counts = {(recipient, state): number for recipient, state, number, _ in counted}
    nexts = {recipient: at for recipient, state, _, at in counted if state == "owed"}
    return [
        {
            "id": row.recipient,
            "tool": row.tool,
            "state": _state(row),
            "because": row.because,
            "failures": row.failures,
            "failing_since": _at(row.failing_ms),
            "disabled_at": _at(row.disabled_ms),
            "last_sent_at": _at(row.sent_ms),
            "next_attempt_at": _at(nexts.get(row.recipient)),
            "read_upto": _at(row.read_ms),
            **{state: counts.get((row.recipient, state), 0) for state in ("owed", "sent", "failed")},
        }
        for row in connection.execute(sa.select(RECIPIENTS).order_by(RECIPIENTS.c.recipient))
        if row.tool is not None
    ]


def messages(
    connection: sa.Connection,
    recipient: str,
    *,
    ids: Iterable[str] | None = None,
    states: Iterable[str] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> list[dict[str, Any]]:
    """The messages to a recipient. since_ms, until_ms: of the time they were first released, the end excluded."""
    c = MESSAGES.c
    asked = sa.select(MESSAGES).where(c.recipient == recipient)
    if ids is not None:
        asked = asked.where(c.message_id.in_(list(ids)))
    if states is not None:
        asked = asked.where(c.state.in_(list(states)))
    if since_ms is not None:
        asked = asked.where(c.at_ms >= since_ms)
    if until_ms is not None:
        asked = asked.where(c.at_ms < until_ms)
    order = (c.at_ms.desc(), c.message_id.desc()) if newest_first else (c.at_ms, c.message_id)
    return [dict(row._mapping) for row in connection.execute(asked.order_by(*order).limit(limit))]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A message as the doors answer it. Nothing personal is in it."""
    return {
        "id": row["message_id"],
        "type": f"lead.{row['kind']}",
        "lead_id": row["lead_id"],
        "released_at": _at(row["at_ms"]),
        "state": row["state"],
        "attempts": row["attempts"],
        "replays": row["replay"],
        "status": row["status"],
        "because": row["because"],
        "next_attempt_at": _at(row["next_ms"]),
        "settled_at": _at(row["settled_ms"]),
        "news": orjson.loads(row["news"]),
    }


def alerts(
    connection: sa.Connection,
    *,
    recipient: str | None = None,
    lead_id: str | None = None,
    states: Iterable[str] | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Alerts, the newest first, each with what became of it and why."""
    c = ALERTS.c
    asked = sa.select(ALERTS)
    for column, wanted in ((c.recipient, recipient), (c.lead_id, lead_id)):
        if wanted is not None:
            asked = asked.where(column == wanted)
    if states is not None:
        asked = asked.where(c.state.in_(list(states)))
    found = connection.execute(asked.order_by(c.asked_ms.desc(), c.alert_id).limit(limit)).all()
    waiting = [row.lead_id for row in found if row.state == "held"]
    onward = {
        (row.lead_id, row.about, row.via.split()[-1]): row.recipient
        for row in connection.execute(sa.select(ALERTS).where(c.lead_id.in_(waiting), c.via != ""))
    }
    return [_alert(row, onward.get((row.lead_id, row.about, row.recipient))) for row in found]


def _alert(row: Any, handed_to: str | None) -> dict[str, Any]:
    """As the doors answer it. handed_to: who got it while this recipient was out of his hours."""
    handed = row.state == "held" and handed_to is not None
    return {
        "id": row.alert_id,
        "recipient": row.recipient,
        "kind": row.kind,
        "lead_id": row.lead_id,
        "rep": row.rep_id,
        "clock": row.clock,
        "deadline_at": _at(row.deadline_ms),
        "asked_at": _at(row.asked_ms),
        "about": row.about,
        "via": row.via.split(),
        "state": "handed_on" if handed else row.state,
        "settled_at": _at(row.settled_ms),
        "because": f"it was out of its hours, so {handed_to} was told" if handed else row.because,
        "message": row.message_id,
    }


def mutes(connection: sa.Connection, now_ms: int) -> list[dict[str, Any]]:
    """Who is muted at that time, those that end first first."""
    waiting = sa.select(ALERTS.c.recipient, sa.func.count()).where(ALERTS.c.state == "held").group_by(ALERTS.c.recipient)
    held = {row[0]: row[1] for row in connection.execute(waiting)}
    found = connection.execute(sa.select(MUTES).where(MUTES.c.until_ms > now_ms).order_by(MUTES.c.until_ms))
    return [
        {
            "channel": row.recipient,
            "muted_at": _at(row.muted_ms),
            "muted_until": _at(row.until_ms),
            "by": row.muted_by,
            "because": row.because,
            "held": held.get(row.recipient, 0),
        }
        for row in found
    ]


def records(connection: sa.Connection, recipient: str, named: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What a CRM was last known to say in these records."""
    found = connection.execute(
        sa.select(RECORDS).where(RECORDS.c.recipient == recipient, RECORDS.c.record.in_(list(named)))
    )
    return {row.record: dict(row._mapping) for row in found}


def record_of(connection: sa.Connection, recipient: str, lead_id: str) -> str | None:
    """The CRM's record of a lead, if one is known."""
    query = sa.select(RECORDS.c.record).where(RECORDS.c.recipient == recipient, RECORDS.c.lead_id == lead_id)
    found: str | None = connection.execute(query.order_by(RECORDS.c.at_ms.desc())).scalars().first()
    return found


def refused(connection: sa.Connection, recipient: str) -> list[dict[str, Any]]:
    """Changes in a CRM that the desk took nothing of, the newest first."""
    query = sa.select(RECORDS).where(RECORDS.c.recipient == recipient, RECORDS.c.refused.is_not(None))
    return [
        {"record": row.record, "lead_id": row.lead_id, "stage": row.stage, "owner": row.owner, "because": row.refused}
        for row in connection.execute(query.order_by(RECORDS.c.at_ms.desc()).limit(100))
    ]


def read_upto_ms(connection: sa.Connection, recipient: str) -> int | None:
    """Up to where a CRM's changes have been seen to, ms; none: it was never read."""
    query = sa.select(RECIPIENTS.c.read_ms).where(RECIPIENTS.c.recipient == recipient)
    upto: int | None = connection.execute(query).scalar()
    return upto


def _state(row: Any) -> str:
    return "disabled" if row.disabled_ms is not None else "failing" if row.failures else "well"


def _at(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")
