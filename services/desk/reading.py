"""Reading the logs of leads and teams, and the profiles, into the desk's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from schemas.base import Event
from schemas.events import desk, intake, routing, scoring, sla
from schemas.lifecycle import ACTIONS as LIFE_ACTIONS
from schemas.lifecycle import LIFE_EVENTS, Effect, Life, State
from schemas.repetitions import IDS_KEPT_FOR
from schemas.topics import LEADS, PROFILES, TEAMS
from schemas.vocabulary import ByRep
from services.desk import telling
from services.desk.rows import (
    ACTIONS,
    ASSIGNMENTS,
    CARD,
    CLOCKS,
    EXTERNAL,
    LEADS_TABLE,
    METADATA,
    NEW_CARD,
    NOTES,
    NOTICES,
    PEOPLE,
    REPS,
    Card,
    Line,
)
from services.runtime.lead_log import UNREAD, LeadMemory, decode_memory, encode_memory, read_lead
from services.runtime.projected_words import Announcement
from services.runtime.projecting import decoded, replace_rows, some_at_a_time, spellings
from services.runtime.projection import Incoming

CLOCK_EVENTS = frozenset({sla.ClockStarted, sla.ClockWarned, sla.ClockBreached, sla.ClockMet, sla.ClockPaused, sla.ClockResumed,
                          sla.ClockCancelled, sla.ClockCorrected})
ROSTER_EVENTS = frozenset({desk.RepJoined, desk.RepChanged, desk.RepLeft, desk.RepAvailabilityChanged, desk.LeadClaimed})
_OF_LEADS = spellings(LIFE_EVENTS | CLOCK_EVENTS | {routing.ActionRefused, scoring.LeadScored, intake.EngagementObserved})
_OF_TEAMS = spellings(ROSTER_EVENTS)
_OF_PROFILES = spellings({intake.LeadProfile, desk.ProfileNote})

LINES_KEPT = 40
ENGAGEMENTS_KEPT = 6
_SWEEP_EVERY_MS = 3_600_000
_KEEP_MS = int(IDS_KEPT_FOR.total_seconds() * 1000)


class DeskProjection:
    """Reads `leads`, `teams` and `profiles`."""

    name = "desk"
    version = 1
    topics = (LEADS, TEAMS, PROFILES)
    metadata = METADATA

    def __init__(self) -> None:
        self._swept_ms = 0
        self.told: dict[str, int] = {}
        """Rep or pool -> how many notices this process has written for it: a stream asks the database when it grew."""
        self.erasures = 0
        """How many notes this process has marked for their tombstones."""

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement]:
        """One transaction. Announces nothing."""
        for r in records:
            if r.topic is TEAMS and r.type in _OF_TEAMS and (event := decoded(r)) is not None:
                _read_team(connection, r, event)
        _read_profiles(connection, [r for r in records if r.topic is PROFILES])
        leads = [r for r in records if r.topic is LEADS and r.type in _OF_LEADS]
        if leads:
            work = _Leads(connection, {r.key for r in leads})
            for r in leads:
                if (event := decoded(r)) is not None:
                    work.read(r, event)
            work.write()
            for to in work.told:
                self.told[to] = self.told.get(to, 0) + 1
            self.erasures += work.erasures
            self._sweep(connection, work.newest_ms)
        return ()

    def _sweep(self, connection: sa.Connection, now_ms: int) -> None:
        """Forget what was told, and which action had which id, when no client can ask for it any more."""
        if now_ms - self._swept_ms >= _SWEEP_EVERY_MS:
            connection.execute(sa.delete(NOTICES).where(NOTICES.c.at_ms < now_ms - _KEEP_MS))
            connection.execute(sa.delete(ACTIONS).where(ACTIONS.c.at_ms < now_ms - _KEEP_MS))
            self._swept_ms = now_ms


class _Leads:
    """The leads of one batch: loaded once, changed in memory, written once."""

    def __init__(self, connection: sa.Connection, leads: set[str]) -> None:
        self._connection = connection
        self._memories: dict[str, LeadMemory] = {}
        self._cards: dict[str, Card] = {}
        self._assignments = _by_key(connection, ASSIGNMENTS, ASSIGNMENTS.c.lead_id, leads)
        self._clocks = _by_key(connection, CLOCKS, CLOCKS.c.lead_id, leads)
        self._touched_assignments: set[str] = set()
        self._touched_clocks: set[str] = set()
        self._actions: dict[str, dict[str, Any]] = {}
        self._notices: dict[tuple[int, int, str], dict[str, Any]] = {}
        self.told: list[str] = []
        self.erasures = 0
        self.newest_ms = 0
        for some in some_at_a_time(list(leads)):
            query = sa.select(LEADS_TABLE.c.lead_id, LEADS_TABLE.c.memory, LEADS_TABLE.c.card).where(LEADS_TABLE.c.lead_id.in_(some))
            for lead, memory, card in connection.execute(query):
                self._memories[lead], self._cards[lead] = decode_memory(memory), CARD.decode(card)

    def read(self, r: Incoming, event: Event) -> None:
        """One record of one lead."""
        lead = r.key
        memory = self._memories.get(lead, UNREAD)
        after, effect = read_lead(memory, r.record, r.envelope, event)
        self._memories[lead] = after
        self.newest_ms = max(self.newest_ms, after.now_ms)
        if effect is None:
            return
        event_id = r.envelope.event_id
        if type(event) in LIFE_ACTIONS:
            self._note_action(lead, event, event_id, effect, after.now_ms)
        if type(event) in CLOCK_EVENTS:
            self._run_clock(event)
        if effect is Effect.EFFECT:
            self._follow_assignment(lead, event, event_id, memory.life, after.life, after.now_ms)
            self._cards[lead] = _card(self._cards.get(lead, NEW_CARD), event, memory.life, after.life, after.now_ms)
        refused = self._author(event) if isinstance(event, routing.ActionRefused) else None
        for notice in telling.notices(event, effect, memory.life, after.life, refused):
            body = {"lead_id": lead, "assignment_id": notice.assignment_id, "because": notice.because, **(notice.more or {})}
            self._notices[r.record.partition, r.record.offset, notice.to] = {
                "partition": r.record.partition, "offset": r.record.offset, "rep_id": notice.to, "kind": notice.kind, "lead_id": lead,
                "at_ms": after.now_ms, "body": json.dumps(body),
            }
            self.told.append(notice.to)
        if isinstance(event, intake.LeadErased) and effect is Effect.EFFECT:
            self._erase(lead, after.now_ms)

    def _note_action(self, lead: str, event: Any, event_id: str, effect: Effect, now_ms: int) -> None:
        self._actions[event_id] = {
            "action_id": event_id, "lead_id": lead, "kind": type(event).__name__, "effect": effect.value, "at_ms": now_ms,
            "rep_id": event.by.rep_id if isinstance(event.by, ByRep) else None, "assignment_id": event.assignment_id,
        }

    def _author(self, refused: routing.ActionRefused) -> str | None:
        """Who is to be told of the refusal: whoever acted, by the action's own word."""
        if refused.action_id in self._actions:
            return self._actions[refused.action_id]["rep_id"] or refused.rep_id
        row = self._connection.execute(sa.select(ACTIONS.c.rep_id).where(ACTIONS.c.action_id == refused.action_id)).scalar_one_or_none()
        return row or refused.rep_id

    def _follow_assignment(self, lead: str, event: Event, event_id: str, before: Life, after: Life, now_ms: int) -> None:
        if before.held and before.offer is not None and not (after.held and after.offer == before.offer):
            self._change_assignment(
                before.offer, ended_by=event_id, ended_as=_kind(event), ended_because=telling.end_of_assignment(event)
            )
        if after.held and after.offer is not None:
            if isinstance(event, routing.LeadAssigned):
                self._assignments[after.offer] = {
                    "assignment_id": after.offer, "lead_id": lead, "rep_id": after.rep, "team_id": after.team, "at_ms": now_ms,
                    "accepted_by": event.claimed_by, "ended_by": None, "ended_as": None, "ended_because": None,
                }
                self._touched_assignments.add(after.offer)
            elif isinstance(event, desk.LeadAccepted):
                self._change_assignment(after.offer, accepted_by=event_id)
            elif isinstance(event, desk.ActionUndone):
                undone = {} if after.state is not State.ASSIGNED else {"accepted_by": None}
                self._change_assignment(after.offer, ended_by=None, ended_as=None, ended_because=None, **undone)

    def _change_assignment(self, assignment: str, **changes: object) -> None:
        row = self._assignments.get(assignment)
        if row is not None:
            row.update(changes)
            self._touched_assignments.add(assignment)

    def _run_clock(self, event: Any) -> None:
        self._touched_clocks.add(event.clock_id)
        match event:
            case sla.ClockStarted():
                said = event.model_dump(mode="json")
                self._clocks[event.clock_id] = {
                    "clock_id": event.clock_id, "lead_id": event.lead_id, "assignment_id": event.assignment_id, "clock": event.clock,
                    "started_at": said["started_at"], "deadline_at": said["deadline_at"], "phase": "running",
                }
            case sla.ClockMet() | sla.ClockCancelled() | sla.ClockCorrected():
                self._clocks.pop(event.clock_id, None)
            case _ if event.clock_id in self._clocks:
                phases = {sla.ClockWarned: "warned", sla.ClockBreached: "breached", sla.ClockPaused: "paused", sla.ClockResumed: "running"}
                row = self._clocks[event.clock_id]
                row["phase"] = phases[type(event)]
                if isinstance(event, sla.ClockResumed):
                    row["deadline_at"] = event.model_dump(mode="json")["deadline_at"]

    def _erase(self, lead: str, now_ms: int) -> None:
        """What was known of the person up to now goes; a profile or note written later belongs to a new life."""
        connection = self._connection
        self._cards[lead] = NEW_CARD
        gone = connection.execute(sa.delete(PEOPLE).where(PEOPLE.c.lead_id == lead, PEOPLE.c.at_ms <= now_ms)).rowcount
        if gone:
            connection.execute(sa.delete(EXTERNAL).where(EXTERNAL.c.lead_id == lead))
        self.erasures += connection.execute(
            sa.update(NOTES).where(NOTES.c.lead_id == lead, NOTES.c.at_ms <= now_ms).values(text="", erased=True)
        ).rowcount
        connection.execute(sa.delete(NOTICES).where(NOTICES.c.lead_id == lead))
        self._notices = {place: row for place, row in self._notices.items() if row["lead_id"] != lead or row["kind"] == "ended"}

    def write(self) -> None:
        """Everything that changed, table by table."""
        replace_rows(self._connection, LEADS_TABLE, self._memories, [
            {
                "lead_id": lead, "state": m.life.state.value, "rep_id": m.life.rep, "team_id": m.life.team, "pool_id": m.life.pool,
                "offer": m.life.offer, "queued": m.life.queued.value if m.life.queued is not None else None, "memory": encode_memory(m),
                "card": msgspec.msgpack.encode(self._cards.get(lead, NEW_CARD)),
            }
            for lead, m in self._memories.items()
        ])
        for table, touched, rows in (
            (ASSIGNMENTS, self._touched_assignments, self._assignments), (CLOCKS, self._touched_clocks, self._clocks),
            (ACTIONS, set(self._actions), self._actions),
        ):
            replace_rows(self._connection, table, touched, [rows[key] for key in touched if key in rows])
        if self._notices:
            self._connection.execute(sa.insert(NOTICES), list(self._notices.values()))


