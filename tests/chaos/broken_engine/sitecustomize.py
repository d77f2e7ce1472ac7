"""An engine broken on purpose: states and positions become durable before the outputs are.

Python imports this module at start where its folder is on PYTHONPATH; nothing of the product knows it. With it, a process
killed in between has acknowledged what it never said, and the audit must find that out. Without a kill nothing is lost:
the outputs leave in their order, only too late.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from services.runtime.group_commit import GroupCommit
from services.runtime.sending import Outgoing, Sender

LATE_SECONDS = 0.25
_equip = GroupCommit.equip


class LatePen:
    """A pen that says "written" at once and writes a quarter of a second later."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._last: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)

    async def send(self, outgoing: Mapping[tuple[str, int], Iterable[Outgoing]]) -> None:
        said = {where: list(records) for where, records in outgoing.items()}
        self._last = asyncio.create_task(self._later(said, self._last))

    async def _later(self, said: Mapping[tuple[str, int], list[Outgoing]], before: asyncio.Task[None] | None) -> None:
        await asyncio.sleep(LATE_SECONDS)
        if before is not None:
            await before
        await self._sender.send(said)


def _equip_with_a_late_pen(self: GroupCommit, sender: Any, timers: Any, tail: Any) -> None:
    print("the engine of this process is broken on purpose", file=sys.stderr, flush=True)  # noqa: T201 - for the test
    _equip(self, LatePen(sender), timers, tail)  # type: ignore[arg-type]


GroupCommit.equip = _equip_with_a_late_pen  # type: ignore[method-assign]
