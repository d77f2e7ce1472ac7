"""Which processes of this installation are alive on this machine, as their supervisor has written them down.

A record is `run/<name>.process.json` with the pid and the start time as the operating system tells it (a pid alone may by
now be somebody else's); a service's second worker is `<service>-2`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

_PROC = Path("/proc")
_WORKER = re.compile(r"^(?P<service>.+?)(-\d+)?$")


def living(run_folder: Path) -> dict[str, list[int]]:
    """The pids now alive, by service; a damaged record is no record."""
    found: dict[str, list[int]] = {}
    for file in sorted(run_folder.glob("*.process.json")):
        try:
            document = json.loads(file.read_bytes())
            pid, started = int(document["pid"]), str(document["started"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if _lives(pid, started):
            worker = _WORKER.match(file.name.removesuffix(".process.json"))
            found.setdefault(worker["service"] if worker else file.name, []).append(pid)
    return found


def _lives(pid: int, started: str) -> bool:
    if not _PROC.joinpath("self/stat").exists():
        return _answers(pid)
    try:
        fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return False
    return fields[0] not in "ZX" and f"{boot}/{fields[19]}" == started


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
