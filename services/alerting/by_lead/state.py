"""What alerting remembers of a lead: which alerts it has asked for, and the score as it was last said."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

KEPT = 64
"""A lead has few alerts open at a time; only a dead letter replayed after so many more could ask for one again."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest alerts of one lead, and what tools are told of it besides its life."""

    alerts: tuple[str, ...] = ()
    score: str | None = None
    grade: str | None = None
    stage: str | None = None
    """The buying stage."""

    def having(self, alert_id: str) -> Told:
        """The memory with one more alert."""
        return replace(self, alerts=(*self.alerts, alert_id)[-KEPT:])

    def scored(self, score: str, grade: str, stage: str | None) -> Told:
        """The memory with a new score."""
        return replace(self, score=score, grade=grade, stage=stage)
