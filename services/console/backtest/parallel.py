"""Work shared among processes: each takes the next job that is left, tells how far it is, and hands back its result."""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

J = TypeVar("J")
R = TypeVar("R")

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 5.0

Did = Callable[[int], None]
"""Told how many more records are done."""


class WorkerFailed(RuntimeError):
    """A worker could not do its job; the text says why."""


def work(function: Callable[[J, Did], R], jobs: Sequence[J], workers: int, did: Did) -> Iterator[R]:
    """The results of all jobs, as they come, from at most so many processes. Raises WorkerFailed.

    `function` must be importable by name, and jobs and results must be possible to send to another process.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share the connections that the caller has open
    todo: Any = context.Queue()
    told: Any = context.Queue()
    for job in jobs:
        todo.put(job)
    number = max(1, min(workers, len(jobs)))
    for _ in range(number):
        todo.put(None)
    processes = [
        context.Process(target=_run, args=(function, todo, told), daemon=True) for _ in range(number if jobs else 0)
    ]
    for process in processes:
        process.start()
    left = len(jobs)
    try:
        while left:
            try:
                kind, what = told.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if any(p.exitcode not in (None, 0) for p in processes):
                    raise WorkerFailed("a process of the backtest was ended from outside; start it again") from None
                continue
            if kind == "did":
                did(what)
            elif kind == "failed":
                raise WorkerFailed(what)
            else:
                left -= 1
                yield what
    finally:
        for process in processes:
            if left:
                process.terminate()
            process.join(_GRACE_SECONDS)


def _run(function: Callable[[Any, Did], Any], todo: Any, told: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everybody; the parent alone answers it, and ends us
    while (job := todo.get()) is not None:
        try:
            result = function(job, lambda number: told.put(("did", number)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells it
            told.put(("failed", f"{type(error).__name__}: {error}"))
            return
        told.put(("done", result))
