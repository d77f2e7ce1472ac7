"""Deadlines in the state, TimerDue in the log: a timer only says that an instant has come; `decide` decides again.

Stands in for `App.timer` and `App.crontab` of faust/app/base.py, which run in memory, and during rebalances, too.
A TimerDue that is appended twice is harmless, for the state says whether it still counts; one that is not appended is
appended after the next restore, for the deadline is still in the state.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.events.runtime import TimerDue
from schemas.ids import EventId
from schemas.wire import Envelope, encode, new_trace
from services.runtime import metrics
from services.runtime.leaving import die
from services.runtime.protocol import Processor
from services.runtime.sending import Outgoing, Sender
from services.runtime.step import KeyRecord
from services.runtime.store import Store

AT_ONCE = 500
"""TimerDue records of one partition in one append."""
AGAIN_AFTER_MS = 50
"""How much later than its deadline by the broker's clock a TimerDue is appended again that was appended before it (clocks
of hosts differ)."""
_LONGEST_SLEEP_SECONDS = 5.0
"""How soon it is noticed that the host's clock was set, or that the host itself has slept: a sleep counts neither."""


def milliseconds(instant: datetime) -> int:
    """The first whole millisecond at or after the instant, since 1970: append times have no finer grain."""
    return -int(-instant.timestamp() * 1000 // 1)


class TimerWriter:
    """Writes TimerDue records of one processor into its own log."""

    def __init__(self, processor: Processor[Any], log_topic: str, incarnation: str, source: str, writer: str) -> None:
        self.topic = log_topic
        self._processor, self._incarnation, self._source, self._writer = processor, incarnation, source, writer

    def record(self, partition: int, key: bytes, due_at: datetime, agreement_version: int | None = None) -> Outgoing:
        """The record that says to the key that the instant has come."""
        name, text = self._processor.name, key.decode()
        what = f"agreement.{agreement_version}" if agreement_version is not None else f"timer.{milliseconds(due_at)}"
        event_id = EventId(f"{name}.{self._incarnation}.{partition}.{what}.{text}")
        event = TimerDue(key=text, processor=name, due_at=due_at, agreement_version=agreement_version)
        envelope = Envelope(
            event_id=event_id,
            type=TimerDue.type_name(),
            source=self._source,
            time=due_at,
            subject=text,
            correlation_id=event_id,
            traceparent=new_trace(event_id),
            writer=self._writer,
            addressed_to=name,
        )
        return key, encode(event), envelope.headers()


class Timers:
    """The deadlines of the partitions that are ours, nearest first."""

    def __init__(
        self, processor: Processor[Any], stores: Mapping[int, Store], writer: TimerWriter, sender: Callable[[], Sender]
    ) -> None:
        self._processor, self._stores, self._writer, self._sender = processor, stores, writer, sender
        self._heaps: dict[int, list[tuple[int, bytes]]] = {}
        self._armed: dict[int, dict[bytes, int]] = {}
        """Partition -> key -> its deadline, negative once its TimerDue is appended (ms since 1970)."""
        self._changed = asyncio.Event()
        self._next_ms: int | None = None

    def begin(self, partitions: set[int]) -> None:
        """Take up the deadlines of these partitions' states."""
        self._heaps = {p: [] for p in partitions}
        self._armed = {p: {} for p in partitions}
        if "due" in defaulted(self._processor):
            return
        for partition in partitions:
            store = self._stores[partition]
            for key, held in store.keys.items():
                record = store.codec.head(held)
                if record is not None:
                    self.arm(partition, key, record)

    def end(self) -> None:
        """Nothing is ours any more."""
        self._heaps.clear()
        self._armed.clear()
        self._next_ms = None
        metrics.TIMERS_PENDING.labels(self._processor.name).set(0)

    def arm(self, partition: int, key: bytes, record: KeyRecord[Any]) -> None:
        """The key's state is this now."""
        armed = self._armed.get(partition)
        if armed is None:
            return
        due = self._processor.due(record.own)
        if due is None:
            armed.pop(key, None)
            return
        due_ms = milliseconds(due)
        if abs(armed.get(key, 0)) != due_ms:
            armed[key] = due_ms
            self._push(partition, key, due_ms)

    def heard(self, partition: int, key: bytes, appended_ms: int) -> None:
        """The key's TimerDue was read back. If it was appended before the deadline, the broker's clock is behind ours: it
        is due again when that clock has come to the deadline, and not at once, which would fill the log until then."""
        armed = self._armed.get(partition)
        if armed is None:
            return
        due_ms = -armed.get(key, 0)
        if due_ms > appended_ms:
            armed[key] = due_ms
            self._push(partition, key, max(due_ms, _now_ms() + due_ms - appended_ms) + AGAIN_AFTER_MS)

    async def run(self) -> None:
        """Append what is due, for as long as the task lives. Ends the process if an append fails."""
        while True:
            await self._until_due()
            try:
                await self._append_due(_now_ms())
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 -- a write failed: what follows must not be written
                die("a TimerDue could not be appended", error, processor=self._processor.name)

    async def _until_due(self) -> None:
        self._changed.clear()
        self._next_ms = min((heap[0][0] for heap in self._heaps.values() if heap), default=None)
        metrics.TIMERS_PENDING.labels(self._processor.name).set(sum(len(a) for a in self._armed.values()))
        seconds = _LONGEST_SLEEP_SECONDS if self._next_ms is None else (self._next_ms - _now_ms()) / 1000
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(min(seconds, _LONGEST_SLEEP_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _append_due(self, now_ms: int) -> None:
        records = {}
        for partition, heap in self._heaps.items():
            due = self._pop_due(partition, heap, now_ms)
            if due:
                records[self._writer.topic, partition] = due
        if records:
            metrics.TIMERS.labels(self._processor.name).inc(sum(len(due) for due in records.values()))
            await self._sender().send(records)

    def _pop_due(self, partition: int, heap: list[tuple[int, bytes]], now_ms: int) -> list[Outgoing]:
        armed, store = self._armed[partition], self._stores[partition]
        due: list[Outgoing] = []
        while heap and heap[0][0] <= now_ms and len(due) < AT_ONCE:
            _, key = heapq.heappop(heap)
            due_ms = armed.get(key, 0)
            if not 0 < due_ms <= now_ms:
                continue  # it was met, moved, or said already
            held = store.keys.get(key)
            record = store.codec.head(held) if held is not None else None
            due_at = self._processor.due(record.own) if record is not None else None
            if due_at is not None:
                armed[key] = -due_ms
                due.append(self._writer.record(partition, key, due_at))
        return due

    def _push(self, partition: int, key: bytes, at_ms: int) -> None:
        heap = self._heaps[partition]
        if len(heap) > 1000 and len(heap) > 4 * len(self._armed[partition]):
            # Deadlines that were met or moved stay in the heap until their time: when they are most of it, leave them
            # out.
            heap[:] = [(due_ms, k) for k, due_ms in self._armed[partition].items() if due_ms > 0]
            heapq.heapify(heap)
        heapq.heappush(heap, (at_ms, key))
        if self._next_ms is None or at_ms < self._next_ms:
            self._changed.set()


def defaulted(processor: Processor[Any]) -> set[str]:
    """Which of the optional questions the processor leaves at their default answer."""
    fields = Processor.__dataclass_fields__
    return {name for name in ("due", "touched_by_agreement") if getattr(processor, name) is fields[name].default}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def instant(at_ms: int) -> datetime:
    """The instant of so many milliseconds since 1970."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
