"""The embedded broker: it keeps what it acknowledged, is found again, and says in one sentence why it cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.console import processes
from services.console.broker import (
    BrokerSettings,
    BrokerUnavailable,
    DataFolderUnusable,
    EmbeddedBroker,
    ExternalBroker,
    choose_broker,
)
from services.console.broker.docker import engine_version
from services.console.broker.jars import cached, fetch_jars, jars_folder
from services.console.broker.wire import answers

pytestmark = pytest.mark.integration

TOPIC = "letters"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def brokers(tmp_path: Path) -> AsyncIterator[Callable[..., EmbeddedBroker]]:
    """Makes brokers on one data folder, with a name that is not simple; they are killed after the test."""
    made: list[EmbeddedBroker] = []

    def make(port: int | None = None, **environ: str) -> EmbeddedBroker:
        made.append(EmbeddedBroker(tmp_path / "Büro – 1 € $x", port, environ={**os.environ, **environ}))
        return made[-1]

    yield make
    for broker in made:
        await broker.kill()
    await processes.end_all(tmp_path / "Büro – 1 € $x" / "run", grace_seconds=0)


async def write(broker: EmbeddedBroker, *values: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    if TOPIC not in await admin.list_topics():
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(TOPIC, value)


async def read(broker: EmbeddedBroker, count: int) -> list[bytes]:
    servers = broker.bootstrap_servers
    async with AIOKafkaConsumer(TOPIC, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(count)]


def folder_of(tmp_path: Path) -> Path:
    return tmp_path / "Büro – 1 € $x"


# -- it keeps what it acknowledged -----------------------------------------------------------------------------------


async def test_a_killed_broker_comes_back_on_its_port_with_every_acknowledged_record(
    brokers: Callable[..., EmbeddedBroker],
) -> None:
    broker = brokers()
    await broker.start()
    address = broker.bootstrap_servers
    await write(broker, b"1", b"2", b"3")

    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    await asyncio.wait_for(broker.wait(), 10)
    assert broker.pid is None
    assert not await answers(address, 0.5)

    await broker.start()
    assert broker.bootstrap_servers == address
    assert await read(broker, 3) == [b"1", b"2", b"3"]
    await write(broker, b"4")
    assert await read(broker, 4) == [b"1", b"2", b"3", b"4"]


async def test_a_later_start_on_the_same_folder_carries_on(brokers: Callable[..., EmbeddedBroker]) -> None:
    first = brokers()
    await first.start()
    await write(first, b"1")
    await first.stop()
    assert first.pid is None

    second = brokers()
    await second.start()
    assert second.bootstrap_servers == first.bootstrap_servers
    assert await read(second, 1) == [b"1"]


async def test_a_broker_whose_starter_was_killed_is_adopted(
    brokers: Callable[..., EmbeddedBroker], tmp_path: Path
) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio, sys; from services.console.broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker(sys.argv[1]); asyncio.run(broker.start())\n"
        "print(broker.pid, flush=True); sys.stdin.read()",
        folder_of(tmp_path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert starter.stdout is not None
    pid = int(await asyncio.wait_for(starter.stdout.readline(), 60))
    starter.kill()
    await starter.wait()

    heir = brokers()
    await heir.start()
    assert heir.pid == pid
    await write(heir, b"1")
    assert await read(heir, 1) == [b"1"]

    await heir.stop()
    assert processes.start_time(pid) is None


async def test_a_broker_that_runs_without_a_record_is_found_by_its_command_line(
    brokers: Callable[..., EmbeddedBroker], tmp_path: Path
) -> None:
    first = brokers()
    await first.start()
    processes.forget(folder_of(tmp_path) / "run", "kafka")

    second = brokers()
    await second.start()
    assert second.pid == first.pid
    assert [process.pid for process in processes.living(folder_of(tmp_path) / "run")] == [first.pid]


async def test_a_broker_that_hangs_is_ended_and_started_again(
    brokers: Callable[..., EmbeddedBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.console.broker.embedded._ADOPT_SECONDS", 1)
    monkeypatch.setattr("services.console.broker.embedded._STOP_SECONDS", 1)
    first = brokers()
    await first.start()
    await write(first, b"1")
    hung = first.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)

    second = brokers()
    await second.start()
    assert second.pid != hung
    assert processes.start_time(hung) is None
    assert await read(second, 1) == [b"1"]


# -- ports -----------------------------------------------------------------------------------------------------------


async def test_a_port_that_was_asked_for_and_is_taken_is_named(
    brokers: Callable[..., EmbeddedBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.console.broker.embedded._PORT_RELEASE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=rf"^port {port} of 127\.0\.0\.1.* is taken by another program; "):
            await brokers(port).start()


async def test_a_remembered_port_that_is_taken_gives_way_to_a_free_one(brokers: Callable[..., EmbeddedBroker]) -> None:
    first = brokers()
    await first.start()
    await write(first, b"1")
    await first.stop()

    with socket.create_server(("127.0.0.1", int(first.bootstrap_servers.rpartition(":")[2]))):
        second = brokers()
        await second.start()
        assert second.bootstrap_servers != first.bootstrap_servers
        assert await read(second, 1) == [b"1"]


# -- what is missing is named ----------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment without any program and with an empty cache."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "JAVA_HOME": ""}


def put_program(environ: dict[str, str], name: str, script: str) -> None:
    program = Path(environ["PATH"]) / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def test_without_java_the_remedies_are_named(
    brokers: Callable[..., EmbeddedBroker], bare: dict[str, str]
) -> None:
    with pytest.raises(BrokerUnavailable) as refusal:
        await brokers(**bare).start()
    assert str(refusal.value) == (
        "there is no Java: install Java 17 or newer (or set JAVA_HOME to one), or start a Docker engine, "
        "or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
    )


async def test_a_java_that_is_too_old_is_named_with_its_place(
    brokers: Callable[..., EmbeddedBroker], bare: dict[str, str]
) -> None:
    put_program(bare, "java", "echo 'openjdk version \"11.0.22\" 2024-01-16' >&2")
    with pytest.raises(BrokerUnavailable, match=r"/bin/java is Java 11\.0\.22, too old for Kafka: install Java 17"):
        await brokers(**bare).start()


async def test_without_maven_and_without_jars_maven_is_named(
    brokers: Callable[..., EmbeddedBroker], bare: dict[str, str]
) -> None:
    put_program(bare, "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    with pytest.raises(BrokerUnavailable, match=r"^there is no Maven \(mvn\) to fetch Apache Kafka with: install"):
        await brokers(**bare).start()


async def test_what_maven_complains_of_is_passed_on(
    brokers: Callable[..., EmbeddedBroker], bare: dict[str, str]
) -> None:
    put_program(bare, "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    put_program(bare, "mvn", "echo '[ERROR] Unknown host'; exit 1")
    with pytest.raises(BrokerUnavailable, match=r"^Maven could not fetch Apache Kafka \(Unknown host\)"):
        await brokers(**bare).start()


async def test_with_none_of_the_three_ways_all_are_named(tmp_path: Path, bare: dict[str, str]) -> None:
    settings = BrokerSettings.from_environment(tmp_path / "data", {**bare, "LEADLOOP_BROKER": "embedded"})
    with pytest.raises(BrokerUnavailable) as refusal:
        await choose_broker(settings)
    assert str(refusal.value) == (
        "there is no broker: set KAFKA_BOOTSTRAP_SERVERS to a running Kafka, or start a Docker engine, "
        "or install Java 17 or newer and Maven (here there is no Java 17 and no Maven)"
    )


@pytest.mark.slow
def test_two_who_fetch_the_jars_at_once_fetch_them_once_and_damage_is_repaired(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "from services.console.broker.jars import main; raise SystemExit(main())"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True),
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True),
    ]
    said = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "".join(said).count("fetching Apache Kafka") == 1

    folder = jars_folder(environ)
    assert cached(folder)
    next(folder.glob("kafka-clients-*.jar")).write_bytes(b"half a jar")
    assert not cached(folder)
    assert fetch_jars(environ=environ) == folder
    assert cached(folder)


# -- the data folder -------------------------------------------------------------------------------------------------


async def test_a_file_in_the_place_of_the_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataFolderUnusable, match=rf"^{tmp_path}/data/kafka cannot be made because a part of it is"):
        await EmbeddedBroker(tmp_path / "data").start()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte of its own."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip(f"this user may not mount a disk here: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


async def test_a_full_disk_is_named_before_anything_is_started(tiny_disk: Path) -> None:
    with pytest.raises(DataFolderUnusable, match=rf"^the disk of {tiny_disk}/data/kafka is full"):
        await EmbeddedBroker(tiny_disk / "data").start()
    assert not processes.recorded(tiny_disk / "data" / "run")


async def test_a_disk_that_is_full_to_the_last_byte_is_named_by_what_cannot_be_written(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.console.broker.embedded.demand_free_space", lambda folder: None)
    (tiny_disk / "data" / "kafka").mkdir(parents=True)
    with contextlib.suppress(OSError):
        (tiny_disk / "filler").write_bytes(bytes(2 * 2**20))
    with pytest.raises(DataFolderUnusable, match=rf"^the disk of {tiny_disk}/data/.* is full; free some space"):
        await EmbeddedBroker(tiny_disk / "data").start()


# -- the choice ------------------------------------------------------------------------------------------------------


async def test_a_named_kafka_is_taken_and_the_folder_keeps_it(kafka: str, tmp_path: Path) -> None:
    chosen = await choose_broker(BrokerSettings.from_environment(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": kafka}))
    assert isinstance(chosen, ExternalBroker)
    await chosen.start()
    await chosen.stop()
    assert await answers(kafka, 5), "a Kafka of others is not ours to stop"

    with pytest.raises(DataFolderUnusable, match=r"are in a Kafka of others; set KAFKA_BOOTSTRAP_SERVERS to it"):
        await choose_broker(BrokerSettings.from_environment(tmp_path, {"PATH": os.environ["PATH"]}))


async def test_a_named_kafka_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.console.broker.external._ANSWER_SECONDS", 0.3)
    with pytest.raises(BrokerUnavailable, match=r"^no Kafka answers at 127\.0\.0\.1:9 within"):
        await ExternalBroker("127.0.0.1:9").start()


async def test_a_folder_with_an_embedded_broker_refuses_another_kafka(
    brokers: Callable[..., EmbeddedBroker], tmp_path: Path
) -> None:
    await brokers().start()
    settings = BrokerSettings.from_environment(folder_of(tmp_path), {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"})
    with pytest.raises(DataFolderUnusable, match=r"are in its embedded broker, not in a Kafka of others; unset KAFKA_"):
        await choose_broker(settings)


async def test_an_engine_that_does_not_answer_leaves_the_embedded_broker(tmp_path: Path) -> None:
    if await engine_version() is not None:
        pytest.skip("a Docker engine answers here")
    chosen = await choose_broker(BrokerSettings.from_environment(tmp_path, os.environ))
    assert isinstance(chosen, EmbeddedBroker)
