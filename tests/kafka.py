"""The Kafka of the tests: one real broker for all workers of a run, and private ones for tests that break theirs.

The first worker that needs it starts it, the last one that leaves stops it. Brokers of runs that were killed are found
by the next run and stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.console import processes
from services.console.broker import EmbeddedBroker
from services.console.broker.docker import IMAGE, container_settings, docker, engine_version, has_image
from services.console.broker.wire import answers
from services.console.ports import HOST, free_port

_ROOT = Path(tempfile.gettempdir()) / f"leadloop-tests-{os.getuid()}"
_CONTAINER = "container"
_PORT = "port"
_READY_SECONDS = 90.0

T = TypeVar("T")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka that all tests share: keep apart by `namespace`, and do not stop it."""
    named = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if named:
        if not _wait_for(answers(named, _READY_SECONDS)):
            pytest.fail(f"no Kafka answers at KAFKA_BOOTSTRAP_SERVERS={named}")
        yield named
        return
    run = _ROOT / os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    user = f"worker-{os.getpid()}"
    with _alone():
        _sweep(keep=run)
        processes.record(run / "users", user, os.getpid())
        try:
            servers = _wait_for(_start(run))
        except BaseException:
            processes.forget(run / "users", user)
            raise
    try:
        yield servers
    finally:
        with _alone():
            processes.forget(run / "users", user)
            if not processes.living(run / "users"):
                _wait_for(_stop(run))


@pytest.fixture
def namespace() -> str:
    """What this test's topics and groups begin with: unlike any other's on the shared broker."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A running broker of this test's own, which it may stop, kill and start again."""
    private = EmbeddedBroker(tmp_path / "installation")
    _wait_for(private.start())
    try:
        yield private
    finally:
        _wait_for(private.kill())
        shutil.rmtree(tmp_path / "installation", ignore_errors=True)


async def _start(run: Path) -> str:
    if await engine_version() is not None and await has_image():
        return await _start_container(run)
    shared = EmbeddedBroker(run)
    await shared.start()  # adopts the one that another worker has started
    return shared.bootstrap_servers


async def _stop(run: Path) -> None:
    container = run / _CONTAINER
    if container.exists():
        await docker("rm", "--force", "--volumes", container.read_text())
    await processes.end_all(run / "run", grace_seconds=5)
    shutil.rmtree(run, ignore_errors=True)


async def _start_container(run: Path) -> str:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    if (run / _CONTAINER).exists():
        port = int((run / _PORT).read_text())
    else:
        port = free_port()
        testcontainers_config.ryuk_disabled = True  # it would end with the first worker; the last one removes it
        settings = {**container_settings(port), "KAFKA_HEAP_OPTS": "-Xmx512m"}
        container = DockerContainer(IMAGE).with_envs(**settings).with_bind_ports(port, port)
        await asyncio.to_thread(container.start)
        (run / _PORT).write_text(str(port))
        (run / _CONTAINER).write_text(str(container.get_wrapped_container().id))
    if not await answers(f"{HOST}:{port}", _READY_SECONDS):
        pytest.fail(f"the container with {IMAGE} does not answer at {HOST}:{port}")
    return f"{HOST}:{port}"


def _sweep(keep: Path) -> None:
    """Stop the brokers of runs of which no worker lives any more."""
    for run in _ROOT.iterdir():
        if run.is_dir() and run != keep and not processes.living(run / "users"):
            _wait_for(_stop(run))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One worker at a time, over all runs of this user; the lock ends with the process that holds it."""
    _ROOT.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(_ROOT / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end in a loop of its own, whether or not the test has a loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
