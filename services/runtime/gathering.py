"""How long records may gather before the next are taken: under load fewer and larger groups, which cost much less a record.

`Gathering` lets the broker do it: it sets what aiokafka's fetcher (consumer/fetcher.py, `_get_actions_per_node`) puts
into its next request. Resting between two deliveries instead would not gather: aiokafka asks for the next records as
soon as the last are taken, is answered with the first one that comes, and has asked for no more until that is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LONGEST_SECONDS = 0.04
"""What load may add to a hop; who asks for more gets that."""

SILENT_WAIT_MS = 1000
"""How long a request waits for the first record after a silence; one that waits holds up all others of its connection."""
LONGEST_GATHER_SECONDS = 0.1
SECONDS_A_RATE = 1 / 30_000
"""Gathered for so long at one record a second: 10 ms at 300/s, 100 ms at 3,000/s."""
ENOUGH_BYTES = 400_000
"""A request that finds so much waits for no more: it is a full group."""
FETCHER_LOOKS_EVERY_SECONDS = 2.0
"""aiokafka's fetcher looks five times a second whether there is something to ask for; what there is wakes it anyway."""
_RATE_SECONDS = 1.0
"""Over how long the rate is taken."""


def let_rest(fetcher: Any) -> None:
    """Have aiokafka's fetcher look only now and then whether there is something to ask for."""
    fetcher._fetcher_timeout = FETCHER_LOOKS_EVERY_SECONDS


def resting(least: float, last_took: float) -> float:
    """Seconds to rest after work that took `last_took` seconds: as long as the work, but `least` at least.

    Work that takes long is a sign of load, and then a larger group costs hardly more than a small one.
    """
    return max(least, min(last_took, LONGEST_SECONDS))


class Gathering:
    """How one consumer asks for records: after a silence for the first that comes, under load for what comes in a while."""

    def __init__(self, least: float, now: Callable[[], float] = time.monotonic) -> None:
        """least: seconds for which records may gather in any case while they come."""
        self._least, self._now = least, now
        self._rate = 0.0
        self._delivered_at = now()
        self._silent = True

    @property
    def seconds(self) -> float:
        """How long the broker is to gather from now on; 0 after a silence: the first record is answered at once."""
        if self._silent:
            return 0.0
        return max(self._least, min(self._rate * SECONDS_A_RATE, LONGEST_GATHER_SECONDS))

    @property
    def patience(self) -> float:
        """Seconds without a record that are a silence."""
        return 1.0 if self._silent else max(0.05, 3 * self.seconds)

    def delivered(self, records: int) -> None:
        """So many records came; none after `patience` seconds: a silence."""
        now = self._now()
        passed = max(now - self._delivered_at, 1e-3)
        self._rate += (records / passed - self._rate) * min(1.0, passed / _RATE_SECONDS)
        self._delivered_at = now
        self._silent = records == 0

    def ask(self, fetcher: Any) -> None:
        """Have aiokafka's fetcher ask so from its next request on."""
        seconds = self.seconds
        fetcher._fetch_min_bytes = ENOUGH_BYTES if seconds else 1
        fetcher._fetch_max_wait_ms = max(1, round(seconds * 1000)) if seconds else SILENT_WAIT_MS
