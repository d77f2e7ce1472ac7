"""What sla remembers of one lead: the clocks of its latest assignment, and what the agreement may ask about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from schemas.agreement.known import Known
from schemas.agreement.working_hours import RepHours


class Hand(StrEnum):
    """Where a clock is in its life."""

    RUNNING = "r"
    PAUSED = "p"
    MET = "m"
    BREACHED = "b"
    CANCELLED = "c"


GOING = frozenset({Hand.RUNNING, Hand.PAUSED})
"""The clock still promises something."""


class Missed(msgspec.Struct, frozen=True):
    """A breach after which the clock was started anew; an action reported late can still take it back."""

    start: int
    started_ms: int
    deadline_ms: int
    step: int = 0


class Running(msgspec.Struct, frozen=True, omit_defaults=True):
    """One clock of the assignment: the promise as it was made, whatever the agreement says since, but for its hours."""

    name: str
    start: int
    """Position at which it started; with the assignment and the name it makes the clock's id."""
    started_ms: int
    deadline_ms: int
    """While it is paused: as it was."""
    warnings: tuple[tuple[float, int], ...] = ()
    """Shares that are not warned of yet, with their instants in ms."""
    reassign: bool = False
    hand: Hand = Hand.RUNNING
    met_by: str | None = None
    """The action that met it, also if too late."""
    version: int = 0
    """The agreement by whose hours it is planned; 0: not known any more."""
    within_ms: int = 0
    """Open time promised; 0: what the agreement says."""
    from_ms: int = 0
    """From when on the plan holds: its start, the last pause's end, the last change of its hours; 0: its start."""
    spent_ms: int = 0
    """Open time that had passed by then."""
    resume_ms: int | None = None
    """When a pause ends by itself."""
    paused_by: str | None = None
    """The action that paused it."""
    until_answered: bool = False
    """Whether the pause ends when the prospect writes."""
    step: int = 0
    """Which attempt of a cadence it waits for, after the first."""
    grace: bool = False
    started_by: str | None = None
    """The event that started it."""
    missed: tuple[Missed, ...] = ()
    """Newest last."""


class Watch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The assignment that is, or was last, watched."""

    assignment: str | None = None
    rep: str = ""
    team: str = ""
    clocks: tuple[Running, ...] = ()
    hours: RepHours | None = None
    """When the rep works."""
    known: Known = Known()
