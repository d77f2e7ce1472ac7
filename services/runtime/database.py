"""A database of one's own by URL: SQLite by default, PostgreSQL by setting; one writer thread, a few reader threads.

What is brief is not passed to a thread in SQLite: two wake-ups, and the turn at the interpreter's lock that the other thread
gives up after 5 ms only, cost more than a transaction of a few rows.

The tables live in a file (SQLite) or schema (PostgreSQL) named after their version and shape. So changed code finds no
old tables: it builds new ones, and the old are deleted when the new are complete.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import URL, make_url
from sqlalchemy.schema import CreateTable

T = TypeVar("T")

log = structlog.get_logger(__name__)

READERS = 4
_BUSY_MS = 5000
_CHECKPOINT_EVERY_SECONDS = 2.0
"""SQLite: how often what has been committed is copied into the database file, beside the writer."""
_CHECKPOINT_PAGES_AT_LAST = 16_384
"""SQLite: with so many pages (64 MB) in the log file, a commit waits for the copying itself."""
_CONNECT_SECONDS = 5
_SILENCE_MS = 15_000
"""After this time without an answer a connection to PostgreSQL counts as dead."""


class DatabaseRefused(ValueError):
    """The database's URL is not one that we can use; the text says what to do."""


class Database:
    """The tables of `metadata` in a place of their own.

    durable: a commit survives the loss of power. What can be built anew from the log does not need that: its positions are
    in the same transaction as its rows, so what is lost is read again.
    """

    def __init__(
        self, url: str, name: str, version: int, metadata: sa.MetaData, *, durable: bool, rebuilt: bool = True
    ) -> None:
        """rebuilt: the rows can be built anew from the log, so that another shape of tables is another place.

        Raises DatabaseRefused. Opens nothing yet.
        """
        self._metadata, self._durable = metadata, durable
        self._family = _family(name)
        self.place = f"{self._family}_v{version}_{_shape(metadata)}" if rebuilt else self._family
        self._url = _url(url, self.place)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix=f"{name}-reader")
        self._at_once = self.is_sqlite and not durable  # durable: a commit waits for the disk
        self._in_thread = 0
        self._checkpointing: asyncio.Task[None] | None = None
        self._checkpointed_at = 0.0
        self._writer = self._engine(pool_size=1)
        self._reader = self._engine(pool_size=READERS, reading=True)

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    async def open(self) -> None:
        """Make the tables where they are missing. Raises sqlalchemy.exc.DBAPIError when the database is away."""
        await self.writing(self._create)

    async def close(self) -> None:
        """Close every connection and end the threads."""
        if self._checkpointing is not None:
            await asyncio.wait([self._checkpointing])
        await asyncio.to_thread(self._close)

    async def writing(self, work: Callable[[], T], *, brief: bool = False) -> T:
        """Do `work` in the one writer thread; what is `brief`, a few milliseconds, here and now where that is possible."""
        if brief and self._at_once and not self._in_thread:
            return work()
        self._in_thread += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writing, work)
        finally:
            self._in_thread -= 1

    def checkpoint_soon(self) -> None:
        """Copy what has been committed into SQLite's database file, if that was not done a moment ago; returns at once.

        Without this every so many commits one would wait for the disk in its transaction, and who waits for it as well.
        """
        under_way = self._checkpointing is not None and not self._checkpointing.done()
        if self.is_sqlite and not under_way and time.monotonic() - self._checkpointed_at >= _CHECKPOINT_EVERY_SECONDS:
            self._checkpointed_at = time.monotonic()
            self._checkpointing = asyncio.create_task(self.reading(self._checkpoint), name="checkpoint")

    def _checkpoint(self) -> None:
        try:
            with self._reader.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
        except sa.exc.DBAPIError as error:  # a later one, or a commit, does it; if the disk is full, commits say so
            log.warning("checkpoint_failed", error=type(error).__name__)

    def begin(self) -> sa.Connection:
        """A connection in a transaction that excludes other writers; for the writer thread. The caller commits and closes."""
        connection = self._writer.connect()
        try:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            return connection
        except BaseException:
            connection.close()
            raise

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in one transaction of its own."""

        def transaction() -> T:
            connection = self.begin()
            try:
                result = work(connection)
                connection.commit()
                return result
            finally:
                connection.close()

        return await self.writing(transaction)

    async def read(self, query: Callable[[sa.Connection], T], *, brief: bool = False) -> T:
        """Do `query` in a reader thread, what is `brief` here and now where that is possible; it sees one state of the database
        throughout.
        """

        def look() -> T:
            with self._reader.connect() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("BEGIN")
                return query(connection)

        return look() if brief and self._at_once else await self.reading(look)

    async def reading(self, work: Callable[[], T]) -> T:
        """Do `work` in a reader thread, so that the event loop goes on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    def disconnect(self) -> None:
        """Drop pooled connections after a failure; the next use connects anew."""
        self._writer.dispose()
        self._reader.dispose()

    async def empty(self) -> None:
        """Delete all rows, as before the first record."""

        def delete(connection: sa.Connection) -> None:
            for table in reversed(self._metadata.sorted_tables):
                connection.execute(sa.delete(table))

        await self.write(delete)

    async def delete_older(self) -> list[str]:
        """Delete the places of other versions of the same tables; gives their names."""
        return await self.writing(self._delete_older)

    # -------------------------------------------------------------- inside

    def _engine(self, *, pool_size: int, reading: bool = False) -> sa.Engine:
        if self.is_sqlite:
            engine = sa.create_engine(
                self._url,
                pool_size=pool_size,
                max_overflow=0,
                connect_args={"timeout": _BUSY_MS / 1000, "check_same_thread": False},
            )
            synchronous = "FULL" if self._durable else "NORMAL"

            @sa.event.listens_for(engine, "connect")
            def _prepare(connection: Any, _: Any) -> None:
                connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
                for pragma in (
                    "journal_mode=WAL",
                    f"synchronous={synchronous}",
                    f"wal_autocheckpoint={_CHECKPOINT_PAGES_AT_LAST}",
                    "foreign_keys=ON",
                    "cache_size=-16384",
                ):
                    connection.execute(f"PRAGMA {pragma}")

            return engine
        options = f"-c search_path={self.place} -c synchronous_commit={'on' if self._durable else 'off'}"
        return sa.create_engine(
            self._url,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ" if reading else "READ COMMITTED",
            connect_args={"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": _SILENCE_MS, "options": options},
        )

    def _create(self) -> None:
        if self.is_sqlite:
            Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        connection = self.begin()
        try:
            if not self.is_sqlite:
                connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {self.place}")
            self._metadata.create_all(connection)
            connection.commit()
        finally:
            connection.close()

    def _close(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        self.disconnect()

    def _delete_older(self) -> list[str]:
        if self.is_sqlite:
            here = Path(str(self._url.database))
            older = [f for f in here.parent.glob(f"{self._family}_v*.sqlite") if f.name != here.name]
            for file in older:
                for suffix in ("", "-wal", "-shm"):
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
            return [f.name for f in older]
        connection = self.begin()
        try:
            names = connection.scalars(sa.text("SELECT nspname FROM pg_namespace")).all()
            ours = re.compile(rf"{self._family}_v\d+_[0-9a-f]{{8}}")
            older_schemas = [name for name in names if name != self.place and ours.fullmatch(name)]
            for schema in older_schemas:
                connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
            connection.commit()
            return older_schemas
        finally:
            connection.close()


def _shape(metadata: sa.MetaData) -> str:
    """Eight hexadecimal digits of the tables' definition."""
    text = "".join(str(CreateTable(table)) for table in metadata.sorted_tables)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _family(name: str) -> str:
    """The name as part of an identifier that needs no quotes and, with version and shape, fits into PostgreSQL's 63 bytes."""
    plain = re.sub("[^a-z0-9]", "_", name.lower())
    plain = plain if plain[:1].isalpha() else f"l{plain}"
    return plain if len(plain) <= 45 else f"{plain[:36]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _url(url: str, place: str) -> URL:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise DatabaseRefused(
            f"LEADLOOP_DATABASE_URL is no database URL ({error}): write sqlite:///FILE or postgresql://..."
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise DatabaseRefused("LEADLOOP_DATABASE_URL names a SQLite database in memory, which forgets: name a file")
        return parsed.set(database=str(Path(parsed.database).with_name(f"{place}.sqlite")))
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise DatabaseRefused(
        f"LEADLOOP_DATABASE_URL names {parsed.get_backend_name()}: leadloop uses sqlite or postgresql"
    )
