"""What routing by team remembers: a small head, and a part per rep, place taken, waiting lead, released request, company.

Parts say where they stand in orders (`standings`), so that the next turn, the head of a queue or the next instant at
which something changes is found at once, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from schemas.events.routing import QueueReason
from schemas.ids import CalendarId, LeadId, PoolId, RepId, RoleId
from services.routing.team.companies import name_words

REP, PLACE, WAIT, OVER, ACCOUNT = "rep", "place", "wait", "over", "account"
"""The kinds of part: `rep/<rep>`, `place/<request>`, `wait/<request>`, `over/<request>`, `account/<account>`."""

TURN, FEWEST, OFF, WAKE = "turn", "fewest", "off", "wake"
"""Orders of reps: able ones by pool, weight and turn, or by what they hold; unable ones; by when that may change."""
HOLDS, LINE, UNTIL, FORGET, DOMAIN, WORD = "holds", "line", "until", "forget", "domain", "word"
"""Orders of places by rep, waiting leads by pool and rank or by their time, released requests by age, and companies."""

Standing = tuple[str, str]
"""An order, and where a part stands in it."""


class PoolTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a pool is: how far its turns have come, who is able to take one, and how many leads wait for it."""

    virtual: int = 0
    """The pool's virtual time (see `fairness`)."""
    rest: int = 0
    """What a division left over, so that no part of a lead is ever lost."""
    weights: dict[int, int] = {}
    """How many able members have each weight."""
    lanes: dict[str, int] = {}
    """How many leads wait, by what they need (see `Wait.need`)."""
    ended: int = 0
    succeeded: int = 0
    """Assignments of the pool that ended, and ended well, in thousandths; both fade."""
    lives: int = 0
    """The half-life, counted since 1970, as of which these two hold."""

    @property
    def waiting(self) -> int:
        """How many leads wait for it."""
        return sum(self.lanes.values())

    @property
    def weight(self) -> int:
        """The weight of all able members together."""
        return sum(weight * count for weight, count in self.weights.items())


class TeamRouting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The head of a team's state, rewritten at every decision and therefore small."""

    version: int = 0
    """The newest agreement that this team has decided under."""
    settled: int = 0
    """The agreement under which all waiting leads and all reps have been looked at."""
    pools: dict[PoolId, PoolTurn] = {}
    somebody_ms: int | None = None
    """When somebody's ability changes by time alone, or a waiting lead's time is over."""
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


class CapTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cap of the roster."""

    at_most: int
    per: str
    rolling: bool = False
    grades: tuple[str, ...] = ()


class Given(msgspec.Struct, frozen=True, omit_defaults=True):
    """What counts towards one cap."""

    since_ms: int = 0
    """A calendar cap: when the window began that `count` is of."""
    count: int = 0
    times: tuple[int, ...] = ()
    """A rolling cap: when each lead was given; never more than the cap allows."""


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the roster says of a rep besides his pools."""

    caps: tuple[CapTerms, ...] = ()
    zone: str | None = None
    breaks: tuple[tuple[tuple[int, ...], int, int], ...] = ()
    """(weekdays, from minute, to minute)."""
    leave: tuple[tuple[str, str], ...] = ()
    skills: tuple[str, ...] = ()


NO_TERMS = Terms()