def _kind(event: Event) -> str:
    """What ended an assignment, so that the same action again is recognised."""
    if isinstance(event, desk.LeadReturned):
        return "rejected" if event.rejected else "recycled"
    return {desk.LeadRejected: "rejected", desk.LeadHandedOver: "handed_over", desk.LeadWon: "won", desk.LeadLost: "lost",
            desk.ReassignmentOrdered: "reassigned"}.get(type(event), type(event).__name__)


def _by_key(connection: sa.Connection, table: sa.Table, column: sa.Column[Any], values: Iterable[str]) -> dict[str, dict[str, Any]]:
    (key,) = table.primary_key.columns
    found: dict[str, dict[str, Any]] = {}
    for some in some_at_a_time(list(values)):
        for row in connection.execute(sa.select(table).where(column.in_(some))).mappings():
            found[row[key.name]] = dict(row)
    return found


# ------------------------------------------------------------------ the card


def _card(card: Card, event: Event, before: Life, after: Life, now_ms: int) -> Card:
    match event:
        case intake.LeadSubmitted():
            card = NEW_CARD if before.state in (State.NONE, State.ERASED) else card
            source = {k: str(v) for k, v in event.source.model_dump(exclude={"cost"}, exclude_none=True).items()}
            attributes = {**card.attributes, **{str(k): _plain(v) for k, v in event.attributes.items()}}
            card = replace(card, submitted_ms=now_ms, submissions=card.submissions + 1, source=source or card.source, form=str(event.form) if event.form else card.form,
                           country=event.country or card.country, attributes=attributes)
            return _told(card, now_ms, telling.arrived(event))
        case scoring.LeadScored():
            contributions = tuple(c.model_dump(mode="json") for c in event.contributions)
            return replace(card, score=format(event.score, "f"), grade=event.grade, contributions=contributions)
        case intake.EngagementObserved():
            line = Line(int(event.occurred_at.timestamp() * 1000), telling.words(event.kind))
            return replace(card, engagements=(*card.engagements, line)[-ENGAGEMENTS_KEPT:])
        case routing.LeadQueued() if after.state is State.OPEN:
            return replace(card, queued=str(event.because), waiting_ms=card.waiting_ms or now_ms)
        case routing.LeadRouted():
            card = replace(card, routed=str(event.because), queued=None, waiting_ms=card.waiting_ms or now_ms)
        case routing.LeadAssigned():
            card = replace(card, assigned=str(event.because), queued=None, waiting_ms=0, held_ms=now_ms, next_step=None)
        case desk.NextStepSet():
            return replace(card, next_step=event.model_dump(mode="json")["due_at"])
        case scoring.LeadQualified() | scoring.LeadNurtured() | scoring.LeadDisqualified():
            card = replace(card, verdict=str(event.because))
        case _:
            pass
    text = telling.line_of(event)
    return card if text is None else _told(card, now_ms, text)


