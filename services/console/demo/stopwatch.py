"""The two times that matter: from a lead's 202 to the rep's inbox, and from a rep's action to marketing's stream."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Pairs what was said with what arrived, in whichever order this process hears of both."""

    milliseconds: list[float] = field(default_factory=list)
    _said: dict[object, float] = field(default_factory=dict)
    _arrived: dict[object, float] = field(default_factory=dict)

    def expect(self, what: object) -> None:
        """It will be said now: what arrived of the same before does not count."""
        self._said.pop(what, None)
        self._arrived.pop(what, None)

    def said(self, what: object) -> None:
        """Its 202 is here."""
        self._said.setdefault(what, time.perf_counter())
        self._pair(what)

    def arrived(self, what: object) -> None:
        """It is here."""
        self._arrived.setdefault(what, time.perf_counter())
        self._pair(what)

    def _pair(self, what: object) -> None:
        if what in self._said and what in self._arrived:
            self.milliseconds.append(max(0.0, self._arrived.pop(what) - self._said.pop(what)) * 1000)

    def percentile(self, share: float) -> float | None:
        """The time in ms that this share of all does not exceed; None before the first."""
        if not self.milliseconds:
            return None
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def sentence(self) -> str:
        """Median and p99."""
        median, worst = self.percentile(0.5), self.percentile(0.99)
        if median is None or worst is None:
            return "nothing measured"
        return f"median {median:.0f} ms, p99 {worst:.0f} ms, of {len(self.milliseconds)}"
