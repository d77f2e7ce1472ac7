"""A recorded log as a history: what came from outside of routing, to be routed again, and what routing decided then.

Taken as recorded: submissions, scores and verdicts, what reps, managers, clocks and recycling did, the roster and who was
there. Made anew: everything that routing says. Void events and repetitions changed nothing then and are left out.

What reps did follows the lead: it is accepted, worked, handed over, closed and given back to marketing by whoever has it in
the simulated world. A rejection that sent it on to another rep and a breach belong to the rep whose they were, and
happen only if he has the lead there, too: nobody knows what another would have done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.base import Event
from schemas.events import desk, intake, recycling, routing, scoring, sla
from schemas.ids import LeadId, RepId
from schemas.lifecycle import ACTIONS, Effect, Life
from schemas.topics import LEADS, TEAMS, by_type_name
from schemas.wire import Envelope, Record, UndecodableRecord, decode
from services.console.simulation.happenings import Happening, LeadTold, TeamTold
from services.runtime.lead_log import UNREAD, LeadMemory, changes_lives, read_lead

_OF_THE_LEAD: frozenset[type[Event]] = ACTIONS | {
    intake.LeadSubmitted, intake.LeadErased, intake.LeadsMerged, intake.LeadsUnmerged, intake.LeadSuppressed,
    scoring.LeadScored, scoring.LeadQualified, scoring.LeadNurtured, scoring.LeadDisqualified,
    recycling.LeadRecycled, recycling.LeadReactivated, recycling.LeadRetired, sla.ClockBreached,
}  # fmt: skip
_OF_THE_TEAM: frozenset[type[Event]] = frozenset({
    desk.RepJoined, desk.RepChanged, desk.RepLeft, desk.RepAvailabilityChanged, desk.RepActed, desk.LeadClaimed,
    desk.AccountSet, desk.AccountRemoved,
})  # fmt: skip
_ROSTER: frozenset[type[Event]] = frozenset({desk.RepJoined, desk.RepChanged, desk.RepLeft})
_HIS_OWN: frozenset[type[Event]] = frozenset({desk.LeadRejected, sla.ClockBreached})
_DECODED = frozenset({e.type_name() for e in (scoring.LeadScored, sla.ClockBreached)})


class Step(NamedTuple):
    """One thing that was decided of a lead: `assignment`, `wait` or `withdrawal`."""

    type: str
    at_ms: int
    rep: RepId | None
    pool: str | None
    rule: str | None
    because: str


class _Pending(NamedTuple):
    at_ms: int
    topic: str
    partition: int
    offset: int
    happening: Happening


@dataclass
class _Lead:
    memory: LeadMemory = UNREAD
    key_ms: tuple[int, int] = (0, -1)
    """Where its last happening was put: the next one is not put before it."""
    rule: str | None = None


@dataclass
class Recorded:
    """The logs of an installation, read record by record; partitions in any order, each in its own."""

    roster: bool = True
    """Whether who joins, changes and leaves is taken as recorded."""
    records: int = 0
    undecodable: int = 0
    decided: dict[LeadId, list[Step]] = field(default_factory=lambda: defaultdict(list))
    """What routing decided then."""
    _leads: dict[str, _Lead] = field(default_factory=lambda: defaultdict(_Lead))
    _pending: list[_Pending] = field(default_factory=list)
    _answered: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(lead, offset of an event of it) -> (time, offset) of what a team read because of it: teams decide in that order."""

    def take(self, record: Record) -> None:
        """Read one record of `leads` or `teams`."""
        self.records += 1
        type_name = record.type_name()
        if type_name is None or record.key is None or by_type_name().get(type_name) is None:
            return
        try:
            envelope = Envelope.parse(record.headers)
            if record.topic == TEAMS.name:
                self._of_team(record, decode(type_name, record.value), envelope)
            elif record.topic == LEADS.name:
                told = changes_lives(type_name) or type_name in _DECODED
                self._of_lead(record, envelope, decode(type_name, record.value) if told else None)
        except UndecodableRecord:
            self.undecodable += 1

    def ready(self, before: datetime | None = None) -> Iterator[Happening]:
        """What happened before an instant and was not given yet, in the order in which teams decided on it."""
        limit = None if before is None else _ms(before)
        ready = sorted(p for p in self._pending if limit is None or p.at_ms < limit)
        self._pending = [] if limit is None else [p for p in self._pending if p.at_ms >= limit]
        keyed: list[tuple[tuple[int, int], int, Happening]] = []
        for number, pending in enumerate(ready):
            keyed.append((self._key(pending), number, pending.happening))
        keyed.sort(key=lambda one: one[:2])
        for (at_ms, _), _, happening in keyed:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
            yield replace(happening, at=at)

    def _key(self, p: _Pending) -> tuple[int, int]:
        if isinstance(p.happening, TeamTold):
            return p.at_ms, p.offset
        lead = self._leads[p.happening.lead]
        placed = self._answered.pop((str(p.happening.lead), p.offset), (p.at_ms, -1))
        lead.key_ms = max(placed, lead.key_ms)
        return lead.key_ms

    # ------------------------------------------------------------------ the logs

    def _of_team(self, record: Record, event: Event, envelope: Envelope) -> None:
        if isinstance(event, routing.AssignmentRequested):
            epoch = str(event.request_id).rpartition(".")[2]
            if epoch.isdigit():
                self._answered.setdefault((str(event.lead_id), int(epoch)), (_ms(record.at), record.offset))
        elif isinstance(event, routing.AssignmentReleased) and envelope.cause is not None:
            self._answered.setdefault((str(event.lead_id), envelope.cause.offset), (_ms(record.at), record.offset))
        elif type(event) in _OF_THE_TEAM and (self.roster or type(event) not in _ROSTER):
            self._wait(record, TeamTold(record.at, _place(record), event))

    def _of_lead(self, record: Record, envelope: Envelope, event: Event | None) -> None:
        key = (record.key or b"").decode()
        lead = self._leads[key]
        before = lead.memory.life
        lead.memory, effect = read_lead(lead.memory, record, envelope, event)
        if effect is not Effect.EFFECT or event is None:
            return
        at_ms = lead.memory.now_ms
        self._decided(LeadId(key), lead, before, event, at_ms)
        if type(event) in _OF_THE_LEAD:
            his = before.rep if type(event) in _HIS_OWN else None
            self._wait(record, LeadTold(record.at, _place(record), LeadId(key), event, his, envelope.event_id))

    def _decided(self, lead_id: LeadId, lead: _Lead, before: Life, event: Event, at_ms: int) -> None:
        match event:
            case routing.LeadRouted():
                lead.rule = event.rule
            case routing.LeadAssigned():
                self.decided[lead_id].append(Step("assignment", at_ms, event.rep_id, event.pool_id, lead.rule, event.because))
            case routing.LeadQueued():
                self.decided[lead_id].append(Step("wait", at_ms, None, event.pool_id, lead.rule, event.because))
            case routing.AssignmentWithdrawn():
                self.decided[lead_id].append(Step("withdrawal", at_ms, before.rep, before.pool, lead.rule, event.because))

    def _wait(self, record: Record, happening: Happening) -> None:
        self._pending.append(_Pending(_ms(record.at), record.topic, record.partition, record.offset, happening))


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
