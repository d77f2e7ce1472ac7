"""The ledger: every lead's status and timeline, in step with the log, and what reports and the audit count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from schemas import topics
from schemas.base import Event
from schemas.events import alerting, console, desk, feedback, intake, recycling, runtime, scoring, sla
from schemas.history.upcasters import UPCASTERS
from schemas.ids import EventId
from schemas.lifecycle import ACTIONS, Effect, Life
from schemas.topics import Topic
from schemas.vocabulary import Source
from schemas.wire import UndecodableRecord, encode
from services.feedback import clocks, passes, tables
from services.feedback.dead_records import FEEDBACK, dead_letter
from services.feedback.lead_row import COLUMNS, LeadRow
from services.runtime.bulk import select_by, upsert
from services.runtime.following import Choice
from services.runtime.lead_log import read_lead
from services.runtime.projection import Announcement, Incoming

Row = dict[str, Any]

_TIMER = runtime.TimerDue.type_name()
_TIMER_HEADER = _TIMER.encode()
_KNOWN_HEADERS = frozenset(name.encode() for name in (*topics.by_type_name(), *UPCASTERS))
_READ_ELSEWHERE = frozenset({topics.STATUSES, topics.TEAMS})
"""Known types there are our own words, or routing's to read and to keep where they cannot be read."""

_CHOICES: dict[str, Choice] = {
    topics.LEADS.name: lambda kind: kind != _TIMER_HEADER,
    **{topic.name: lambda kind: kind not in _KNOWN_HEADERS for topic in _READ_ELSEWHERE},
}

_OF_LEAD = tuple(tables.LEADS.c[name] for name in COLUMNS)

_END = (
    sa.update(tables.ASSIGNMENTS)
    .where(
        tables.ASSIGNMENTS.c.lead_id == sa.bindparam("of_lead"),
        tables.ASSIGNMENTS.c.assignment_id == sa.bindparam("of_assignment"),
        tables.ASSIGNMENTS.c.until_position.is_(None),
    )
    .values(until_position=sa.bindparam("at_position"))
)
_ANSWER = (
    sa.update(tables.ASSIGNMENTS)
    .where(
        tables.ASSIGNMENTS.c.lead_id == sa.bindparam("of_lead"),
        tables.ASSIGNMENTS.c.assignment_id == sa.bindparam("of_assignment"),
        tables.ASSIGNMENTS.c.answered_ms.is_(None),
    )
    .values(answered_ms=sa.bindparam("at"))
)
_ACCEPT = (
    sa.update(tables.ASSIGNMENTS)
    .where(
        tables.ASSIGNMENTS.c.lead_id == sa.bindparam("of_lead"),
        tables.ASSIGNMENTS.c.assignment_id == sa.bindparam("of_assignment"),
    )
    .values(accepted=sa.true())
)
_UNDO_REJECTION = (
    sa.update(tables.REJECTIONS)
    .where(tables.REJECTIONS.c.event_id == sa.bindparam("of_event"))
    .values(undone=sa.true())
)
_UNDO_WIN = sa.update(tables.WINS).where(tables.WINS.c.event_id == sa.bindparam("of_event")).values(undone=sa.true())
_UNDO_ATTEMPT = (
    sa.update(tables.ATTEMPTS).where(tables.ATTEMPTS.c.event_id == sa.bindparam("of_event")).values(undone=sa.true())
)
_CLOSE = (
    sa.update(tables.LETTERS)
    .where(tables.LETTERS.c.letter_id == sa.bindparam("of_letter"))
    .values(closed=sa.bindparam("how"))
)


class Ledger:
    """The projection of feedback. It reads every topic, because what nobody can read is its to keep."""

    name = "ledger"
    version = 3
    topics: tuple[Topic, ...] = topics.TOPICS
    metadata = tables.METADATA
    choices: Mapping[str, Choice] = _CHOICES

    def __init__(self, dead_letter_key: bytes) -> None:
        """dead_letter_key: 32 bytes that dead letters are sealed with."""
        self._key = dead_letter_key

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement]:
        """See services.runtime.projection.Projection."""
        batch = _Batch(connection, self._key)
        batch.load({i.key: i.record.partition for i in records if i.topic is topics.LEADS})
        for incoming in records:
            batch.take(incoming)
        batch.write()
        return batch.said


