"""What an assignment costs a team, in the pure code on one core: by how many reps and how many waiting leads there are.

The curve is fitted: the cost grows by a power of the number, and a power near zero (a logarithm at most) is the target.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from benchmarks.figures import Figure
from schemas.agreement import Agreement, load
from schemas.base import Event
from schemas.events import desk, routing
from schemas.ids import EventId, LeadId, RequestId, TeamId
from schemas.lifecycle import UNBORN, Effect
from services.routing.team.decide import decide
from services.routing.team.state import TeamRouting
from services.runtime.protocol import Context, Parts, PartStore

TEAM = TeamId("sales")
REPS = (1, 10, 100, 1_000)
WAITING = (100, 1_000, 10_000, 100_000)
MEASURED = 1_000
"""Assignments for each point."""

TEXT = """
name: measured
title: One pool
attributes: {topic: {type: text}}
engagements: []
scoring: {}
definition: [{id: rest, verdict: qualified, because: all}]
teams: {sales: {}}
pools: {inbound: {team: sales}}
routing: [{id: all, pool: inbound, because: all}]
reasons: [{id: reroute, title: Not mine, for: [reject], then: reroute}]
"""


class Team:
    """A team whose log is worked record by record, each made visible at once."""

    def __init__(self) -> None:
        self.agreement: Agreement = load(TEXT, 1)
        self.state = TeamRouting()
        self.store = PartStore()
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.position = 0

    def reads(self, event: Event) -> Sequence[Event]:
        """Work one record. What the team says."""
        self.position += 1
        self.now += timedelta(milliseconds=1)
        parts = Parts(self.store)
        context = Context(
            key=TEAM,
            now=self.now,
            position=self.position,
            event_id=EventId(f"e{self.position}"),
            agreement=self.agreement,
            parts=parts,
            before=UNBORN,
            life=UNBORN,
            effect=Effect.EFFECT,
            agreement_at=lambda version: self.agreement,
        )
        decision = decide(self.state, event, context)
        self.state = decision.state
        self.store.apply(parts.changes)
        return decision.events

    def joins(self, reps: int, cap: int | None = None) -> None:
        """So many reps with weights from 1 to 5."""
        for number in range(reps):
            rep = {"rep_id": f"r{number:04d}", "role": "sdr", "pools": {"inbound": number % 5 + 1}}
            self.reads(desk.RepJoined.model_validate({"team_id": TEAM, "open_leads_cap": cap, **rep}))


def asked(number: int) -> Event:
    """The request of the lead of that number."""
    lead = LeadId(str(uuid.UUID(int=number)))
    return routing.AssignmentRequested(
        team_id=TEAM,
        lead_id=lead,
        request_id=RequestId(f"{lead}.1"),
        number=1,
        ask=routing.FromPool(pool_id="inbound"),
        role="sdr",
        grade=("A1", "B2", "C3", "D4")[number % 4],
        score=Decimal(1),
        arrived_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=number),
        agreement="measured",
        agreement_version=1,
    )


def released(said: routing.LeadAssigned) -> Event:
    """The end of an assignment."""
    return routing.AssignmentReleased(team_id=TEAM, lead_id=said.lead_id, request_id=said.request_id, number=said.number)


def by_reps(reps: int) -> float:
    """Seconds an assignment takes in a team of so many reps, nobody waiting."""
    team = Team()
    team.joins(reps)
    events = [asked(number) for number in range(MEASURED)]
    begun = time.process_time()
    for event in events:
        assert team.reads(event)
    return (time.process_time() - begun) / MEASURED


def by_waiting(waiting: int) -> float:
    """Seconds it takes to free a place of ten full reps, give it to the head of a queue of so many."""
    team = Team()
    team.joins(10, cap=10)
    held: list[routing.LeadAssigned] = []
    for number in range(waiting + 100):
        held += [said for said in team.reads(asked(number)) if isinstance(said, routing.LeadAssigned)]
    spent = 0.0
    for number in range(MEASURED):
        over = released(held.pop(0))
        begun = time.process_time()
        said = team.reads(over)
        spent += time.process_time() - begun
        held += [one for one in said if isinstance(one, routing.LeadAssigned)]
        team.reads(asked(waiting + 100 + number))
    assert len(held) == 100
    return spent / MEASURED


def power(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The exponent p of the best fit `cost = a * size^p` (least squares of the logarithms). Linear would be 1."""
    xs, ys = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


def _curve(what: str, sizes: Sequence[int], cost: Callable[[int], float], from_: int) -> list[Figure]:
    costs = [cost(size) for size in sizes]
    figures = [
        Figure(f"{size:,} {what}", 1 / spent, "assignments/s", "at least 5,000") for size, spent in zip(sizes, costs, strict=True)
    ]
    grows = [(s, c) for s, c in zip(sizes, costs, strict=True) if s >= from_]
    exponent = power([s for s, _ in grows], [c for _, c in grows])
    return [*figures, Figure(f"growth by {what}, from {from_:,} on", exponent, "exponent", "at most 0.15 (1 is linear)")]


async def measure() -> list[Figure]:
    """Time is the processor's, of this process. From the candidates' list being full on, the curve is the algorithm's."""
    return [*_curve("reps", REPS, by_reps, 100), *_curve("waiting leads", WAITING, by_waiting, 100)]
