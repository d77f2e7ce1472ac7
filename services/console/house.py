"""One installation: broker, topics, agreement, services, roster; started in order, kept running, stopped in order."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, KafkaError

from services.console import first_agreement, processes, roster, workers
from services.console.broker import Broker, BrokerSettings, BrokerUnavailable, choose_broker
from services.console.broker.embedded import PROCESS as KAFKA_PROCESS
from services.console.datafolder import DataFolderUnusable, make_folder, write_whole
from services.console.doors import Doors
from services.console.environment import DOORS, settings_of, variables
from services.console.installation import NAMESPACE, Installation
from services.console.nursery import Nursery
from services.console.terminal import Refused, news
from services.console.wanted_ports import ports_for
from services.runtime.finding import SERVICES
from services.runtime.settings import Settings
from services.runtime.topics import TopicsRefused, ensure_topics

_READY_SECONDS = 120.0
_COORDINATOR_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 10.0
STATE_FILE = "up.json"
SCALE_FILE = "scale.json"


@dataclass(frozen=True)
class Wishes:
    """What the person asked of `leadloop up`."""

    folder: Path
    agreement: Path | None = None
    roster: Path | None = None
    ports: str | int | None = None
    partitions: int | None = None
    namespace: str | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    tell: Callable[[str], None] = news


class House:
    """One running installation."""

    def __init__(self, installation: Installation, wishes: Wishes) -> None:
        self.installation, self._wishes = installation, wishes
        self.ports: Mapping[str, int] = {}
        self._broker: Broker | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._supervisor: workers.Supervisor | None = None

    @property
    def doors(self) -> Doors:
        """Its doors and their token."""
        return Doors.of(self.installation, self.ports)

    @property
    def bootstrap_servers(self) -> str:
        """Where its broker is."""
        assert self._broker is not None, "the broker is known once the house was started"
        return self._broker.bootstrap_servers

    def document(self) -> dict[str, Any]:
        """What `leadloop up --json` says when all is ready."""
        pids = dict(self._supervisor.pids()) if self._supervisor is not None else {}
        if self._broker is not None and self._broker.pid is not None:
            pids[KAFKA_PROCESS] = [self._broker.pid]
        doors = self.doors
        return {
            "ready": True,
            "kafka": self.bootstrap_servers,
            "intake": doors.intake,
            "desk": doors.desk,
            "feedback": doors.feedback,
            "token": doors.token,
            "pids": pids,
        }

    async def start(self) -> None:
        """Start everything and wait until it is ready. Raises Refused, BrokerUnavailable or DataFolderUnusable."""
        wanted = (
            await asyncio.to_thread(first_agreement.choose, self._wishes.agreement) if self._wishes.agreement else None
        )
        members = self._roster_file()
        if members is not None:
            await asyncio.to_thread(roster.read_roster, members)  # a mistake in it is told before anything is started
        await self._clear_away()
        self.ports = ports_for(self.installation, self._wishes.ports)
        self.installation = self.installation.with_ports(self.ports)
        self._supervisor = await self._open_nursery()
        await self._start_broker()
        first = await self._lay_out(wanted)
        self._wishes.tell("starting the services")
        await self._start_services()
        await self._supervisor.ready(_READY_SECONDS)
        if members is not None:
            await asyncio.to_thread(roster.apply_roster, self.doors, members)
            write_whole(self._roster_mark, b"")
        elif first:
            self._wishes.tell("no reps yet: give the teams their members with: leadloop roster apply FILE")
        self._write_state()
        self._tasks.append(asyncio.create_task(self._keep_state(), name="state"))

    async def stop(self) -> None:
        """Stop the services together, then the broker."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._supervisor is not None:
            await self._supervisor.stop()
        if self._broker is not None:
            await self._broker.stop()
        self._state_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Let the services go without waiting for their own orderly end."""
        if self._supervisor is not None:
            self._supervisor.kill()

    async def rescale(self, scale: Mapping[str, int]) -> None:
        """Run this many workers of these services from now on; what was not named stays."""
        assert self._supervisor is not None
        running = {worker.plan.name for worker in self._supervisor.workers}
        for service, number in scale.items():
            wanted = set(names_of(service, number))
            mine = {name for name in running if name.partition("-")[0] == service}
            for name in sorted(wanted - mine):
                self._supervisor.add(self._plan(name))
            await asyncio.gather(*(self._supervisor.remove(name) for name in mine - wanted))
        self._write_state()

    # -- in order ----------------------------------------------------------------------------------------------------

    @property
    def _mark(self) -> str:
        return f"leadloop={self.installation.installation_id}"

    @property
    def _roster_mark(self) -> Path:
        return self.installation.folder / ".roster-given"

    @property
    def _state_file(self) -> Path:
        return self.installation.run_folder / STATE_FILE

    def _roster_file(self) -> Path | None:
        """Whose members to give: the named roster; for a new installation, the one beside its agreement file."""
        if self._wishes.roster is not None or self._roster_mark.exists():
            return self._wishes.roster
        return first_agreement.roster_beside(self._wishes.agreement or first_agreement.DEFAULT)

    async def _clear_away(self) -> None:
        """End what a killed supervisor left running, and forget what it knew."""
        self._state_file.unlink(missing_ok=True)
        ended = await workers.end_orphans(self.installation.run_folder, self._mark)
        for process in processes.recorded(self.installation.run_folder):
            if process.name != KAFKA_PROCESS:
                processes.forget(self.installation.run_folder, process.name)
        if ended:
            self._wishes.tell(f"ended what an earlier run had left: {', '.join(ended)}")

    async def _start_broker(self) -> None:
        settings = BrokerSettings.from_environment(
            self.installation.folder, self._wishes.environ, progress=self._wishes.tell
        )
        self._broker = await choose_broker(settings)
        self._wishes.tell(f"starting the broker ({self._broker.kind})")
        await self._broker.start()
        self._tasks.append(asyncio.create_task(self._keep_broker(self._broker), name="keep broker"))

    async def _keep_broker(self, broker: Broker) -> None:
        while True:
            await broker.wait()
            pause = 0.5
            self._wishes.tell("the broker has ended; starting it again")
            while True:
                try:
                    await broker.start()
                    break
                except (BrokerUnavailable, DataFolderUnusable) as reason:
                    self._wishes.tell(f"the broker does not start: {reason}; trying again in {pause:.1f} s")
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _lay_out(self, wanted: first_agreement.Chosen | None) -> bool:
        """Topics and agreement; whether the agreement is the installation's first."""
        settings = settings_of(self.installation, self.bootstrap_servers, self.ports)
        await lay_out(settings)
        return await first_agreement.settle(settings, wanted)

    async def _open_nursery(self) -> workers.Supervisor:
        """Begin to import what the services need, while the broker comes up."""
        run_folder, logs = self.installation.run_folder, make_folder(self.installation.folder / "logs")
        preload = ("services.runtime.main", *(f"services.{service}.app" for service in SERVICES))
        nursery = Nursery(self._mark, preload, self._wishes.environ, logs / "nursery.log")
        await nursery.start()
        return workers.Supervisor(nursery, run_folder, logs, lambda _, sentence: self._wishes.tell(sentence))

    async def _start_services(self) -> None:
        assert self._supervisor is not None
        for service in SERVICES:
            for name in names_of(service, self._wishes.scale.get(service, 1)):
                self._supervisor.add(self._plan(name))

    def _plan(self, name: str) -> workers.Plan:
        service = name.partition("-")[0]
        environment = variables(self.installation, self.bootstrap_servers, self.ports, self._wishes.environ)
        return workers.Plan(
            name, service, "services.runtime.main:run_service", (service,), environment, self.ports.get(service)
        )

    async def _keep_state(self) -> None:
        assert self._supervisor is not None
        while True:
            await self._supervisor.change()
            self._write_state()

    def _write_state(self) -> None:
        if self._supervisor is None:
            return
        state = self.document() | {
            "supervisor": os.getpid(),
            "supervisor_started": processes.start_time(os.getpid()),
            "workers": [
                {
                    "name": w.plan.name,
                    "service": w.plan.service,
                    "pid": w.pid,
                    "port": w.port,
                    "state": w.state,
                    "restarts": w.restarts,
                    "because": w.because,
                }
                for w in self._supervisor.workers
            ],
        }
        write_whole(self._state_file, json.dumps(state).encode())


