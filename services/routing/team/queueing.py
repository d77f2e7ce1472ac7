"""The unassigned queue: who waits for which pool, in order of grade, then arrival.

A lead is never held up by another that nobody can take (the walk goes on past it), and no lead overtakes another of its
pool that the same rep could take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from schemas.ids import PoolId, RequestId
from services.routing.team.sitting import Sitting
from services.routing.team.state import LINE, WAIT, Line, Wait


def enter(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Put a lead into the queue."""
    s.parts.put(WAIT, request, wait)
    s.parts.put(LINE, _standing(request, wait), Line(request))
    s.count_waiting(wait.pool, +1)


def leave(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Take a lead out of the queue."""
    s.parts.remove(WAIT, request)
    s.parts.remove(LINE, _standing(request, wait))
    s.count_waiting(wait.pool, -1)


def waiting(s: Sitting, request: RequestId) -> Wait | None:
    """The queue's entry for a request."""
    wait: Wait | None = s.parts.get(WAIT, request)
    return wait


def of_pool(s: Sitting, pool: PoolId) -> Iterator[tuple[RequestId, Wait]]:
    """The leads that wait for one pool, in order."""
    for _, line in s.parts.of(LINE, f"{pool}/"):
        wait = waiting(s, line.request)
        if wait is not None:
            yield line.request, wait


class InOrder:
    """The leads that wait for any of some pools, in order; pools can be dropped on the way."""

    def __init__(self, s: Sitting, pools: Iterable[PoolId]) -> None:
        self._lines = {pool: of_pool(s, pool) for pool in pools}
        self._heads: list[tuple[str, int, RequestId, Wait]] = []
        for pool in list(self._lines):
            self._advance(pool)
        heapify(self._heads)

    def __iter__(self) -> Iterator[tuple[RequestId, Wait]]:
        while self._heads:
            _, _, request, wait = heappop(self._heads)
            if wait.pool in self._lines:
                yield request, wait
                self._advance(wait.pool)

    def drop(self, pool: PoolId) -> None:
        """Look at no more leads of this pool."""
        self._lines.pop(pool, None)

    def _advance(self, pool: PoolId) -> None:
        following = next(self._lines[pool], None) if pool in self._lines else None
        if following is not None:
            request, wait = following
            heappush(self._heads, (wait.grade, wait.arrived_ms, request, wait))


def _standing(request: RequestId, wait: Wait) -> str:
    return f"{wait.pool}/{wait.grade}/{wait.arrived_ms:015d}/{request}"
