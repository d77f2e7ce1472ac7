"""One decision of a team in the making: the state as it changes, and what has been said so far."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from schemas.agreement import Agreement, PoolMode
from schemas.base import Event
from schemas.ids import PoolId, RepId, TeamId
from services.routing.team.ability import Hours
from services.routing.team.state import REP, PoolTurn, Rep, TeamRouting
from services.runtime.protocol import Context

AT_ONCE = 500
"""So many leads are dealt or sent away in one decision; the next one goes on at once. Keeps a decision short."""


class Sitting:
    """What the handlers of one event share. Lives for one call of `decide`."""

    def __init__(self, state: TeamRouting, context: Context, agreement: Agreement) -> None:
        self.context = context
        self.parts = context.parts
        self.agreement = agreement
        self.team = TeamId(context.key)
        self.hours = Hours(agreement, context.now)
        self.now_ms = self.hours.now_ms
        self.settled = state.settled
        self.forget_ms = state.forget_ms
        self.left_to_do = AT_ONCE
        self.events: list[Event] = []
        self.pools = dict(state.pools)
        self._reps: dict[RepId, Rep] | None = None

    # ---- reps

    def rep(self, rep_id: RepId) -> Rep | None:
        """A rep who is in the team, or was and still holds places."""
        if self._reps is not None:
            return self._reps.get(rep_id)
        rep: Rep | None = self.parts.get(REP, rep_id)
        return rep

    def put_rep(self, rep_id: RepId, rep: Rep) -> None:
        """Remember a rep; one who left and holds nothing any more is forgotten."""
        gone = rep.left and rep.open <= 0
        if gone:
            self.parts.remove(REP, rep_id)
        else:
            self.parts.put(REP, rep_id, rep)
        if self._reps is not None:
            if gone:
                self._reps.pop(rep_id, None)
            else:
                self._reps[rep_id] = rep

    def all_reps(self) -> dict[RepId, Rep]:
        """Every rep, by name."""
        if self._reps is None:
            self._reps = {RepId(name): rep for name, rep in self.parts.of(REP)}
        return self._reps

    def members(self, pool: PoolId) -> dict[RepId, Rep]:
        """The reps of a pool, in no order that matters."""
        return {rep_id: rep for rep_id, rep in self.all_reps().items() if pool in rep.pools and not rep.left}

    # ---- pools

    def gone(self, pool: PoolId) -> bool:
        """Whether the agreement knows the pool no more, or gives it to another team."""
        known = self.agreement.pools.get(pool)
        return known is None or known.team != self.team

    def claimed(self, pool: PoolId) -> bool:
        """Whether reps take this pool's leads themselves."""
        return self.agreement.pools[pool].mode is PoolMode.CLAIM

    def turn(self, pool: PoolId) -> PoolTurn:
        """Where the pool is."""
        return self.pools.get(pool, PoolTurn())

    def put_virtual(self, pool: PoolId, virtual: int) -> None:
        """Set the pool's virtual time."""
        self.pools[pool] = replace(self.turn(pool), virtual=virtual)

    def count_waiting(self, pool: PoolId, change: int) -> None:
        """One more or one fewer lead waits for the pool."""
        turn = self.turn(pool)
        self.pools[pool] = replace(turn, waiting=turn.waiting + change)

    def pools_with_queue(self) -> Iterator[PoolId]:
        """The pools for which leads wait."""
        return iter([pool for pool, turn in self.pools.items() if turn.waiting > 0])

    def say(self, event: Event) -> None:
        """Say it."""
        self.events.append(event)
