"""What routing by lead remembers: what it has said for this lead, and the facts that the rules ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from schemas.agreement.known import Known
from schemas.ids import PoolId, RepId, RequestId, RoleId, TeamId


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that a team was asked for; kept for as long as it is open or held, or an undo can restore it."""

    request: RequestId
    team: TeamId
    number: int
    """How often it was asked for: 1, and one more each time its place is taken again."""
    released: bool = False


class Had(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rep who was given the lead, in which role and cycle, the last time; remembered for ever."""

    rep: RepId
    role: RoleId
    cycle: int
    accepted: bool = False


class Offered(msgspec.Struct, frozen=True, omit_defaults=True):
    """An offer that stands only for a time."""

    request: RequestId
    within_ms: int
    epoch: int
    """The state of the lead that the time began with."""
    by_ms: int | None = None
    """Until when; none: something was done with it, or it was withdrawn."""


class Move(msgspec.Struct, frozen=True):
    """A step of an escalation path that takes the lead from its rep unless it is worked before."""

    escalation: str
    step: int
    """Its number in the path, from 0."""
    clock: str
    clock_id: str
    due_ms: int
    offer: bool
    """Offered to the team; else given to another rep."""


class ToTeam(msgspec.Struct, frozen=True):
    """A lead that an escalation has offered to the team."""

    request: RequestId
    """The one under which it waits."""
    until_ms: int | None
    """When it is dealt, if nobody claims it; none: as the pool says."""
    because: str


class LeadRouting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole memory of one lead."""

    routed: int = -1
    """The epoch that LeadRouted was last said for."""
    told: tuple[Told, ...] = ()
    arrived_ms: int | None = None
    """Since when the lead has been waiting for a rep of its role in this cycle: its place in a queue goes by that."""
    known: Known = Known()
    had: tuple[Had, ...] = ()
    offered: Offered | None = None
    overflowed: tuple[PoolId, ...] = ()
    """Pools in which the lead has waited as long as it may, in this cycle and role."""
    moves: tuple[Move, ...] = ()
    to_team: ToTeam | None = None


def due(state: LeadRouting) -> datetime | None:
    """When an offer that nothing was done with is over, or an escalation takes the lead away."""
    times = [move.due_ms for move in state.moves]
    if state.offered is not None and state.offered.by_ms is not None:
        times.append(state.offered.by_ms)
    return datetime.fromtimestamp(min(times) / 1000, UTC) if times else None
