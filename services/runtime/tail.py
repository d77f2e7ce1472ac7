"""The tail of our own changelog: noticing that somebody else wrote to it, and only then reading it.

We know the offset of everything that we append. An append that lands further than expected, or an end that is further,
means that a stale owner wrote there; only that range is read. So watching costs one small request every few seconds,
and compaction, which waits a quarter of an hour, finds our record to be the newest again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError

from services.runtime.cancellation import answered
from services.runtime.restore import ChangelogReader
from services.runtime.store import Store

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 5.0

EndOffsets = Callable[[Sequence[int]], Awaitable[Mapping[int, int]]]


class Tail:
    """Watches the changelog partitions that are ours."""

    def __init__(
        self, reader: ChangelogReader, stores: dict[int, Store], ends: EndOffsets, rewrite: Callable[[], None]
    ) -> None:
        """ends: the present end of changelog partitions; rewrite: called when a store has keys to be written anew."""
        self._reader, self._stores, self._ends, self._rewrite = reader, stores, ends, rewrite
        self._ours: dict[int, tuple[int, int]] = {}
        """Partition -> (first, next) of the last run of offsets of which we know that each is ours or was read."""
        self._foreign = asyncio.Event()
        self._generation = -1

    def begin(self, partitions: Sequence[int], generation: int) -> None:
        """These partitions are ours from now on, read to their ends."""
        self._generation = generation
        self._ours = {p: (self._stores[p].read_to, self._stores[p].read_to) for p in partitions}
        if any(self._stores[p].stale for p in partitions):
            self._rewrite()

    def end(self) -> None:
        """Nothing is ours."""
        self._ours.clear()

    def appended(self, partition: int, batches: Sequence[tuple[int, int]]) -> None:
        """We appended batches of (first offset, records). An unknown offset (-1) counts as a foreign one: read and
        see."""
        if partition not in self._ours:
            return
        store = self._stores[partition]
        for first, count in batches:
            begin, expected = self._ours[partition]
            if first != expected:
                begin = first
                self._foreign.set()
            self._ours[partition] = begin, first + count
            if store.read_to >= begin:
                store.read_to = first + count

    async def run(self) -> None:
        """Look for what others appended, for as long as the task lives."""
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_SECONDS):
                    await self._foreign.wait()
            except TimeoutError:
                pass
            self._foreign.clear()
            try:
                await answered(self._look())
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("changelog_tail_not_read", because=type(error).__name__)

    async def _look(self) -> None:
        mine, generation = list(self._ours), self._generation
        if not mine:
            return
        async with asyncio.timeout(LOOK_EVERY_SECONDS):
            ends = await self._ends(mine)
        for partition in mine:
            store, end = self._stores.get(partition), ends[partition]
            if store is None or end <= store.read_to:
                continue
            await self._reader.find_overwritten(store, partition, end, generation)
            if generation != self._generation or partition not in self._ours:
                return
            begin, expected = self._ours[partition]
            if begin <= end:
                store.read_to = max(end, expected)
                self._ours[partition] = begin, store.read_to
            if store.stale:
                self._rewrite()
