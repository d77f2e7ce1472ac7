"""A recorded log routed again, beside what was decided then: all at once, or further with every look at the log."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka.errors import KafkaError

from schemas.agreement import Roster
from schemas.events.desk import RepJoined
from schemas.ids import LeadId
from schemas.topics import LEADS, TEAMS
from services.console.backtest.jobs import Text, in_memory
from services.console.backtest.running import Recording
from services.console.backtest.sources import Place, Source, places
from services.console.simulation.decisions import Decision, lead_of
from services.console.simulation.differing import LISTED, differences, step_of
from services.console.simulation.happenings import TeamTold
from services.console.simulation.recorded import Recorded, Step
from services.console.simulation.world import World
from services.console.terminal import Refused
from services.runtime.agreements import THE_BEGINNING
from services.runtime.replay import AgreementsInMemory
from services.runtime.settings import Settings

Did = Callable[[int], None]


def agreements_for(recording: Recording, proposed: Text | None) -> AgreementsInMemory:
    """Those of the past up to the instant from which the proposed one counts; without one, as they were in force.
    Raises AgreementRefused."""
    past = tuple(t for t in recording.agreements if proposed is None or t.since < proposed.since)
    return in_memory(past if proposed is None else (*past, proposed), recording.models)


def proposed_as(recording: Recording, text: str, since: datetime | None) -> Text:
    """The proposed agreement as the version after the newest."""
    newest = max((t.version for t in recording.agreements), default=0)
    return Text(since or THE_BEGINNING, newest + 1, text)


@dataclass
class Course:
    """The log of an installation as it was decided, and as it would have been."""

    source: Source
    agreements: AgreementsInMemory
    roster: Roster | None = None
    """Everybody from the beginning, instead of who was recorded."""
    here: dict[LeadId, list[Step]] = field(default_factory=lambda: defaultdict(list))
    read_to: dict[tuple[str, int], int] = field(default_factory=dict)
    world: World | None = None

    def __post_init__(self) -> None:
        self.recorded = Recorded(roster=self.roster is None)

    def read(self, found: tuple[Place, ...], did: Did) -> None:
        """Read what is new in these partitions. Raises KafkaError, TimeoutError."""
        for place in sorted(found, key=lambda p: (p.topic != TEAMS.name, p.partition)):
            if place.topic not in (TEAMS.name, LEADS.name):
                continue
            begin = self.read_to.get((place.topic, place.partition), place.begin)
            if begin >= place.end:
                continue
            for batch in self.source.batches(Place(place.topic, place.partition, begin, place.end)):
                for record in batch:
                    self.recorded.take(record)
                if batch:
                    self.read_to[place.topic, place.partition] = batch[-1].offset + 1
                did(len(batch))
            self.read_to[place.topic, place.partition] = place.end

    def go_on(self, until: datetime, *, settled: datetime | None = None) -> Iterator[Decision]:
        """Route again what happened (before `settled`, if that is given), and let time pass up to `until`."""
        for happening in self.recorded.ready(settled):
            if self.world is None:
                self.world = World(self.agreements, start=happening.at)
                for member in self.roster.reps if self.roster is not None else ():
                    yield from self._kept(self.world.take(TeamTold(happening.at, "the roster", RepJoined(**member.said()))))
            yield from self._kept(self.world.take(happening))
        if self.world is not None:
            yield from self._kept(self.world.pass_to(until))

    def _kept(self, decisions: Iterator[Decision]) -> Iterator[Decision]:
        for decision in decisions:
            self.here[lead_of(decision)].append(step_of(decision))
            yield decision

    def report(
        self, *, since: datetime | None, settled: datetime | None = None, listed: int = LISTED
    ) -> dict[str, Any]:
        """Where the two differ, from `since` on. settled: how far they have gone, if the log goes on."""
        since_ms = 0 if since is None else round(since.timestamp() * 1000)
        until_ms = None if settled is None else round(settled.timestamp() * 1000)
        remarks = list(_REMARKS)
        if self.world is not None and self.world.remarks:
            remarks.append(f"{len(self.world.remarks):,} recorded events have no place here, such as {self.world.remarks[0]}")
        if self.recorded.undecodable:
            remarks.append(f"{self.recorded.undecodable:,} records are no events and were passed over")
        return {
            "records": self.recorded.records,
            **differences(self.recorded.decided, self.here, since_ms=since_ms, until_ms=until_ms, listed=listed),
            "remarks": remarks,
        }


_REMARKS = (
    "what reps did follows the lead to whoever has it here; rejections and breaches happen only if the same rep has it",
    "scores and verdicts are taken as recorded: leadloop backtest says which leads an agreement qualifies",
)


def look(settings: Settings) -> tuple[Place, ...]:
    """How far the logs of leads and teams go now. Raises Refused."""
    try:
        return tuple(asyncio.run(places(settings, LEADS, TEAMS)))
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(
            f"the broker at {settings.bootstrap_servers} does not answer ({type(fault).__name__}); see what runs with: leadloop status"
        ) from fault


