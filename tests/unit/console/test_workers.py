"""The supervisor keeps processes running, tells why they do not run, and leaves none behind."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.console import processes
from services.console.nursery import Nursery
from services.console.workers import Plan, State, Supervisor, Worker, WorkerRefused, end_orphans

WITHIN_SECONDS = 20.0


class Bench:
    """A supervisor with what it has told."""

    def __init__(self, folder: Path) -> None:
        self.mark = f"leadloop-test={uuid.uuid4()}"
        self.run, self.logs = folder / "run", folder / "logs"
        self.run.mkdir()
        self.logs.mkdir()
        self.told: list[str] = []
        self.nursery = Nursery(self.mark, ["tests.unit.console.tiny"], dict(os.environ), self.logs / "nursery.log")
        self.supervisor = Supervisor(self.nursery, self.run, self.logs, lambda _, sentence: self.told.append(sentence))

    def add(self, name: str, function: str = "serve", *arguments: str) -> Worker:
        plan = Plan(name, name.partition("-")[0], f"tests.unit.console.tiny:{function}", arguments, dict(os.environ))
        self.supervisor.add(plan)
        return next(worker for worker in self.supervisor.workers if worker.plan.name == name)

    async def becomes(self, worker: Worker, *, other_than: int) -> int:
        """The pid of the worker once it is ready as another process."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while worker.state is not State.READY or worker.pid in (None, other_than):
                await self.supervisor.change()
        assert worker.pid is not None
        return worker.pid


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.supervisor.stop()
    assert processes.with_argument(made.mark) == (), "the supervisor left processes behind"


async def test_two_workers_of_a_service_are_ready_and_recorded(bench: Bench) -> None:
    bench.add("scoring")
    bench.add("scoring-2")
    await bench.supervisor.ready(WITHIN_SECONDS)
    pids = bench.supervisor.pids()["scoring"]
    assert len(set(pids)) == 2
    assert {process.pid for process in processes.living(bench.run)} == set(pids)


async def test_a_killed_process_is_started_again(bench: Bench) -> None:
    worker = bench.add("scoring")
    await bench.supervisor.ready(WITHIN_SECONDS)
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    second = await bench.becomes(worker, other_than=first)
    assert [process.pid for process in processes.living(bench.run)] == [second]
    assert "scoring ended with SIGKILL" in bench.told[0]


async def test_a_process_that_keeps_dying_is_started_again_at_growing_intervals(bench: Bench, tmp_path: Path) -> None:
    worker = bench.add("scoring", "fall", "3", str(tmp_path / "fallen"))
    await bench.supervisor.ready(WITHIN_SECONDS)
    assert worker.restarts == 3
    assert [sentence.rpartition(" in ")[2] for sentence in bench.told] == ["0.2 s", "0.4 s", "0.8 s"]


async def test_a_process_that_needs_a_person_is_not_started_again_and_its_reason_is_told(bench: Bench) -> None:
    worker = bench.add("scoring", "refuse")
    bench.add("sla")
    with pytest.raises(
        WorkerRefused, match=r"^scoring does not start: LEADLOOP_TOKEN is missing; its log is .*scoring\.log$"
    ):
        await bench.supervisor.ready(WITHIN_SECONDS)
    assert (worker.state, worker.restarts, worker.pid) == (State.REFUSED, 0, None)


async def test_a_removed_worker_ends_and_the_others_stay(bench: Bench) -> None:
    stays = bench.add("scoring")
    bench.add("scoring-2")
    await bench.supervisor.ready(WITHIN_SECONDS)
    await bench.supervisor.remove("scoring-2")
    assert bench.supervisor.pids() == {"scoring": [stays.pid]}
    assert [process.name for process in processes.living(bench.run)] == ["scoring"]


async def test_workers_outlive_their_nursery_and_are_started_again_by_the_next(bench: Bench) -> None:
    worker = bench.add("scoring")
    await bench.supervisor.ready(WITHIN_SECONDS)
    first = worker.pid
    assert first is not None
    (nursery,) = (pid for pid in processes.with_argument(bench.mark) if pid != first)
    os.kill(nursery, signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    await bench.becomes(worker, other_than=first)


async def test_the_next_run_ends_what_a_killed_supervisor_left(bench: Bench) -> None:
    worker = bench.add("scoring")
    bench.add("sla")
    await bench.supervisor.ready(WITHIN_SECONDS)
    for one in bench.supervisor.workers:
        assert one.task is not None
        one.task.cancel()
    processes.forget(bench.run, "sla")  # killed before it was recorded
    assert worker.pid is not None
    ended = await end_orphans(bench.run, bench.mark)
    assert "scoring" in ended
    assert processes.with_argument(bench.mark) == ()
