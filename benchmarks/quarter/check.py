"""The slow and obvious check: reads what routing was told and what it said, and reckons everything anew in plain numbers.

It shares no code with routing: who is there is asked of the staff's own calendars, who is next by walking all members
of a pool, shares and lags are fractions of leads (the rule of `docs/decisions/0502-fair-shares.md`), and the unassigned
queue is a sorted list. It looks at the teams' log record by record, and at what each record made routing say.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sortedcontainers import SortedList

from benchmarks.quarter.staff import CAP, TEAMS, Rep
from schemas.base import Event
from schemas.events import desk, routing
from schemas.wire import Record, decode

SAID_WITHIN = timedelta(milliseconds=50)
"""What a record made routing say is in the leads' log by then."""
_MOST_IN_ONE_DECISION = 500
_NEAR = 1e-6
_MOST_FINDINGS = 50


@dataclass
class Account:
    """One member of one pool."""

    share: float = 0.0
    assigned: int = 0
    lag: float = 0.0
    """Share less assigned, but that neither more than one lead is owed to whoever is served, nor less than none."""
    shortfall: float = 0.0
    surplus: float = 0.0
    """The largest that share less assigned was, either way, in the whole quarter."""


@dataclass(frozen=True, order=True)
class Waiting:
    """A lead in the queue."""

    grade: str
    arrived_at: datetime
    asked: int
    """The how manyth request of all: who asks first is first among those who arrived in one millisecond."""
    lead: str = field(compare=False)
    since: datetime = field(compare=False)
    excluded: frozenset[str] = field(compare=False)


