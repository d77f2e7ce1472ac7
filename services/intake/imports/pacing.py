"""How fast rows may be taken in, so that whoever fills in a form meanwhile does not wait for them. Pure: time is handed in.

Imported leads go through the same logs as fresh ones, and a log knows no overtaking: a fresh lead waits for those that are
between intake and their rep when it comes. So their number is bounded, and the bound follows what they themselves tell:
each says how long it took from intake to the rep (or to its verdict). While that is short the bound grows by one a round;
when it is long the bound is halved (additive increase, multiplicative decrease: Chiu and Jain 1989, as TCP does it).
"""

from __future__ import annotations

from dataclasses import dataclass, field

LONGEST_SECONDS = 0.4
"""An imported lead that took longer on its way says that too many are on it."""
AT_FIRST, AT_MOST = 4.0, 64.0
STANDSTILL_SECONDS = 5.0
"""When nothing has arrived for so long, something is down: what is sent now would only lie before everybody's feet."""
PROBE_SECONDS = 5.0
_BURST_SECONDS = 0.1
"""What the floor owes is made up for so many seconds at most."""
GIVEN_UP_SECONDS = 60.0
"""A lead that has not arrived by then will not: it is a dead letter, or of somebody who is being worked already."""


@dataclass
class Pace:
    """What is on its way, and how much may be."""

    at_least_per_second: float
    """The floor: so many a second go whatever the others tell, unless nothing arrives at all."""
    bound: float = AT_FIRST
    _on_their_way: dict[str, float] = field(default_factory=dict)
    """Who is between intake and the rep -> since when."""
    _sent_at: float = float("-inf")
    _arrived_at: float = float("-inf")
    _halved_at: float = float("-inf")

    def room(self, now: float) -> int:
        """How many more may be sent now."""
        for who in [who for who, since in self._on_their_way.items() if now - since > GIVEN_UP_SECONDS]:
            del self._on_their_way[who]
        if self._stands_still(now):
            return 1 if now - self._sent_at >= PROBE_SECONDS else 0
        owed = min((now - self._sent_at) * self.at_least_per_second, max(1.0, _BURST_SECONDS * self.at_least_per_second))
        return max(int(self.bound) - len(self._on_their_way), int(owed))

    def sent(self, who: str, now: float) -> None:
        """One more is on its way."""
        self._on_their_way.setdefault(who, now)
        self._sent_at = now

    def arrived(self, who: str, now: float) -> bool:
        """Whether it was on its way; if so it tells how long that took."""
        since = self._on_their_way.pop(who, None)
        if since is None:
            return False
        self._arrived_at = now
        if now - since <= LONGEST_SECONDS:
            self.bound = min(AT_MOST, self.bound + 1 / self.bound)
        elif since > self._halved_at:  # those sent before were sent under the old bound, and say nothing of the new one
            self.bound, self._halved_at = max(1.0, self.bound / 2), now
        return True

    def left(self, who: str) -> None:
        """It goes nowhere: its lead was known before, or it could not be taken in."""
        self._on_their_way.pop(who, None)

    def _stands_still(self, now: float) -> bool:
        waited = max(self._arrived_at, min(self._on_their_way.values(), default=now))
        return bool(self._on_their_way) and now - waited > STANDSTILL_SECONDS
