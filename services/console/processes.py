"""Processes that outlive whoever started them: recorded with their start time, found again, and ended.

A pid alone is not a name: after a crash it may belong to somebody else. So each record carries the instant at which the
process was started, as the operating system tells it, and only a process that still has it is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.console.datafolder import make_folder, write_whole

_POLL_SECONDS = 0.05
_PROC = Path("/proc")


@dataclass(frozen=True)
class RecordedProcess:
    """A process as it was when it was recorded."""

    name: str
    pid: int
    started: str
    """The start time in the words of the operating system: equal for the same process, else different."""


def start_time(pid: int) -> str | None:
    """When the process `pid` was started, or None when no such process lives (a zombie does not)."""
    if not _PROC.joinpath("self/stat").exists():
        return _start_time_by_ps(pid)
    try:
        fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _start_time_by_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def record(run_folder: Path, name: str, pid: int) -> RecordedProcess:
    """Write down in `run_folder` that `name` is now the process `pid`; raises ProcessLookupError when it has ended."""
    started = start_time(pid)
    if started is None:
        raise ProcessLookupError(f"{name} (process {pid}) has ended already")
    make_folder(run_folder)
    content = json.dumps({"pid": pid, "started": started}).encode()
    write_whole(run_folder / f"{name}.process.json", content)
    return RecordedProcess(name, pid, started)


def recorded(run_folder: Path) -> tuple[RecordedProcess, ...]:
    """All processes written down in `run_folder`, alive or not, by name; a damaged record is no record."""
    found = []
    for file in sorted(run_folder.glob("*.process.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError, FileNotFoundError):
            document = json.loads(file.read_bytes())
            name = file.name.removesuffix(".process.json")
            found.append(RecordedProcess(name, int(document["pid"]), document["started"]))
    return tuple(found)


def living(run_folder: Path) -> tuple[RecordedProcess, ...]:
    """Those of `recorded` that still run."""
    return tuple(process for process in recorded(run_folder) if is_alive(process))


def forget(run_folder: Path, name: str) -> None:
    """Strike `name` from the records of `run_folder`."""
    run_folder.joinpath(f"{name}.process.json").unlink(missing_ok=True)


def is_alive(process: RecordedProcess) -> bool:
    """Whether this very process (not another one that got its pid) still runs."""
    return start_time(process.pid) == process.started


def with_argument(argument: str) -> tuple[int, ...]:
    """Pids of the living processes of this user that have exactly `argument` on their command line."""
    if _PROC.joinpath("self/cmdline").exists():
        return tuple(sorted(pid for pid in _pids() if argument in _command_line(pid)))
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=False).stdout
    rows = (line.strip().partition(" ") for line in listing.splitlines())
    return tuple(int(pid) for pid, _, command in rows if f" {command} ".find(f" {argument} ") >= 0)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]


def _command_line(pid: int) -> Sequence[str]:
    try:
        return [os.fsdecode(part) for part in _PROC.joinpath(str(pid), "cmdline").read_bytes().split(b"\0")]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ()


async def ended(process: RecordedProcess, within_seconds: float | None = None) -> bool:
    """Wait until the process has ended; False when it has not `within_seconds` (None: wait for ever)."""
    try:
        async with asyncio.timeout(within_seconds):
            await _end_of(process)
    except TimeoutError:
        return not is_alive(process)
    return True


async def _end_of(process: RecordedProcess) -> None:
    if sys.platform == "linux" and (descriptor := _pidfd(process.pid)) is not None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, over.set)
        try:
            if is_alive(process):  # asked after the descriptor was opened, so it is of this very process
                await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return
    while is_alive(process):
        await asyncio.sleep(_POLL_SECONDS)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:  # no such process, or a kernel without process descriptors
        return None


async def end(process: RecordedProcess, grace_seconds: float) -> None:
    """Ask the process to stop, kill it when it has not stopped after `grace_seconds`, and wait until it is gone.

    Raises TimeoutError when even a killed process stays for 30 s (the operating system holds it).
    """
    send(process, signal.SIGTERM)
    if not await ended(process, grace_seconds):
        await kill(process)


async def kill(process: RecordedProcess) -> None:
    """Kill the process at once and wait until it is gone; raises TimeoutError after 30 s."""
    send(process, signal.SIGKILL)
    if not await ended(process, 30):
        raise TimeoutError(f"{process.name} (process {process.pid}) was killed but has not ended after 30 s")


def send(process: RecordedProcess, number: signal.Signals) -> None:
    """Send a signal to this very process; nothing happens when it has ended."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def end_all(run_folder: Path, grace_seconds: float, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """End the living processes recorded in `run_folder` (of these `names`, else all), together; the names ended."""
    left = [process for process in living(run_folder) if names is None or process.name in names]
    await asyncio.gather(*(end(process, grace_seconds) for process in left))
    for process in left:
        forget(run_folder, process.name)
    return tuple(process.name for process in left)
