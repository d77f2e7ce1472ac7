"""Ticks: what it costs to come to one clock that is due, with few and with many that are not, and what it costs to wait."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import Figure
from schemas.topics import LEADS
from services.runtime.step import KeyRecord
from services.runtime.store import Codec, Held, Store
from services.runtime.timers import Timers, TimerWriter
from services.sla.processor import SLA
from services.sla.state import Running, Watch

TICKS = 2000
_IDLE_SECONDS = 2.0
_PARTITIONS = 8
_HOUR_MS = 3_600_000


async def measure(numbers: Sequence[int]) -> list[Figure]:
    """For each number of running clocks; ratios are of the most to the fewest."""
    await _with_clocks(min(numbers))  # so that what comes first does not pay for what is done once
    ticks = {number: await _with_clocks(number) for number in numbers}
    figures = []
    for number, (tick_us, idle_ms) in ticks.items():
        figures.append(Figure(f"CPU of one tick, {number:,} clocks not due", tick_us, "us"))
        figures.append(Figure(f"CPU of a second without a tick ({number:,})", idle_ms, "ms"))
    few, many = ticks[min(numbers)][0], ticks[max(numbers)][0]
    if len(numbers) > 1:
        name = f"CPU of one tick, {max(numbers):,} clocks against {min(numbers):,}"
        figures.append(Figure(name, many / few, "times", "<= 1.5"))
    return figures


async def _with_clocks(number: int) -> tuple[float, float]:
    """(CPU of a tick in us, CPU of a second of waiting in ms), best of three, with the engine's own timers and sla's state."""
    stores = {p: Store(Codec(SLA)) for p in range(_PARTITIONS)}
    now_ms = time.time_ns() // 1_000_000
    for i in range(number):
        _hold(stores, i, now_ms + _HOUR_MS + (7919 * i) % 100_000_000)
    heard = _Heard()
    timers = Timers(SLA, stores, TimerWriter(SLA, LEADS.name, "bench", "/bench", "bench"), lambda: heard)  # type: ignore[arg-type,return-value]
    timers.begin(set(stores))
    running = asyncio.create_task(timers.run())
    try:
        best = min([await _round(timers, stores, heard, number + n * TICKS) for n in range(3)])
        began = time.process_time()
        await asyncio.sleep(_IDLE_SECONDS)
        idle = (time.process_time() - began) / _IDLE_SECONDS
    finally:
        running.cancel()
    return best * 1e6, idle * 1e3


async def _round(timers: Timers, stores: Mapping[int, Store], heard: _Heard, first: int) -> float:
    """Seconds of CPU for one of so many ticks; each brings one clock, and the next is armed when it has come."""
    gc.collect()
    began = time.process_time()
    for i in range(first, first + TICKS):
        heard.one.clear()
        partition, key, record = _hold(stores, i, time.time_ns() // 1_000_000)
        timers.arm(partition, key, record)
        await heard.one.wait()
    return (time.process_time() - began) / TICKS


def _hold(stores: Mapping[int, Store], number: int, due_ms: int) -> tuple[int, bytes, KeyRecord[Any]]:
    """A lead with one clock that is due then."""
    partition, key = number % _PARTITIONS, f"lead.{number}".encode()
    clock = Running(name="month", start=number, started_ms=0, deadline_ms=due_ms)
    record = KeyRecord(own=Watch(assignment=f"lead.{number}.1", clocks=(clock,)))
    stores[partition].keys[key] = Held(0, record)
    return partition, key, record


class _Heard:
    """Stands for the sender: takes what is due, and says that it has come."""

    def __init__(self) -> None:
        self.one = asyncio.Event()

    async def send(self, records: Mapping[Any, Sequence[Any]]) -> None:
        self.one.set()
