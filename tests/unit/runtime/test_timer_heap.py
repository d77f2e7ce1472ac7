"""Deadlines that were met or moved do not pile up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.base import Event
from schemas.ids import ProcessorName
from schemas.topics import LEADS
from services.runtime.protocol import Context, Decision, Processor
from services.runtime.sending import Sender
from services.runtime.step import KeyRecord
from services.runtime.store import Codec, Store
from services.runtime.timers import Timers, TimerWriter


class Waits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Until when a key waits."""

    until: datetime | None = None


def _decide(state: Waits, event: Event, context: Context) -> Decision[Waits]:
    return Decision(state)


WAITING: Processor[Waits] = Processor(
    name=ProcessorName("waiting"), log=LEADS, state=Waits, decide=_decide, listens=frozenset(), due=lambda s: s.until
)


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
