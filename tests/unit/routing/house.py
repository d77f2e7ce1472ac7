"""What routing's tests build from: an agreement with a few pools, a team whose log one can write to, and requests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from schemas.agreement import Agreement, load
from schemas.base import Event
from schemas.events import desk, routing
from schemas.ids import LeadId, RequestId, TeamId
from schemas.topics import LEADS
from services.routing.processors import TEAM
from services.routing.team.state import LINE
from services.runtime.replay import AgreementsInMemory, Replay

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)

TEXT = """
name: tests
title: What routing's tests live under
attributes:
  employees: {type: integer}
  topic: {type: choice, choices: [demo, other]}
engagements: [page_viewed]
scoring:
  fit: [{id: size, points: 40, when: {attribute: employees, at_least: 50}, because: is large}]
  engagement: []
  grades: {letters: {A: 40, B: 25, C: 10}, numbers: {1: 40, 2: 20, 3: 5}}
definition:
  - {id: demo, verdict: qualified, when: {attribute: topic, equals: demo}, because: wants a demo}
  - {id: rest, verdict: nurtured, because: not ready}
teams: {sales: {title: Sales}, closers: {title: Closers}}
pools:
  inbound: {team: sales}
  large: {team: sales}
  grab: {team: sales, mode: claim}
  closing: {team: closers, role: ae}
routing:
  - {id: closers, role: ae, pool: closing, because: handed over}
  - {id: big, pool: large, when: {attribute: employees, at_least: 1000}, because: large accounts have their own reps}
  - {id: everyone, pool: inbound, because: all others}
calendars:
  always: {open: always}
  office: {zone: Europe/Berlin, open: {mon-fri: ["09:00-17:00"]}}
clocks: []
reasons: [{id: reroute, title: Not mine, for: [reject, hand_over, reassign], then: reroute}]
recycling: {cycles_at_most: 3, otherwise: {after: 10d, stream: nurture}}
channels: {}
alerts: []
"""


def agreement(version: int = 1, **changes: str) -> Agreement:
    """The agreement; changes: lines to be replaced by others."""
    text = TEXT
    for old, new in changes.items():
        line = next(x for x in text.splitlines() if x.strip().startswith(f"{old}:"))
        text = text.replace(line + "\n", new + "\n" if new else "")
    return _loaded(text, version)


@cache
def _loaded(text: str, version: int) -> Agreement:
    return load(text, version)


def lead(number: int) -> LeadId:
    """The lead of that number."""
    return LeadId(str(uuid.UUID(int=number)))


def request(number: int) -> RequestId:
    """The first request of the lead of that number."""
    return RequestId(f"{lead(number)}.1")


class SalesTeam:
    """The log of the team `sales`, with routing by team behind it."""

    def __init__(self, known: Agreement | AgreementsInMemory | None = None, start: datetime = MONDAY) -> None:
        self.loop = Replay([TEAM], known or agreement(), start=start)

    def joins(self, rep: str, cap: int | None = None, *, pools: dict[str, int] | None = None, **how: Any) -> None:
        """A rep joins; without `pools` the pool inbound with weight 1."""
        self._say(desk.RepJoined, rep_id=rep, role="sdr", pools=pools or {"inbound": 1}, open_leads_cap=cap, **how)

    def changes(self, rep: str, cap: int | None = None, *, pools: dict[str, int] | None = None, **how: Any) -> None:
        """His roster entry changes."""
        self._say(desk.RepChanged, rep_id=rep, role="sdr", pools=pools or {"inbound": 1}, open_leads_cap=cap, **how)

    def leaves(self, rep: str) -> None:
        """He leaves the team."""
        self._say(desk.RepLeft, rep_id=rep)

    def is_away(self, rep: str, until: datetime | None = None) -> None:
        """He says that he is away."""
        self._say(desk.RepAvailabilityChanged, rep_id=rep, available=False, until=until)

    def is_back(self, rep: str) -> None:
        """He says that he is there."""
        self._say(desk.RepAvailabilityChanged, rep_id=rep, available=True)

    def asks(self, number: int, *, pool: str = "inbound", grade: str = "B2", n: int = 1, **ask: Any) -> None:
        """The lead of that number asks for a rep."""
        wanted = ask.pop("ask", None) or routing.FromPool(pool_id=pool, excluded=ask.pop("excluded", ()))
        self._say(
            routing.AssignmentRequested,
            lead_id=lead(number),
            request_id=request(number),
            number=n,
            ask=wanted,
            role="sdr",
            grade=grade,
            score=Decimal(1),
            arrived_at=ask.pop("arrived_at", self.loop.now),
            agreement="tests",
            agreement_version=ask.pop("version", 1),
            **ask,
        )

    def releases(self, number: int, n: int = 1, ended: str | None = None) -> None:
        """The lead of that number needs its place no more."""
        what = {"lead_id": lead(number), "request_id": request(number), "number": n, "ended": ended}
        self._say(routing.AssignmentReleased, **what)

    def owns(self, account: str, **how: Any) -> None:
        """A company is known."""
        self._say(desk.AccountSet, account_id=account, **how)

    def disowns(self, account: str) -> None:
        """It is nobody's any more."""
        self._say(desk.AccountRemoved, account_id=account)

    def acts(self, rep: str) -> None:
        """The rep was seen at work."""
        self._say(desk.RepActed, rep_id=rep)

    def claims(self, rep: str, number: int) -> None:
        """A rep asks for a waiting lead."""
        self._say(desk.LeadClaimed, lead_id=lead(number), request_id=request(number), rep_id=rep)

    def _say(self, event: type[Event], **fields: Any) -> None:
        self.loop.append(event.model_validate({"team_id": TeamId("sales"), **fields}))
        self.loop.run()

    def said(self, number: int) -> list[Event]:
        """What the team has said in the log of a lead."""
        return self.loop.events(LEADS, lead(number))

    def owner(self, number: int) -> str | None:
        """Whom the lead was last assigned to."""
        assigned = [e for e in self.said(number) if isinstance(e, routing.LeadAssigned)]
        return assigned[-1].rep_id if assigned else None

    def dealt(self, rep: str, numbers: range) -> int:
        """How many of these leads the rep got."""
        return sum(self.owner(n) == rep for n in numbers)

    def waiting(self) -> list[str]:
        """The requests that wait, in order."""
        waits = dict(self.loop.parts(TEAM.name, "sales").get("wait", {}))
        return [name for _, name in sorted((entry, n) for n, w in waits.items() for k, entry in w.standings(n) if k == LINE)]

    def passes(self, time: timedelta) -> None:
        """Time passes."""
        self.loop.run_until(self.loop.now + time)
