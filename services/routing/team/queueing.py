"""The unassigned queue: who waits for which pool, in order of grade, then arrival.

Leads of one pool that need the same skills stand in one lane. A lead is never held up by another that nobody can take
(the walk goes on past it), and no lead overtakes another of its pool that the same rep could take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from heapq import heapify, heappop, heappush

from msgspec.structs import replace

from schemas.agreement import PoolMode
from schemas.events.routing import QueueReason
from schemas.ids import PoolId, RequestId
from services.routing.team.sitting import Sitting
from services.routing.team.state import LINE, UNTIL, WAIT, Wait

Lane = tuple[PoolId, str]

NO_POOL = PoolId("none")
"""For a lead that a manager gave to somebody: it comes from no pool."""


CLAIMED = "claim"
"""The lane of leads that wait to be claimed; nobody is served from it."""


def reason(s: Sitting, wait: Wait) -> QueueReason:
    """Why a lead waits that has just come into its pool."""
    return QueueReason.TO_BE_CLAIMED if wait.offered or s.claimed(wait.pool) else QueueReason.NOBODY_AVAILABLE


def waits_for(wait: Wait, reason: QueueReason) -> Wait:
    """The lead as it waits for this reason, in the lane that goes with it."""
    need = CLAIMED if reason is QueueReason.TO_BE_CLAIMED else need_of(wait.skills)
    return replace(wait, reason=reason, need=need)


def need_of(skills: tuple[str, ...]) -> str:
    """A short name for a set of skills."""
    if not skills:
        return ""
    return blake2b("\x00".join(sorted(s.casefold() for s in skills)).encode(), digest_size=6).hexdigest()


def asked_otherwise(s: Sitting, wait: Wait) -> bool:
    """Whether the pool goes by skills that nobody asked the lead about: it was routed under an agreement without them."""
    terms, then = s.terms(wait.pool), s.context.agreement_at(wait.asked or s.settled)
    if terms.mode is not PoolMode.SKILL or then is None:
        return False
    before = then.pools.get(wait.pool)
    return before is None or (before.mode, before.skills_from) != (terms.mode, terms.skills_from)


def timed(s: Sitting, wait: Wait, since_ms: int) -> Wait:
    """The lead with the reason for which it waits in its pool from `since_ms` on, and the end of that."""
    terms = s.terms(wait.pool)
    if wait.offered and wait.offered_until_ms is not None:
        return replace(wait, until_ms=wait.offered_until_ms)
    if terms.mode is PoolMode.CLAIM and wait.reason is QueueReason.TO_BE_CLAIMED:
        length = terms.claim_within or (terms.overflow.after if terms.overflow is not None else None)
    else:
        length = terms.overflow.after if terms.overflow is not None else None
    until_ms = None if length is None else since_ms + round(length.total_seconds() * 1000)
    return replace(wait, until_ms=until_ms)


def enter(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Put a lead into the queue."""
    s.parts.put(WAIT, request, wait)
    s.count_waiting(wait.pool, wait.need, +1)


def leave(s: Sitting, request: RequestId, wait: Wait) -> None:
    """Take a lead out of the queue."""
    s.parts.remove(WAIT, request)
    s.count_waiting(wait.pool, wait.need, -1)


def waiting(s: Sitting, request: RequestId) -> Wait | None:
    """The queue's entry for a request."""
    wait: Wait | None = s.parts.get(WAIT, request)
    return wait


def of_lane(s: Sitting, lane: Lane) -> Iterator[tuple[RequestId, Wait]]:
    """The leads of one lane, in order."""
    for _, request in s.parts.in_order(LINE, f"{lane[0]}/{lane[1]}/"):
        wait = waiting(s, RequestId(request))
        if wait is not None:
            yield RequestId(request), wait


def of_pool(s: Sitting, pool: PoolId) -> Iterator[tuple[RequestId, Wait]]:
    """The leads that wait for one pool, lane by lane."""
    for need in list(s.turn(pool).lanes):
        yield from of_lane(s, (pool, need))


def lanes(s: Sitting, pools: Iterable[PoolId]) -> list[Lane]:
    """The lanes of these pools in which leads wait to be dealt."""
    return [(pool, need) for pool in pools for need in s.turn(pool).lanes if need != CLAIMED]


def over(s: Sitting) -> Iterator[tuple[RequestId, Wait]]:
    """The leads whose time in their pool is over."""
    for entry, request in s.parts.in_order(UNTIL):
        if int(entry[:15]) > s.now_ms:
            return
        wait = waiting(s, RequestId(request))
        if wait is not None and wait.until_ms is not None and wait.until_ms <= s.now_ms:
            yield RequestId(request), wait


def first_until_ms(s: Sitting) -> int | None:
    """When the next lead's time is over."""
    return next((int(entry[:15]) for entry, _ in s.parts.in_order(UNTIL)), None)


def instant(ms: int | None, now: datetime) -> datetime | None:
    """An instant of the queue as an event says it."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, now.tzinfo)


class InOrder:
    """The leads that wait in any of some lanes, in order; lanes can be dropped on the way."""

    def __init__(self, s: Sitting, of: Iterable[Lane]) -> None:
        self._lines = {lane: of_lane(s, lane) for lane in of}
        self._heads: list[tuple[str, int, int, RequestId, Wait]] = []
        for lane in list(self._lines):
            self._advance(lane)
        heapify(self._heads)

    def __iter__(self) -> Iterator[tuple[RequestId, Wait]]:
        while self._heads:
            *_, request, wait = heappop(self._heads)
            lane = (wait.pool, wait.need)
            if lane in self._lines:
                yield request, wait
                self._advance(lane)

    def drop(self, pool: PoolId) -> None:
        """Look at no more leads of this pool."""
        for lane in [lane for lane in self._lines if lane[0] == pool]:
            del self._lines[lane]

    def _advance(self, lane: Lane) -> None:
        following = next(self._lines[lane], None) if lane in self._lines else None
        if following is not None:
            request, wait = following
            heappush(self._heads, (wait.grade, wait.arrived_ms, wait.asked_at, request, wait))