async def lay_out(settings: Settings) -> None:
    """Make the topics that are missing, and have the broker make its own. Raises Refused."""
    try:
        await ensure_topics(settings)
        await _wake_coordinator(settings)
    except TopicsRefused as refusal:
        raise Refused(str(refusal)) from refusal
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(
            f"the topics could not be made at {settings.bootstrap_servers} ({type(fault).__name__}: {fault}); try again"
        ) from fault


async def _wake_coordinator(settings: Settings) -> None:
    """Ask for the coordinator of a group: a new broker makes its topic of offsets at the first such question.

    It takes a moment, in which every service would be turned away and wait longer and longer before it asked again.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        async with asyncio.timeout(_COORDINATOR_SECONDS):
            while True:
                try:
                    await admin.find_coordinator(settings.group("console"))
                    return
                except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):
                    await asyncio.sleep(0.1)
    finally:
        await admin.close()


def names_of(service: str, number: int) -> list[str]:
    """The names of so many workers of a service. Raises Refused for one with a door: there is one each."""
    if service not in SERVICES:
        raise Refused(f"there is no service {service!r}: the services are {', '.join(SERVICES)}")
    if service in DOORS and number != 1:
        raise Refused(
            f"{service} has one door and one database, so one process: scale one of "
            f"{', '.join(s for s in SERVICES if s not in DOORS)}"
        )
    return [service if index == 1 else f"{service}-{index}" for index in range(1, number + 1)]


def _own_namespace(environ: Mapping[str, str]) -> str:
    """A new installation's namespace: on a Kafka of others there may be another, and two must not share topics."""
    return f"{NAMESPACE}-{secrets.token_hex(4)}" if environ.get("KAFKA_BOOTSTRAP_SERVERS") else NAMESPACE