class Rep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rep as this team knows him."""

    role: RoleId
    pools: dict[PoolId, int] = {}
    """Weight per pool, as the roster gives it."""
    factors: dict[PoolId, int] = {}
    """Per cent of it that count, where weights follow success; absent: 100."""
    cap: int | None = None
    calendar: CalendarId | None = None
    terms: Terms = NO_TERMS
    available: bool = True
    until_ms: int | None = None
    """When `available` turns round by itself."""
    open: int = 0
    """Places taken by him."""
    held_grades: dict[str, int] = {}
    """Of these, by grade."""
    given: tuple[Given, ...] = ()
    """One for each cap of his terms."""
    unanswered_ms: int | None = None
    """When he was first given a lead since he last acted."""
    able: bool = False
    """Whether he can take a lead now, as far as it does not hang on the lead."""
    wake_ms: int | None = None
    """When time alone may change that."""
    turns: dict[PoolId, int] = {}
    """Per pool, while he is able: his virtual time. While he is not: how far he was behind the pool's."""
    written_off: dict[PoolId, int] = {}
    """Thousandths of leads that others' comings and goings kept him from (see `fairness`)."""
    dealt: dict[PoolId, int] = {}
    """How many leads each pool has dealt him since `since_ms`."""
    since_ms: dict[PoolId, int] = {}
    """Since when that is counted: since he was put into the pool, if that was not before anybody counted."""
    tally: dict[PoolId, tuple[int, int, int]] = {}
    """(ended, succeeded, as of which half-life) per pool: his assignments, in thousandths; they fade."""
    left: bool = False
    """He is in the team no more; kept, so that his places and his account count if he comes back."""

    def weight(self, pool: PoolId) -> int:
        """His weight in a pool, in hundredths."""
        return self.pools[pool] * self.factors.get(pool, 100)

    def standings(self, name: str) -> Iterator[Standing]:
        """Where he stands."""
        if self.wake_ms is not None and not self.left:
            yield WAKE, f"{self.wake_ms:015d}/{name}"
        if self.left:
            return
        for pool in self.pools:
            if self.able:
                turn = self.turns.get(pool, 0)
                yield TURN, f"{pool}/{self.weight(pool):06d}/{turn:020d}/{self.open:05d}/{name}"
                yield FEWEST, f"{pool}/{self.open:05d}/{turn:020d}/{name}"
            else:
                yield OFF, f"{pool}/{name}"


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lead that a rep holds, until it is released."""

    lead: LeadId
    rep: RepId
    number: int
    grade: str = ""
    pool: PoolId | None = None

    def standings(self, name: str) -> Iterator[Standing]:
        """By rep."""
        yield HOLDS, f"{self.rep}/{name}"


class Wait(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lead that waits for a rep."""

    lead: LeadId
    pool: PoolId
    number: int
    grade: str
    arrived_ms: int
    reason: QueueReason
    excluded: tuple[RepId, ...] = ()
    skills: tuple[str, ...] = ()
    """What a rep must know, where the pool goes by skills."""
    need: str = ""
    """A short name for these; leads of one need stand in one lane."""
    until_ms: int | None = None
    """When it goes on to another pool, or is dealt instead of claimed."""
    asked_at: int = 0
    """Where it asked in the team's log: among those who arrived in one millisecond the first to ask is first."""
    owner: RepId | None = None
    domain: str | None = None
    company: str | None = None
    role: RoleId = RoleId("")
    asked: int = 0
    """The agreement under which it was asked for; 0: not noted."""
    offered: bool = False
    """An escalation offers it to the team, whatever the pool's mode, until somebody claims it or that time is over."""
    offered_until_ms: int | None = None
    """When it is dealt, as the escalation says; none: when the pool's own time for claims is over."""
    may_claim: tuple[RepId, ...] = ()
    """Of the excluded, who may claim it all the same."""

    def standings(self, name: str) -> Iterator[Standing]:
        """In the queue, and by its time."""
        yield LINE, f"{self.pool}/{self.need}/{self.grade}/{self.arrived_ms:015d}/{self.asked_at:015d}/{name}"
        if self.until_ms is not None:
            yield UNTIL, f"{self.until_ms:015d}/{name}"


class Over(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that was released up to a number: what asks for it again with no higher one comes too late."""

    number: int
    at_ms: int

    def standings(self, name: str) -> Iterator[Standing]:
        """By age."""
        yield FORGET, f"{self.at_ms:015d}/{name}"


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """A company that reps of this team own or have open opportunities with."""

    name: str | None = None
    domains: tuple[str, ...] = ()
    owners: tuple[RepId, ...] = ()
    customer: bool = False
    opportunities: tuple[RepId, ...] = ()
    """Whose the open ones are."""

    def standings(self, name: str) -> Iterator[Standing]:
        """By domain and by each word of its name."""
        for domain in self.domains:
            yield DOMAIN, f"{domain}/{name}"
        for word in name_words(self.name or ""):
            yield WORD, f"{word}/{name}"


def due(state: TeamRouting) -> datetime | None:
    """When this team wants to be asked again."""
    times = [t for t in (state.somebody_ms, state.agreement_ms, state.forget_ms, state.go_on_ms) if t is not None]
    return datetime.fromtimestamp(min(times) / 1000, UTC) if times else None


def touched_by_agreement(state: TeamRouting) -> bool:
    """A new agreement matters to a team for which leads wait: their pool may be gone."""
    return state.waiting > 0