class _Batch:
    """The records of one transaction: read in order, written together."""

    def __init__(self, connection: sa.Connection, key: bytes) -> None:
        self._connection, self._key = connection, key
        self._leads: dict[str, LeadRow] = {}
        self._touched: set[str] = set()
        self._rows: dict[sa.Table, list[Row]] = {}
        self._updates: dict[sa.Update, list[Row]] = {}
        self.said: list[Announcement] = []

    def load(self, keys: dict[str, int]) -> None:
        """Take the rows of these leads from the database."""
        for row in select_by(self._connection, tables.LEADS.c.lead_id, keys, *_OF_LEAD):
            lead = LeadRow.stored(row)
            self._leads[lead.lead_id] = lead
        for name in keys:
            if name not in self._leads:
                self._leads[name] = LeadRow(name, keys[name])

    def take(self, incoming: Incoming) -> None:
        if (
            incoming.tombstone
            or incoming.type == _TIMER
            or (incoming.topic in _READ_ELSEWHERE and _known(incoming.type))
        ):
            return
        try:
            if not _known(incoming.type):
                raise UndecodableRecord("the type is missing" if incoming.type is None else "the type is unknown")
            envelope, event = incoming.envelope, incoming.event
        except UndecodableRecord as error:
            self.said.append(dead_letter(incoming, error, self._key))
            return
        if envelope.addressed_to not in (None, FEEDBACK):
            return
        if incoming.topic is topics.LEADS:
            self._take_lead(incoming, event)
        elif incoming.topic is topics.ALERTS:
            self._take_alert(incoming, event)
        elif incoming.topic is topics.DEAD_LETTERS:
            self._take_letter(incoming, event)

    # -------------------------------------------------------------- leads

    def _take_lead(self, incoming: Incoming, event: Event) -> None:
        row, record, envelope = self._leads[incoming.key], incoming.record, incoming.envelope
        before = row.memory.life
        memory, effect = read_lead(row.memory, record, envelope, event)
        self._touched.add(row.lead_id)
        if effect is None and envelope.replay_of is None:
            row.memory = memory
            return
        effect = effect or Effect(envelope.replay_effect or Effect.EFFECT)
        change = row.follow(memory, event, effect, envelope.event_id)
        self._add(
            tables.TIMELINE,
            {
                "partition": record.partition,
                "position": record.offset,
                "lead_id": row.lead_id,
                "at_ms": memory.now_ms,
                "event_id": envelope.event_id,
                "type": envelope.type,
                "effect": effect.value,
                "caused_by": envelope.causation_id,
                "body": record.value,
            },
        )
        self._follow_assignment(row, before, memory.life)
        if effect is Effect.EFFECT:
            self._count(row, event, envelope.event_id, before)
        if change is not None:
            self._say(incoming, change)

    def _say(self, incoming: Incoming, change: feedback.LeadStatusChanged) -> None:
        record, body = incoming.record, encode(change)
        self._add(
            tables.CHANGES,
            {
                "partition": record.partition,
                "position": record.offset,
                "lead_id": incoming.key,
                "at_ms": _ms(incoming),
                "body": body,
            },
        )
        event_id = EventId(f"{FEEDBACK}.{incoming.place}.status")
        self.said.append(Announcement(change, event_id, record.at, incoming.envelope, body))

    def _follow_assignment(self, row: LeadRow, before: Life, life: Life) -> None:
        old, new = before.assignment_id, life.assignment_id
        if old == new:
            return
        if old is not None:
            self._update(_END, {"of_lead": row.lead_id, "of_assignment": str(old), "at_position": row.position})
        if new is not None:
            self._add(
                tables.ASSIGNMENTS,
                {
                    "lead_id": row.lead_id,
                    "from_position": row.position,
                    "assignment_id": str(new),
                    "rep_id": row.owner,
                    "team_id": row.team_id,
                    "from_ms": row.at_ms,
                    "until_position": None,
                    "answered_ms": None,
                    "accepted": row.status != "assigned",
                },
            )

    def _count(self, row: LeadRow, event: Event, event_id: EventId, before: Life) -> None:
        """What reports count: of events in effect only."""
        if isinstance(event, sla.ClockStarted):
            self._add(tables.CLOCKS, clocks.started(event, row))
        elif isinstance(event, sla.ClockEvent):
            self._update(clocks.CHANGE, clocks.change(event))
        elif isinstance(event, intake.LeadSubmitted):
            self._touched_by(row, event_id, row.at_ms, event.source, None)
            self._allowed(row, event.consent)
            if event.source.cost is not None:
                cost = event.source.cost
                self._add(
                    tables.COSTS,
                    {
                        "event_id": event_id,
                        "campaign": row.campaign,
                        "amount": f"{cost.amount:f}",
                        "currency": cost.currency,
                    },
                )
        elif isinstance(event, intake.EngagementObserved):
            happened_ms = int(event.occurred_at.timestamp() * 1000)  # a clock that is ahead cannot be right
            self._touched_by(row, event_id, min(happened_ms, row.at_ms), event.source, event.asset)
        elif isinstance(event, intake.ConsentChanged):
            self._allowed(row, {event.purpose: event.granted})
        elif isinstance(event, scoring.LeadDisqualified):
            self._rejected(row, event_id, "disqualified", str(event.rule), None)
        elif isinstance(event, recycling.LeadGivenUp):
            rep = str(before.rep) if before.held else None
            self._rejected(row, event_id, str(event.given_up_as), str(event.reason), rep)
        elif isinstance(event, feedback.RejectionContested):
            self._add(tables.CONTESTS, passes.contested(event, event_id, row))
        elif isinstance(event, desk.ContestDecided):
            self._update(passes.DECIDE, passes.decided(event, row))
        elif isinstance(event, intake.LeadErased):
            self._update(passes.FORGET_CONSENTS, {"of_lead": row.lead_id})
        elif type(event) in ACTIONS:
            self._act(row, event, event_id, before)
        if (passed := passes.passed(event, before, row)) is not None:
            self._add(tables.CYCLES, passed)
        elif row.cycle > 1 and row.memory.life.stage is not before.stage:
            self._update(passes.STAGE, passes.stage(row))

    def _allowed(self, row: LeadRow, consent: Mapping[Any, bool]) -> None:
        for purpose, granted in consent.items():
            self._add(tables.CONSENTS, {"lead_id": row.lead_id, "purpose": str(purpose), "granted": granted})

    def _touched_by(self, row: LeadRow, event_id: EventId, at_ms: int, source: Source, asset: str | None) -> None:
        self._add(
            tables.TOUCHES,
            {
                "event_id": event_id,
                "lead_id": row.lead_id,
                "at_ms": at_ms,
                "campaign": source.campaign,
                "channel": source.channel,
                "collateral": asset,
            },
        )

    def _act(self, row: LeadRow, event: Event, event_id: EventId, before: Life) -> None:
        if before.assignment_id is not None and not isinstance(event, desk.ReassignmentOrdered):
            of = {"of_lead": row.lead_id, "of_assignment": str(before.assignment_id)}
            self._update(_ANSWER, of | {"at": row.at_ms})
            if isinstance(event, desk.LeadAccepted):
                self._update(_ACCEPT, of)
        rep = str(before.rep) if before.rep is not None else None
        match event:
            case desk.LeadRejected():
                self._rejected(row, event_id, "rejected", str(event.reason), rep)
            case desk.ContactAttempted() | desk.LeadConnected():
                self._attempted(row, event, event_id, rep)
            case desk.LeadReturned():
                self._rejected(row, event_id, "rejected" if event.rejected else "recycled", str(event.reason), rep)
            case desk.LeadLost():
                self._rejected(row, event_id, "lost", str(event.reason or "not said"), rep)
            case desk.LeadWon():
                amount = event.amount
                self._add(
                    tables.WINS,
                    {
                        "event_id": event_id,
                        "lead_id": row.lead_id,
                        "at_ms": row.at_ms,
                        "campaign": row.campaign,
                        "amount": f"{amount.amount:f}" if amount else None,
                        "currency": amount.currency if amount else None,
                        "undone": False,
                        "life": row.memory.life.life,
                        "cycle": row.cycle,
                    },
                )
            case desk.ActionUndone():
                self._update(_UNDO_REJECTION, {"of_event": event.action_id})
                self._update(_UNDO_WIN, {"of_event": event.action_id})
                self._update(_UNDO_ATTEMPT, {"of_event": event.action_id})

    def _attempted(
        self, row: LeadRow, event: desk.ContactAttempted | desk.LeadConnected, event_id: EventId, rep: str | None
    ) -> None:
        self._add(
            tables.ATTEMPTS,
            {
                "event_id": event_id,
                "lead_id": row.lead_id,
                "at_ms": min(int(event.occurred_at.timestamp() * 1000), row.at_ms),
                "rep_id": rep,
                "channel": str(event.channel),
                "reached": isinstance(event, desk.LeadConnected),
                "undone": False,
            },
        )

    def _rejected(self, row: LeadRow, event_id: EventId, kind: str, reason: str, rep: str | None) -> None:
        self._add(
            tables.REJECTIONS,
            {
                "event_id": event_id,
                "lead_id": row.lead_id,
                "at_ms": row.at_ms,
                "kind": kind,
                "reason": reason,
                "rep_id": rep,
                "campaign": row.campaign,
                "undone": False,
            },
        )

    # -------------------------------------------------------------- alerts and dead letters

    def _take_alert(self, incoming: Incoming, event: Event) -> None:
        row: Row = {"at_ms": _ms(incoming), "attempts": 0, "kind": None, "lead_id": None}
        match event:
            case alerting.AlertRequested():
                row |= {"state": "requested", "kind": event.kind.value, "lead_id": event.lead_id}
            case alerting.AlertReleased():
                row |= {"state": "released"}
            case alerting.AlertSent():
                row |= {"state": "sent", "attempts": event.attempts}
            case alerting.AlertFailed():
                row |= {"state": "failed", "attempts": event.attempts}
            case _:
                return
        self._add(tables.ALERTS, row | {"recipient": event.recipient, "alert_id": event.alert_id})

    def _take_letter(self, incoming: Incoming, event: Event) -> None:
        if isinstance(event, runtime.DeadLettered):
            self._add(
                tables.LETTERS,
                {
                    "letter_id": incoming.envelope.event_id,
                    "processor": event.processor,
                    "topic": event.topic,
                    "partition": event.partition,
                    "position": event.offset,
                    "event_type": event.event_type,
                    "error": event.error,
                    "at_ms": _ms(incoming),
                    "closed": None,
                },
            )
        elif isinstance(event, console.DeadLetterClosed):
            self._update(_CLOSE, {"of_letter": event.dead_letter_id, "how": event.how})

    # -------------------------------------------------------------- writing

    def write(self) -> None:
        """Everything that was taken, in few statements. New rows first: an update within a batch follows its row."""
        if self._touched:
            upsert(self._connection, tables.LEADS, [self._leads[name].values() for name in sorted(self._touched)])
        for table, rows in self._rows.items():
            upsert(self._connection, table, rows, _KEPT.get(table, frozenset()))
        for statement, rows in self._updates.items():
            self._connection.execute(statement, rows)

    def _add(self, table: sa.Table, row: Row) -> None:
        self._rows.setdefault(table, []).append(row)

    def _update(self, statement: sa.Update, row: Row) -> None:
        self._updates.setdefault(statement, []).append(row)


_KEPT: dict[sa.Table, frozenset[str]] = {
    tables.ALERTS: frozenset({"kind", "lead_id"}),
    tables.LETTERS: frozenset({"closed"}),
    tables.CYCLES: frozenset({"began_ms", "woken_by", "because"}),
}
"""Columns that the first record of a row says and later ones do not."""


def _known(type_name: str | None) -> bool:
    return type_name is not None and (type_name in topics.by_type_name() or type_name in UPCASTERS)


def _ms(incoming: Incoming) -> int:
    return int(incoming.record.at.timestamp() * 1000)
