"""An installation of leadloop as its users have it: `leadloop up` on a folder, its doors, and its other commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.console import processes

READY_SECONDS = 100.0
STOPPED_SECONDS = 40.0
SOON_SECONDS = 30.0


@dataclass
class Up:
    """One `leadloop up` as its user sees it."""

    data: Path
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    client: httpx.AsyncClient

    def pids(self) -> set[int]:
        """Every process of the installation that lives now, the broker among them."""
        return {process.pid for process in processes.living(self.data / "run")}

    async def submit(self, **more: Any) -> dict[str, Any]:
        """Post a lead that the default agreement qualifies at once."""
        body = {"email": f"{uuid.uuid4().hex}@company.example", "attributes": {"topic": "demo"}} | more
        answer = await self.client.post(f"{self.ready['intake']}/v1/leads", json=body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json()) | {"email": body["email"]}

    async def owner_of(self, lead: str, other_than: str | None = None) -> dict[str, Any]:
        """The row of this lead in the inbox of whoever has it, and who that is."""
        roster = (await self.client.get(f"{self.ready['desk']}/v1/roster")).json()["reps"]
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                for rep in (rep["id"] for rep in roster if rep["id"] != other_than):
                    for row in (await self.client.get(f"{self.ready['desk']}/v1/inbox", params={"rep": rep})).json():
                        if row["lead_id"] == lead:
                            return dict(row) | {"rep": rep}
                await asyncio.sleep(0.05)

    async def act(self, row: dict[str, Any], kind: str, **more: Any) -> httpx.Response:
        """One action of the rep who has the lead."""
        body = {"type": kind, "assignment_id": row["assignment_id"], **more}
        return await self.client.post(f"{self.ready['desk']}/v1/leads/{row['lead_id']}/actions", json=body)

    async def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """What feedback answers once this holds of it."""
        answer = None
        try:
            async with asyncio.timeout(SOON_SECONDS):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        answer = await self.client.get(f"{self.ready['feedback']}{path}")
                        if answer.is_success and holds(answer.json()):
                            return answer.json()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"{path} still answers {answer.text if answer is not None else 'nothing'}")

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        async with asyncio.timeout(STOPPED_SECONDS):
            return await self.process.wait()


async def start(data: Path, *words: str) -> Up:
    """`leadloop up` on this folder, ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.console.main",
        "up",
        "--data",
        str(data),
        "--json",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(READY_SECONDS):
        line = await process.stdout.readline()
    if not line:
        pytest.fail(f"leadloop up ended: {(await process.stderr.read()).decode()}")
    ready = json.loads(line)
    client = httpx.AsyncClient(headers={"Authorization": f"Bearer {ready['token']}"}, timeout=20)
    return Up(data, process, ready, client)


async def leadloop(*words: str) -> tuple[int, str, str]:
    """Another command of leadloop: its exit code, its answer, its complaint."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.console.main",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        answer, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, answer.decode(), complaint.decode()


@contextlib.asynccontextmanager
async def installation(data: Path) -> AsyncIterator[list[Up]]:
    """Whatever was started on the folder is gone afterwards, however the test ends."""
    started: list[Up] = []
    try:
        yield started
    finally:
        for up in started:
            await up.client.aclose()
            with contextlib.suppress(ProcessLookupError):
                up.process.kill()
            await up.process.wait()
        await processes.end_all(data / "run", grace_seconds=10)
