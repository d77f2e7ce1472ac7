"""A real Apache Kafka of our own: one node in KRaft mode, run by this machine's Java, with its data in the data folder.

It is a process of its own and outlives whoever started it. Whoever starts it on the same data folder again finds it,
adopts it when it answers, and ends it first when it does not.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from services.console import processes
from services.console.broker import record as records
from services.console.broker.class_archive import ClassArchive
from services.console.broker.faults import BrokerUnavailable
from services.console.broker.jars import SOURCES, Progress, fetch_jars
from services.console.broker.java import Java, find_java
from services.console.broker.wire import answers
from services.console.datafolder import (
    DataFolderUnusable,
    demand_free_space,
    make_folder,
    refusals_explained,
    write_whole,
)
from services.console.ports import HOST, free_port, is_free
from services.console.processes import RecordedProcess

PROCESS = "kafka"
_READY_SECONDS = 90.0
_ADOPT_SECONDS = 10.0
_STOP_SECONDS = 20.0
_PORT_RELEASE_SECONDS = 5.0
_FORMAT_SECONDS = 60
_PORT_TRIES = 4
_HEAP = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
_OPTIMISE_LATE = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
"""Ten times Java's own thresholds: else an idle broker spends its first minutes on optimising what idleness does."""

_KNOWN_FAULTS = (
    ("No space left on device", "the disk of {folder} is full; free some space or choose another folder with --data"),
    ("Failed to acquire lock on file", "another Kafka uses {folder}; stop it or choose another folder with --data"),
    ("Could not reserve enough space", "this machine has no 512 MB of memory for Kafka; end other programs"),
    ("insufficient memory", "this machine has no 512 MB of memory for Kafka; end other programs"),
    ("UnsupportedClassVersionError", "this Java is too old for Kafka; install Java 17 or newer"),
    ("ClassNotFoundException", "the cached jars of Kafka are damaged; delete {jars} and try again"),
)
_ADDRESS_TAKEN = ("Address already in use", "BindException", "Address in use")


@dataclass(frozen=True)
class _Layout:
    """Where things lie in the folder of the broker."""

    folder: Path

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def stored_records(self) -> Path:
        return self.folder / "records"

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    @property
    def output(self) -> Path:
        return self.folder / "broker.out"


