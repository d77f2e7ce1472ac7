"""Reading `alerts` and `profiles` into alerting's tables: what the doors show, and the person a tool may be told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from schemas.base import Event
from schemas.events import alerting
from schemas.events.intake import LeadProfile
from schemas.ids import RecipientId
from schemas.topics import ALERTS, PROFILES
from services.alerting import alert_rows
from services.alerting.rows import ALERTS as ALERT_ROWS
from services.alerting.rows import MESSAGES, METADATA, PEOPLE, RECIPIENTS, RECORDS, milliseconds
from services.runtime.bulk import delete_by, select_by, upsert
from services.runtime.following import Choice
from services.runtime.projecting import decoded, of_types
from services.runtime.projection import Incoming, ToStreams

KEPT_FOR = timedelta(days=30)
"""So long a message that was sent or given up can be shown and replayed."""
_KEPT_MS = int(KEPT_FOR.total_seconds() * 1000)
_SWEEP_EVERY_MS = 3_600_000
READS: frozenset[type[Event]] = frozenset(
    {
        alerting.NewsReleased,
        alerting.DeliveryReplayed,
        alerting.DeliveryAttempted,
        alerting.AlertSent,
        alerting.AlertFailed,
        alerting.RecipientDisabled,
        alerting.RecipientEnabled,
        alerting.CrmRecordWritten,
        alerting.CrmRecordHeard,
        alerting.CrmRead,
        *alert_rows.READS,
        LeadProfile,
    }
)


class AlertingProjection:
    """Reads `alerts` and `profiles`."""

    name = "alerting"
    version = 3
    topics = (ALERTS, PROFILES)
    metadata = METADATA
    choices: ClassVar[Mapping[str, Choice]] = {ALERTS.name: of_types(READS - {LeadProfile}), PROFILES.name: of_types({LeadProfile})}

    def __init__(self) -> None:
        self._swept_ms = 0

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[ToStreams]:
        """One transaction. Announces nothing."""
        people = {r.key: r for r in records if r.topic is PROFILES and "/" not in r.key}
        _read_people(connection, people)
        told = [r for r in records if r.topic is ALERTS]
        events = [(r, event) for r in told if (event := decoded(r)) is not None]
        if events:
            work = _Work(connection, {str(getattr(event, "recipient", "")) for _, event in events}, events)
            for r, event in events:
                work.read(event, milliseconds(r.record.at))
            work.write()
            alert_rows.read(connection, [(event, milliseconds(r.record.at)) for r, event in events])
            self._sweep(connection, milliseconds(events[-1][0].record.at))
        return ()

    def _sweep(self, connection: sa.Connection, now_ms: int) -> None:
        if now_ms - self._swept_ms >= _SWEEP_EVERY_MS:
            connection.execute(sa.delete(MESSAGES).where(MESSAGES.c.settled_ms < now_ms - _KEPT_MS))
            its = ALERT_ROWS.c
            connection.execute(
                sa.delete(ALERT_ROWS).where((its.settled_ms < now_ms - _KEPT_MS) | (its.asked_ms < now_ms - 3 * _KEPT_MS))
            )
            self._swept_ms = now_ms


def _read_people(connection: sa.Connection, newest: Mapping[str, Incoming]) -> None:
    """Profiles as they came: they are read when a tool may be told of the person, and not before."""
    delete_by(connection, PEOPLE.c.lead_id, [key for key, r in newest.items() if r.record.value is None])
    rows = [
        {"lead_id": key, "profile": r.record.value.decode()} for key, r in newest.items() if r.record.value is not None
    ]
    upsert(connection, PEOPLE, rows)


class _Work:
    """The rows that one batch touches: loaded once, changed in memory, written once."""

    def __init__(
        self, connection: sa.Connection, recipients: set[str], events: Sequence[tuple[Incoming, Event]]
    ) -> None:
        self._connection = connection
        messages = {str(getattr(event, "alert_id", "")) for _, event in events}
        self._messages = {
            (row.recipient, row.message_id): dict(row._mapping)
            for row in connection.execute(sa.select(MESSAGES).where(MESSAGES.c.message_id.in_(messages)))
        }
        self._recipients = {
            row[0]: dict(zip(RECIPIENTS.c.keys(), row, strict=True))
            for row in select_by(connection, RECIPIENTS.c.recipient, recipients)
        }
        records = {str(getattr(event, "record", "")) for _, event in events}
        self._records = {
            (row.recipient, row.record): dict(row._mapping)
            for row in connection.execute(sa.select(RECORDS).where(RECORDS.c.record.in_(records)))
        }

    def read(self, event: Event, at_ms: int) -> None:
        """One event."""
        match event:
            case alerting.NewsReleased():
                if (event.recipient, event.alert_id) not in self._messages:
                    self._release(event, at_ms, 0)
            case alerting.DeliveryReplayed():
                known = self._messages.get((event.recipient, event.alert_id))
                if known is None or event.replay > known["replay"]:
                    self._release(event, known["at_ms"] if known else milliseconds(event.news.happened_at), event.replay)
            case alerting.DeliveryAttempted():
                self._attempted(event)
            case alerting.AlertSent():
                self._sent(event, at_ms)
            case alerting.AlertFailed():
                self._settle(event, at_ms, state="failed", because=event.because)
            case alerting.RecipientDisabled():
                self._recipient(event.recipient).update(disabled_ms=milliseconds(event.disabled_at), because=event.because)
            case alerting.RecipientEnabled():
                self._recipient(event.recipient).update(disabled_ms=None, failures=0, failing_ms=None, because=None)
            case alerting.CrmRecordWritten() | alerting.CrmRecordHeard():
                self._record(event, at_ms)
            case alerting.CrmRead():
                self._recipient(event.recipient).update(tool="crm", read_ms=milliseconds(event.upto))

    def write(self) -> None:
        """All that was touched."""
        upsert(self._connection, MESSAGES, list(self._messages.values()))
        upsert(self._connection, RECIPIENTS, list(self._recipients.values()))
        upsert(self._connection, RECORDS, list(self._records.values()))

    def _release(self, event: alerting.NewsReleased | alerting.DeliveryReplayed, at_ms: int, replay: int) -> None:
        self._recipient(event.recipient)["tool"] = event.tool.value
        self._messages[event.recipient, event.alert_id] = {
            "recipient": event.recipient,
            "message_id": event.alert_id,
            "tool": event.tool.value,
            "kind": event.news.kind.value,
            "lead_id": event.news.lead_id,
            "at_ms": at_ms,
            "news": event.news.model_dump_json(),
            "state": "owed",
            "replay": replay,
            "attempts": 0,
            "next_ms": None,
            "settled_ms": None,
            "status": None,
            "because": None,
        }

    def _attempted(self, event: alerting.DeliveryAttempted) -> None:
        row = self._messages.get((event.recipient, event.alert_id))
        if row is not None and row["replay"] == event.replay and row["attempts"] < event.attempt:
            row.update(
                attempts=event.attempt, next_ms=milliseconds(event.next_at), status=event.status, because=event.because
            )
        its = self._recipient(event.recipient)
        its["failures"] += 1
        its["failing_ms"] = its["failing_ms"] or milliseconds(event.attempted_at)
        its["because"] = event.because

    def _sent(self, event: alerting.AlertSent, at_ms: int) -> None:
        self._settle(event, at_ms, state="sent", status=None, because=None)
        self._recipient(event.recipient).update(sent_ms=at_ms, failures=0, failing_ms=None, because=None)

    def _settle(self, event: alerting.AlertSent | alerting.AlertFailed, at_ms: int, **how: Any) -> None:
        row = self._messages.get((event.recipient, event.alert_id))
        if row is not None and row["replay"] <= event.replay:
            row.update(attempts=event.attempts, next_ms=None, settled_ms=at_ms, **how)

    def _record(self, event: alerting.CrmRecordWritten | alerting.CrmRecordHeard, at_ms: int) -> None:
        """What was written as none was left as it is; what is heard is the whole of it."""
        row = self._records.setdefault(
            (event.recipient, event.record),
            {
                "recipient": event.recipient,
                "record": event.record,
                "lead_id": event.lead_id,
                "stage": None,
                "owner": None,
                "at_ms": at_ms,
                "refused": None,
            },
        )
        heard = isinstance(event, alerting.CrmRecordHeard)
        for name in ("stage", "owner"):
            if heard or getattr(event, name) is not None:
                row[name] = getattr(event, name)
        row.update(at_ms=at_ms, refused=event.refused if isinstance(event, alerting.CrmRecordHeard) else None)

    def _recipient(self, recipient: RecipientId) -> dict[str, Any]:
        return self._recipients.setdefault(
            recipient,
            {
                "recipient": recipient,
                "tool": None,
                "sent_ms": None,
                "failures": 0,
                "failing_ms": None,
                "disabled_ms": None,
                "because": None,
                "read_ms": None,
            },
        )
