"""A new agreement is a timer, too: as it comes into force, every key that it may touch gets a TimerDue.

At a limited rate, so that the day's work goes on, and only when everything that was appended before has been worked,
for such a record may yet begin what the new agreement touches. Of which version all keys have been told is in the
partition's own record, so a process that dies on the way leaves it to the next one to tell them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from services.runtime import metrics
from services.runtime.cancellation import answered
from services.runtime.leaving import die
from services.runtime.protocol import Processor
from services.runtime.sending import Outgoing, Sender
from services.runtime.step import Agreements
from services.runtime.store import Store
from services.runtime.timers import TimerWriter

LOOK_EVERY_SECONDS = 0.5
KEYS_AT_ONCE = 100
KEYS_A_SECOND = 500
LOOKED_AT_ONCE = 2000
ASK_SECONDS = 10.0


class Announcer:
    """Tells the keys of our partitions of agreements that have come into force."""

    def __init__(
        self,
        processor: Processor[Any],
        stores: Mapping[int, Store],
        agreements: Agreements,
        writer: TimerWriter,
        sender: Callable[[], Sender],
        caught_up: Callable[[int, int], bool],
        ends: Callable[[Sequence[int]], Awaitable[Mapping[int, int]]],
        told: Callable[[int], None],
    ) -> None:
        """caught_up: whether a partition has been worked up to an offset; ends: the present ends of input partitions;
        told: called with a partition whose memory has changed and is to be written."""
        self._processor, self._stores, self._agreements = processor, stores, agreements
        self._writer, self._sender, self._told = writer, sender, told
        self._caught_up, self._ends = caught_up, ends
        self._targets: dict[int, tuple[int, int]] = {}
        """Partition -> (version, end of its input when the version had come into force)."""
        self.serving = False
        self._looked_at = datetime.now(UTC)

    async def run(self) -> None:
        """Look for what has come into force, for as long as the task lives. Ends the process if an append fails."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            if not self.serving:
                continue
            try:
                await self._announce()
            except asyncio.CancelledError:
                raise
            except LookupError:
                continue  # nothing is published yet
            except Exception as error:  # noqa: BLE001 -- a write failed: what follows must not be written
                die("a new agreement's TimerDue was not appended", error, processor=self._processor.name)

    async def _announce(self) -> None:
        now = datetime.now(UTC)
        version = self._agreements.in_force(now).version
        came = self._agreements.next_after(self._looked_at)
        self._looked_at = now
        untold = {p: store for p, store in self._stores.items() if store.memory.announced != version}
        if not await self._aim(version, untold):
            return
        for partition, store in untold.items():
            if not self._caught_up(partition, self._targets[partition][1]):
                continue
            if not await self._tell(partition, store, version, came if came is not None and came <= now else now):
                return  # the partition is not ours any more
            store.memory = msgspec.structs.replace(store.memory, announced=version)
            self._told(partition)

    async def _aim(self, version: int, untold: Mapping[int, Store]) -> bool:
        """Note how far each partition must be worked before its keys are told. False: the broker does not answer."""
        new = [p for p in untold if self._targets.get(p, (None, 0))[0] != version]
        if not new:
            return True
        try:
            async with asyncio.timeout(ASK_SECONDS):
                ends = await answered(self._ends(new))
        except (KafkaError, TimeoutError, OSError):
            return False
        self._targets.update({p: (version, ends[p]) for p in new})
        return True

    async def _tell(self, partition: int, store: Store, version: int, effective_at: datetime) -> bool:
        keys, records = list(store.keys), []
        for number, key in enumerate(keys, start=1):
            held = store.keys.get(key)
            record = store.codec.head(held) if held is not None else None
            if record is not None and self._processor.touched_by_agreement(record.own):
                records.append(self._writer.record(partition, key, effective_at, version))
            if len(records) >= KEYS_AT_ONCE or number == len(keys):
                await self._append(partition, records)
                records = []
            elif number % LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
            if not self.serving or self._stores.get(partition) is not store:
                return False
        return True

    async def _append(self, partition: int, records: list[Outgoing]) -> None:
        if records:
            await self._sender().send({(self._writer.topic, partition): records})
            metrics.TIMERS.labels(self._processor.name).inc(len(records))
            await asyncio.sleep(len(records) / KEYS_A_SECOND)
