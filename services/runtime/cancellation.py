"""Telling apart who cancelled: we ourselves, or aiokafka, which lets the CancelledError of its own futures out.

With a broker away, aiokafka 0.14 awaits tasks that it has just cancelled (consumer/fetcher.py `Fetcher.close`) and
cancels what waits for an answer (conn.py `close`): the caller's await raises CancelledError although nobody cancelled
the caller. Taken for a cancellation, it ends a task in silence, and everything that relies on the task waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def answered(request: Awaitable[T]) -> T:
    """Await what talks to a broker. Raises ConnectionAbortedError where the library cancelled it, and nobody else."""
    try:
        return await request
    except asyncio.CancelledError:
        if we_are_cancelled():
            raise
        raise ConnectionAbortedError("the connection to the broker ended under a request") from None


def we_are_cancelled() -> bool:
    """Whether somebody has cancelled the task that runs now."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