class EmbeddedBroker:
    """The embedded broker of one data folder. Not safe for two tasks that start or stop it at once."""

    kind: Literal["embedded"] = "embedded"

    def __init__(
        self,
        data_dir: str | Path,
        port: int | None = None,
        *,
        progress: Progress = lambda _: None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`port` None: the port that the data folder had before, else a free one."""
        self._data_dir = Path(data_dir).expanduser().absolute()
        self._layout = _Layout(self._data_dir / "kafka")
        self._run_folder = self._data_dir / "run"
        self._port = port
        self._port_is_fixed = port is not None
        self._progress = progress
        self._environ = dict(os.environ if environ is None else environ)
        self._process: RecordedProcess | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._classes: ClassArchive | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; known from the start on."""
        if self._port is None:
            raise BrokerUnavailable("the broker has no address before it was started")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The pid of the broker, or None when it does not run."""
        return self._process.pid if self._process is not None and processes.is_alive(self._process) else None

    async def start(self) -> None:
        """Start the broker, or adopt the one that still runs on this data folder, and wait until it answers.

        Raises BrokerUnavailable or DataFolderUnusable, each with one sentence.
        """
        make_folder(self._layout.folder)
        if await self._adopt():
            return
        demand_free_space(self._layout.folder)
        java, jars = await asyncio.to_thread(self._equip)
        cluster_id = await self._format_once(java, jars)
        await self._launch_on_a_port(java, jars, cluster_id)
        self._port_is_fixed = True  # clients hold this address now: a restart must keep it

    async def stop(self) -> None:
        """Let the broker end in order (SIGTERM); kill it if it has not after 20 s; nothing if it is not running."""
        if self._process is not None:
            await processes.end(self._process, _STOP_SECONDS)
            self._strike()

    async def kill(self) -> None:
        """Kill the broker at once (SIGKILL), as a crash would; nothing if it is not running."""
        if self._process is not None:
            await processes.kill(self._process)
            self._strike()

    async def restart(self) -> None:
        """Stop the broker if it runs and start it again on the same port."""
        await self.stop()
        await self.start()

    async def wait(self) -> None:
        """Return when the broker has ended, however it ended; at once if it is not running."""
        if self._process is not None:
            await processes.ended(self._process)

    def _strike(self) -> int | None:
        """After its end: strike the broker from the records and return its exit status, None for an adopted one."""
        status = self._reap()
        processes.forget(self._run_folder, PROCESS)
        self._process = None
        return status

    def _reap(self) -> int | None:
        """Collect the exit status of our own child, so that no zombie stays; None for an adopted broker."""
        if self._child is None:
            return None
        status = self._child.wait(timeout=30)
        self._child = None
        if self._classes is not None:
            self._classes.settle(status)
        return status

    # -- finding one that still runs ---------------------------------------------------------------------------------

    async def _adopt(self) -> bool:
        """Take over a broker that runs on this folder already; one that does not answer, or elsewhere, is ended."""
        running = self._find_running()
        if running is None:
            return False
        known = records.load(self._data_dir)
        port = known.port if known else None
        wanted = self._port if self._port_is_fixed else port
        if port is not None and port == wanted and await answers(f"{HOST}:{port}", _ADOPT_SECONDS):
            self._port, self._process = port, running
            self._port_is_fixed = True
            processes.record(self._run_folder, PROCESS, running.pid)
            return True
        await processes.end(running, _STOP_SECONDS)
        if self._process == running:
            self._reap()
        return False

    def _find_running(self) -> RecordedProcess | None:
        for process in processes.living(self._run_folder):
            if process.name == PROCESS:
                return process
        # Killed between the start of the broker and its record: the command line tells whose it is.
        for pid in processes.with_argument(str(self._layout.properties)):
            if (started := processes.start_time(pid)) is not None:
                return RecordedProcess(PROCESS, pid, started)
        return None

    # -- starting ----------------------------------------------------------------------------------------------------

    def _equip(self) -> tuple[Java, Path]:
        java = find_java(self._environ)
        return java, fetch_jars(self._progress, self._environ)

    async def _format_once(self, java: Java, jars: Path) -> str:
        known = records.load(self._data_dir)
        if known is not None and known.cluster_id is not None:
            return known.cluster_id
        # No broker has ever run here: what lies about is the remainder of a formatting that was killed.
        if self._layout.stored_records.exists():
            with refusals_explained(self._layout.stored_records):
                shutil.rmtree(self._layout.stored_records)
        cluster_id = base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()
        self._write_properties(port=1, controller_port=2)  # formatting listens nowhere
        await asyncio.to_thread(self._format, java, jars, cluster_id)
        records.save(self._data_dir, records.BrokerRecord("embedded", known.port if known else None, cluster_id))
        return cluster_id

    def _format(self, java: Java, jars: Path, cluster_id: str) -> None:
        command = [java.executable, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                   *ClassArchive(jars, java).reading(), *self._logging(), "-cp", f"{jars}/*",
                   "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._layout.properties)]  # fmt: skip
        try:
            answer = subprocess.run(
                command, capture_output=True, text=True, timeout=_FORMAT_SECONDS, env=self._environ, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            raise BrokerUnavailable(
                f"Kafka did not lay out its storage in {self._layout.folder} within {_FORMAT_SECONDS} s; "
                "the machine may be overloaded: try again"
            ) from late
        if answer.returncode != 0:
            raise BrokerUnavailable(self._explain(answer.stdout + answer.stderr, answer.returncode, jars))

    async def _launch_on_a_port(self, java: Java, jars: Path, cluster_id: str) -> None:
        for tries_left in reversed(range(_PORT_TRIES)):
            port = await self._choose_port()
            records.save(self._data_dir, records.BrokerRecord("embedded", port, cluster_id))
            self._write_properties(port, controller_port=free_port(avoid={port}))
            self._process = self._launch(java, jars)
            if await self._comes_up(self._process, port):
                self._port = port
                return
            output = self._said()
            await processes.kill(self._process)
            status = self._strike()
            if not (tries_left and any(sign in output for sign in _ADDRESS_TAKEN)):
                raise BrokerUnavailable(self._explain(output, status, jars))

    async def _choose_port(self) -> int:
        if self._port_is_fixed and self._port is not None:
            if await _becomes_free(self._port):
                return self._port
            raise BrokerUnavailable(
                f"port {self._port} of {HOST}, which the broker is to have, is taken by another program; "
                "end that program or choose another port"
            )
        known = records.load(self._data_dir)
        before = known.port if known else None
        return before if before is not None and is_free(before) else free_port()

    def _launch(self, java: Java, jars: Path) -> RecordedProcess:
        self._classes = ClassArchive(jars, java)
        command = [java.executable, *_HEAP, *_OPTIMISE_LATE, *self._classes.reading_or_writing(), *self._logging(),
                   "-cp", f"{jars}/*", "kafka.Kafka", str(self._layout.properties)]  # fmt: skip
        with contextlib.suppress(FileNotFoundError):
            self._layout.log.replace(self._layout.log.with_suffix(".log.before"))
        with refusals_explained(self._layout.output), self._layout.output.open("wb") as output:
            # A session of its own: Ctrl-C at the terminal must not reach the broker before the services have ended.
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=self._environ,
                cwd=self._layout.folder, start_new_session=True,
            )  # fmt: skip
        try:
            return processes.record(self._run_folder, PROCESS, self._child.pid)
        except ProcessLookupError:  # ended already: what it said tells why
            return RecordedProcess(PROCESS, self._child.pid, started="")

    async def _comes_up(self, process: RecordedProcess, port: int) -> bool:
        ready = asyncio.create_task(answers(f"{HOST}:{port}", _READY_SECONDS))
        over = asyncio.create_task(processes.ended(process))
        try:
            await asyncio.wait({ready, over}, return_when=asyncio.FIRST_COMPLETED)
            # Somebody else may answer on the port that ours could not have.
            return not over.done() and ready.result() and processes.is_alive(process)
        finally:
            for task in (ready, over):
                task.cancel()
            await asyncio.gather(ready, over, return_exceptions=True)

    # -- files -------------------------------------------------------------------------------------------------------

    def _write_properties(self, port: int, controller_port: int) -> None:
        template = Template((SOURCES / "server.properties").read_text())
        stored = str(self._layout.stored_records)
        if "," in stored:
            raise DataFolderUnusable(
                f"{self._data_dir} has a comma in its name, and Kafka takes it for two; choose another with --data"
            )
        content = template.substitute(port=port, controller_port=controller_port, records=_java_property(stored))
        write_whole(self._layout.properties, content.encode("ascii"))

    def _logging(self) -> tuple[str, ...]:
        return (
            f"-Dlog4j2.configurationFile={(SOURCES / 'log4j2.xml').as_uri()}",
            f"-Dleadloop.kafka.log={self._layout.log}",
        )

    def _said(self) -> str:
        said = []
        for file in (self._layout.output, self._layout.log):
            with contextlib.suppress(FileNotFoundError):
                said.append(file.read_text(errors="replace"))
        return "\n".join(said)

    def _explain(self, output: str, status: int | None, jars: Path) -> str:
        for sign, sentence in _KNOWN_FAULTS:
            if sign in output:
                return sentence.format(folder=self._layout.folder, jars=jars)
        if any(sign in output for sign in _ADDRESS_TAKEN):
            return f"the ports for the broker on {HOST} were taken by another program again and again; try again"
        complaints = re.findall(r"(?:ERROR|FATAL|Exception|Error).*", output)
        reason = complaints[-1][:300] if complaints else f"exit status {status}"
        return f"Kafka did not start ({reason}); its log is {self._layout.log}"


def _java_property(value: str) -> str:
    """The value as a Java properties file (ISO 8859-1, with backslash escapes) spells it."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)


async def _becomes_free(port: int) -> bool:
    """Wait a little for a port that a broker just left."""
    try:
        async with asyncio.timeout(_PORT_RELEASE_SECONDS):
            while not is_free(port):
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True
