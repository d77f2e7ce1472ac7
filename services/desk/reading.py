"""Reading the logs of leads and teams, and the profiles, into the desk's tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import orjson
import sqlalchemy as sa

from schemas.base import Event
from schemas.events import desk, intake, routing, scoring, sla
from schemas.lifecycle import ACTIONS as LIFE_ACTIONS
from schemas.lifecycle import LIFE_EVENTS, Effect, Life, State
from schemas.repetitions import IDS_KEPT_FOR
from schemas.topics import LEADS, PROFILES, TEAMS
from schemas.vocabulary import ByRep
from services.desk import telling
from services.desk.cards import card_after
from services.desk.people import read_profiles, read_team
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
    Card,
)
from services.runtime.bulk import select_by, upsert
from services.runtime.following import Choice
from services.runtime.lead_log import UNREAD, LeadMemory, decode_memory, encode_memory, read_lead
from services.runtime.projecting import decoded, of_types, replace_rows, spellings
from services.runtime.projection import Incoming, ToStreams

CLOCK_EVENTS: frozenset[type[Event]] = frozenset(
    {
        sla.ClockStarted,
        sla.ClockWarned,
        sla.ClockBreached,
        sla.ClockMet,
        sla.ClockPaused,
        sla.ClockResumed,
        sla.ClockReplanned,
        sla.ClockCancelled,
        sla.ClockCorrected,
    }
)
ROSTER_EVENTS: frozenset[type[Event]] = frozenset(
    {
        desk.RepJoined,
        desk.RepChanged,
        desk.RepLeft,
        desk.RepAvailabilityChanged,
        desk.LeadClaimed,
        desk.AccountSet,
        desk.AccountRemoved,
    }
)
SHOWN_EVENTS: frozenset[type[Event]] = (
    LIFE_EVENTS | CLOCK_EVENTS | {routing.ActionRefused, scoring.LeadScored, intake.EngagementObserved}
)
_OF_LEADS = spellings(SHOWN_EVENTS)
_OF_TEAMS = spellings(ROSTER_EVENTS)

_SWEEP_EVERY_MS = 3_600_000
_KEEP_MS = int(IDS_KEPT_FOR.total_seconds() * 1000)


class DeskProjection:
    """Reads `leads`, `teams` and `profiles`."""

    name = "desk"
    version = 2
    topics = (LEADS, TEAMS, PROFILES)
    metadata = METADATA
    choices: ClassVar[Mapping[str, Choice]] = {
        LEADS.name: of_types(SHOWN_EVENTS),
        TEAMS.name: of_types(ROSTER_EVENTS),
        PROFILES.name: of_types({intake.LeadProfile, desk.ProfileNote}),
    }

    def __init__(self) -> None:
        self._swept_ms = 0
        self.erasures = 0
        """How many notes this process has marked for their tombstones."""

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[ToStreams]:
        """One transaction. Announces nothing; gives what reps and pools are told."""
        for r in records:
            if r.topic is TEAMS and r.type in _OF_TEAMS and (event := decoded(r)) is not None:
                read_team(connection, r, event)
        read_profiles(connection, [r for r in records if r.topic is PROFILES])
        leads = [r for r in records if r.topic is LEADS and r.type in _OF_LEADS]
        if leads:
            work = _Leads(connection, {r.key for r in leads})
            for r in leads:
                if (event := decoded(r)) is not None:
                    work.read(r, event)
            work.write()
            self.erasures += work.erasures
            self._sweep(connection, work.newest_ms)
            return work.told()
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
        self.erasures = 0
        self.newest_ms = 0
        c = LEADS_TABLE.c
        for lead, memory, card in select_by(connection, c.lead_id, leads, c.lead_id, c.memory, c.card):
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
        elif isinstance(event, desk.ContestDecided):
            self._actions[event_id] = {
                "action_id": event_id,
                "lead_id": lead,
                "kind": f"ContestDecided.{event.verdict.value}",
                "effect": effect.value,
                "at_ms": after.now_ms,
                "rep_id": None,
                "assignment_id": None,
            }
        if type(event) in CLOCK_EVENTS:
            self._run_clock(event)
        if effect is Effect.EFFECT:
            self._follow_assignment(lead, event, event_id, memory.life, after.life, after.now_ms)
            self._cards[lead] = card_after(
                self._cards.get(lead, NEW_CARD), event, event_id, memory.life, after.life, after.now_ms
            )
        refused = self._author(event) if isinstance(event, routing.ActionRefused) else None
        for notice in telling.notices(event, effect, memory.life, after.life, refused):
            body = {
                "lead_id": lead,
                "assignment_id": notice.assignment_id,
                "because": notice.because,
                **(notice.more or {}),
            }
            self._notices[r.record.partition, r.record.offset, notice.to] = {
                "partition": r.record.partition,
                "offset": r.record.offset,
                "rep_id": notice.to,
                "kind": notice.kind,
                "lead_id": lead,
                "at_ms": after.now_ms,
                "body": orjson.dumps(body).decode(),
            }
        if isinstance(event, intake.LeadErased) and effect is Effect.EFFECT:
            self._erase(lead, after.now_ms)

    def _note_action(self, lead: str, event: Any, event_id: str, effect: Effect, now_ms: int) -> None:
        self._actions[event_id] = {
            "action_id": event_id,
            "lead_id": lead,
            "kind": type(event).__name__,
            "effect": effect.value,
            "at_ms": now_ms,
            "rep_id": event.by.rep_id if isinstance(event.by, ByRep) else None,
            "assignment_id": event.assignment_id,
        }

    def _author(self, refused: routing.ActionRefused) -> str | None:
        """Who is to be told of the refusal: whoever acted, by the action's own word."""
        if refused.action_id in self._actions:
            return self._actions[refused.action_id]["rep_id"] or refused.rep_id
        row = self._connection.execute(
            sa.select(ACTIONS.c.rep_id).where(ACTIONS.c.action_id == refused.action_id)
        ).scalar_one_or_none()
        return row or refused.rep_id

    def _follow_assignment(
        self, lead: str, event: Event, event_id: str, before: Life, after: Life, now_ms: int
    ) -> None:
        if before.held and before.offer is not None and not (after.held and after.offer == before.offer):
            self._change_assignment(
                before.offer, ended_by=event_id, ended_as=_kind(event), ended_because=telling.end_of_assignment(event)
            )
        if after.held and after.offer is not None:
            if isinstance(event, routing.LeadAssigned):
                self._assignments[after.offer] = {
                    "assignment_id": after.offer,
                    "lead_id": lead,
                    "rep_id": after.rep,
                    "team_id": after.team,
                    "at_ms": now_ms,
                    "accepted_by": event.claimed_by,
                    "ended_by": None,
                    "ended_as": None,
                    "ended_because": None,
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
                    "clock_id": event.clock_id,
                    "lead_id": event.lead_id,
                    "assignment_id": event.assignment_id,
                    "clock": event.clock,
                    "started_at": said["started_at"],
                    "deadline_at": said["deadline_at"],
                    "phase": "running",
                }
            case sla.ClockMet() | sla.ClockCancelled() | sla.ClockCorrected():
                self._clocks.pop(event.clock_id, None)
            case _ if event.clock_id in self._clocks:
                phases: dict[Any, str] = {
                    sla.ClockWarned: "warned",
                    sla.ClockBreached: "breached",
                    sla.ClockPaused: "paused",
                    sla.ClockResumed: "running",
                }
                row = self._clocks[event.clock_id]
                row["phase"] = phases.get(type(event), row["phase"])
                if isinstance(event, sla.ClockResumed | sla.ClockReplanned):
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
        self._notices = {
            place: row for place, row in self._notices.items() if row["lead_id"] != lead or row["kind"] == "ended"
        }

    def told(self) -> list[ToStreams]:
        """The notices of this batch, as streams say them."""
        return [
            ToStreams(
                n["rep_id"],
                n["partition"],
                n["offset"],
                n["at_ms"],
                n["kind"],
                orjson.dumps({"type": n["kind"], **orjson.loads(n["body"])}),
            )
            for n in self._notices.values()
        ]

    def write(self) -> None:
        """Everything that changed, table by table."""
        replace_rows(
            self._connection,
            LEADS_TABLE,
            self._memories,
            [
                {
                    "lead_id": lead,
                    "state": m.life.state.value,
                    "rep_id": m.life.rep,
                    "team_id": m.life.team,
                    "pool_id": m.life.pool,
                    "offer": m.life.offer,
                    "queued": m.life.queued.value if m.life.queued is not None else None,
                    "memory": encode_memory(m),
                    "card": msgspec.msgpack.encode(self._cards.get(lead, NEW_CARD)),
                }
                for lead, m in self._memories.items()
            ],
        )
        for table, touched, rows in (
            (ASSIGNMENTS, self._touched_assignments, self._assignments),
            (CLOCKS, self._touched_clocks, self._clocks),
            (ACTIONS, set(self._actions), self._actions),
        ):
            replace_rows(self._connection, table, touched, [rows[key] for key in touched if key in rows])
        if self._notices:
            upsert(self._connection, NOTICES, self._notices.values())


def _kind(event: Event) -> str:
    """What ended an assignment, so that the same action again is recognised."""
    if isinstance(event, desk.LeadReturned):
        return "rejected" if event.rejected else "recycled"
    return {
        desk.LeadRejected: "rejected",
        desk.LeadHandedOver: "handed_over",
        desk.LeadWon: "won",
        desk.LeadLost: "lost",
        desk.ReassignmentOrdered: "reassigned",
    }.get(type(event), type(event).__name__)


def _by_key(
    connection: sa.Connection, table: sa.Table, column: sa.Column[Any], values: Collection[str]
) -> dict[str, dict[str, Any]]:
    (key,) = table.primary_key.columns
    names = [c.name for c in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in select_by(connection, column, values)]
    return {row[key.name]: row for row in rows}
