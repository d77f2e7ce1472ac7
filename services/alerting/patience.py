"""How long the sender tries, and when. Pure: the jitter comes out of the message's id, so a restart knows the same times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

_JITTER = 0.1
_DAY = timedelta(days=1).total_seconds()


@dataclass(frozen=True, slots=True)
class Patience:
    """The delays between attempts, and what many failures in a row mean for the receiver as a whole."""

    delays: tuple[float, ...]
    """Seconds from the first attempt to the second, and so on; one attempt more than there are delays."""
    at_once: int = 1
    """How many attempts may be under way to one receiver."""
    hold_after: int | None = None
    """After so many failures in a row the receiver is asked by one message at a time, at the same delays; none: never."""
    dead_after: float | None = None
    """Seconds without a success, with failures, after which the receiver is left alone; none: never."""

    def gives_up_after(self, attempt: int) -> bool:
        """Whether this attempt, counted from 1, was the last one."""
        return attempt > len(self.delays)

    def for_no_longer_than(self, length: timedelta) -> Patience:
        """The same with the last attempt about `length` after the first."""
        passed, kept = 0.0, []
        for delay in self.delays:
            passed += delay
            if passed > length.total_seconds():
                break
            kept.append(delay)
        return replace(self, delays=tuple(kept))

    def after(self, attempt: int, message: str) -> float:
        """Seconds to wait after this attempt: the table's, one tenth more or less, so that not all come back at once."""
        delay = self.delays[min(attempt, len(self.delays)) - 1]
        drawn = int.from_bytes(hashlib.blake2b(f"{message}|{attempt}".encode(), digest_size=4).digest(), "big") / 2**32
        return delay * (1 + _JITTER * (2 * drawn - 1))

    def hold(self, failures: int, receiver: str) -> float:
        """Seconds for which a receiver is left alone after so many failures in a row; 0: it is not."""
        if self.hold_after is None or failures < self.hold_after:
            return 0.0
        return self.after(failures - self.hold_after + 1, receiver)


PEOPLE = Patience(delays=tuple(min(2.0**n, 600.0) for n in range(19)))
"""Mail and chat: about two hours, then it is not news any more. One message after the other."""

TOOLS = Patience(
    delays=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400),
    at_once=8,
    hold_after=3,
    dead_after=3 * _DAY,
)
"""Webhooks and CRMs: ten attempts over three days, at the times that Standard Webhooks recommends: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h,
14 h, 20 h, 24 h. See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

RETRY_AFTER_AT_MOST = _DAY
"""A receiver that asks for more than a day is asked again after one."""
