"""A process that hosts processors of the tests, to be killed, stopped and woken: `python -m tests.engine.worker
NAME...`.

Settings come from LEADLOOP_* as in a service. What a test may do to the engine is injected here, and is no setting of
the product: TEST_PAUSE_SECONDS (between every two steps of a group, so that kills land there), TEST_BROKEN=1
(acknowledge before the outputs are durable), TEST_STOP_BEFORE_STATE=FILE (stop ourselves, as SIGSTOP does, before the
state is written, once FILE exists), TEST_NO_FENCE=1 (write without a heartbeat, too).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.runtime import logs
from services.runtime.agreements import AgreementReader
from services.runtime.fencing import Fence
from services.runtime.group_commit import GroupCommit, States
from services.runtime.health import Health
from services.runtime.hosting import Hosted, working
from services.runtime.settings import Settings
from services.runtime.topics import incarnations
from tests.engine.tally import PROCESSORS

_PAUSE = float(os.environ.get("TEST_PAUSE_SECONDS", "0"))
_STOP_FILE = os.environ.get("TEST_STOP_BEFORE_STATE")


def _stop_is_asked_for() -> bool:
    """Once."""
    if not _STOP_FILE or not Path(_STOP_FILE).exists():
        return False
    Path(_STOP_FILE).unlink()
    return True


class PausingCommit(GroupCommit):
    """The engine with time between outputs, state and acknowledgement."""

    async def _send_states(self, states: dict[int, States]) -> None:
        if _PAUSE:
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE))
        if any(s.bundles for s in states.values()) and _stop_is_asked_for():
            os.kill(os.getpid(), signal.SIGSTOP)
        await super()._send_states(states)
        if _PAUSE:
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE))


class BrokenCommit(PausingCommit):
    """The mistake that the audit must find: acknowledged before the outputs are durable."""

    async def _commit(self, taken: list[tuple[int, Any]]) -> None:
        for partition, records in taken:
            if partition in self.committable:
                self.committable[partition] = records[-1].offset + 1
        await asyncio.sleep(random.uniform(1.2, 2.0))  # longer than from one commit of positions to the next
        await super()._commit(taken)


class Unfenced(Fence):
    """Writes even when somebody else may be the owner: what else must make that harmless is what is tested."""

    def check(self) -> None:
        """Let everything pass."""


class PausingHost(Hosted):
    """A host of the engine that a test may slow down or break."""

    fence_class = Unfenced if os.environ.get("TEST_NO_FENCE") else Fence
    delivery_class = BrokenCommit if os.environ.get("TEST_BROKEN") else PausingCommit


@dataclass(frozen=True)
class Around:
    """What a host needs of its process."""

    settings: Settings
    health: Health
    agreements: AgreementReader
    incarnations: dict[str, str]


def tell_what_tasks_wait_for() -> None:
    """On SIGUSR2, for whoever wants to know why a test hangs."""
    for task in asyncio.all_tasks():
        task.print_stack(limit=3, file=sys.stderr)


async def work(names: list[str]) -> None:
    """Host the processors of these names until SIGTERM."""
    settings = Settings.from_environment(dict(os.environ))
    logs.configure("+".join(names), log_format="console", level="INFO")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, tell_what_tasks_wait_for)
    processors = [PROCESSORS[name] for name in names]
    health = Health()
    running = Around(
        settings, health, AgreementReader(settings, health), await incarnations(settings, *{p.log for p in processors})
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running.agreements.running())
        for processor in processors:
            await stack.enter_async_context(working(PausingHost(processor, running)))
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1:]))
