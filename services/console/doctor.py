"""What `leadloop doctor` says: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import asyncio
import json as json_format
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from services.console import processes
from services.console.broker import docker
from services.console.broker.faults import BrokerUnavailable
from services.console.broker.jars import cached, find_maven, jars_folder
from services.console.broker.java import LEAST_MAJOR, probe_java
from services.console.broker.wire import answers
from services.console.datafolder import LEAST_FREE_BYTES, DataFolderUnusable
from services.console.installation import Installation
from services.console.ports import HOST, free_port, is_free

LEAST_PYTHON = (3, 11)
WANTED_MEMORY_BYTES = 2 * 2**30
"""Kafka takes 400 MB and the services together about a gigabyte."""

_NAMED_KAFKA_SECONDS = 5.0

Verdict = Literal["good", "warning", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""
    """What to do; empty when nothing is to be done."""


def diagnose(data_dir: str | Path | None = None, environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at everything that leadloop stands on; `data_dir` None: the folder in which new data folders are made."""
    environ = dict(os.environ) if environ is None else environ
    folder = Path(data_dir).expanduser().absolute() if data_dir is not None else Path.cwd()
    ways = asyncio.run(_ways_to_a_broker(environ))
    return [
        _python(),
        _environment(),
        *ways,
        _broker(ways),
        _disk(folder),
        _writable(folder),
        *_installation(folder),
        _memory(),
        _free_ports(),
    ]


