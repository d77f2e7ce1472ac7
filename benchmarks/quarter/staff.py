"""Who works in the quarter, when, and what happens to them; and the leads that come. All of it drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
"""Clocks change within it: in New York on 8 March, in Berlin on 29 March."""
OPENS, CLOSES = time(9), time(18)
ZONES = {"berlin": ZoneInfo("Europe/Berlin"), "new_york": ZoneInfo("America/New_York")}
CAP = 40

AGREEMENT = """
name: quarter
title: A sales department of sixty
attributes:
  employees: {type: integer}
  country: {type: text}
engagements: []
scoring: {}
definition: [{id: rest, verdict: qualified, because: all}]
teams: {sales: {title: Sales}, closers: {title: Closers}}
pools:
  dach: {team: sales}
  emea: {team: sales}
  americas: {team: sales}
  large: {team: sales}
  closing: {team: closers, role: ae}
routing:
  - {id: closers, role: ae, pool: closing, because: handed over}
  - {id: large, pool: large, when: {attribute: employees, at_least: 1000}, because: large accounts have their own reps}
  - {id: dach, pool: dach, when: {country: {in: [DE, AT, CH]}}, because: speaks German}
  - {id: americas, pool: americas, when: {country: {in: [US, CA, BR, MX]}}, because: is awake when Europe sleeps}
  - {id: everyone, pool: emea, because: all others}
calendars:
  berlin: {zone: Europe/Berlin, open: {mon-fri: ["09:00-18:00"]}}
  new_york: {zone: America/New_York, open: {mon-fri: ["09:00-18:00"]}}
reasons:
  - {id: not_mine, title: Not mine, for: [reject], then: reroute}
  - {id: no_budget, title: No budget, for: [lose], then: retire}
"""

TEAMS = {"dach": "sales", "emea": "sales", "americas": "sales", "large": "sales", "closing": "closers"}
SIZES = {"dach": 15, "emea": 13, "americas": 14, "large": 9, "closing": 9}
"""Sixty reps; four of emea's also serve large accounts."""
COUNTRIES = ("DE", "DE", "AT", "CH", "FR", "ES", "GB", "PL", "US", "US", "CA", "BR")


@dataclass
class Rep:
    """A member of the department."""

    name: str
    pools: dict[str, int]
    calendar: str
    leave: list[tuple[date, date]] = field(default_factory=list)
    joins: datetime = BEGIN
    leaves: datetime | None = None

    @property
    def team(self) -> str:
        return TEAMS[next(iter(self.pools))]

    def works_at(self, at: datetime) -> bool:
        """Whether his hours say that he is there: a weekday, nine to six where he lives, no leave."""
        here = at.astimezone(ZONES[self.calendar])
        on_leave = any(first <= here.date() <= last for first, last in self.leave)
        return here.weekday() < 5 and OPENS <= here.time() < CLOSES and not on_leave


@dataclass(frozen=True, order=True)
class Happening:
    """Something that happens to a rep."""

    at: datetime
    what: str
    """join, leave, away, weight"""
    rep: str
    until: datetime | None = None
    weight: int = 0


@dataclass(frozen=True, order=True)
class Arrival:
    """A lead that comes."""

    at: datetime
    number: int
    country: str
    employees: int
    grade: str


def whole(at: datetime) -> datetime:
    """The instant in whole milliseconds, as Kafka's clock gives it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def department(chance: random.Random) -> list[Rep]:
    """Sixty reps, and four who replace those who resign."""
    reps = []
    for pool, size in SIZES.items():
        for number in range(size):
            pools = {pool: chance.choice((1, 2, 2, 3))}
            if pool == "emea" and number < 4:
                pools["large"] = 1
            reps.append(Rep(f"{pool}-{number + 1:02d}", pools, "new_york" if pool == "americas" else "berlin"))
    for rep in reps:
        if chance.random() < 0.6:
            first = BEGIN.date() + timedelta(days=chance.randrange(5, 80))
            rep.leave.append((first, first + timedelta(days=chance.choice((2, 4, 6, 13)))))
    for leaving in chance.sample(reps, 4):
        leaving.leaves = BEGIN + timedelta(days=chance.randrange(20, 70), hours=chance.randrange(24), seconds=7)
        joins = leaving.leaves + timedelta(days=chance.randrange(1, 12))
        reps.append(Rep(f"{leaving.name}b", dict(leaving.pools), leaving.calendar, joins=joins))
    return reps


def happenings(reps: list[Rep], chance: random.Random) -> list[Happening]:
    """Joining, resigning, days of illness, changed weights."""
    found = [Happening(rep.joins, "join", rep.name) for rep in reps]
    for rep in reps:
        if rep.leaves is not None:
            found.append(Happening(rep.leaves, "leave", rep.name))
        until = rep.leaves or END
        for _ in range(chance.choice((0, 1, 2, 3))):
            at = rep.joins + chance.random() * (until - rep.joins)
            if at < until - timedelta(days=3):
                found.append(Happening(at, "away", rep.name, until=at + timedelta(hours=chance.randrange(3, 50), milliseconds=13)))
        if chance.random() < 0.2 and rep.leaves is None:
            at = rep.joins + chance.random() * (END - rep.joins)
            found.append(Happening(at, "weight", rep.name, weight=chance.randrange(1, 5)))
    return sorted(replace(one, at=whole(one.at), until=one.until and whole(one.until)) for one in found)


def arrivals(leads: int, chance: random.Random) -> Iterator[Arrival]:
    """So many leads over the quarter: four of five on weekdays by day, some campaigns that bring hundreds within an hour."""
    days = (END - BEGIN).days - 10
    times = []
    while len(times) < leads:
        at = BEGIN + timedelta(days=chance.randrange(days), seconds=chance.gauss(14, 4.5) % 24 * 3600)
        if at.weekday() < 5 or chance.random() < 0.35:
            burst = chance.randrange(50, 300) if chance.random() < 0.0005 else 1
            times += [at + timedelta(seconds=chance.random() * 3600 * (burst > 1)) for _ in range(burst)]
    for number, at in enumerate(sorted(map(whole, times[:leads])), 1):
        employees = chance.choice((5, 20, 80, 400, 1500 if chance.random() < 0.7 else 40))
        yield Arrival(at, number, chance.choice(COUNTRIES), employees, chance.choice(("A1", "B2", "B3", "C3", "D4")))
