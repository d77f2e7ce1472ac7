"""The whole loop, every service a process, on this machine: time to ready, idle cost, latencies, leads a second."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, percentile
from benchmarks.http_client import Connection
from services.console import processes
from tests.chaos.house import House

HERE = Path(__file__).parent
REPS = tuple(f"rep-{n}" for n in range(1, 11))
WARM_SECONDS = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")


def lead(number: int) -> dict[str, Any]:
    """The lead of that number, as a form sends it."""
    return {
        "email": f"person{number}@company{number % 500}.example",
        "name": f"Person {number}",
        "company": f"Company {number % 500}",
        "country": "DE",
        "attributes": {"employees": number % 400, "topic": "demo"},
        "source": {"channel": "web", "campaign": "spring"},
    }


class Watch:
    """When each lead came into an inbox, and when each status reached marketing."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.inbox: dict[str, float] = {}
        self.assignment: dict[str, str] = {}
        self.status: dict[tuple[str, str], float] = {}
        self._moved = asyncio.Event()

    async def rep(self, rep: str) -> None:
        """Follow one rep's stream."""
        async with Connection(self._house.doors["desk"], self._house.token) as c:
            async for name, data in c.events(f"/v1/events?rep={rep}"):
                if name == "assigned":
                    self.inbox.setdefault(data["lead_id"], time.perf_counter())
                    self.assignment[data["lead_id"]] = data["assignment_id"]
                    self._moved.set()

    async def marketing(self) -> None:
        """Follow marketing's stream."""
        async with Connection(self._house.doors["feedback"], self._house.token) as c:
            async for _, data in c.events("/v1/status/stream"):
                self.status.setdefault((data["lead_id"], data["lead_status"]), time.perf_counter())
                self._moved.set()

    async def until(self, done: Any, seconds: float) -> bool:
        """Wait until `done()`; False when that takes longer."""
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


