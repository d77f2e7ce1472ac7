"""Looking into the state of a processor from outside of it, as its changelog says: for doors, never for decisions.

The changelog is what the processor itself would start from, so an answer is exact as of what was acknowledged. It is read when
somebody asks, each time from where the last question left it; who is never asked reads nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.agreement import Agreement
from services.runtime.plan import Plan
from services.runtime.protocol import Processor
from services.runtime.restore import ChangelogReader
from services.runtime.settings import Settings
from services.runtime.store import Codec, Store
from services.runtime.topics import incarnations, is_there, partition_of


class Looker:
    """Answers a processor's `look` by its changelog."""

    def __init__(self, processor: Processor[Any], settings: Settings) -> None:
        if processor.look is None:
            raise ValueError(f"{processor.name} has nothing to look at")
        self._processor, self._settings = processor, settings
        self._look = processor.look
        self._codec = Codec(processor)
        self._stores: dict[int, dict[int, Store]] = {}
        self._reader: ChangelogReader | None = None
        self._turn = asyncio.Lock()

    async def look(self, key: str, name: str, agreement: Agreement, now: datetime) -> Mapping[str, Any] | None:
        """What can be told of `name` in the key's state; None: nothing is known of it (yet).

        Raises KafkaError, TimeoutError or OSError while the broker is away, StateUnreadable if the state was written by
        a newer version.
        """
        partition = partition_of(key, self._settings.partitions_of(self._processor.log))
        async with self._turn:
            reader = await self._opened()
            if reader is None:
                return None
            stores = self._stores.setdefault(partition, {})
            await reader.restore(stores, (partition,))
            return await asyncio.to_thread(self._answer, stores[partition], key, name, agreement, now)

    def _answer(self, store: Store, key: str, name: str, agreement: Agreement, now: datetime) -> Mapping[str, Any] | None:
        held = store.keys.get(key.encode())
        head = self._codec.head(held) if held is not None else None
        if held is None or head is None:
            return None
        return self._look(head.own, self._codec.parts(held) or {}, name, agreement, now)

    async def _opened(self) -> ChangelogReader | None:
        """None: the processor has never run here. Its changelog is not asked for then, for some brokers make what is asked for."""
        if self._reader is None:
            log = self._processor.log
            made = await incarnations(self._settings, log)
            plan = Plan.of(self._processor, self._settings, made[log.name])
            if not await is_there(self._settings, plan.changelog):
                return None
            self._reader = ChangelogReader(self._settings.bootstrap_servers, plan.changelog, self._codec)
        return self._reader
