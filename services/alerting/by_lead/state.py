"""What alerting remembers of a lead: which alerts it has asked for, and the score as it was last said."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

CALMED_KEPT = 4
KEPT = 64
"""A lead has few alerts open at a time; only a dead letter replayed after so many more could ask for one again."""


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step of an escalation path that comes unless the lead is worked before. Times in ms since 1970."""

    escalation: str
    step: int
    """Its number in the path, from 0."""
    clock: str
    clock_id: str
    assignment: str
    rep: str
    team: str
    deadline_ms: int
    due_ms: int
    share: float | None = None
    """Of the warning that it follows; none: it follows the breach."""
    takes: bool = False
    """It takes the lead from the rep, and is told when that has happened instead of by its time."""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert that was asked for, until what it is about is settled."""

    alert: str
    recipient: str
    kind: str
    of: str | None = None
    """The clock's id."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest alerts of one lead, and what tools are told of it besides its life."""

    alerts: tuple[str, ...] = ()
    score: str | None = None
    grade: str | None = None
    stage: str | None = None
    """The buying stage."""
    pending: tuple[Pending, ...] = ()
    asked: tuple[Asked, ...] = ()
    """The alerts that are not settled."""
    calmed: tuple[str, ...] = ()
    """The newest clocks that were met, corrected or cancelled, where the agreement wants forecasts: one that comes later is void."""

    def having(self, asked: Asked) -> Told:
        """The memory with one more alert."""
        return replace(self, alerts=(*self.alerts, asked.alert)[-KEPT:], asked=(*self.asked, asked)[-KEPT:])

    def scored(self, score: str, grade: str, stage: str | None) -> Told:
        """The memory with a new score."""
        return replace(self, score=score, grade=grade, stage=stage)


def due(state: Told) -> datetime | None:
    """When the next step of an escalation comes; none: there is none."""
    first = min((p.due_ms for p in state.pending if not p.takes), default=None)
    return None if first is None else datetime.fromtimestamp(first / 1000, UTC)