def doctor(json: bool = False, data_dir: str | Path | None = None) -> int:
    """Print the findings as a table, or as JSON; 0 when leadloop can run here, else 1."""
    findings = diagnose(data_dir)
    if json:
        print(json_format.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        Console().print(_table(findings))
    return 1 if any(finding.verdict == "missing" for finding in findings) else 0


def _table(findings: list[Finding]) -> Table:
    marks = {"good": "[green]✓[/]", "warning": "[yellow]![/]", "missing": "[red]✗[/]"}
    table = Table(title="leadloop doctor", title_justify="left", show_edge=False)
    for column in ("", "what", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row(marks[finding.verdict], finding.subject, finding.found, finding.remedy)
    return table


# -- Python ----------------------------------------------------------------------------------------------------------


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= LEAST_PYTHON:
        return Finding("Python", "good", f"{version} at {sys.executable}")
    return Finding("Python", "missing", version, "install Python 3.11 or newer and run make setup again")


def _environment() -> Finding:
    if sys.prefix != sys.base_prefix:
        return Finding("virtual environment", "good", sys.prefix)
    return Finding("virtual environment", "warning", "none", "run make setup and use .venv/bin/leadloop")


# -- the broker ------------------------------------------------------------------------------------------------------


async def _ways_to_a_broker(environ: Mapping[str, str]) -> list[Finding]:
    named, engine = await asyncio.gather(_named_kafka(environ), _docker_engine())
    return [named, engine, _java(environ), _maven(environ), _jars(environ)]


async def _named_kafka(environ: Mapping[str, str]) -> Finding:
    subject, servers = "Kafka by KAFKA_BOOTSTRAP_SERVERS", environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
    if not servers:
        return Finding(subject, "warning", "not set", "")
    try:
        ready = await answers(servers, _NAMED_KAFKA_SECONDS)
    except ValueError:
        return Finding(subject, "missing", f"{servers} is not host:port", "correct KAFKA_BOOTSTRAP_SERVERS")
    if ready:
        return Finding(subject, "good", servers)
    return Finding(
        subject, "missing", f"{servers} does not answer", "start that Kafka or unset KAFKA_BOOTSTRAP_SERVERS"
    )


async def _docker_engine() -> Finding:
    version = await docker.engine_version()
    if version is None:
        return Finding("Docker engine", "warning", "none answers", "start Docker, unless the broker is to be embedded")
    if await docker.has_image():
        return Finding("Docker engine", "good", f"{version} with {docker.IMAGE}")
    return Finding("Docker engine", "good", f"{version}; {docker.IMAGE} will be pulled")


def _java(environ: Mapping[str, str]) -> Finding:
    java = probe_java(environ)
    if java is None:
        return Finding("Java", "warning", "none", f"install Java {LEAST_MAJOR} or newer for the embedded broker")
    if java.major < LEAST_MAJOR:
        return Finding(
            "Java", "warning", f"{java.version} at {java.executable}", f"install Java {LEAST_MAJOR} or newer"
        )
    return Finding("Java", "good", f"{java.version} at {java.executable}")


def _maven(environ: Mapping[str, str]) -> Finding:
    if (maven := find_maven(environ)) is not None:
        return Finding("Maven", "good", maven)
    return Finding("Maven", "warning", "none", "install Maven to fetch the jars of the embedded broker")


def _jars(environ: Mapping[str, str]) -> Finding:
    try:
        folder = jars_folder(environ)
    except BrokerUnavailable as reason:
        return Finding("jars of Kafka", "warning", str(reason), "run leadloop from its source folder")
    if cached(folder):
        return Finding("jars of Kafka", "good", str(folder))
    return Finding("jars of Kafka", "warning", "not fetched yet", "run make setup")


def _broker(ways: list[Finding]) -> Finding:
    """Whether one of the three ways leads to a broker, in their order."""
    named, engine, java, maven, jars = ways
    if named.verdict != "warning":
        return Finding("a broker", named.verdict, "the named one", named.remedy)
    if engine.verdict == "good":
        return Finding("a broker", "good", "by Docker")
    if java.verdict == "good" and "good" in (maven.verdict, jars.verdict):
        return Finding("a broker", "good", "embedded")
    remedy = f"set KAFKA_BOOTSTRAP_SERVERS, or start Docker, or install Java {LEAST_MAJOR} and Maven"
    return Finding("a broker", "missing", "no way to one", remedy)


# -- the machine -----------------------------------------------------------------------------------------------------


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{free / 2**30:.1f} GB left for {folder}"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", "missing", found, "free some space or choose another folder with --data")
    verdict: Verdict = "good" if free >= 8 * LEAST_FREE_BYTES else "warning"
    return Finding("disk", verdict, found, "" if verdict == "good" else "free some space soon")


def _writable(folder: Path) -> Finding:
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return Finding("data folder", "good", f"{place} can be written")
    except OSError as refusal:
        return Finding(
            "data folder", "missing", f"{place}: {refusal.strerror}", "change its owner or choose another with --data"
        )


def _installation(folder: Path) -> Iterator[Finding]:
    """The installation in this folder, if there is one: what runs, and whether its ports are to be had."""
    if not (folder / "installation.json").exists():
        return
    try:
        installation = Installation.find(folder)
    except DataFolderUnusable as reason:
        yield Finding("installation", "missing", str(reason), "see what was found")
        return
    running = processes.living(folder / "run")
    names = ", ".join(process.name for process in running) or "not running"
    yield Finding("installation", "good", f"{installation.installation_id}: {names}")
    taken = [f"{port} of {name}" for name, port in sorted(installation.ports.items()) if not is_free(port)]
    if taken and not running:
        yield Finding("its ports", "warning", f"taken: {', '.join(taken)}", "free them, or leadloop chooses others")


def _memory() -> Finding:
    total = _memory_bytes()
    found = f"{total / 2**30:.1f} GB free"
    if total >= WANTED_MEMORY_BYTES:
        return Finding("memory", "good", found)
    return Finding("memory", "warning", found, "end other programs: Kafka and the services want 2 GB")


def _memory_bytes() -> int:
    """Memory that programs can still have, in bytes; the whole memory where the system does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _free_ports() -> Finding:
    try:
        return Finding("free ports", "good", f"{free_port()} of {HOST}, for one")
    except OSError as reason:
        return Finding("free ports", "missing", str(reason), "end programs that hold ports")
