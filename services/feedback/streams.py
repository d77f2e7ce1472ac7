"""The stream of every status change: resumed by a vector of positions in the log, so also after the ledger was built anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from functools import partial
from heapq import merge
from itertools import groupby
from typing import Any

import orjson
import sqlalchemy as sa

from schemas.events.feedback import LeadStatusChanged
from schemas.vocabulary import as_number
from services.feedback import tables
from services.runtime.event_streams import ServerSent
from services.runtime.positions import NoVector, Vector
from services.runtime.problems import Problem
from services.runtime.projection import Changed, ProjectionRunner
from services.runtime.settings import Settings
from services.runtime.topics import partition_of

EVENT = "status"
_ROWS_AT_ONCE = 500


def whence(given: str | None, from_beginning: bool) -> Vector | None:
    """Where a client wants to begin; None: with what happens from now on. Raises Problem."""
    if given is None:
        return Vector("", ()) if from_beginning else None
    try:
        return Vector.parse(given)
    except NoVector as error:
        raise Problem(400, "Not an event id", f"Last-Event-ID: {error}.") from error


async def status_changes(
    runner: ProjectionRunner, settings: Settings, since: Vector | None
) -> AsyncIterator[Sequence[ServerSent]]:
    """Status changes after `since`, then every one as it is committed. The first item tells the client where it is."""
    changes = runner.changes()
    try:
        now = await anext(changes)
        here = now.vector
        told = here if since is None else _known(since, here)
        yield [ServerSent(str(told), "", b"")]
        while True:
            if not now.complete:
                async for further, rows in _missed(runner, told, now.vector):
                    told = further
                    yield rows
            else:
                told, rows = _told(now, told, settings.partitions)
                if rows:
                    yield rows
            now = await anext(changes)
    finally:
        await changes.aclose()


def _known(since: Vector, here: Vector) -> Vector:
    """The client's vector; the beginning, if it speaks of another making of the log."""
    same = since.incarnation == here.incarnation and len(since.next) == len(here.next)
    return since if same else Vector.start(here.incarnation, len(here.next))


def _told(changed: Changed, told: Vector, partitions: int) -> tuple[Vector, list[ServerSent]]:
    rows = []
    for announcement in changed.announcements:
        event = announcement.event
        if not isinstance(event, LeadStatusChanged):
            continue
        partition = partition_of(event.lead_id, partitions)
        if not told.covers(partition, event.position):
            told = told.after(partition, event.position)
            rows.append(_sent(told, announcement.content))
    return told, rows


def _sent(at: Vector, body: bytes) -> ServerSent:
    """A LeadStatusChanged as it goes over HTTP: its score is a number there, as in every other answer."""
    said = orjson.loads(body)
    if said.get("score") is not None:
        said["score"] = as_number(Decimal(said["score"]))
    return ServerSent(str(at), EVENT, orjson.dumps(said))


async def _missed(
    runner: ProjectionRunner, told: Vector, upto: Vector
) -> AsyncIterator[tuple[Vector, list[ServerSent]]]:
    """What is in the table after `told` and before `upto`: each partition in its order, a page of them in the order of time."""
    while rows := await runner.read(partial(_page, told=told, upto=upto)):
        sent = []
        for row in rows:
            told = told.after(row.partition, row.position)
            sent.append(_sent(told, row.body))
        yield told, sent
    yield told.joined(upto), []


def _page(connection: sa.Connection, told: Vector, upto: Vector) -> list[Any]:
    """The next rows. A partition is cut at a position, never at a time, so that nothing can be stepped over."""
    table = tables.CHANGES
    beyond = [
        sa.and_(table.c.partition == p, table.c.position >= told.next[p], table.c.position < end)
        for p, end in enumerate(upto.next)
        if told.next[p] < end
    ]
    if not beyond:
        return []
    order = (table.c.partition, table.c.position)
    rows = connection.execute(sa.select(table).where(sa.or_(*beyond)).order_by(*order).limit(_ROWS_AT_ONCE)).all()
    partitions = groupby(rows, key=lambda row: row.partition)
    return list(merge(*[list(group) for _, group in partitions], key=lambda row: row.at_ms))
