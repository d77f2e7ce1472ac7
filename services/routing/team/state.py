"""What routing by team remembers: a small head, and a part per rep, place taken, waiting lead, released request."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from schemas.events.routing import QueueReason
from schemas.ids import CalendarId, LeadId, PoolId, RepId, RequestId, RoleId

REP, PLACE, WAIT, LINE, OVER = "rep", "place", "wait", "line", "over"
"""The kinds of part: `rep/<rep>`, `place/<request>`, `wait/<request>`, `over/<request>`, and the order of the queue,
`line/<pool>/<grade>/<arrival>/<request>`: an entry for each waiting lead whose name sorts where the lead stands."""


class PoolTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a pool is: how far its turns have come, and how many leads wait for it."""

    virtual: int = 0
    """The pool's virtual time (see `fairness`)."""
    waiting: int = 0


class TeamRouting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The head of a team's state, rewritten at every decision and therefore small."""

    version: int = 0
    """The newest agreement that this team has decided under."""
    settled: int = 0
    """The agreement under which all waiting leads have been looked at."""
    pools: dict[PoolId, PoolTurn] = {}
    somebody_ms: int | None = None
    """When somebody may become able to take a waiting lead: an absence ends or a calendar opens."""
    agreement_ms: int | None = None
    """When a published agreement comes into force, while leads wait."""
    forget_ms: int | None = None
    """When the oldest released request can be forgotten."""
    go_on_ms: int | None = None
    """Set when one decision would have become too large and is to be continued."""

    @property
    def waiting(self) -> int:
        """How many leads wait in all pools."""
        return sum(pool.waiting for pool in self.pools.values())


class Rep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rep as this team knows him."""

    role: RoleId
    pools: dict[PoolId, int] = {}
    """Weight per pool."""
    cap: int | None = None
    calendar: CalendarId | None = None
    available: bool = True
    until_ms: int | None = None
    """When `available` turns round by itself."""
    open: int = 0
    """Places taken by him."""
    turns: dict[PoolId, int] = {}
    """His virtual time per pool (see `fairness`)."""
    missed: tuple[PoolId, ...] = ()
    """Pools that went on while he could take nothing."""
    left: bool = False
    """He is in the team no more; kept until his last place is released, so that it is counted if he comes back."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lead that a rep holds, until it is released."""

    lead: LeadId
    rep: RepId
    number: int


class Wait(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lead that waits for a rep."""

    lead: LeadId
    pool: PoolId
    number: int
    grade: str
    arrived_ms: int
    reason: QueueReason
    excluded: tuple[RepId, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the order of a pool's queue."""

    request: RequestId


class Over(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that was released up to a number: what asks for it again with no higher one comes too late."""

    number: int
    at_ms: int


def due(state: TeamRouting) -> datetime | None:
    """When this team wants to be asked again."""
    times = [t for t in (state.somebody_ms, state.agreement_ms, state.forget_ms, state.go_on_ms) if t is not None]
    return datetime.fromtimestamp(min(times) / 1000, UTC) if times else None


def touched_by_agreement(state: TeamRouting) -> bool:
    """A new agreement matters to a team for which leads wait: their pool may be gone."""
    return state.waiting > 0