def _told(card: Card, now_ms: int, text: str) -> Card:
    return replace(card, story=(*card.story, Line(now_ms, text))[-LINES_KEPT:])


def _plain(value: object) -> str | int | float | bool:
    return value if isinstance(value, bool | int) else format(value, "f") if isinstance(value, Decimal) else str(value)


# ------------------------------------------------------------------ teams and profiles


def _read_team(connection: sa.Connection, r: Incoming, event: Event) -> None:
    match event:
        case desk.RepJoined() | desk.RepChanged():
            row = connection.execute(sa.select(REPS.c.available, REPS.c.until, REPS.c.team_id).where(REPS.c.rep_id == event.rep_id)).one_or_none()
            stays = row is not None and row.team_id == event.team_id
            replace_rows(connection, REPS, [event.rep_id], [{
                "rep_id": event.rep_id, "team_id": event.team_id, "role": event.role, "calendar": event.calendar,
                "pools": json.dumps({str(p): w for p, w in event.pools.items()}), "open_leads_cap": event.open_leads_cap,
                "available": row.available if row is not None and stays else True, "until": row.until if row is not None and stays else None,
            }])
        case desk.RepLeft():
            connection.execute(sa.delete(REPS).where(REPS.c.rep_id == event.rep_id, REPS.c.team_id == event.team_id))
        case desk.RepAvailabilityChanged():
            connection.execute(
                sa.update(REPS).where(REPS.c.rep_id == event.rep_id, REPS.c.team_id == event.team_id)
                .values(available=event.available, until=event.model_dump(mode="json")["until"])
            )
        case desk.LeadClaimed():
            replace_rows(connection, ACTIONS, [r.envelope.event_id], [{
                "action_id": r.envelope.event_id, "lead_id": event.lead_id, "kind": "LeadClaimed", "rep_id": event.rep_id,
                "assignment_id": event.request_id, "effect": None, "at_ms": int(r.record.at.timestamp() * 1000),
            }])


