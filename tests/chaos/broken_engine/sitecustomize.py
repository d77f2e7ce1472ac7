"""An engine broken on purpose: states and positions become durable before the outputs are.

Python imports this module at start where its folder is on PYTHONPATH; nothing of the product knows it. With it, a process
killed in between has acknowledged what it never said, and the audit must find that out.
"""

import asyncio
from typing import Any

from services.runtime.group_commit import Group, GroupCommit

LATE_SECONDS = 0.25
_said = GroupCommit._send_said
_pending: set[asyncio.Task[None]] = set()


async def _later(self: GroupCommit, group: Group) -> None:
    await asyncio.sleep(LATE_SECONDS)
    await _said(self, group)


async def _send_said_without_waiting(self: GroupCommit, group: Group) -> None:
    task = asyncio.create_task(_later(self, group))
    _pending.add(task)
    task.add_done_callback(_pending.discard)


def _break(engine: Any) -> None:
    engine._send_said = _send_said_without_waiting


_break(GroupCommit)