@contextmanager
def cancelled(tasks: list[asyncio.Task[None]]) -> Iterator[None]:
    """Tasks that end with the block."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def measure(
    seconds: float = 30.0, rate: float = 50.0, burst_rate: float = 500.0, burst_seconds: float = 20.0
) -> list[Figure]:
    """One run on a fresh installation."""
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        house = House(Path(folder) / "data", HERE / "agreement.yaml", HERE / "roster.yaml")
        began = time.perf_counter()
        await house.start()
        try:
            figures = [Figure("leadloop up to ready", time.perf_counter() - began, "s", "<= 15")]
            await asyncio.sleep(5)
            figures.append(await _idle(house))
            watch = Watch(house)
            tasks = [asyncio.create_task(watch.rep(rep)) for rep in REPS] + [asyncio.create_task(watch.marketing())]
            with cancelled(tasks):
                await asyncio.sleep(1)
                figures += await _latency(house, watch, seconds, rate)
                figures += await _actions(house, watch, 200.0)
                figures += await _throughput(house, watch, burst_rate, burst_seconds)
            return figures
        finally:
            await house.stop()


def _cpu_by_process(house: House) -> dict[str, float]:
    """CPU seconds that each process has used since it was started."""
    used = {}
    for p in processes.living(house.data / "run"):
        fields = Path(f"/proc/{p.pid}/stat").read_text().rpartition(")")[2].split()
        used[p.name] = (int(fields[11]) + int(fields[12])) / _TICKS
    return used


def _cpu(house: House) -> float:
    return sum(_cpu_by_process(house).values())


async def _idle(house: House, seconds: float = 20.0) -> Figure:
    before = _cpu(house)
    await asyncio.sleep(seconds)
    return Figure("idle CPU of everything, share of one core", 100 * (_cpu(house) - before) / seconds, "%", "<= 10")


async def _send(house: House, first: int, number: int, rate: float, connections: int) -> dict[str, float]:
    """Send leads at a steady rate over some connections; lead -> when its 202 came."""
    sent: dict[str, float] = {}
    began = time.perf_counter()

    async def lane(lane_number: int) -> None:
        async with Connection(house.doors["intake"], house.token) as c:
            for i in range(lane_number, number, connections):
                await asyncio.sleep(max(0.0, began + i / rate - time.perf_counter()))
                status, answer = await c.post("/v1/leads", lead(first + i), f"bench-{first + i}")
                if status != 202:
                    raise RuntimeError(f"intake answered {status}: {answer}")
                sent[answer["lead_id"]] = time.perf_counter()

    async with asyncio.TaskGroup() as group:
        for n in range(connections):
            group.create_task(lane(n))
    return sent


async def _latency(house: House, watch: Watch, seconds: float, rate: float) -> list[Figure]:
    began = time.perf_counter()
    sent = await _send(house, 0, int(seconds * rate), rate, 20)
    if not await watch.until(lambda: sent.keys() <= watch.inbox.keys(), 60):
        raise RuntimeError(f"{len(sent.keys() - watch.inbox.keys())} leads never reached an inbox")
    cold = [watch.inbox[k] - t for k, t in sent.items() if t - began < 1]
    warm = [max(0.0, watch.inbox[k] - t) for k, t in sent.items() if t - began >= WARM_SECONDS]
    return [
        Figure(f"202 to inbox at {rate:.0f}/s, p50", 1000 * percentile(warm, 0.5), "ms", "<= 60"),
        Figure(f"202 to inbox at {rate:.0f}/s, p99", 1000 * percentile(warm, 0.99), "ms", "<= 250"),
        Figure("202 to inbox, first second, worst", 1000 * max(cold), "ms", "<= 1000"),
    ]


async def _actions(house: House, watch: Watch, rate: float) -> list[Figure]:
    todo = list(watch.assignment.items())
    began, connections, acted = time.perf_counter(), 20, {}

    async def lane(n: int) -> None:
        async with Connection(house.doors["desk"], house.token) as c:
            for i in range(n, len(todo), connections):
                await asyncio.sleep(max(0.0, began + i / rate - time.perf_counter()))
                lead, assignment = todo[i]
                before = time.perf_counter()
                status, answer = await c.post(
                    f"/v1/leads/{lead}/actions", {"type": "accept", "assignment_id": assignment}
                )
                if status != 202:
                    raise RuntimeError(f"the desk answered {status}: {answer}")
                acted[lead] = before

    async with asyncio.TaskGroup() as group:
        for n in range(connections):
            group.create_task(lane(n))
    if not await watch.until(lambda: all((k, "accepted") in watch.status for k in acted), 60):
        raise RuntimeError("some acceptances never reached marketing")
    took = [watch.status[k, "accepted"] - t for k, t in acted.items()]
    return [
        Figure(f"action to marketing at {rate:.0f}/s, p50", 1000 * percentile(took, 0.5), "ms"),
        Figure(f"action to marketing at {rate:.0f}/s, p99", 1000 * percentile(took, 0.99), "ms", "<= 300"),
    ]


async def _throughput(house: House, watch: Watch, rate: float, seconds: float) -> list[Figure]:
    """Offered `rate` for `seconds`: what comes out at the inboxes a second, and how long the tail takes afterwards."""
    began = time.perf_counter()
    before = _cpu_by_process(house)
    sent = await _send(house, 1_000_000, int(rate * seconds), rate, 64)
    last_202 = max(sent.values())
    await watch.until(lambda: sent.keys() <= watch.inbox.keys(), 120)
    arrived = [watch.inbox[k] for k in sent if k in watch.inbox]
    return [
        Figure(
            f"leads a second through the whole loop, offered {rate:.0f}/s",
            len(arrived) / (max(arrived) - began),
            "leads/s",
            ">= 500",
        ),
        Figure("tail after the last 202", max(arrived) - last_202, "s"),
        *[
            Figure(f"CPU per lead, {name}", 1000 * (used - before.get(name, 0.0)) / len(sent), "ms")
            for name, used in sorted(_cpu_by_process(house).items())
        ],
        Figure("leads that reached an inbox", 100 * len(arrived) / len(sent), "%", "100"),
    ]
