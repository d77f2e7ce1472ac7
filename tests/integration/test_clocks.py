"""Clocks of a real sla on a real Kafka: what an outage held up is caught up, and other hours begin at their instant."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Event
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import LeadAssigned, LeadRouted
from schemas.events.scoring import LeadQualified
from schemas.events.sla import ClockBreached, ClockEvent, ClockReplanned, ClockStarted, ClockWarned
from schemas.ids import digest
from schemas.topics import LEADS
from schemas.wire import decode, encode
from services.runtime.topics import partition_of
from tests.engine.installation import Installation, Worker, headers_of, lead

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]

AGREEMENT = """
name: default
attributes: {topic: {type: choice, choices: [demo, other]}}
engagements: [page_viewed]
definition: [{id: rest, verdict: qualified, because: everybody is}]
teams: {soon: {}, later: {}}
pools: {quick: {team: soon}, slow: {team: later}}
routing: [{id: everyone, pool: slow, because: everybody}]
calendars:
  always: {open: always}
  hours: {zone: UTC, open: {mon-sun: ["00:00-24:00"]}}
clocks:
  - {id: quick, teams: [soon], met_by: [accepted], within: 12s, calendar: always, warn_at: [0.5, 0.8], on_breach: reassign}
  - {id: slow, teams: [later], met_by: [accepted], within: 48h, calendar: hours}
detected_late: {after: 500ms, grace: 15m}
reasons: [{id: bad_data, title: Bad contact data, for: [reject, recycle], then: retire}]
"""
HALF_DAYS = AGREEMENT.replace("00:00-24:00", "00:00-12:00")
NUMBER = 12


class Sla(Worker):
    """The service itself, started as a supervisor starts it."""

    def __init__(self, installation: Installation, log_file: Path) -> None:
        super().__init__(installation, "sla", log_file=log_file)

    def start(self) -> None:
        self._command = [sys.executable, "-m", "services.sla"]
        super().start()


@dataclass(frozen=True)
class Said:
    """What sla has said, and where it stands."""

    event: ClockEvent
    partition: int
    event_id: str


def life(of: str, team: str, pool: str, epoch: int) -> Sequence[Event]:
    """From the first submission to an assignment. epoch: the offset that LeadQualified has."""
    rule = {"lead_id": of, "rule": "rest", "because": "everybody is", "agreement": "default", "agreement_version": 1}
    request = {**rule, "request_id": f"{of}.{epoch}", "team_id": team}
    submitted = {"submission_id": str(uuid.uuid4()), "content": digest(of.encode()), "submitted_at": datetime.now(UTC)}
    return (
        LeadSubmitted.model_validate({"lead_id": of, "attributes": {"topic": "demo"}, **submitted}),
        LeadQualified.model_validate({**rule, "judged_at": 1 << 40, "score": "40", "grade": "B2"}),
        LeadRouted.model_validate({**request, "epoch": epoch, "ask": {"kind": "pool", "pool_id": pool}}),
        LeadAssigned.model_validate({**request, "pool_id": pool, "rep_id": "ana", "number": 1}),
    )


async def assign(installation: Installation, numbers: range, team: str, pool: str) -> None:
    """Leads with an assignment each."""
    for number in numbers:
        of = lead(number)
        partition, epoch = partition_of(of, installation.settings.partitions), 0
        for i in range(4):
            event = life(of, team, pool, epoch)[i]
            headers = headers_of(event, str(uuid.uuid4()), of)
            written = await installation.write(LEADS, partition, of.encode(), encode(event), headers)
            epoch = written.offset if isinstance(event, LeadQualified) else epoch


async def until(installation: Installation, enough: Callable[[list[Said]], bool]) -> list[Said]:
    """What sla has said, once it is enough; each of it once, for what is said twice has the same id."""
    said: dict[str, Said] = {}
    try:
        async with asyncio.timeout(60):
            while not enough(list(said.values())):
                said = await everything_said(installation)
                await asyncio.sleep(0.3)
    except TimeoutError:
        pytest.fail(f"not said within 60 s: {Counter(type(s.event).__name__ for s in said.values())}")
    return list(said.values())


async def everything_said(installation: Installation) -> dict[str, Said]:
    said: dict[str, Said] = {}
    for r in await installation.log(LEADS):
        headers = {name: value.decode() for name, value in r.headers}
        event = decode(headers["ce_type"], r.value)
        if isinstance(event, ClockEvent):
            said.setdefault(headers["ce_id"], Said(event, r.partition, headers["ce_id"]))
    return said


def of(kind: type[Any], said: list[Said], clock: str) -> list[Any]:
    return [s.event for s in said if isinstance(s.event, kind) and s.event.clock == clock]


async def test_what_falls_due_while_sla_is_killed_is_caught_up_in_order_and_other_hours_begin_at_their_instant(
    kafka: str, namespace: str, tmp_path: Path
) -> None:
    async with (
        Installation(kafka, namespace, tmp_path).open(AGREEMENT) as installation,
        Sla(installation, tmp_path / "sla.log").supervised() as sla,
    ):
        await assign(installation, range(NUMBER), "later", "slow")
        await until(installation, lambda said: len(of(ClockStarted, said, "slow")) == NUMBER)
        effective_at = (datetime.now(UTC) + timedelta(seconds=11)).replace(microsecond=0)
        await installation.publish(2, effective_at, HALF_DAYS)
        await assign(installation, range(NUMBER, 2 * NUMBER), "soon", "quick")
        said = await until(installation, lambda said: len(of(ClockStarted, said, "quick")) == NUMBER)
        await sla.kill()
        on_time = {b.clock_id for b in of(ClockBreached, list((await everything_said(installation)).values()), "quick")}
        last = max(s.deadline_at for s in of(ClockStarted, said, "quick"))
        await asyncio.sleep((last - datetime.now(UTC)).total_seconds() + 0.6)
        sla.start()
        said = await until(
            installation,
            lambda said: (
                len(of(ClockBreached, said, "quick")) == len(of(ClockReplanned, said, "slow")) == NUMBER
            ),
        )

    breaches = of(ClockBreached, said, "quick")
    held_up = [b for b in breaches if b.clock_id not in on_time]
    assert held_up, "the machine was too slow: every clock had run out before the kill"
    assert all(b.detected_late and b.on_breach.kind == "alert" for b in held_up), "so nothing is taken away at once"
    assert Counter((w.clock_id, w.share) for w in of(ClockWarned, said, "quick")) == {
        (b.clock_id, share): 1 for b in breaches for share in (0.5, 0.8)
    }
    assert len({b.clock_id for b in breaches}) == len(breaches)
    for partition in {s.partition for s in said}:
        fell_due = [s.event.deadline_at for s in said if s.partition == partition and isinstance(s.event, ClockBreached)]
        assert all(one <= next_ for one, next_ in pairwise(fell_due)), "in the order in which they fell due"
    graces = [s for s in of(ClockStarted, said, "quick") if s.grace]
    assert len(graces) == sum(b.detected_late for b in breaches)
    assert all(g.deadline_at - g.started_at == timedelta(seconds=12) for g in graces), "as long as the clock's own time"

    for again in of(ClockReplanned, said, "slow"):
        assert (again.replanned_at, again.agreement_version) == (effective_at, 2)
        begun = next(s for s in of(ClockStarted, said, "slow") if s.clock_id == again.clock_id)
        assert again.deadline_at - begun.deadline_at > timedelta(hours=36), "from then on it runs half of each day"
