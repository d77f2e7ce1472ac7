"""What sla remembers of one lead: the clocks of its latest assignment."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Hand(StrEnum):
    """Where a clock is in its life."""

    RUNNING = "r"
    MET = "m"
    BREACHED = "b"
    CANCELLED = "c"


class Running(msgspec.Struct, frozen=True, omit_defaults=True):
    """One clock of the assignment: the promise as it was made, whatever the agreement says since."""

    name: str
    start: int
    """Position at which it started; with the assignment and the name it makes the clock's id."""
    started_ms: int
    deadline_ms: int
    warnings: tuple[tuple[float, int], ...] = ()
    """Shares that are not warned of yet, with their instants in ms."""
    reassign: bool = False
    hand: Hand = Hand.RUNNING
    met_by: str | None = None
    """The action that met it, also if too late."""


class Watch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The assignment that is, or was last, watched."""

    assignment: str | None = None
    rep: str = ""
    team: str = ""
    clocks: tuple[Running, ...] = ()
