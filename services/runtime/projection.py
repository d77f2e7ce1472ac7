"""Ordered projection of topics into a database: rows and positions in one transaction; the log is the truth, the rows follow.

What a projection says because of what it read (`statuses`) is appended and acknowledged before the commit. After a crash
the last transaction's records are read again, and what was said is said again with the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import sqlalchemy as sa
import structlog
from aiokafka.errors import KafkaError

from schemas.events.runtime import DeadLettered
from schemas.topics import LEADS, Topic
from schemas.wire import Record
from services.runtime.database import Database
from services.runtime.dead_letters import Share
from services.runtime.following import Follower
from services.runtime.gathering import resting
from services.runtime.metrics import DEAD_LETTERED, PROJECTED, PROJECTION_SECONDS
from services.runtime.positions import Positions, Vector
from services.runtime.projected_words import Announcement, Herald
from services.runtime.projection_protocol import (
    Behind,
    Changed,
    Incoming,
    Projection,
    Stream,
    Surroundings,
    TooManyDeadLetters,
    ToStreams,
)
from services.runtime.reached import Reached
from services.runtime.topics import TopicsRefused, incarnations, partition_of

__all__ = [
    "Announcement",
    "Behind",
    "Changed",
    "Incoming",
    "Projection",
    "ProjectionRunner",
    "Surroundings",
    "ToStreams",
    "TooManyDeadLetters",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")

RECORDS_A_TRANSACTION = 1000
"""At most; what waits is taken, and nothing is waited for."""
_BRIEF = 50
"""So many records are some milliseconds of work: no thread is woken for them."""
_BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


positions_table = sa.Table(
    "positions",
    sa.MetaData(),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("next", sa.BigInteger, nullable=False),
)
_MOVE = (
    sa.update(positions_table)
    .where(
        positions_table.c.topic == sa.bindparam("of_topic"), positions_table.c.partition == sa.bindparam("of_partition")
    )
    .values(next=sa.bindparam("to"))
)


GATHER = timedelta(milliseconds=4)
"""How long records gather after a transaction where nobody says otherwise."""


class ProjectionRunner:
    """Runs one projection while it is entered; answers how far it is, and reads from its database."""

    def __init__(self, projection: Projection, running: Surroundings, *, gather: timedelta = GATHER) -> None:
        """gather: how long records may gather after a transaction; under load fewer and larger ones cost less."""
        self.projection = projection
        self._settings, self._health = running.settings, running.health
        self._by_name = {t.name: t for t in projection.topics}
        self.database = Database(
            self._settings.database(projection.name),
            f"{self._settings.namespace}_{projection.name}",
            projection.version,
            _with_positions(projection.metadata),
            durable=False,
        )
        self._reached = Reached()
        self._streams: set[Stream] = set()
        self._caught_up = asyncio.Event()
        self._share = Share(self._settings.dead_letter_share)
        self._part = f"projection {projection.name}"
        self._gather_seconds = gather.total_seconds()
        self._herald = Herald(self._settings, running.service)
        self._follower: Follower | None = None
        self._following = asyncio.Event()
        self._committing = asyncio.Lock()
        self._leaving = False
        self.incarnations: dict[str, str] = {}
        """Topic -> which making of it this is; known when ready."""

    # -------------------------------------------------------------- life

    async def __aenter__(self) -> ProjectionRunner:
        """Begin to read. Returns at once: /readyz tells when it has caught up."""
        self._health.expect(self._part, "it has not caught up with the log yet")
        self._task = asyncio.create_task(self._run(), name=self._part)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        async with self._committing:  # what has begun is finished
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.database.close()

    @property
    def ready(self) -> bool:
        """Whether it has been at the log's end once since its start."""
        return self._caught_up.is_set()

    async def caught_up(self, timeout: float = 60.0) -> None:
        """Wait until it has been at the log's end once since its start. Raises Behind."""
        await self._within(timeout, self._caught_up.wait())

    @property
    def positions(self) -> Positions:
        """What has been read and committed: the offset of the next record, by topic and partition."""
        return dict(self._reached.positions)

    def vector(self, topic: Topic = LEADS) -> Vector:
        """The positions in one topic, as a stream's event id."""
        return Vector.of(self._reached.positions, topic.name, self.incarnations[topic.name], self._settings.partitions_of(topic))

    def _here(self) -> Vector:
        return self.vector() if LEADS.name in self.incarnations else Vector("", ())

    # -------------------------------------------------------------- asking

    async def read(self, query: Callable[[sa.Connection], T], *, brief: bool = False) -> T:
        """Do `query` on one state of the database, in a reader thread if it is not `brief`.

        Raises Behind if it cannot be read now.
        """
        if not self.incarnations:
            raise Behind(f"The {self.projection.name} is starting: send the same again in a moment.")
        try:
            return await self.database.read(query, brief=brief)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            self.database.disconnect()
            log.warning("database_does_not_answer", projection=self.projection.name, error=type(error).__name__)
            raise Behind("The database does not answer: send the same again in a moment.") from error

    async def read_to_end(self, key: str | None = None, topic: Topic = LEADS, timeout: float = 5.0) -> None:
        """Wait until everything is read that was in the log (of the key's partition) when this was called. Raises Behind."""
        number = self._settings.partitions_of(topic)
        partitions = range(number) if key is None else [partition_of(key, number)]
        await self._within(timeout, self._to_end(topic, partitions))

    async def _to_end(self, topic: Topic, partitions: Sequence[int]) -> None:
        while self._follower is None:
            await self._following.wait()
        ends = await self._follower.ends([(topic.name, p) for p in partitions])
        await asyncio.gather(*[self._reached.until(place, end) for place, end in ends.items()])

    async def wait_for(self, topic: Topic, partition: int, offset: int, timeout: float = 5.0) -> None:
        """Wait until the record at `offset` is in the rows. Raises Behind."""
        await self._within(timeout, self._reached.until((topic.name, partition), offset + 1))

    async def _within(self, timeout: float, awaited: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(timeout):
                await awaited
        except (TimeoutError, KafkaError) as error:
            raise Behind(
                f"The {self.projection.name} has not caught up with the log within {timeout:g} s: send the same again in a moment."
            ) from error

    async def changes(self) -> AsyncGenerator[Changed, None]:
        """Every commit from now on. The first one comes at once, is not `complete` and says where now is."""
        await self._caught_up.wait()
        stream = Stream()
        self._streams.add(stream)
        try:
            yield Changed(self.positions, (), {}, False, self._here())
            while True:
                await stream.wake.wait()
                stream.wake.clear()
                while stream.waiting:
                    yield stream.waiting.popleft()
        finally:
            self._streams.discard(stream)

    # -------------------------------------------------------------- reading on

    async def _run(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._follow()
            except (
                Exception,
                asyncio.CancelledError,
            ) as error:  # whatever it is: nothing was acknowledged, it is tried again
                if self._leaving:
                    raise
                failures = failures + 1 if time.monotonic() - began < 30 else 1
                self._follower = None
                self._following.clear()
                self._say_why(error)
                self.database.disconnect()
                await asyncio.sleep(_BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS)) - 1])

    def _say_why(self, error: BaseException) -> None:
        name = self.projection.name
        match error:
            case sa.exc.OperationalError() | sa.exc.InterfaceError():
                because = "the database does not answer"
            case KafkaError() | TimeoutError() | OSError():
                because = "the broker does not answer"
            case TopicsRefused() | TooManyDeadLetters():
                because = str(error)
            case _:
                because = f"{type(error).__name__} while reading the log; the log of this service has the details"
                log.exception("projection_failed", projection=name)
        log.warning("projection_waits", projection=name, because=because, error=type(error).__name__)
        self._health.say(
            self._part, ok=False, because=f"{because}; nothing is acknowledged meanwhile, it is tried again"
        )

    async def _follow(self) -> None:
        """Read from the database's positions on, for ever. Raises whatever stops it."""
        await self.database.open()
        async with asyncio.timeout(30):
            known = await incarnations(self._settings, *self.projection.topics)
        await self._set_out(known)
        projection = self.projection
        following = Follower(self._settings, projection.topics, self._reached.positions, projection.choices)
        async with following as follower, self._herald:
            goal = await follower.ends(list(self._reached.positions))
            self._follower, arrived = follower, False
            self._following.set()
            while True:
                if not arrived and all(self._reached.positions[place] >= end for place, end in goal.items()):
                    await self._arrive()
                    arrived = True
                records, upto = await follower.take_with_positions(RECORDS_A_TRANSACTION)
                if records:
                    async with self._committing:
                        took = await self._commit(records, upto)
                    await asyncio.sleep(resting(self._gather_seconds, took))
                elif upto:  # no row changes: the positions in the database follow with the next that does
                    self._reached.moved(upto)
                    await asyncio.sleep(self._gather_seconds)
                else:
                    self._reached.moved(await follower.positions())

    async def _arrive(self) -> None:
        for place in await self.database.delete_older():
            log.info("deleted_older_tables", projection=self.projection.name, place=place)
        self._caught_up.set()
        self._health.say(self._part, ok=True)

    async def _set_out(self, known: dict[str, str]) -> None:
        """Take up the positions; a topic that was made anew makes the rows worthless."""

        def stored(connection: sa.Connection) -> list[tuple[str, int, str, int]]:
            return [
                (r.topic, r.partition, r.incarnation, r.next) for r in connection.execute(sa.select(positions_table))
            ]

        rows = await self.database.read(stored)
        if any(known.get(topic) != incarnation for topic, _, incarnation, _ in rows):
            log.warning("topics_were_made_anew", projection=self.projection.name)
            await self.database.empty()
            rows = []
        begin = {(t.name, p): 0 for t in self.projection.topics for p in range(self._settings.partitions_of(t))}
        missing = [
            {"topic": t, "partition": p, "incarnation": known[t], "next": 0}
            for t, p in begin.keys() - {(r[0], r[1]) for r in rows}
        ]
        if missing:
            await self.database.write(lambda connection: connection.execute(sa.insert(positions_table), missing))
        self._reached.begin(begin | {(topic, partition): position for topic, partition, _, position in rows})
        self.incarnations = known

    async def _commit(self, records: Sequence[Record], upto: Positions) -> float:
        """One transaction: rows, then what is said, then the positions become durable with the rows. Gives its seconds."""
        began = time.perf_counter()
        brief = len(records) <= _BRIEF
        connection, fresh, said = await self.database.writing(lambda: self._apply(records, upto), brief=brief)
        announcements = [a for a in said if isinstance(a, Announcement)]
        if connection is not None:
            await self._say_and_commit(connection, announcements)
        self._reached.moved(upto)
        self.database.checkpoint_soon()
        dead = sum(isinstance(a.event, DeadLettered) for a in announcements)
        DEAD_LETTERED.labels(self.projection.name).inc(dead)
        PROJECTED.labels(self.projection.name).inc(len(records))
        took = time.perf_counter() - began
        PROJECTION_SECONDS.labels(self.projection.name).observe(took)
        if self._streams:
            told: dict[str, tuple[ToStreams, ...]] = {}
            for one in said:
                if isinstance(one, ToStreams):
                    told[one.to] = (*told.get(one.to, ()), one)
            whole = fresh == len(records)
            changed = Changed(self.positions, tuple(announcements), told, whole, self._here())
            for stream in self._streams:
                stream.tell(changed)
        return took

    async def _say_and_commit(self, connection: sa.Connection, announcements: Sequence[Announcement]) -> None:
        said = False
        try:
            await self._herald.say(announcements)
            said = True
        finally:
            await asyncio.shield(self.database.writing(lambda: _end(connection, commit=said), brief=True))

    def _apply(
        self, records: Sequence[Record], upto: Positions
    ) -> tuple[sa.Connection | None, int, Sequence[Announcement | ToStreams]]:
        """How many records were new, and the open transaction, to be committed when what is to be said has been said; none:
        it has been committed."""
        connection = self.database.begin()
        try:
            stored = {
                (r.topic, r.partition): r.next for r in connection.execute(sa.select(positions_table).with_for_update())
            }
            fresh = [  # another process with the same database may have been here; and a commit may have gone through unseen
                Incoming(r, self._by_name[r.topic], self.incarnations[r.topic])
                for r in records
                if r.offset >= stored[r.topic, r.partition]
            ]
            said = self.projection.apply(connection, fresh) if fresh else ()
            self._demand_readable(len(fresh), said)
            moved = [{"of_topic": t, "of_partition": p, "to": n} for (t, p), n in upto.items() if n > stored[t, p]]
            if moved:
                connection.execute(_MOVE, moved)
            if any(isinstance(one, Announcement) for one in said):
                return connection, len(fresh), said
            connection.commit()
            connection.close()
            return None, len(fresh), said
        except BaseException:
            connection.rollback()
            connection.close()
            raise

    def _demand_readable(self, read: int, said: Sequence[Announcement | ToStreams]) -> None:
        dead = sum(isinstance(one, Announcement) and isinstance(one.event, DeadLettered) for one in said)
        for number in range(read):
            self._share.count(dead=number < dead)
        if self._share.exceeded:
            raise TooManyDeadLetters(
                f"{self._share.dead} of the last records could not be read: that looks like a fault of this code and not of the "
                "data; deploy a version that can read them and start it again"
            )


def _end(connection: sa.Connection, *, commit: bool) -> None:
    try:
        if commit:
            connection.commit()
    finally:
        connection.close()


def _with_positions(metadata: sa.MetaData) -> sa.MetaData:
    """The projection's tables and ours."""
    together = sa.MetaData()
    for table in (*metadata.sorted_tables, positions_table):
        table.to_metadata(together)
    return together
