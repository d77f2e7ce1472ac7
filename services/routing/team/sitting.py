"""One decision of a team in the making: the state as it changes, and what has been said so far."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from schemas.agreement import Agreement, Pool, PoolMode
from schemas.base import Event
from schemas.ids import PoolId, RepId, TeamId
from services.routing.team.ability import Hours, settled
from services.routing.team.fairness import at_distance
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

    # ---- reps

    def rep(self, rep_id: RepId) -> Rep | None:
        """A rep who is in the team, or was."""
        rep: Rep | None = self.parts.get(REP, rep_id)
        return rep

    def put_rep(self, rep_id: RepId, rep: Rep) -> Rep:
        """Remember a rep as he is now, able or not; one who left, too, so that he finds his account if he comes back."""
        before = self.rep(rep_id)
        rep = settled(rep, self.hours)
        moved = before is None or (before.able, before.pools, before.factors) != (rep.able, rep.pools, rep.factors)
        if moved:
            rep = self._moved(before, rep)
        if rep != before:
            self.parts.put(REP, rep_id, rep)
        return rep

    def _moved(self, before: Rep | None, rep: Rep) -> Rep:
        """Count him with those who are able, or no more, and keep his lags."""
        turns = dict(rep.turns)
        for pool in rep.pools:
            turns[pool] = at_distance(before, rep, pool, self.turn(pool).virtual)
        if before is not None and before.able:
            for pool in before.pools:
                self._count_able(pool, before.weight(pool), -1)
                if pool not in rep.pools and pool in turns:
                    turns[pool] = self.turn(pool).virtual - turns[pool]
        if rep.able:
            for pool in rep.pools:
                self._count_able(pool, rep.weight(pool), +1)
        since_ms = {**dict.fromkeys(rep.pools, self.now_ms), **rep.since_ms}
        return replace(rep, turns=turns, since_ms=since_ms)

    def _count_able(self, pool: PoolId, weight: int, change: int) -> None:
        turn = self.turn(pool)
        weights = {**turn.weights, weight: turn.weights.get(weight, 0) + change}
        if not weights[weight]:
            del weights[weight]
        self.pools[pool] = replace(turn, weights=weights)

    # ---- pools

    def gone(self, pool: PoolId) -> bool:
        """Whether the agreement knows the pool no more, or gives it to another team."""
        known = self.agreement.pools.get(pool)
        return known is None or known.team != self.team

    def terms(self, pool: PoolId) -> Pool:
        """What the agreement says of a pool that is not gone."""
        return self.agreement.pools[pool]

    def claimed(self, pool: PoolId) -> bool:
        """Whether reps take this pool's leads themselves."""
        return self.terms(pool).mode is PoolMode.CLAIM

    def turn(self, pool: PoolId) -> PoolTurn:
        """Where the pool is."""
        return self.pools.get(pool) or _UNTURNED

    def put_turn(self, pool: PoolId, turn: PoolTurn) -> None:
        """Set where the pool is."""
        self.pools[pool] = turn

    def count_waiting(self, pool: PoolId, need: str, change: int) -> None:
        """One more or one fewer lead waits for the pool."""
        turn = self.turn(pool)
        lanes = {**turn.lanes, need: turn.lanes.get(need, 0) + change}
        if not lanes[need]:
            del lanes[need]
        self.pools[pool] = replace(turn, lanes=lanes)

    def pools_with_queue(self) -> Iterator[PoolId]:
        """The pools for which leads wait."""
        return iter([pool for pool, turn in self.pools.items() if turn.lanes])

    def say(self, event: Event) -> None:
        """Say it."""
        self.events.append(event)


_UNTURNED = PoolTurn()
