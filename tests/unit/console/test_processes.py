"""A recorded process is found again after a crash, and no other process is ever taken for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.console import processes
from services.console.ports import free_port, is_free


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs until it is asked to stop."""
    script = "print('up', flush=True); import sys; sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "a-mark-of-its-own"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate(timeout=10)


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ignores SIGTERM."""
    script = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate(timeout=10)


def test_a_recorded_process_is_living_until_it_has_ended(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    recorded = processes.record(tmp_path, "scoring-1", child.pid)
    assert processes.living(tmp_path) == (recorded,)
    child.kill()
    child.wait(10)
    assert processes.recorded(tmp_path) == (recorded,)
    assert processes.living(tmp_path) == ()


async def test_a_zombie_has_ended(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    recorded = processes.record(tmp_path, "scoring-1", child.pid)
    child.kill()
    assert await processes.ended(recorded, 10)
    assert not processes.is_alive(recorded)


async def test_another_process_with_the_pid_of_an_ended_one_is_left_alone(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    recorded = replace(processes.record(tmp_path, "scoring-1", child.pid), started="at another time")
    assert not processes.is_alive(recorded)
    await processes.end(recorded, grace_seconds=1)
    assert child.poll() is None


async def test_a_process_ends_when_asked(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    processes.record(tmp_path, "scoring-1", child.pid)
    assert await processes.end_all(tmp_path, grace_seconds=10) == ("scoring-1",)
    assert child.wait(10) == -15
    assert processes.recorded(tmp_path) == ()


async def test_a_process_that_will_not_end_is_killed(tmp_path: Path, stubborn: subprocess.Popen[bytes]) -> None:
    recorded = processes.record(tmp_path, "scoring-1", stubborn.pid)
    await processes.end(recorded, grace_seconds=0.2)
    assert stubborn.wait(10) == -9


async def test_only_the_named_processes_are_ended(
    tmp_path: Path, child: subprocess.Popen[bytes], stubborn: subprocess.Popen[bytes]
) -> None:
    processes.record(tmp_path, "scoring-1", child.pid)
    other = processes.record(tmp_path, "broker", stubborn.pid)
    assert await processes.end_all(tmp_path, grace_seconds=10, names=["scoring-1"]) == ("scoring-1",)
    assert processes.living(tmp_path) == (other,)


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "scoring-1.process.json").write_text('{"pid": ')
    assert processes.recorded(tmp_path) == ()


def test_a_process_that_has_ended_is_not_recorded(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait(10)
    with pytest.raises(ProcessLookupError):
        processes.record(tmp_path, "scoring-1", child.pid)


def test_a_process_is_found_by_a_whole_argument_only(child: subprocess.Popen[bytes]) -> None:
    assert child.pid in processes.with_argument("a-mark-of-its-own")
    assert child.pid not in processes.with_argument("a-mark")
    assert os.getpid() not in processes.with_argument(sys.argv[0])


def test_a_free_port_is_outside_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert 20_000 <= port < 32_768
    assert is_free(port)
    assert free_port(avoid={port}) != port
