"""Whether every lead is accounted for: counted from the ledger, and compared with a fresh fold of the log itself.

The comparison reads every record of `leads` again from Kafka, folds it with nothing remembered, and demands that the
ledger's row says the same at the same position. Up to `COMPARED_BY_ITSELF` records it is done at every audit (it takes a
second or two); beyond that it is done when asked for (`?deep=true`), and else each row is compared with its own memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from schemas.ids import LeadId
from schemas.lifecycle import Life
from schemas.topics import DEAD_LETTERS, LEADS
from schemas.wire import Record, UndecodableRecord
from services.feedback import tables
from services.runtime.following import Follower
from services.runtime.lead_log import UNREAD, LeadMemory, decode_memory, read_lead
from services.runtime.projection import Incoming, ProjectionRunner, positions_table
from services.runtime.settings import Settings

OWED_TOO_LONG_MS = 30_000
COMPARED_BY_ITSELF = 20_000
_SHOWN = 20
_RECORDS_AT_ONCE = 2000
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """A lead of which something is missing, and what."""

    lead_id: LeadId
    because: str


@dataclass(frozen=True)
class Audit:
    """The numbers of the door, and which leads are behind them."""

    received: int
    by_status: Mapping[str, int]
    dead_lettered: int
    unaccounted: tuple[Unaccounted, ...]
    double_assigned: tuple[str, ...]
    compared_records: int
    """How many records of the log were folded anew; 0: the rows were compared with their own memory."""

    @property
    def clean(self) -> bool:
        return not self.unaccounted and not self.double_assigned and not self.dead_lettered

    @property
    def sentence(self) -> str:
        """The audit in one line for people."""
        missing, double = len(self.unaccounted), len(self.double_assigned)
        owners = "none with two owners" if not double else f"{double} with two owners"
        letters = f", {self.dead_lettered} dead letters open" if self.dead_lettered else ""
        return f"{self.received} in, {self.received - missing} accounted for, {owners}{letters}"

    def answer(self) -> dict[str, Any]:
        """What the door answers."""
        return {
            "received": self.received,
            "by_status": dict(self.by_status),
            "dead_lettered": self.dead_lettered,
            "unaccounted": len(self.unaccounted),
            "double_assigned": len(self.double_assigned),
            "clean": self.clean,
            "sentence": self.sentence,
            "compared_records": self.compared_records,
            "unaccounted_leads": [{"lead_id": u.lead_id, "because": u.because} for u in self.unaccounted[:_SHOWN]],
            "double_assigned_leads": list(self.double_assigned[:_SHOWN]),
        }


@dataclass(frozen=True)
class _Ledger:
    """The ledger at one moment."""

    positions: Mapping[int, int]
    deep: bool
    rows: Mapping[str, Any]
    """All rows, to be compared with a fresh fold of the log; none, where each was compared with its own memory."""
    found: tuple[Unaccounted, ...]
    by_status: Mapping[str, int]
    dead_lettered: int
    double_assigned: tuple[str, ...]


async def audit(
    runner: ProjectionRunner, settings: Settings, *, deep: bool | None = None, now_ms: int | None = None
) -> Audit:
    """Audit everything that is in the log now. Raises Behind, KafkaError or TimeoutError.

    deep: fold the log anew; None: if it is short enough. now_ms: the time to which leads are owed something, in ms.
    """
    await runner.read_to_end()
    await runner.read_to_end(topic=DEAD_LETTERS)
    now_ms = now_ms if now_ms is not None else int(time.time() * 1000)
    ledger = await runner.read(partial(_look, deep=deep, now_ms=now_ms))
    found = {u.lead_id: u for u in ledger.found}
    if ledger.deep:
        folded = await _fold_anew(runner, settings, ledger.positions)
        found |= {u.lead_id: u for u in _differing(ledger.rows, folded)}
    return Audit(
        received=sum(ledger.by_status.values()),
        by_status=ledger.by_status,
        dead_lettered=ledger.dead_lettered,
        unaccounted=tuple(found.values()),
        double_assigned=ledger.double_assigned,
        compared_records=sum(ledger.positions.values()) if ledger.deep else 0,
    )


def _look(connection: sa.Connection, *, deep: bool | None, now_ms: int) -> _Ledger:
    """Everything that the audit counts, at one moment. Only rows that are to be compared with a fold are kept in memory."""
    at = positions_table
    positions = {
        row.partition: row.next
        for row in connection.execute(sa.select(at.c.partition, at.c.next).where(at.c.topic == LEADS.name))
    }
    leads = tables.LEADS.c
    columns = (
        leads.lead_id,
        leads.status,
        leads.stage,
        leads.cycle,
        leads.owner,
        leads.memory,
        leads.owed,
        leads.owed_since_ms,
    )
    deep = sum(positions.values()) <= COMPARED_BY_ITSELF if deep is None else deep
    rows: dict[str, Any] = {}
    found: list[Unaccounted] = []
    for row in connection.execute(sa.select(*columns), execution_options={"yield_per": _ROWS_AT_ONCE}):
        if row.owed is not None and now_ms - row.owed_since_ms > OWED_TOO_LONG_MS:
            late = (now_ms - row.owed_since_ms) / 1000
            found.append(Unaccounted(LeadId(row.lead_id), f"owed {row.owed} for {late:.0f} s"))
        if deep:
            rows[row.lead_id] = row
        else:
            found += _unlike(row, decode_memory(row.memory).life)
    counted = sa.select(leads.status, sa.func.count()).where(leads.status.is_not(None)).group_by(leads.status)
    letters = tables.LETTERS.c
    distinct = (
        sa.select(letters.topic, letters.partition, letters.position)
        .where(letters.closed.is_(None))
        .distinct()
        .subquery()
    )
    one, other = tables.ASSIGNMENTS.alias("one"), tables.ASSIGNMENTS.alias("other")
    doubled = (
        sa.select(one.c.lead_id)
        .distinct()
        .join(other, sa.and_(one.c.lead_id == other.c.lead_id, one.c.from_position < other.c.from_position))
        .where(sa.or_(one.c.until_position.is_(None), one.c.until_position > other.c.from_position))
    )
    return _Ledger(
        positions=positions,
        deep=deep,
        rows=rows,
        found=tuple(found),
        by_status=dict(connection.execute(counted.order_by(leads.status)).all()),
        dead_lettered=connection.execute(sa.select(sa.func.count()).select_from(distinct)).scalar_one(),
        double_assigned=tuple(connection.scalars(doubled)),
    )


def _differing(rows: Mapping[str, Any], folded: Mapping[str, LeadMemory]) -> Iterator[Unaccounted]:
    """Leads whose row is not what the log says."""
    for lead_id, row in rows.items():
        yield from _unlike(row, folded.get(lead_id, UNREAD).life)
    for lead_id in folded.keys() - rows.keys():
        yield Unaccounted(LeadId(lead_id), "it is in the log and not in the ledger")


def _unlike(row: Any, life: Life) -> Iterator[Unaccounted]:
    """The lead, if its row or the memory in it is not this life."""
    if decode_memory(row.memory).life != life or not _says(row, life):
        said = life.lead_status or "nothing"
        yield Unaccounted(LeadId(row.lead_id), f"the ledger says {row.status}, the log says {said}")


def _says(row: Any, life: Life) -> bool:
    status = life.lead_status
    owner = str(life.rep) if life.held and life.rep is not None else None
    return (row.status, row.stage, row.cycle, row.owner) == (
        status.value if status else None,
        life.stage.value,
        life.cycle,
        owner,
    )


async def _fold_anew(
    runner: ProjectionRunner, settings: Settings, positions: Mapping[int, int]
) -> dict[str, LeadMemory]:
    """Every lead's log, read again from the first record up to where the ledger is."""
    folded: dict[str, LeadMemory] = {}
    left = {partition for partition, end in positions.items() if end > 0}
    incarnation = runner.incarnations[LEADS.name]
    async with Follower(settings, (LEADS,), {(LEADS.name, p): 0 for p in range(settings.partitions)}) as follower:
        while left:
            records = await follower.take(_RECORDS_AT_ONCE)
            if not records:
                reached = await follower.positions()
                left -= {p for p in left if reached[LEADS.name, p] >= positions[p]}
                continue
            await runner.database.reading(partial(_fold, folded, records, positions, incarnation))
            left -= {r.partition for r in records if r.offset + 1 >= positions[r.partition]}
    return folded


def _fold(
    folded: dict[str, LeadMemory], records: Iterable[Record], positions: Mapping[int, int], incarnation: str
) -> None:
    for record in records:
        if record.offset >= positions[record.partition]:
            continue
        incoming = Incoming(record, LEADS, incarnation)
        try:
            envelope, event = incoming.envelope, incoming.event
        except UndecodableRecord:
            continue
        folded[incoming.key] = read_lead(folded.get(incoming.key, UNREAD), record, envelope, event)[0]
