"""Whether this process is alive, and whether it may be sent work: each part says so for itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One part's word: a broker connection, a processor, a projection, a database."""

    ok: bool
    because: str
    since: float
    """Monotonic seconds."""


class Health:
    """The parts of one process."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def expect(self, part: str, because: str = "starting") -> None:
        """The process is not ready before this part has said that it is well."""
        self._parts.setdefault(part, Part(False, because, time.monotonic()))

    def say(self, part: str, *, ok: bool, because: str = "") -> None:
        """How the part is now. A change is logged."""
        before = self._parts.get(part)
        if before is not None and before.ok == ok and before.because == because:
            return
        self._parts[part] = Part(ok, because, time.monotonic())
        if before is None or before.ok != ok:
            (log.info if ok else log.warning)("part_is_well" if ok else "part_is_not_well", part=part, because=because)

    @property
    def ready(self) -> bool:
        return all(part.ok for part in self._parts.values())

    def report(self) -> dict[str, dict[str, object]]:
        """Every part, for /readyz."""
        now = time.monotonic()
        return {
            name: {"ok": part.ok, "because": part.because, "for_seconds": round(now - part.since, 1)}
            for name, part in sorted(self._parts.items())
        }
