"""Which broker an installation gets: one that is named, else Docker's, else the embedded one, else a sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast, get_args

from services.console.broker import record as records
from services.console.broker.docker import DockerBroker, engine_version, get_image
from services.console.broker.embedded import EmbeddedBroker
from services.console.broker.external import ExternalBroker
from services.console.broker.faults import BrokerUnavailable
from services.console.broker.jars import Progress, cached, find_maven, jars_folder
from services.console.broker.java import LEAST_MAJOR, find_java, probe_java
from services.console.broker.record import Kind
from services.console.datafolder import DataFolderUnusable


class Broker(Protocol):
    """What the supervisor does with a broker of any kind."""

    @property
    def kind(self) -> Kind:
        """Which of the three it is."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find it; known once it was started."""

    @property
    def pid(self) -> int | None:
        """Its process, where it is a running process of this machine that we started."""

    async def start(self) -> None:
        """Bring it up, or adopt the one that runs already, and wait until it answers."""

    async def stop(self) -> None:
        """End it in order, if it is ours to end."""

    async def wait(self) -> None:
        """Return when it has ended."""


@dataclass(frozen=True)
class BrokerSettings:
    """What decides the choice."""

    data_dir: Path
    bootstrap_servers: str | None = None
    kind: Kind | None = None
    """Docker's or the embedded one by name; None: whichever there is."""
    port: int | None = None
    progress: Progress = lambda _: None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @classmethod
    def from_environment(
        cls, data_dir: str | Path, environ: Mapping[str, str] = os.environ, *, port: int | None = None,
        progress: Progress = lambda _: None,
    ) -> BrokerSettings:  # fmt: skip
        """Settings from KAFKA_BOOTSTRAP_SERVERS and LEADLOOP_BROKER; raises BrokerUnavailable for an unknown kind."""
        kind = environ.get("LEADLOOP_BROKER") or None
        if kind is not None and kind not in get_args(Kind):
            raise BrokerUnavailable(f"LEADLOOP_BROKER is {kind!r}; it may be docker or embedded, or be unset")
        return cls(
            data_dir=Path(data_dir).expanduser().absolute(),
            bootstrap_servers=environ.get("KAFKA_BOOTSTRAP_SERVERS") or None,
            kind=cast(Kind | None, kind),
            port=port,
            progress=progress,
            environ=dict(environ),
        )


async def choose_broker(settings: BrokerSettings) -> Broker:
    """The broker for this data folder, not yet started; a folder keeps the kind of broker that holds its records.

    Raises BrokerUnavailable (no way to a broker) or DataFolderUnusable (the folder has another broker), each with
    one sentence.
    """
    remembered = records.load(settings.data_dir)
    if settings.bootstrap_servers is not None:
        _demand_same(settings, remembered, "external")
        if remembered is None:
            records.save(settings.data_dir, records.BrokerRecord("external"))
        return ExternalBroker(settings.bootstrap_servers)
    kind = settings.kind or (remembered.kind if remembered else None)
    if remembered is not None:
        _demand_same(settings, remembered, kind or remembered.kind)
    if kind == "external":
        raise DataFolderUnusable(
            f"the records of {settings.data_dir} are in a Kafka of others; set KAFKA_BOOTSTRAP_SERVERS to it "
            "or choose another folder with --data"
        )
    if kind == "docker" or (kind is None and await _docker_serves(settings)):
        return await _docker_broker(settings)
    _demand_embeddable(settings)
    return EmbeddedBroker(settings.data_dir, settings.port, progress=settings.progress, environ=settings.environ)


def _demand_same(settings: BrokerSettings, remembered: records.BrokerRecord | None, wanted: Kind) -> None:
    if remembered is not None and remembered.kind != wanted:
        where = {"external": "a Kafka of others", "docker": "a broker in Docker", "embedded": "its embedded broker"}
        setting = "KAFKA_BOOTSTRAP_SERVERS" if wanted == "external" else "LEADLOOP_BROKER"
        raise DataFolderUnusable(
            f"the records of {settings.data_dir} are in {where[remembered.kind]}, not in {where[wanted]}; "
            f"unset {setting} or choose another folder with --data"
        )


async def _docker_serves(settings: BrokerSettings) -> bool:
    return await engine_version() is not None and await get_image(settings.progress)


async def _docker_broker(settings: BrokerSettings) -> DockerBroker:
    if await engine_version() is None:
        raise BrokerUnavailable(
            f"the broker of {settings.data_dir} is to run in Docker and no Docker engine answers; start Docker, "
            "or choose another folder with --data"
        )
    if not await get_image(settings.progress):
        raise BrokerUnavailable(
            "the Docker engine cannot get the image apache/kafka; let it reach a registry that has it, "
            "or choose another folder with --data"
        )
    return DockerBroker(settings.data_dir, settings.port)


def _demand_embeddable(settings: BrokerSettings) -> None:
    """The last of the three ways: say what is missing for it, together, before anything is started."""
    has_jars = cached(jars_folder(settings.environ))
    if has_jars or find_maven(settings.environ) is not None:
        find_java(settings.environ)
        return
    java = probe_java(settings.environ)
    missing = "no Maven" if java is not None and java.major >= LEAST_MAJOR else f"no Java {LEAST_MAJOR} and no Maven"
    raise BrokerUnavailable(
        f"there is no broker: set KAFKA_BOOTSTRAP_SERVERS to a running Kafka, or start a Docker engine, "
        f"or install Java {LEAST_MAJOR} or newer and Maven (here there is {missing})"
    )