class Check:
    """What is so, by its own reckoning, and what was found wrong."""

    def __init__(self, reps: Mapping[str, Rep]) -> None:
        self._reps = reps
        self.pools: dict[str, dict[str, int]] = {}
        """Of who is in the roster: weight per pool."""
        self.accounts: dict[tuple[str, str], Account] = defaultdict(Account)
        self.waits: dict[str, list[timedelta]] = defaultdict(list)
        self.waiting: dict[str, SortedList] = defaultdict(SortedList)
        self.most_waiting: dict[str, int] = defaultdict(int)
        self.found: list[str] = []
        self.number_found = 0
        self.assigned = 0
        self._requests = 0
        self._asked: dict[str, tuple[str, Waiting]] = {}
        self._holders: dict[str, tuple[str, str]] = {}
        """Request -> (rep, lead) of every place that is taken."""
        self._held: dict[str, int] = defaultdict(int)
        self._live: dict[str, str] = {}
        self._away: dict[str, datetime] = {}
        self._records: deque[Record] = deque()
        self._said: dict[int, list[routing.LeadAssigned]] = defaultdict(list)

    def reads(self, teams: Iterable[Record], leads: Iterable[Record]) -> None:
        """Take in what is new in both logs."""
        self._records.extend(teams)
        now = self._records[-1].at if self._records else None
        for record in leads:
            now = record.at if now is None else max(now, record.at)
            if record.type_name() == routing.LeadAssigned.type_name():
                event = decode(record.type_name(), record.value)
                assert isinstance(event, routing.LeadAssigned)
                cause = (record.header("ce_cause") or b"").decode().rsplit("|", 2)
                self._said[int(cause[1])].append(event)
        while self._records and now is not None and self._records[0].at + SAID_WITHIN < now:
            self._judge(self._records.popleft())

    def ends(self) -> None:
        """Judge what is left; whoever waits now must be somebody whom nobody may have."""
        while self._records:
            self._judge(self._records.popleft())
        for pool, line in self.waiting.items():
            members = {rep for rep, pools in self.pools.items() if pool in pools}
            for one in line:
                self._expect(members <= one.excluded, f"{one.lead} still waits for {pool}, and nobody took it")
        self._expect(not self._said, f"{len(self._said)} records of the teams' log were never read")

    # ------------------------------------------------------------------ one record

    def _judge(self, record: Record) -> None:
        at, event = record.at, decode(record.type_name(), record.value)
        self._happened(event, at)
        said = self._said.pop(record.offset, [])
        for one in said:
            self._given(one, at)
        if len(said) < _MOST_IN_ONE_DECISION:
            self._nobody_waits_for_nothing((record.key or b"").decode(), at)

    def _happened(self, event: Event, at: datetime) -> None:
        match event:
            case desk.RepJoined() | desk.RepChanged():
                self.pools[event.rep_id] = {str(pool): weight for pool, weight in event.pools.items()}
            case desk.RepLeft():
                del self.pools[event.rep_id]
            case desk.RepAvailabilityChanged():
                assert event.until is not None
                self._away[event.rep_id] = event.until
            case routing.AssignmentRequested():
                assert isinstance(event.ask, routing.FromPool)
                excluded = frozenset(map(str, event.ask.excluded))
                self._requests += 1
                one = Waiting(str(event.grade), event.arrived_at, self._requests, event.lead_id, at, excluded)
                self._asked[event.request_id] = (event.ask.pool_id, one)
                self.waiting[event.ask.pool_id].add(one)
            case routing.AssignmentReleased():
                self._over(event.request_id)
            case _:
                pass

    def _over(self, request: str) -> None:
        pool, one = self._asked.pop(request, (None, None))
        if pool is not None:
            self.waiting[pool].discard(one)
        rep, lead = self._holders.pop(request, (None, None))
        if rep is not None and lead is not None:
            self._held[rep] -= 1
            self._live.pop(lead, None)

    def able(self, pool: str, at: datetime) -> list[str]:
        """Who of a pool can take a lead: is in the roster, there, not away, below his cap. Asks everybody."""
        return [
            rep
            for rep, pools in self.pools.items()
            if pool in pools and self._held[rep] < CAP and self._away.get(rep, at) <= at and self._reps[rep].works_at(at)
        ]

    def _nobody_waits_for_nothing(self, team: str, at: datetime) -> None:
        for pool, line in self.waiting.items():
            if TEAMS[pool] != team:
                continue
            self.most_waiting[pool] = max(self.most_waiting[pool], len(line))
            able = frozenset(self.able(pool, at)) if line else frozenset()
            if able:
                idle = next((one for one in line if not able <= one.excluded), None)
                self._expect(idle is None, f"{at}: {idle and idle.lead} waits for {pool}, and {sorted(able)} could have it")

    # ------------------------------------------------------------------ one assignment

    def _given(self, said: routing.LeadAssigned, at: datetime) -> None:
        self.assigned += 1
        rep, lead, where = str(said.rep_id), str(said.lead_id), f"{at}: {said.lead_id} to {said.rep_id}"
        pool, one = self._asked.pop(said.request_id, (None, None))
        if pool is None or one is None:
            self._expect(False, f"{where}: nobody asked for it")
            return
        self._expect(lead not in self._live, f"{where}: {self._live.get(lead)} has it")
        self._expect(said.pool_id == pool, f"{where}: it was asked of {pool} and came from {said.pool_id}")
        able = [member for member in self.able(pool, at) if member not in one.excluded]
        self._expect(rep in able, f"{where}: he cannot take it now; {able} can")
        self.waiting[pool].discard(one)
        overtaken = next((other for other in self._before(pool, one) if rep not in other.excluded), None)
        self._expect(overtaken is None, f"{where}: {overtaken and overtaken.lead} was before it in {pool}")
        self._deal(pool, rep, able, where)
        self.waits[pool].append(at - one.since)
        self._holders[said.request_id] = (rep, lead)
        self._live[lead] = rep
        self._held[rep] += 1

    def _before(self, pool: str, one: Waiting) -> Sequence[Waiting]:
        line = self.waiting[pool]
        return line[: line.bisect_left(one)]

    def _deal(self, pool: str, rep: str, able: Sequence[str], where: str) -> None:
        """Reckon everybody's share of one lead, and whether he who has it was due."""
        weights = {member: self.pools[member][pool] for member in able}
        everything = sum(weights.values())
        parts = {member: weight / everything for member, weight in weights.items()}
        if rep in parts:
            others = {member: self._due(pool, member, weights[member], parts[member], -_NEAR) for member in able}
            his, first = self._due(pool, rep, weights[rep], parts[rep], _NEAR), min(others.values())
            late = his[0] > first[0] or (his[0] == first[0] and his[1] > first[1] + _NEAR)
            self._expect(not late, f"{where}: due was {min(others, key=lambda member: others[member])}, by {others}")
        for member in {*able, rep}:
            account = self.accounts[pool, member]
            part = parts.get(member, 0.0)
            account.share += part
            if member == rep:
                account.assigned += 1
                account.lag = max(min(account.lag, 1.0) + part, 0.0) - 1
            else:
                account.lag += part
            account.shortfall = max(account.shortfall, account.share - account.assigned)
            account.surplus = max(account.surplus, account.assigned - account.share)

    def _due(self, pool: str, member: str, weight: int, part: float, doubt: float) -> tuple[int, float]:
        """The lowest is due: of those to whom something is owed, who will be owed a whole lead first; else who is nearest.

        doubt: what nobody can tell apart from nothing; for him who has the lead it is taken as owed, for others as not.
        """
        lag = self.accounts[pool, member].lag
        return (0, (1 - lag) / weight) if lag + part > -doubt else (1, -lag / weight)

    def _expect(self, so: bool, finding: str) -> None:
        if not so:
            self.number_found += 1
            if len(self.found) < _MOST_FINDINGS:
                self.found.append(finding)
