"""A database of records that stand nowhere else: no log builds it anew. Opened at its first use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import sqlalchemy as sa

from services.runtime.database import Database
from services.runtime.projection_protocol import Behind
from services.runtime.settings import Settings

T = TypeVar("T")


class OwnRecords:
    """One for the process. What it is asked raises Behind while the database is away."""

    def __init__(self, settings: Settings, name: str, metadata: sa.MetaData, *, called: str = "The database") -> None:
        """name: of its file or schema. called: how a refusal speaks of it."""
        self._database = Database(
            settings.database(name), f"{settings.namespace}_{name}", 1, metadata, durable=True, rebuilt=False
        )
        self._called = called
        self._open = False

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in one transaction of its own. Raises Behind."""
        async with self._reachable():
            return await self._database.write(work)

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Do `query` on one state of the database. Raises Behind."""
        async with self._reachable():
            return await self._database.read(query)

    async def close(self) -> None:
        """Close every connection and end the threads."""
        await self._database.close()

    @asynccontextmanager
    async def _reachable(self) -> AsyncIterator[None]:
        try:
            if not self._open:
                await self._database.open()
                self._open = True
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            self._database.disconnect()
            raise Behind(f"{self._called} does not answer: send the same again in a moment.") from error
