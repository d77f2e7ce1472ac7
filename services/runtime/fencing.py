"""Self-fencing: who has had no successful heartbeat within the session time may be no owner, and must not write.

Stands in for nothing: aiokafka 0.14 (consumer/group_coordinator.py, `_heartbeat_routine`) logs "session expired" and
goes on. This only makes two owners at a time rarer; what makes them harmless is that both say the same (restore.py).
"""

from __future__ import annotations

import time
from typing import Any

from services.runtime.leaving import die


def _now() -> float:
    """Seconds that also pass while the machine is suspended, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock) if clock is not None else time.monotonic()


class Fence:
    """When the group's coordinator last answered well."""

    def __init__(self, session_seconds: float) -> None:
        self._session_seconds = session_seconds
        self._alive_at = _now()

    def alive(self) -> None:
        """The group has just been joined: that counts."""
        self._alive_at = _now()

    def check(self) -> None:
        """Called before anything is written. Ends the process if somebody else may own its partitions by now."""
        silent = _now() - self._alive_at
        if silent > self._session_seconds:
            die(
                "no heartbeat was answered within the session time: somebody else may own our partitions",
                seconds=round(silent, 1),
            )

    def watch(self, coordinator: Any) -> None:
        """Note each successful heartbeat of an aiokafka GroupCoordinator. It has no listener: its method is wrapped."""
        heartbeat = coordinator._do_heartbeat

        async def watched() -> bool:
            asked_at = _now()
            answered: bool = await heartbeat()
            if answered:
                self._alive_at = asked_at
            return answered

        coordinator._do_heartbeat = watched
