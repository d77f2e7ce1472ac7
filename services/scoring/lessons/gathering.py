"""The leads' logs as lessons: each lead as it was when it was last scored before sales got it, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace as with_

from schemas.agreement import Agreement
from schemas.agreement.knowledge import Knowledge, facts, learn
from schemas.base import Event
from schemas.events.desk import ActionUndone
from schemas.events.intake import EngagementObserved
from schemas.events.scoring import LeadQualified, LeadScored
from schemas.ids import from_plain, to_plain
from schemas.learning.cells import Value
from schemas.learning.traits import reader_of, traits_of
from schemas.lifecycle import LIFE_EVENTS, RESTS, Effect, Life, State
from schemas.topics import LEADS as LEADS_LOG
from services.runtime.following import Choice
from services.runtime.lead_log import LeadMemory, read_lead
from services.runtime.projecting import decoded, of_types, replace_rows, some_at_a_time, spellings
from services.runtime.projection import Announcement, Incoming
from services.scoring.learning.outcomes import outcome_of
from services.scoring.lessons.tables import LEADS, LESSONS, METADATA

READS: frozenset[type[Event]] = LIFE_EVENTS | {EngagementObserved, LeadScored}
_TYPES = spellings(READS)
_WITH_MARKETING = frozenset({State.NEW, State.NURTURED, State.DISQUALIFIED})


class Agreements(Protocol):
    """The agreements as far as they are published."""

    def in_force(self, at: datetime) -> Agreement: ...


class Remembered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one lead between two records."""

    memory: LeadMemory = LeadMemory()
    known: Knowledge = Knowledge()
    fit: str = "0"
    engagement: str = "0"
    """As last said by the rules."""
    lesson: str = ""
    """The lesson of this cycle, once there is one."""


@dataclass
class _Change:
    """What one batch does to one lesson."""

    lead_id: str
    scored: dict[str, Any] | None = None
    outcome: tuple[bool, int] | None = None
    undone: bool = False


class Gathering:
    """The projection."""

    name = "learning"
    version = 1
    topics = (LEADS_LOG,)
    metadata = METADATA
    choices: ClassVar[Mapping[str, Choice]] = {LEADS_LOG.name: of_types(READS)}

    def __init__(self, agreements: Agreements) -> None:
        self._agreements = agreements

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement]:
        """See Projection. What cannot be decoded teaches nothing; feedback keeps it as a dead letter."""
        wanted = [r for r in records if r.type in _TYPES]
        if not wanted:
            return ()
        leads = _stored(connection, {r.key for r in wanted})
        changes: dict[str, _Change] = {}
        erased: set[str] = set()
        for incoming in wanted:
            before = leads.get(incoming.key, Remembered())
            event = decoded(incoming)
            if event is not None:
                leads[incoming.key] = self._read(before, incoming, event, changes, erased)
        rows = [{"lead_id": key, "memory": _encoder.encode(kept)} for key, kept in leads.items()]
        replace_rows(connection, LEADS, leads.keys(), rows)
        _write(connection, {key: change for key, change in changes.items() if change.lead_id not in erased})
        for some in some_at_a_time(sorted(erased)):
            connection.execute(sa.delete(LESSONS).where(LESSONS.c.lead_id.in_(some)))
        return ()

    def _read(
        self, before: Remembered, incoming: Incoming, event: Event, changes: dict[str, _Change], erased: set[str]
    ) -> Remembered:
        memory, effect = read_lead(before.memory, incoming.record, incoming.envelope, event)
        after = with_(before, memory=memory)
        if effect is None:
            return after
        life, now = memory.life, datetime.fromtimestamp(memory.now_ms / 1000, UTC)
        if life.state is State.ERASED:
            erased.add(incoming.key)
            return Remembered(memory=memory)
        agreement = self._agreements.in_force(now)
        position = incoming.record.offset
        after = with_(
            after, known=learn(before.known, event, agreement, life=life, effect=effect, position=position, now=now)
        )
        if isinstance(event, LeadScored):
            after = with_(after, fit=str(event.fit), engagement=str(event.engagement))
        return _lesson(before, after, incoming.key, event, effect, agreement, changes)


