"""State from the changelog: the furthest position wins. And the tail: what a stale owner overwrites is written anew.

Read anew when a pinned version changes (tests/architecture/test_pins.py):
- `Recovery._recover` stands in for faust/tables/recovery.py `_restart_recovery`, which waits for offset `highwater - 1`
  (it never comes when the last record was compacted away or is a transaction's marker), lets the newest record win, and
  resumes the inputs before it seeks them.
- `Tables` stands in for `recovery` and `on_start` of faust/tables/manager.py (which sleeps a second before it starts).
- `Changelog` stands in for faust/tables/base.py `Collection.send_changelog` and its stores, of which nothing is used
  but the declaration of the changelog topic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.tables import recovery as faust_recovery
from faust.tables.manager import TableManager
from faust.tables.table import Table
from mode import Service

from services.runtime import changelog
from services.runtime.cancellation import answered
from services.runtime.letting_go import let_go
from services.runtime.store import Codec, Store
from services.runtime.transport import FAUST_LOGGER

log = structlog.get_logger(__name__)

_RECORDS_AT_ONCE = 5000
_PARTITION_FETCH_BYTES = 4_000_000
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0
_ASK_SECONDS = 15.0


class ChangelogReader:
    """Reads partitions of one changelog, by position, to an end that was asked for before."""

    def __init__(self, bootstrap_servers: str, topic: str, codec: Codec) -> None:
        self._bootstrap_servers, self._topic, self._codec = bootstrap_servers, topic, codec

    async def restore(self, stores: dict[int, Store], partitions: Iterable[int]) -> int:
        """Bring `stores` up to the changelog's end for these partitions, and drop all others. Returns the records read.

        A store that was ours before is read on from where we left it. Raises KafkaError or TimeoutError.
        """
        wanted = set(partitions)
        for partition in stores.keys() - wanted:
            del stores[partition]
        for partition in wanted - stores.keys():
            stores[partition] = Store(self._codec)
        if not wanted:
            return 0
        read = 0
        async with self._consumer() as consumer:
            tps = [TopicPartition(self._topic, p) for p in wanted]
            consumer.assign(tps)
            async with asyncio.timeout(_ASK_SECONDS):
                ends = await consumer.end_offsets(tps)
            async for tp, record in self._records(consumer, ends, {tp: stores[tp.partition].read_to for tp in tps}):
                store = stores[tp.partition]
                store.apply(record.key, record.value, record.timestamp)
                store.read_to = record.offset + 1
                read += 1
            for tp in tps:
                stores[tp.partition].read_to = max(stores[tp.partition].read_to, ends[tp])
        return read

    async def find_overwritten(self, store: Store, partition: int, end: int, generation: int) -> None:
        """Read what was appended from `store.read_to` to `end` and note which keys another generation wrote."""
        tp = TopicPartition(self._topic, partition)
        async with self._consumer() as consumer:
            consumer.assign([tp])
            async for _, record in self._records(consumer, {tp: end}, {tp: store.read_to}):
                if record.value is None:
                    store.stale[record.key] = -1
                elif changelog.generation_of(record.value) != generation:
                    store.stale[record.key] = changelog.position_of(record.value)
                    log.info("stale_owner_wrote", partition=partition, offset=record.offset)
        store.read_to = max(store.read_to, end)

    @asynccontextmanager
    async def _consumer(self) -> Any:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await let_go(consumer)

    @staticmethod
    async def _records(
        consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], begins: dict[TopicPartition, int]
    ) -> Any:
        """The records of each partition below its end, in order. The position tells the end: the last offsets may hold
        nothing."""
        unread = set(ends)
        for tp in unread:
            consumer.seek(tp, begins[tp])
        while True:
            for tp in list(unread):
                if await consumer.position(tp) >= ends[tp]:
                    unread.discard(tp)
                    consumer.pause(tp)
            if not unread:
                return
            async with asyncio.timeout(_ASK_SECONDS):
                fetched = await consumer.getmany(*unread, timeout_ms=500, max_records=_RECORDS_AT_ONCE)
            for tp, records in fetched.items():
                for record in records:
                    yield tp, record
            await asyncio.sleep(0)


class Changelog(Table[Any, Any]):
    """Declares a changelog topic to Faust, so that its partitions are assigned together with the input's."""

    logger = FAUST_LOGGER


class Recovery(faust_recovery.Recovery):
    """After each assignment: restore, seek while paused, resume."""

    logger = FAUST_LOGGER
    app: Any

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):  # type: ignore[arg-type]
                break
            self.signal_recovery_start.clear()
            await self._recover_until_done()

    async def _recover_until_done(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while not self.should_stop:
            try:
                await self._recover(self._generation_id)
                return
            except (faust_recovery.RebalanceAgain, faust_recovery.ServiceStopped, IllegalStateError):
                return  # another assignment is on its way, or nobody waits any more
            except (KafkaError, TimeoutError, OSError, AssertionError) as error:
                # AssertionError: what aiokafka raises when the assignment changes under a request
                self.app.hosted.waiting(f"the states cannot be read: {type(error).__name__}")
                await self.sleep(pause)
                pause = min(pause * 2, _LAST_RETRY_SECONDS)
                if self.signal_recovery_start.is_set():
                    return

    async def _recover(self, generation: int) -> None:
        app, consumer = self.app, self.app.consumer
        began = time.monotonic()
        self._set_recovery_started()
        partitions = {tp.partition for tp in consumer.inputs()}
        read = 0

        async def restore() -> None:
            nonlocal read
            read = await answered(app.hosted.restore(partitions))

        await self._wait(restore())
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        if partitions:
            await self._wait(answered(consumer.perform_seek()), timeout=app.conf.broker_request_timeout)
        if app.consumer_generation_id != generation:
            return
        self.completed.set()
        app.hosted.serve(partitions, generation)
        app.flow_control.resume()
        consumer.resume_inputs()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        seconds = time.monotonic() - began
        app.hosted.restored(seconds)
        log.info(
            "restored",
            processor=app.hosted.name,
            partitions=sorted(partitions),
            records=read,
            seconds=round(seconds, 3),
        )


class Tables(TableManager):
    """Faust's table manager with our recovery."""

    logger = FAUST_LOGGER

    @property
    def recovery(self) -> faust_recovery.Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()