def _read_profiles(connection: sa.Connection, records: Sequence[Incoming]) -> None:
    for r in records:
        at_ms = int(r.record.at.timestamp() * 1000)
        if r.tombstone:
            connection.execute(sa.delete(NOTES).where(NOTES.c.note_key == r.key))
            connection.execute(sa.delete(PEOPLE).where(PEOPLE.c.lead_id == r.key))
            connection.execute(sa.delete(EXTERNAL).where(EXTERNAL.c.lead_id == r.key))
            continue
        event = decoded(r) if r.type in _OF_PROFILES else None
        if isinstance(event, desk.ProfileNote):
            replace_rows(connection, NOTES, [r.key], [
                {"note_key": r.key, "lead_id": event.lead_id, "text": event.text, "at_ms": at_ms, "erased": False}
            ])
        elif isinstance(event, intake.LeadProfile):
            replace_rows(connection, PEOPLE, [r.key], [
                {"lead_id": r.key, "email": event.email, "profile": event.model_dump_json(), "at_ms": at_ms}
            ])
            connection.execute(sa.delete(EXTERNAL).where(EXTERNAL.c.lead_id == r.key))
            if event.external_ids:
                connection.execute(sa.insert(EXTERNAL), [
                    {"lead_id": r.key, "system": str(s), "external_id": i[:200]} for s, i in event.external_ids.items()
                ])


def instant(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