@asynccontextmanager
async def running(wishes: Wishes) -> AsyncIterator[House]:
    """A house that stands for as long as the block lasts. Raises what `House.start` raises."""
    for service, number in wishes.scale.items():
        names_of(service, number)
    namespace = wishes.namespace or wishes.environ.get("LEADLOOP_NAMESPACE") or _own_namespace(wishes.environ)
    installation = Installation.open(wishes.folder, namespace=namespace, partitions=wishes.partitions)
    with installation.held():
        house = House(installation, wishes)
        try:
            await house.start()
            yield house
        finally:
            await house.stop()


def state_of(installation: Installation) -> dict[str, Any] | None:
    """What the supervisor of a running installation has written down, or None when none runs."""
    with suppress(FileNotFoundError, ValueError, KeyError):
        state: dict[str, Any] = json.loads((installation.run_folder / STATE_FILE).read_bytes())
        if processes.start_time(int(state["supervisor"])) == state["supervisor_started"]:
            return state
    return None


def ask_to_scale(installation: Installation, scale: Mapping[str, int]) -> None:
    """Tell the supervisor of a running installation how many workers it is to run. Raises Refused."""
    for service, number in scale.items():
        names_of(service, number)
    state = state_of(installation)
    if state is None:
        raise Refused(
            f"the installation in {installation.folder} does not run; start it: leadloop up --data "
            f"{installation.folder}"
        )
    write_whole(installation.run_folder / SCALE_FILE, json.dumps(dict(scale)).encode())
    os.kill(int(state["supervisor"]), signal.SIGHUP)


def scale_asked(installation: Installation) -> dict[str, int]:
    """What `ask_to_scale` wrote last."""
    with suppress(FileNotFoundError, ValueError):
        return {
            str(service): int(number)
            for service, number in json.loads((installation.run_folder / SCALE_FILE).read_bytes()).items()
        }
    return {}
