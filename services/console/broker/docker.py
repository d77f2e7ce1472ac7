"""Apache Kafka as a container of the machine's Docker engine, with its records in a named volume."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from services.console.broker import record as records
from services.console.broker.faults import BrokerUnavailable
from services.console.broker.jars import SOURCES, Progress
from services.console.broker.wire import answers
from services.console.ports import HOST, free_port

IMAGE = "apache/kafka:4.4.0"
_CONTROLLER_PORT = 9093
_RECORDS = "/var/lib/kafka/data"
_ENGINE_SECONDS = 5.0
_COMMAND_SECONDS = 60.0
_PULL_SECONDS = 600.0
_READY_SECONDS = 90.0
_STOP_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """What the docker command said."""

    status: int
    output: str
    complaint: str


async def docker(*arguments: str, within_seconds: float = _COMMAND_SECONDS) -> Answer:
    """Run the docker command; a status of 127 where there is none, of 124 where it does not answer in time."""
    executable = shutil.which("docker")
    if executable is None:
        return Answer(127, "", "there is no docker command")
    process = await asyncio.create_subprocess_exec(
        executable, *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(within_seconds):
            output, complaint = await process.communicate()
    except TimeoutError:
        return Answer(124, "", f"docker {arguments[0]} did not answer within {within_seconds:.0f} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Answer(process.returncode or 0, output.decode().strip(), complaint.decode(errors="replace").strip())


async def engine_version() -> str | None:
    """The version of the Docker engine of this machine, or None when none answers or it runs elsewhere."""
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith(("unix://", "npipe://")):
        return None  # the ports of its containers are another machine's
    answer = await docker("version", "--format", "{{.Server.Version}}", within_seconds=_ENGINE_SECONDS)
    return answer.output or None if answer.status == 0 else None


async def has_image() -> bool:
    """Whether the engine has the image already."""
    return (await docker("image", "inspect", "--format", "{{.Id}}", IMAGE)).status == 0


async def get_image(progress: Progress = lambda _: None) -> bool:
    """Whether the engine has the image, after it was pulled if need be."""
    if await has_image():
        return True
    progress(f"pulling {IMAGE}")
    return (await docker("pull", "--quiet", IMAGE, within_seconds=_PULL_SECONDS)).status == 0


class DockerBroker:
    """The broker of one data folder as a container; container and volume carry a name that the folder remembers."""

    kind: Literal["docker"] = "docker"
    pid: None = None

    def __init__(self, data_dir: str | Path, port: int | None = None) -> None:
        """`port` None: the port that the data folder had before, else a free one."""
        self._data_dir = Path(data_dir).expanduser().absolute()
        self._port = port

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; known from the start on."""
        if self._port is None:
            raise BrokerUnavailable("the broker has no address before it was started")
        return f"{HOST}:{self._port}"

    @property
    def _name(self) -> str:
        return f"leadloop-kafka-{self._remembered().cluster_id}"

    def _remembered(self) -> records.BrokerRecord:
        known = records.load(self._data_dir)
        if known is None or known.cluster_id is None:
            # Kafka's ids are 22 characters of base64; these letters and digits are valid there and in Docker's names.
            known = records.BrokerRecord("docker", self._port or free_port(), uuid.uuid4().hex[:22])
            records.save(self._data_dir, known)
        return known

    async def start(self) -> None:
        """Start the container, or adopt the one that runs, and wait until it answers; raises BrokerUnavailable."""
        before = self._remembered()
        port = self._port or before.port or free_port()
        state = await docker("container", "inspect", "--format", "{{.State.Status}}", self._name)
        if state.status == 0 and port != before.port:
            await self._demand("rm", "--force", self._name)  # published ports cannot be changed; the volume stays
            state = Answer(1, "", "")
        records.save(self._data_dir, records.BrokerRecord("docker", port, before.cluster_id))
        if state.status != 0:
            await self._demand("run", "--detach", *self._options(port, str(before.cluster_id)), IMAGE)
        elif state.output != "running":
            await self._demand("start", self._name)
        self._port = port
        if not await answers(self.bootstrap_servers, _READY_SECONDS):
            said = await docker("logs", "--tail", "3", self._name)
            raise BrokerUnavailable(
                f"Kafka in the container {self._name} does not answer at {self.bootstrap_servers} "
                f"({(said.output or said.complaint)[-300:]}); look at its logs or set LEADLOOP_BROKER=embedded"
            )

    async def stop(self) -> None:
        """Let the broker end in order; Docker kills it when it has not ended after 20 s."""
        await docker("stop", "--time", str(_STOP_SECONDS), self._name, within_seconds=_STOP_SECONDS + _COMMAND_SECONDS)

    async def kill(self) -> None:
        """Kill the broker at once, as a crash would."""
        await docker("kill", self._name)

    async def restart(self) -> None:
        """Stop the broker if it runs and start it again on the same port."""
        await self.stop()
        await self.start()

    async def wait(self) -> None:
        """Return when the broker has ended."""
        await docker("wait", self._name, within_seconds=float("inf"))

    async def _demand(self, *arguments: str) -> None:
        answer = await docker(*arguments)
        if answer.status != 0:
            raise BrokerUnavailable(
                f"Docker could not {arguments[0]} the broker ({answer.complaint[:300]}); "
                "repair that, or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
            )

    def _options(self, port: int, cluster_id: str) -> list[str]:
        settings = container_settings(port) | {"CLUSTER_ID": cluster_id, "KAFKA_HEAP_OPTS": "-Xmx512m"}
        options = ["--name", self._name, "--publish", f"{HOST}:{port}:{port}", "--volume", f"{self._name}:{_RECORDS}"]
        for name, value in settings.items():
            options += ["--env", f"{name}={value}"]
        return options


def container_settings(port: int) -> dict[str, str]:
    """The embedded broker's own properties, spelt as the environment that the image turns into properties again."""
    template = Template((SOURCES / "server.properties").read_text())
    content = template.substitute(port=port, controller_port=_CONTROLLER_PORT, records=f"{_RECORDS}/records")
    lines = (line.partition("=") for line in content.splitlines() if line and not line.startswith("#"))
    settings = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, _, value in lines}
    # Inside the container it must listen on the address that Docker forwards to.
    listeners = f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://{HOST}:{_CONTROLLER_PORT}"
    return settings | {"KAFKA_LISTENERS": listeners}
