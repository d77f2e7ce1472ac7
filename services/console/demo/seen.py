"""What has been seen of the day so far: all that the board shows and the summary adds up."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

_UNFINISHED = ("new", "waiting", "assigned")
_STORY_LINES = 200
BACK_TODAY = ("no_budget", "no_timeline", "no_answer")
"""The reasons for which deploy/agreements/demo.yaml lets a lead come back within seconds."""


@dataclass
class Seen:
    """What marketing's stream has told so far, and what the reps did: all that the board shows."""

    status: dict[str, str] = field(default_factory=dict)
    not_today: set[str] = field(default_factory=set)
    """Leads recycled for a time that no demo lasts."""
    reasons: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    story: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_STORY_LINES))
    submissions: int = 0
    engagements: int = 0
    actions: int = 0
    refused: list[str] = field(default_factory=list)
    """What a door said no to that it should not have."""
    late: int = 0
    """Actions that came after the assignment had ended: 409."""
    ignored: set[str] = field(default_factory=set)
    ignored_at_once: set[str] = field(default_factory=set)
    """Those of them that came in the moment of the storm."""
    reported_late: list[str] = field(default_factory=list)
    """Leads that were called in time, which was reported after their clock had run out."""
    came_back: set[str] = field(default_factory=set)
    won_after_return: set[str] = field(default_factory=set)
    last_change: float = field(default_factory=time.monotonic)

    def by_status(self) -> Counter[str]:
        """Leads by status now."""
        return Counter(self.status.values())

    def unfinished(self) -> bool:
        """Whether a lead waits for somebody, or for a time that comes today."""
        return any(
            status in _UNFINISHED or (status == "recycled" and lead not in self.not_today)
            for lead, status in self.status.items()
        )
