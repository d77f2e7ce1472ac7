"""A large import beside fresh leads: how much longer a form's lead takes to a rep's inbox, and how fairly all is dealt."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Figure, percentile
from benchmarks.http_client import Connection
from benchmarks.loop import HERE, REPS, Watch, cancelled, lead
from tests.chaos.faults import Deed, Fault
from tests.chaos.house import House

ROWS = 10_000
PER_SECOND = 4.0
ALONE_SECONDS, BESIDE_SECONDS = 20.0, 30.0
ENDS_WITHIN_SECONDS = 900.0


async def measure(rows: int = ROWS) -> list[Figure]:
    """One run on a fresh installation. After the measurement intake is killed (SIGKILL), and the import must end whole."""
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        house = House(Path(folder) / "data", HERE / "agreement.yaml", HERE / "roster.yaml")
        await house.start()
        try:
            watch = Watch(house)
            with cancelled([asyncio.create_task(watch.rep(rep)) for rep in REPS]):
                await _fresh(house, watch, 0, 5.0)
                alone = await _fresh(house, watch, 1_000, ALONE_SECONDS)
                began = time.perf_counter()
                import_id = await _import(house, rows)
                beside = await _fresh(house, watch, 2_000, BESIDE_SECONDS)
                taken = (await _progress(house, import_id))["taken_in"] / (time.perf_counter() - began)
                await house.suffer(Fault(0, Deed.KILL, "intake"))
                done = await _end(house, import_id)
                await asyncio.sleep(2)
            return [*_latencies(alone, beside, taken), *await _dealt(house, import_id, done, rows)]
        finally:
            await house.stop()


async def _import(house: House, rows: int) -> str:
    """Hand in a file of so many rows."""
    header = "email,name,company,country,employees,topic\n"
    lines = [f"import{n}@firm{n % 700}.example,Person {n},Firm {n % 700},DE,{n % 400},demo\n" for n in range(rows)]
    async with house.client() as client:
        answer = await client.post(
            f"{house.doors['intake']}/v1/imports",
            content=header + "".join(lines),
            headers={"Content-Type": "text/csv"},
            params={"name": "bench.csv"},
            timeout=120,
        )
        return str(answer.raise_for_status().json()["import_id"])


async def _fresh(house: House, watch: Watch, first: int, seconds: float) -> list[float]:
    """Fresh leads one after the other at a steady rate: seconds from the form to the inbox."""
    began, sent = time.perf_counter(), dict[str, float]()
    async with Connection(house.doors["intake"], house.token) as c:
        for i in range(int(seconds * PER_SECOND)):
            await asyncio.sleep(max(0.0, began + i / PER_SECOND - time.perf_counter()))
            before = time.perf_counter()
            status, answer = await c.post("/v1/leads", lead(first + i), f"bench-{first + i}")
            if status != 202:
                raise RuntimeError(f"intake answered {status}: {answer}")
            sent[answer["lead_id"]] = before
    if not await watch.until(lambda: sent.keys() <= watch.inbox.keys(), 60):
        raise RuntimeError(f"{len(sent.keys() - watch.inbox.keys())} fresh leads never reached an inbox")
    return [watch.inbox[who] - since for who, since in sent.items()]


async def _progress(house: House, import_id: str) -> dict[str, Any]:
    async with house.client() as client:
        answer = await client.get(f"{house.doors['intake']}/v1/imports/{import_id}")
        said: dict[str, Any] = answer.raise_for_status().json()
        return said


async def _end(house: House, import_id: str) -> dict[str, Any]:
    async with asyncio.timeout(ENDS_WITHIN_SECONDS):
        while True:
            try:
                said = await _progress(house, import_id)
            except httpx.HTTPError:  # it is starting again
                said = {"state": "under_way"}
            if said["state"] == "done":
                return said
            await asyncio.sleep(0.5)


async def _dealt(house: House, import_id: str, done: dict[str, Any], rows: int) -> list[Figure]:
    """Whether each row is one lead, and what each rep got."""
    imported: set[str] = set()
    after: int | None = 0
    assigned: Counter[str] = Counter()
    async with house.client() as client:
        while after is not None:
            url = f"{house.doors['intake']}/v1/imports/{import_id}/rows"
            page = (await client.get(url, params={"outcome": "taken_in", "limit": 5000, "after": after})).json()
            imported |= {row["lead_id"] for row in page["rows"]}
            after = page["next"]
        for rep in REPS:
            inbox = (await client.get(f"{house.doors['desk']}/v1/inbox", params={"rep": rep}, timeout=120)).json()
            assigned[rep] = len(inbox)
        audit = (await client.get(f"{house.doors['feedback']}/v1/audit", timeout=120)).json()
    return [
        Figure("rows that became one lead each", 100 * min(done["taken_in"], len(imported)) / rows, "%", "100"),
        Figure("most and least leads of ten equal reps, difference", max(assigned.values()) - min(assigned.values()), "leads", "<= 2"),
        Figure("leads lost or assigned twice, by the audit", audit["unaccounted"] + audit["double_assigned"], "leads", "0"),
    ]


def _latencies(alone: list[float], beside: list[float], taken: float) -> list[Figure]:
    p99 = percentile(alone, 0.99), percentile(beside, 0.99)
    return [
        Figure("form to inbox alone, p50", 1000 * statistics.median(alone), "ms"),
        Figure("form to inbox alone, p99", 1000 * p99[0], "ms"),
        Figure("form to inbox beside an import, p50", 1000 * statistics.median(beside), "ms"),
        Figure("form to inbox beside an import, p99", 1000 * p99[1], "ms"),
        Figure("p99 beside an import to p99 alone", p99[1] / p99[0], "ratio"),
        Figure("p99 beside an import less p99 alone", p99[1] - p99[0], "s", "<= 1"),
        Figure("rows taken in meanwhile", taken, "leads/s"),
    ]
