"""Where the processes of an installation are born: one process imports everything, each service is a fork of it.

Eight services that import the same libraries one by one cost a small machine more time than the broker's start; a fork
costs some milliseconds, and a service that died is back at once. `python -m services.console.nursery MODULE...` reads
jobs from standard input, one JSON object a line, and says on standard output what was born and how it ended. It never
starts a thread or an event loop itself, for a fork would inherit half of it. When its standard input ends, so does it;
its children live on, and whoever started it knows their pids.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.console.terminal import Refused

_LINE_LIMIT_BYTES = 2**20
_BIRTH_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """What a child is to become: `target` is `module:function`, called with `arguments`; it leaves by SystemExit."""

    name: str
    target: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: str


# -- on the side of the supervisor -----------------------------------------------------------------------------------


class Nursery:
    """The nursery process as its owner sees it; born again when it has died."""

    def __init__(self, mark: str, preload: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """`mark` is put on the command line, so that whatever was born here can be found again."""
        self._command = (sys.executable, "-X", mark, "-m", "services.console.nursery", *preload)
        self._environment, self._log = dict(environment), log
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._births: dict[str, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start importing now; a child asked for meanwhile is born when that is done."""
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env=self._environment,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    limit=_LINE_LIMIT_BYTES,
                )
            self._hearing = asyncio.create_task(self._hear(self._process), name="nursery")

    async def bear(self, job: Job) -> tuple[int, asyncio.Future[int]]:
        """The pid of a new child, and its exit code when it has one (below zero: the signal). Raises Refused."""
        await self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        birth = self._births[job.name] = asyncio.get_running_loop().create_future()
        line = {
            "name": job.name,
            "target": job.target,
            "arguments": job.arguments,
            "environment": dict(job.environment),
            "log": job.log,
        }
        try:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            await self._process.stdin.drain()
            async with asyncio.timeout(_BIRTH_SECONDS):
                born: tuple[int, asyncio.Future[int]] = await birth
            return born
        except (OSError, TimeoutError) as fault:
            raise Refused(f"{job.name} could not be started ({type(fault).__name__}); see {self._log}") from fault
        finally:
            self._births.pop(job.name, None)

    async def stop(self) -> None:
        """End the nursery, not its children."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()
        if self._hearing is not None:
            await asyncio.gather(self._hearing, return_exceptions=True)

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            news: dict[str, Any] = json.loads(line)
            if news["news"] == "born":
                end = self._ends[news["pid"]] = asyncio.get_running_loop().create_future()
                if (birth := self._births.get(news["name"])) is not None and not birth.done():
                    birth.set_result((news["pid"], end))
            elif (over := self._ends.pop(news["pid"], None)) is not None and not over.done():
                over.set_result(news["code"])
        await process.wait()
        for birth in self._births.values():
            if not birth.done():
                birth.set_exception(ConnectionError("the nursery has ended"))


# -- in the nursery --------------------------------------------------------------------------------------------------


def main(preload: Sequence[str]) -> None:
    """Import, then bear children until standard input ends. In a child, become what was asked for."""
    for module in preload:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - the child that needs it fails with the same error, in its own log
            traceback.print_exc()
    gc.collect()
    gc.freeze()  # what is here now is shared by all children: their collector need not touch, and so copy, it
    job = _serve()
    if job is not None:
        _become(job)


def _serve() -> Job | None:
    """Bear children until there is nothing more to read; in a child, return what it is to become."""
    waker, wakes = os.pipe()
    os.set_blocking(waker, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    unread = b""
    while True:
        readable, _, _ = select.select([sys.stdin.fileno(), waker], [], [])
        if waker in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(waker, 4096)
            _tell_ends()
        if sys.stdin.fileno() not in readable:
            continue
        chunk = os.read(sys.stdin.fileno(), 65536)
        if not chunk:
            return None
        *lines, unread = (unread + chunk).split(b"\n")
        for line in lines:
            document = json.loads(line)
            job = Job(**document | {"arguments": tuple(document["arguments"])})
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(waker)
                os.close(wakes)
                return job
            _tell({"news": "born", "name": job.name, "pid": pid})


def _tell_ends() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _tell({"news": "ended", "pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(news: Mapping[str, Any]) -> None:
    os.write(sys.stdout.fileno(), json.dumps(news).encode() + b"\n")


def _become(job: Job) -> None:
    """Be the service: its own session, its own log, its own environment."""
    os.setsid()
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(job.environment)
    _name_process(job.name)
    module, _, function = job.target.partition(":")
    getattr(importlib.import_module(module), function)(*job.arguments)


def _name_process(name: str) -> None:
    """What top and ps -o comm show; its command line stays the nursery's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(15, f"ll {name}".encode()[:15], 0, 0, 0)  # PR_SET_NAME


if __name__ == "__main__":
    main(sys.argv[1:])
