"""The durable queue of imports, in a database of its own that nothing rebuilds: SQLite or PostgreSQL, by the settings.

What was answered by 202 is committed. A row is under way from the moment that it is handed out; whoever takes the queue
over hands out again what was under way, and the row's key makes it one submission all the same.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from schemas.ids import LeadId
from services.intake.imports.tables import IMPORTS, METADATA, OPEN, ROWS, WORKER, Outcome
from services.runtime.own_records import OwnRecords
from services.runtime.projecting import some_at_a_time
from services.runtime.settings import Settings

T = TypeVar("T")

FORGET_WITHIN_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.05
_I, _R, _W = IMPORTS.c, ROWS.c, WORKER.c


class UnderWay(TimeoutError):
    """A row of the person is being taken in at this moment."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row as it enters the queue."""

    line: int
    digest: str
    lead_id: LeadId
    body: str


@dataclass(frozen=True, slots=True)
class NewImport:
    """A file that was understood. `rows` in the order in which they are taken in; `refused`: line -> why."""

    digest: str
    name: str
    meaning: Mapping[str, str | None]
    notes: Sequence[str]
    rows: Sequence[NewRow]
    repeated: Mapping[int, LeadId]
    refused: Mapping[int, str]
    received_ms: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A row that is under way."""

    import_id: str
    line: int
    attempts: int
    digest: str
    lead_id: LeadId
    body: str
    repeats: bool
    """Whether the same row was taken in before, from whatever file."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What has become of it."""

    turn: Turn
    outcome: Outcome
    submission_id: str | None = None
    lead_id: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """One import, and how many of its rows are where."""

    import_id: str
    name: str
    meaning: Mapping[str, str | None]
    notes: Sequence[str]
    received_ms: int
    finished_ms: int | None
    cancelled: bool
    counts: Mapping[Outcome, int] = field(default_factory=dict)


