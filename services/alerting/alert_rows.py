"""Alerts and mutes as rows: what was asked for, what became of it, and who wants silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from schemas.base import Event
from schemas.events import alerting
from services.alerting.rows import ALERTS, MUTES, milliseconds
from services.runtime.bulk import upsert

READS: frozenset[type[Event]] = frozenset(
    {
        alerting.AlertRequested,
        alerting.AlertReleased,
        alerting.AlertWithdrawn,
        alerting.AlertSent,
        alerting.AlertFailed,
        alerting.RecipientMuted,
    }
)


def read(connection: sa.Connection, events: Iterable[tuple[Event, int]]) -> None:
    """Events in the order of their log, each with the time of its record in ms. What is told again changes nothing."""
    asked: list[dict[str, Any]] = []
    for event, at_ms in events:
        if isinstance(event, alerting.AlertRequested):
            asked.append(_asked(event, at_ms))
        elif type(event) in READS:
            _ask(connection, asked)
            _change(connection, event, at_ms)
    _ask(connection, asked)


def _ask(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Keep the new ones; one that is known already keeps its state."""
    if rows:
        asked = sa.select(ALERTS.c.recipient, ALERTS.c.alert_id).where(ALERTS.c.alert_id.in_({row["alert_id"] for row in rows}))
        known = {(recipient, alert_id) for recipient, alert_id in connection.execute(asked)}
        upsert(connection, ALERTS, [row for row in rows if (row["recipient"], row["alert_id"]) not in known])
        rows.clear()


def _change(connection: sa.Connection, event: Event, at_ms: int) -> None:
    c = ALERTS.c
    match event:
        case alerting.AlertReleased():
            _set(
                connection,
                (c.recipient == event.recipient) & c.alert_id.in_([line.alert_id for line in event.lines]) & (c.state == "held"),
                state="released",
                message_id=event.alert_id,
            )
        case alerting.AlertWithdrawn():
            its = (c.recipient == event.recipient) & (c.alert_id == event.alert_id) & (c.state == "held")
            _set(connection, its, state="withdrawn", settled_ms=at_ms, because=event.because)
        case alerting.AlertSent():
            its = (c.recipient == event.recipient) & (c.message_id == event.alert_id)
            _set(connection, its, state="sent", settled_ms=at_ms, because=None)
        case alerting.AlertFailed():
            its = (c.recipient == event.recipient) & (c.message_id == event.alert_id) & (c.state == "released")
            _set(connection, its, state="failed", settled_ms=at_ms, because=event.because)
        case alerting.RecipientMuted():
            row = {
                "recipient": event.recipient,
                "muted_ms": milliseconds(event.muted_at),
                "until_ms": milliseconds(event.until),
                "muted_by": event.by,
                "because": event.because,
            }
            upsert(connection, MUTES, [row])


def _set(connection: sa.Connection, its: sa.ColumnElement[bool], **said: Any) -> None:
    connection.execute(sa.update(ALERTS).where(its).values(**said))


def _asked(event: alerting.AlertRequested, at_ms: int) -> dict[str, Any]:
    return {
        "recipient": event.recipient,
        "alert_id": event.alert_id,
        "message_id": None,
        "kind": event.kind.value,
        "lead_id": event.lead_id,
        "rep_id": event.rep_id,
        "clock": event.clock,
        "deadline_ms": None if event.deadline_at is None else milliseconds(event.deadline_at),
        "asked_ms": at_ms,
        "about": event.because,
        "via": " ".join(event.via),
        "state": "held",
        "settled_ms": None,
        "because": None,
    }
