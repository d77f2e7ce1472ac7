"""Deadlines that were met or moved do not pile up, and clocks that differ do not fill the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.base import Event
from schemas.ids import ProcessorName
from schemas.topics import LEADS
from services.runtime.protocol import Context, Decision, Processor
from services.runtime.sending import Outgoing, Sender
from services.runtime.step import KeyRecord
from services.runtime.store import Codec, Store
from services.runtime.timers import AGAIN_AFTER_MS, Timers, TimerWriter, instant


class Waits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Until when a key waits."""

    until: datetime | None = None


def _decide(state: Waits, event: Event, context: Context) -> Decision[Waits]:
    return Decision(state)


WAITING: Processor[Waits] = Processor(
    name=ProcessorName("waiting"), log=LEADS, state=Waits, decide=_decide, listens=frozenset(), due=lambda s: s.until
)


class Pen:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.written: list[Outgoing] = []

    async def send(self, outgoing: Mapping[tuple[str, int], Iterable[Outgoing]]) -> None:
        self.written += [record for records in outgoing.values() for record in records]


def _no_sender() -> Sender:
    raise AssertionError("nothing is due in this test")


def test_a_key_whose_deadline_moves_again_and_again_does_not_fill_the_memory() -> None:
    writer = TimerWriter(WAITING, "leads", "incarnation", "/leadloop/waiting", "writer")
    stores = {0: Store(Codec(WAITING))}
    timers = Timers(WAITING, stores, writer, _no_sender)
    timers.begin({0})
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    record: KeyRecord[Any]
    for minute in range(5000):
        record = KeyRecord(own=Waits(noon + timedelta(minutes=minute)))
        timers.arm(0, b"lead", record)
    assert len(timers._heaps[0]) <= 1002
    assert timers._heaps[0][-1][1] == b"lead"


async def test_where_the_brokers_clock_is_behind_a_deadline_is_said_again_when_that_clock_has_come_to_it() -> None:
    writer, pen = TimerWriter(WAITING, "leads", "incarnation", "/leadloop/waiting", "writer"), Pen()
    store = Store(Codec(WAITING))
    timers = Timers(WAITING, {0: store}, writer, lambda: pen)  # type: ignore[arg-type,return-value]
    timers.begin({0})
    due_ms = time.time_ns() // 1_000_000 - 5
    record: KeyRecord[Any] = KeyRecord(own=Waits(instant(due_ms)))
    store.take(b"lead", record, {}, due_ms)
    timers.arm(0, b"lead", record)

    await timers._append_due(due_ms + 5)
    behind_ms = 60_000
    timers.heard(0, b"lead", due_ms - behind_ms)  # the broker's word for when that was

    await timers._append_due(due_ms + behind_ms - 1000)
    assert len(pen.written) == 1, "it is said again before the broker's clock has come to the deadline"
    await timers._append_due(time.time_ns() // 1_000_000 + behind_ms + AGAIN_AFTER_MS + 1)
    assert len(pen.written) == 2, "it is never said again"