class ImportQueue:
    """One for the process. Every method raises Behind while the database is away."""

    def __init__(self, settings: Settings) -> None:
        self._records = OwnRecords(settings, "imports", METADATA, called="The database of imports")
        self._namespace = settings.lead_namespace
        self.news = asyncio.Event()
        """Set when there may be something to do."""

    # -------------------------------------------------------------- those who import

    async def put(self, new: NewImport) -> tuple[str, bool]:
        """(its id, whether it was there already): the same file again is the same import, unless it was cancelled."""

        def insert(connection: sa.Connection) -> tuple[str, bool]:
            before = connection.execute(
                sa.select(_I.import_id, _I.cancelled).where(_I.digest == new.digest).order_by(_I.number.desc())
            ).all()
            if before and not before[0].cancelled:
                _try_again(connection, before[0].import_id)
                return before[0].import_id, True
            number = len(before) + 1
            import_id = str(uuid.uuid5(self._namespace, f"import {new.digest} {number}"))
            rows = _as_rows(import_id, new)
            done = not any(row["outcome"] == Outcome.WAITING for row in rows)
            connection.execute(
                sa.insert(IMPORTS),
                {
                    "import_id": import_id,
                    "digest": new.digest,
                    "number": number,
                    "name": new.name,
                    "meaning": json.dumps(new.meaning),
                    "notes": json.dumps(new.notes),
                    "received_ms": new.received_ms,
                    "finished_ms": new.received_ms if done else None,
                    "cancelled": False,
                },
            )
            connection.execute(sa.insert(ROWS), rows)
            return import_id, False

        answer = await self._records.write(insert)
        self.news.set()
        return answer

    async def progress(self, import_id: str | None = None, *, most: int = 100) -> list[Progress]:
        """One import, or the newest ones; an empty list if there is none."""

        def look(connection: sa.Connection) -> list[Progress]:
            wanted = sa.select(IMPORTS).order_by(_I.received_ms.desc(), _I.import_id).limit(most)
            found = connection.execute(wanted if import_id is None else wanted.where(_I.import_id == import_id)).all()
            counted = connection.execute(
                sa.select(_R.import_id, _R.outcome, sa.func.count())
                .where(_R.import_id.in_([row.import_id for row in found]))
                .group_by(_R.import_id, _R.outcome)
            )
            counts: dict[str, Counter[Outcome]] = {row.import_id: Counter() for row in found}
            for one, outcome, number in counted:
                counts[one][Outcome(outcome)] = number
            return [_progress(row, counts[row.import_id]) for row in found]

        return await self._records.read(look)

    async def rows(self, import_id: str, outcome: Outcome | None, after: int, most: int) -> list[Any]:
        """Rows of an import by line, after a line: (line, outcome, lead_id, submission_id, message)."""
        query = (
            sa.select(_R.line, _R.outcome, _R.lead_id, _R.submission_id, _R.message)
            .where(_R.import_id == import_id, _R.line > after)
            .order_by(_R.line)
            .limit(most)
        )
        if outcome is not None:
            query = query.where(_R.outcome == outcome)
        return await self._records.read(lambda connection: list(connection.execute(query)))

    async def cancel(self, import_id: str) -> bool:
        """Take nothing more of it in; whether there is such an import. What was taken in stays."""

        def change(connection: sa.Connection) -> bool:
            waiting = (_R.import_id == import_id, _R.outcome.in_((Outcome.WAITING, Outcome.FAILED)))
            connection.execute(sa.update(ROWS).where(*waiting).values(outcome=Outcome.CANCELLED, body=None))
            open_too = sa.update(IMPORTS).where(_I.import_id == import_id, _I.finished_ms.is_(None))
            connection.execute(open_too.values(cancelled=True))
            _finish(connection, [import_id])
            return connection.execute(sa.select(_I.import_id).where(_I.import_id == import_id)).first() is not None

        return await self._records.write(change)

    async def forget(self, leads: Collection[LeadId]) -> int:
        """Drop what is queued of these people; gives the number of rows.

        When it answers, none of their rows is under way. Raises UnderWay if one does not come to its end.
        """

        def drop(connection: sa.Connection) -> tuple[int, bool]:
            theirs = _R.lead_id.in_(list(leads))
            queued = theirs & _R.outcome.in_((Outcome.WAITING, Outcome.FAILED))
            of = set(connection.scalars(sa.select(_R.import_id).where(queued)))
            dropped = connection.execute(sa.update(ROWS).where(queued).values(outcome=Outcome.ERASED, body=None))
            _finish(connection, of)
            under_way = sa.select(_R.line).where(theirs, _R.outcome == Outcome.UNDER_WAY).limit(1)
            return dropped.rowcount, connection.execute(under_way).first() is not None

        number = 0
        try:
            async with asyncio.timeout(FORGET_WITHIN_SECONDS):
                while True:
                    dropped, more = await self._records.write(drop)
                    number += dropped
                    if not more:
                        return number
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except TimeoutError as error:
            raise UnderWay("An import is taking this person in at this moment: send the same again.") from error

    # -------------------------------------------------------------- who works it

    async def waits(self) -> bool:
        """Whether anything is to be done."""
        unfinished = sa.select(_I.import_id).where(_I.finished_ms.is_(None)).limit(1)
        return await self._records.read(lambda connection: connection.execute(unfinished).first() is not None)

    async def hold(self, holder: str, seen: int) -> bool:
        """Become or stay the one who works the queue; whether that is so now.

        seen: the beat of a holder who has been silent for too long, or -1.
        """

        def change(connection: sa.Connection) -> bool:
            row = connection.execute(sa.select(_W.holder, _W.beat)).one_or_none()
            if row is None:
                connection.execute(sa.insert(WORKER), {"one": 1, "holder": holder, "beat": 1})
                return True
            if row.holder != holder and row.beat != seen:
                return False
            beaten = sa.update(WORKER).where(_W.holder == row.holder, _W.beat == row.beat)
            return connection.execute(beaten.values(holder=holder, beat=row.beat + 1)).rowcount == 1

        return await self._records.write(change)

    async def beat(self) -> int:
        """How often who works the queue has said that it lives."""
        return await self._records.read(lambda connection: connection.execute(sa.select(_W.beat)).scalar_one_or_none() or 0)

    async def let_go(self, holder: str) -> None:
        """Work the queue no more."""
        await self._records.write(lambda connection: connection.execute(sa.delete(WORKER).where(_W.holder == holder)))

    async def hand_out_again(self) -> None:
        """What was under way when its worker ended waits again."""
        again = sa.update(ROWS).where(_R.outcome == Outcome.UNDER_WAY).values(outcome=Outcome.WAITING)
        await self._records.write(lambda connection: connection.execute(again))

    async def next(self, most: int) -> list[Turn]:
        """Rows to be taken in now, under way from here on: of all open imports alike, each in its order."""

        def claim(connection: sa.Connection) -> list[Turn]:
            ids = connection.scalars(
                sa.select(_I.import_id).where(_I.finished_ms.is_(None)).order_by(_I.received_ms, _I.import_id)
            ).all()
            turns = [turn for one in ids for turn in _waiting(connection, one, -(-most // len(ids)))]
            if turns:
                connection.execute(
                    sa.update(ROWS)
                    .where(_R.import_id == sa.bindparam("i"), _R.line == sa.bindparam("l"))
                    .values(outcome=Outcome.UNDER_WAY, attempts=_R.attempts + 1),
                    [{"i": turn.import_id, "l": turn.line} for turn in turns],
                )
            return turns

        return await self._records.write(claim)

    async def landed(self, landed: Sequence[Landed]) -> None:
        """Note what has become of rows; an import without open rows is finished."""

        def note(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(ROWS)
                .where(_R.import_id == sa.bindparam("i"), _R.line == sa.bindparam("l"), _R.outcome == Outcome.UNDER_WAY)
                .values({name: sa.bindparam(f"new_{name}") for name in ("outcome", "submission_id", "lead_id", "message", "body")}),
                [_noted(one) for one in landed],
            )
            _finish(connection, {one.turn.import_id for one in landed})

        await self._records.write(note)

    async def close(self) -> None:
        """Close the database."""
        await self._records.close()


def _as_rows(import_id: str, new: NewImport) -> list[dict[str, Any]]:
    blank = {"import_id": import_id, "place": 0, "attempts": 0, "digest": None, "lead_id": None, "body": None, "message": None}
    blank["submission_id"] = None
    waiting = [
        {**blank, "line": r.line, "place": place, "outcome": Outcome.WAITING, "digest": r.digest, "lead_id": r.lead_id, "body": r.body}
        for place, r in enumerate(new.rows)
    ]
    repeated = [{**blank, "line": line, "outcome": Outcome.REPEATED, "lead_id": lead} for line, lead in new.repeated.items()]
    refused = [{**blank, "line": line, "outcome": Outcome.REFUSED, "message": why} for line, why in new.refused.items()]
    return [*waiting, *repeated, *refused]


def _waiting(connection: sa.Connection, import_id: str, most: int) -> list[Turn]:
    earlier = ROWS.alias()
    repeats = sa.exists().where(earlier.c.digest == _R.digest, earlier.c.outcome == Outcome.TAKEN_IN)
    query = (
        sa.select(_R.import_id, _R.line, _R.attempts + 1, _R.digest, _R.lead_id, _R.body, repeats)
        .where(_R.import_id == import_id, _R.outcome == Outcome.WAITING)
        .order_by(_R.place)
        .limit(most)
    )
    return [Turn(*row) for row in connection.execute(query)]


def _try_again(connection: sa.Connection, import_id: str) -> None:
    """What failed for a fault of ours waits once more."""
    failed = (_R.import_id == import_id, _R.outcome == Outcome.FAILED)
    if connection.execute(sa.update(ROWS).where(*failed).values(outcome=Outcome.WAITING, message=None)).rowcount:
        connection.execute(sa.update(IMPORTS).where(_I.import_id == import_id).values(finished_ms=None))


def _noted(one: Landed) -> dict[str, Any]:
    kept = one.outcome in (Outcome.FAILED, Outcome.WAITING)
    return {
        "i": one.turn.import_id,
        "l": one.turn.line,
        "new_outcome": one.outcome,
        "new_submission_id": one.submission_id,
        "new_lead_id": one.lead_id or one.turn.lead_id,
        "new_message": one.message,
        "new_body": one.turn.body if kept else None,
    }


def _finish(connection: sa.Connection, imports: Collection[str]) -> None:
    """Imports without open rows are finished."""
    for some in some_at_a_time(sorted(imports)):
        still_open = sa.select(_R.import_id).where(_R.import_id.in_(some), _R.outcome.in_(OPEN))
        done = sa.update(IMPORTS).where(_I.import_id.in_(some), _I.finished_ms.is_(None), _I.import_id.not_in(still_open))
        connection.execute(done.values(finished_ms=now_ms()))


def now_ms() -> int:
    """Now, in ms since 1970."""
    return int(time.time() * 1000)


def _progress(row: Any, counts: Counter[Outcome]) -> Progress:
    return Progress(
        row.import_id,
        row.name,
        json.loads(row.meaning),
        json.loads(row.notes),
        row.received_ms,
        row.finished_ms,
        row.cancelled,
        counts,
    )