def _lesson(
    before: Remembered, after: Remembered, lead: str, event: Event, effect: Effect, agreement: Agreement, changes: dict[str, _Change]
) -> Remembered:  # fmt: skip
    """The lesson of this cycle after an event: scored anew while the lead is marketing's, closed by an outcome."""
    life = after.memory.life
    if _scores(event, effect, life):
        assert isinstance(event, LeadScored | LeadQualified)
        after = with_(after, lesson=f"{lead}/{life.life}/{life.cycle}")
        change = changes.setdefault(after.lesson, _Change(lead))
        changes[after.lesson] = replace(change, scored=_as_it_is(after, event, agreement))
    elif after.lesson and effect is Effect.EFFECT:
        won = outcome_of(event, agreement)
        change = changes.get(after.lesson, _Change(lead))
        if won is not None and after.lesson == f"{lead}/{before.memory.life.life}/{before.memory.life.cycle}":
            changes[after.lesson] = replace(change, outcome=(won, after.memory.now_ms), undone=False)
        elif isinstance(event, ActionUndone) or _overturned(before.memory.life, life):
            changes[after.lesson] = replace(change, outcome=None, undone=True)
    return after


def _overturned(before: Life, after: Life) -> bool:
    """Whether a manager has taken back what turned the lead down: it goes on from its rest, in the same cycle."""
    return before.state in RESTS and after.state is State.UNROUTED and before.cycle == after.cycle


def _scores(event: Event, effect: Effect, life: Life) -> bool:
    """Whether the lead is to be remembered as it is now: up to and with its hand-over to sales, and not beyond."""
    if isinstance(event, LeadScored):
        return life.state in _WITH_MARKETING
    return isinstance(event, LeadQualified) and effect is Effect.EFFECT


def _as_it_is(after: Remembered, event: LeadScored | LeadQualified, agreement: Agreement) -> dict[str, Any]:
    now = datetime.fromtimestamp(after.memory.now_ms / 1000, UTC)
    known = facts(after.known, after.memory.life, now)
    known = replace(known, fit=Decimal(after.fit), engagement=Decimal(after.engagement))
    traits: dict[str, Value] = {}
    for name in traits_of(agreement):
        value = reader_of(name)(known)
        if value is not None:
            traits[name] = value
    return {
        "traits": msgspec.msgpack.encode(traits),
        "rules_score": float(event.score),
        "scored_at_ms": after.memory.now_ms,
    }


_encoder = msgspec.msgpack.Encoder(enc_hook=to_plain)
_decoder = msgspec.msgpack.Decoder(Remembered, dec_hook=from_plain)


def _stored(connection: sa.Connection, keys: Iterable[str]) -> dict[str, Remembered]:
    out: dict[str, Remembered] = {}
    for some in some_at_a_time(sorted(keys)):
        for row in connection.execute(sa.select(LEADS).where(LEADS.c.lead_id.in_(some))):
            out[row.lead_id] = _decoder.decode(row.memory)
    return out


def _write(connection: sa.Connection, changes: dict[str, _Change]) -> None:
    """An outcome that has been learned stays as it is, and so does the lead as it was scored for it."""
    if not changes:
        return
    there: set[str] = set()
    for some in some_at_a_time(sorted(changes)):
        there.update(connection.scalars(sa.select(LESSONS.c.lesson_id).where(LESSONS.c.lesson_id.in_(some))))
    new = [
        {"lesson_id": key, "lead_id": c.lead_id, "scored": False, "learned": False, **c.scored}
        for key, c in changes.items()
        if c.scored is not None and key not in there
    ]
    if new:
        connection.execute(sa.insert(LESSONS), new)
    again = [{"of": key, **_renamed(c.scored)} for key, c in changes.items() if c.scored is not None and key in there]
    if again:
        connection.execute(_SCORED_AGAIN, again)
    ended = [
        {
            "of": key,
            "as_won": None if c.outcome is None else c.outcome[0],
            "at_ms": None if c.outcome is None else c.outcome[1],
        }
        for key, c in changes.items()
        if c.outcome is not None or c.undone
    ]
    if ended:
        connection.execute(_ENDED, ended)


def _renamed(scored: dict[str, Any]) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in scored.items()}


_SCORED_AGAIN = (
    sa.update(LESSONS)
    .where(LESSONS.c.lesson_id == sa.bindparam("of"), LESSONS.c.won.is_(None))
    .values(
        traits=sa.bindparam("new_traits"), rules_score=sa.bindparam("new_rules_score"),
        scored_at_ms=sa.bindparam("new_scored_at_ms"), scored=False,
    )
)  # fmt: skip
_ENDED = (
    sa.update(LESSONS)
    .where(LESSONS.c.lesson_id == sa.bindparam("of"), LESSONS.c.learned.is_(False))
    .values(won=sa.bindparam("as_won"), ended_at_ms=sa.bindparam("at_ms"))
)
