"""One installation under attack: started by its own command, found by its own records, harmed by signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from services.console import processes
from services.console.installation import Installation
from tests.chaos.faults import Deed, Fault, KilledStart

READY_SECONDS = 180.0
SESSION_ENDS_SECONDS = 14.0
"""Longer than the session time (10 s): who sleeps that long has lost his partitions."""
BROKER_AWAY_SECONDS = 90.0
STOPPED_WITHIN_SECONDS = 60.0
BACK_WITHIN_SECONDS = 60.0
"""How long the supervisor may take to start again what died."""


@dataclass
class House:
    """A running installation."""

    data: Path
    agreement: Path
    roster: Path
    environment: dict[str, str] = field(default_factory=dict)
    doors: dict[str, str] = field(default_factory=dict)
    token: str = ""
    kafka: str = ""
    suffered: Counter[tuple[Deed, str]] = field(default_factory=Counter)
    """What was really done: a signal that found its process."""
    outage_seconds: float = 0.0
    """How long the faults took that take time: a freeze, a new start of everything."""
    began: float = field(default_factory=time.monotonic)
    _was_ready: bool = False
    _supervisor: asyncio.subprocess.Process | None = None
    _extra: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self) -> None:
        """`leadloop up`, until it says that it is ready."""
        await self._up()
        assert self._supervisor is not None
        assert self._supervisor.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            line = await self._supervisor.stdout.readline()
        if not line:
            raise RuntimeError(f"`leadloop up` ended without being ready; see {self.data / 'up.log'}")
        ready = json.loads(line)
        self.doors = {name: ready[name] for name in ("intake", "desk", "feedback")}
        self.token, self.kafka = ready["token"], ready["kafka"]
        self._was_ready = True

    async def _up(self) -> None:
        """Give the command, with agreement and roster until it was ready once."""
        command = [sys.executable, "-m", "services.console.main", "up", "--data", str(self.data), "--json"]
        if not self._was_ready:
            command += ["--agreement", str(self.agreement), "--roster", str(self.roster), "--ports", "auto"]
        self.data.mkdir(parents=True, exist_ok=True)
        with open(self.data / "up.log", "ab") as log:  # noqa: ASYNC230 - a moment, before anything runs
            self._supervisor = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    async def start_in_vain(self, killed: KilledStart) -> None:
        """`leadloop up`, and SIGKILL to it so many seconds later, ready or not."""
        await self._up()
        assert self._supervisor is not None
        await asyncio.sleep(killed.after_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._supervisor.pid, signal.SIGKILL)
        await self._supervisor.wait()
        if killed.with_what_it_started:
            await self._kill_all()

    async def stop(self) -> str:
        """SIGTERM to the supervisor; answers what was wrong with its end, in words. What it left is killed."""
        for worker in self._extra.values():
            with contextlib.suppress(ProcessLookupError):
                worker.terminate()
        assert self._supervisor is not None
        with contextlib.suppress(ProcessLookupError):
            self._supervisor.terminate()
        code: int | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPPED_WITHIN_SECONDS):
                code = await self._supervisor.wait()
        left = [p.name for p in processes.living(self.data / "run")]
        await self._kill_all()
        return "" if code == 0 and not left else f"`leadloop up` ended with {code} and left {left or 'nothing'} running"

    def client(self) -> httpx.AsyncClient:
        """An HTTP client with the installation's token."""
        waiting = httpx.Timeout(20.0, pool=None)  # in an outage hundreds of requests wait for one of its connections
        return httpx.AsyncClient(headers={"Authorization": f"Bearer {self.token}"}, timeout=waiting)

    def pids(self, whom: str) -> list[int]:
        """The living processes of a service (or of `kafka`), by the supervisor's records."""
        return [p.pid for p in processes.living(self.data / "run") if p.name == whom or p.name.startswith(f"{whom}-")]

    async def suffer(self, fault: Fault) -> None:
        """Do what the row says, and write down that it was done."""
        since = time.monotonic()
        match fault.deed:
            case Deed.KILL:
                await self._signal(fault.whom, signal.SIGKILL)
            case Deed.TERMINATE:
                await self._signal(fault.whom, signal.SIGTERM)
            case Deed.FREEZE:
                await self._freeze(fault.whom, SESSION_ENDS_SECONDS)
            case Deed.ADD_WORKER:
                self._extra[fault.whom] = await self._worker(fault.whom)
            case Deed.REMOVE_WORKER:
                worker = self._extra.pop(fault.whom)
                worker.kill()
                await worker.wait()
            case Deed.KILL_BROKER:
                await self._signal("kafka", signal.SIGKILL)
            case Deed.FREEZE_BROKER:
                await self._freeze("kafka", BROKER_AWAY_SECONDS)
            case Deed.KILL_NURSERY:
                os.kill(await self._nursery(), signal.SIGKILL)
            case Deed.KILL_ALL:
                await self._kill_all()
                await self.start()
        self.suffered[fault.deed, fault.whom] += 1
        self.outage_seconds += time.monotonic() - since
        with open(self.data / "faults.log", "a") as log:  # noqa: ASYNC230 - one line
            log.write(f"{time.monotonic() - self.began:8.1f} s  {fault.deed}  {fault.whom}\n")

    async def _signal(self, whom: str, number: signal.Signals) -> list[int]:
        """Send it to the living processes of `whom`; one that died a moment ago is waited for."""
        async with asyncio.timeout(BACK_WITHIN_SECONDS):
            while not (pids := self.pids(whom)):  # noqa: ASYNC110 - the supervisor's records have no event to await
                await asyncio.sleep(0.2)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    async def _nursery(self) -> int:
        """The one child of the supervisor that is called so; the services are called so, too, and are children of it."""
        assert self._supervisor is not None
        ps = await asyncio.create_subprocess_exec("ps", "-axww", "-o", "pid=,ppid=,command=", stdout=asyncio.subprocess.PIPE)
        listing, _ = await ps.communicate()
        children: list[str] = []
        for line in listing.decode(errors="replace").splitlines():
            pid, parent, *command = line.split(None, 2)
            if int(parent) == self._supervisor.pid:
                children += command
                if "services.console.nursery" in "".join(command):
                    return int(pid)
        raise ProcessLookupError(f"the supervisor has no nursery, only {children}")

    async def _freeze(self, whom: str, seconds: float) -> None:
        frozen = await self._signal(whom, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for pid in frozen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    async def _worker(self, service: str) -> asyncio.subprocess.Process:
        installation = Installation.find(self.data)
        environment = {
            "LEADLOOP_BOOTSTRAP_SERVERS": self.kafka,
            "LEADLOOP_SECRET": installation.secret.hex(),
            "LEADLOOP_TOKEN": self.token,
            "LEADLOOP_DATA_DIR": str(self.data / f"extra-{service}"),
            "LEADLOOP_NAMESPACE": installation.namespace,
            "LEADLOOP_PARTITIONS": str(installation.partitions),
        }
        with open(self.data / f"extra-{service}.log", "ab") as log:  # noqa: ASYNC230 - a moment
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{service}",
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment, **environment},
            )

    async def _kill_all(self) -> None:
        assert self._supervisor is not None
        with contextlib.suppress(ProcessLookupError):
            self._supervisor.kill()
        for p in processes.living(self.data / "run"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(p.pid, signal.SIGKILL)
        await self._supervisor.wait()
        for worker in self._extra.values():
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()
