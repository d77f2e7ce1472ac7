"""The processes of an installation, kept running: started, watched, started again with back-off, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx

from services.console import processes
from services.console.broker.embedded import PROCESS as KAFKA_PROCESS
from services.console.datafolder import make_folder, refusals_explained
from services.console.nursery import Job, Nursery
from services.console.ports import HOST, free_port
from services.console.terminal import Refused

EXIT_CONFIGURATION = 78
"""A service that ends with it would end the same way again: a person is needed (services/runtime/main.py)."""

UNKNOWN_CODE = 1000
"""Not an exit code: nobody saw how the process ended."""

_CODE_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0
"""A process that lived this long has recovered: the next restart is quick again."""
_GRACE_SECONDS = 12.0
"""A service stops itself within ten seconds; what does not is killed."""
_POLL_SECONDS = 0.2
_LOOK_AGAIN_SECONDS = 2.0
"""How often a worker that is ready is asked whether it still is; its end is noticed at once."""
_LOG_LIMIT_BYTES = 20 * 2**20


class State(StrEnum):
    """How a worker is."""

    STARTING = "starting"
    READY = "ready"
    PAUSING = "pausing"
    REFUSED = "refused"
    """It will not be started again: a person is needed."""
    STOPPED = "stopped"


@dataclass(frozen=True)
class Plan:
    """One process that is to be kept running."""

    name: str
    """`scoring`, and `scoring-2` for the second worker of a service: the name of its record and of its log."""
    service: str
    target: str
    """`module:function` that the process is to call, and with which `arguments`."""
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    port: int | None = None
    """Where it listens; None: on a free port, another one at each start."""


@dataclass
class Worker:
    """One kept process as it is now."""

    plan: Plan
    state: State = State.STARTING
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    because: str = ""
    task: asyncio.Task[None] | None = None
    process: processes.RecordedProcess | None = None


class WorkerRefused(Exception):
    """A process will not come up without a person; one sentence."""


Tell = Callable[[Worker, str], None]


class Supervisor:
    """Keeps the planned processes running. One per data folder: `Installation.held` sees to it."""

    def __init__(self, nursery: Nursery, run_folder: Path, log_folder: Path, tell: Tell) -> None:
        """The supervisor owns the nursery: it ends with it."""
        self._nursery, self._run_folder, self._log_folder, self._tell = nursery, run_folder, log_folder, tell
        self._workers: dict[str, Worker] = {}
        self._changed = asyncio.Condition()
        self._client = httpx.AsyncClient(timeout=5.0)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All workers, in the order in which they were added."""
        return tuple(self._workers.values())

    def pids(self) -> dict[str, list[int]]:
        """The pids of the living processes, by service."""
        found: dict[str, list[int]] = {worker.plan.service: [] for worker in self.workers}
        for worker in self.workers:
            if worker.pid is not None:
                found[worker.plan.service].append(worker.pid)
        return found

    def add(self, plan: Plan) -> None:
        """Start this process and keep it running."""
        worker = Worker(plan)
        self._workers[plan.name] = worker
        worker.task = asyncio.create_task(self._keep(worker), name=f"keep {plan.name}")

    async def remove(self, name: str) -> None:
        """Stop this process in order and keep it no longer."""
        await self._end(self._workers.pop(name))

    async def ready(self, within_seconds: float) -> None:
        """Wait until every worker is ready. Raises WorkerRefused when one never will be, or is not in time."""
        try:
            async with asyncio.timeout(within_seconds), self._changed:
                await self._changed.wait_for(lambda: all(w.state in (State.READY, State.REFUSED) for w in self.workers))
        except TimeoutError:
            late = ", ".join(
                f"{w.plan.name} ({w.because or w.state})" for w in self.workers if w.state is not State.READY
            )
            raise WorkerRefused(
                f"not ready within {within_seconds:.0f} s: {late}; their logs are in {self._log_folder}"
            ) from None
        for worker in self.workers:
            if worker.state is State.REFUSED:
                raise WorkerRefused(
                    f"{worker.plan.name} does not start: {worker.because}; its log is {self.log_of(worker.plan.name)}"
                )

    async def change(self) -> None:
        """Return when some worker is in another state."""
        async with self._changed:
            await self._changed.wait()

    async def stop(self) -> None:
        """Stop all processes together, and be sure that they are gone."""
        await asyncio.gather(*(self._end(worker) for worker in self.workers))
        await self._nursery.stop()
        await self._client.aclose()

    def kill(self) -> None:
        """Kill all processes now; `stop` then returns soon."""
        for worker in self.workers:
            if worker.process is not None:
                processes.send(worker.process, signal.SIGKILL)

    def log_of(self, name: str) -> Path:
        """Where the worker of this name writes its log."""
        return self._log_folder / f"{name}.log"

    # -- keeping one process -----------------------------------------------------------------------------------------

    async def _keep(self, worker: Worker) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            code, said = await self._run_once(worker)
            if code == EXIT_CONFIGURATION:
                await self._now(worker, State.REFUSED, said)
                self._tell(worker, f"{worker.plan.name} has stopped and is not started again: {said}")
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            worker.restarts += 1
            await self._now(
                worker, State.PAUSING, f"ended with {_spelt(code)}: {said}" if said else f"ended with {_spelt(code)}"
            )
            self._tell(worker, f"{worker.plan.name} {worker.because}; starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _run_once(self, worker: Worker) -> tuple[int, str]:
        """Start the process and wait for its end: its exit code (below zero: the signal) and its last words."""
        worker.port = worker.plan.port or free_port()
        environment = {
            **worker.plan.environment,
            "LEADLOOP_PORT": str(worker.port),
            "LEADLOOP_WORKER": worker.plan.name,
        }
        log = self._log(worker.plan.name)
        beginning = log.stat().st_size if log.exists() else 0
        job = Job(worker.plan.name, worker.plan.target, worker.plan.arguments, environment, str(log))
        try:
            worker.pid, ended = await self._nursery.bear(job)
        except Refused as refusal:
            return UNKNOWN_CODE, str(refusal)
        started = processes.start_time(worker.pid)
        worker.process = processes.RecordedProcess(worker.plan.name, worker.pid, started or "")
        with contextlib.suppress(ProcessLookupError):
            processes.record(self._run_folder, worker.plan.name, worker.pid)
        await self._now(worker, State.STARTING)
        watch = asyncio.create_task(self._watch(worker), name=f"watch {worker.plan.name}")
        try:
            await processes.ended(worker.process)
            code = await _code(ended)
            self._forget(worker)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return code, last_words(log, beginning)

    async def _watch(self, worker: Worker) -> None:
        """Ask /readyz until it says yes; what it says meanwhile is why we wait."""
        while True:
            state, because = await self._asked(worker)
            if state is not None:
                await self._now(worker, state, because)
            await asyncio.sleep(_POLL_SECONDS if worker.state is State.STARTING else _LOOK_AGAIN_SECONDS)

    async def _asked(self, worker: Worker) -> tuple[State | None, str]:
        try:
            answer = await self._client.get(f"http://{HOST}:{worker.port}/readyz")
        except httpx.HTTPError:
            return (None, "") if worker.state is State.STARTING else (State.STARTING, "its door does not answer")
        if answer.status_code == httpx.codes.OK:
            return State.READY, ""
        return State.STARTING, _unwell(answer)

    async def _now(self, worker: Worker, state: State, because: str = "") -> None:
        if (worker.state, worker.because) == (state, because):
            return
        worker.state, worker.because = state, because
        async with self._changed:
            self._changed.notify_all()

    async def _end(self, worker: Worker) -> None:
        """End the process: first whoever would start it again, then the process itself."""
        if worker.task is not None:
            worker.task.cancel()
            await asyncio.gather(worker.task, return_exceptions=True)
        if worker.process is not None:
            await processes.end(worker.process, _GRACE_SECONDS)
        self._forget(worker)
        worker.state = State.STOPPED

    def _forget(self, worker: Worker) -> None:
        worker.pid, worker.process = None, None
        processes.forget(self._run_folder, worker.plan.name)

    def _log(self, name: str) -> Path:
        """The log to write to; a long one is begun anew, with the old one beside it."""
        make_folder(self._log_folder)
        path = self.log_of(name)
        with refusals_explained(path):
            if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
                path.replace(path.with_suffix(".log.before"))
        return path


async def _code(ended: asyncio.Future[int]) -> int:
    """The exit code, or UNKNOWN_CODE where the nursery that would know it has died itself."""
    try:
        async with asyncio.timeout(_CODE_SECONDS):
            return await ended
    except TimeoutError:
        return UNKNOWN_CODE


async def end_orphans(run_folder: Path, mark: str) -> tuple[str, ...]:
    """End what a killed supervisor left: recorded processes, and those started with `mark` before their record.

    The broker is not among them: it is adopted.
    """
    names = [process.name for process in processes.living(run_folder) if process.name != KAFKA_PROCESS]
    ended = await processes.end_all(run_folder, _GRACE_SECONDS, names)
    unrecorded = [
        processes.RecordedProcess(f"process {pid}", pid, started)
        for pid in processes.with_argument(mark)
        if (started := processes.start_time(pid)) is not None
    ]
    await asyncio.gather(*(processes.end(process, _GRACE_SECONDS) for process in unrecorded))
    return (*ended, *(process.name for process in unrecorded))


def last_words(log: Path, beginning: int) -> str:
    """Why a process ended, by the last line of its log that says so; empty where it said nothing."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(beginning, file.seek(0, os.SEEK_END) - 16_384))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        for line in reversed(lines):
            if because := _because(line):
                return because
        return lines[-1].strip()[:300] if lines else ""
    return ""


def _because(line: str) -> str:
    """What a structured line of error gives as its reason."""
    try:
        document = json.loads(line)
    except ValueError:
        return ""
    return (
        str(document.get("because", ""))
        if isinstance(document, dict) and document.get("level") in ("error", "critical")
        else ""
    )


def _unwell(answer: httpx.Response) -> str:
    """The parts that are not well, out of what /readyz answers."""
    try:
        parts = answer.json()
    except ValueError:
        return f"/readyz answers {answer.status_code}"
    parts = parts.get("parts", parts) if isinstance(parts, dict) else {}
    unwell = [
        f"{name}: {part.get('because') or 'not well'}"
        for name, part in parts.items()
        if isinstance(part, dict) and not part.get("ok", True)
    ]
    return "; ".join(unwell) or f"/readyz answers {answer.status_code}"


def _spelt(code: int) -> str:
    if code == UNKNOWN_CODE:
        return "an exit code that nobody saw"
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
