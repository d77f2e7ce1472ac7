"""A backtest over a generated log: records a second on two processes, and the memory of the largest process.

The log is made by the loop's own processors in virtual time, so it has the events of a real one in their proportions. One
made partition serves as each of the partitions that are read: they are independent of each other.
"""

from __future__ import annotations

import os
import pickle
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.figures import Figure
from schemas.agreement import load
from schemas.events import desk, intake
from schemas.ids import LeadId, SubmissionId, digest
from schemas.topics import LEADS
from schemas.vocabulary import ByRep
from schemas.wire import Record
from services.console.backtest.jobs import Text
from services.console.backtest.running import Recording, under
from services.console.backtest.sources import Place
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD, TEAM
from services.runtime.agreements import THE_BEGINNING
from services.runtime.replay import Replay
from services.scoring.processor import SCORING
from services.sla.processor import SLA

WANTED = "LEADLOOP_BENCH_EVENTS"
"""How many records are read; 60,000 otherwise."""
PROCESSES = 2
_MADE_RECORDS, _BATCH, _REPS = 15_000, 2_000, 20
_START = datetime(2026, 1, 5, 9, tzinfo=UTC)
_AGREEMENT = Path(__file__).parents[1] / "deploy" / "agreements" / "default.yaml"


@dataclass(frozen=True)
class Generated:
    """One partition in a file, which is read as each of them."""

    file: Path

    def batches(self, place: Place) -> Iterator[Sequence[Record]]:
        """Batch by batch from the file, so that the log itself is never in memory."""
        with self.file.open("rb") as lying:
            read = 0
            while read < place.end:
                batch = pickle.load(lying)
                yield batch[: place.end - read]
                read += len(batch)


async def measure() -> list[Figure]:
    """Read the log under another agreement on two processes."""
    wanted = int(os.environ.get(WANTED, "60000"))
    text = _AGREEMENT.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "leads.pickle"
        made = _made(text)
        records = made.records(LEADS)
        with file.open("wb") as lying:
            for i in range(0, len(records), _BATCH):
                pickle.dump(records[i : i + _BATCH], lying)
        places = tuple(Place(LEADS.name, p, 0, len(records)) for p in range(max(PROCESSES, round(wanted / len(records)))))
        recording = Recording(
            Generated(file), places, (Text(THE_BEGINNING, 1, text),), {}, "benchmark", made.now
        )
        began = time.perf_counter()
        answer = under(
            text.replace("at_least: 50", "at_least: 40"), recording, since=None, progress=lambda done, total: None, workers=PROCESSES
        )
        seconds = time.perf_counter() - began
    rate = answer["events"] / seconds
    return [
        Figure(f"a backtest of {answer['events']:,} records", seconds, "s", ""),
        Figure("records on two processes", rate, "records/s", "at least 1,667 (a million in ten minutes)"),
        Figure("memory of the largest process", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, "MB", ""),
    ]


def _made(text: str) -> Replay:
    """A log in which leads come, do things and are worked, until it is long enough."""
    chance, loop = random.Random(1), Replay((SCORING, LEAD, TEAM, SLA, RECYCLING), load(text, 1), start=_START)
    agreement = load(text, 1)
    pool = next(iter(agreement.pools))
    for number in range(_REPS):
        loop.append(
            desk.RepJoined.model_validate(
                {"team_id": agreement.pools[pool].team, "rep_id": f"rep-{number}", "role": agreement.pools[pool].role, "pools": {pool: 1}}
            )
        )
    kinds, leads = sorted(map(str, agreement.engagements)), 0
    while len(loop.records(LEADS)) < _MADE_RECORDS:
        loop.run_until(loop.now + timedelta(seconds=chance.randrange(20, 200)))
        if chance.random() < 0.3 or not leads:
            leads += 1
            _submit(loop, chance, leads)
        elif chance.random() < 0.7:
            _engage(loop, chance, kinds, leads)
        else:
            _act(loop, chance, leads)
    return loop


def _lead(number: int) -> LeadId:
    return LeadId(str(UUID(int=number, version=4)))


def _submit(loop: Replay, chance: random.Random, number: int) -> None:
    loop.append(
        intake.LeadSubmitted.model_validate(
            {
                "lead_id": _lead(number),
                "submission_id": SubmissionId(_lead(number)),
                "content": digest(str(number).encode()),
                "submitted_at": loop.now,
                "country": chance.choice(["DE", "FR", "US"]),
                "source": {"campaign": f"campaign-{chance.randrange(20)}"},
                "attributes": {"employees": chance.randrange(1, 400), "topic": chance.choice(["demo", "pricing", "other"])},
            }
        )
    )


def _engage(loop: Replay, chance: random.Random, kinds: list[str], leads: int) -> None:
    lead = _lead(chance.randrange(max(1, leads - 300), leads + 1))
    loop.append(intake.EngagementObserved.model_validate({"lead_id": lead, "kind": chance.choice(kinds), "occurred_at": loop.now}))


def _act(loop: Replay, chance: random.Random, leads: int) -> None:
    lead = _lead(chance.randrange(max(1, leads - 100), leads + 1))
    life = loop.life(lead)
    if not life.held or life.rep is None:
        return
    said: dict[str, Any] = {"lead_id": lead, "assignment_id": life.offer, "by": ByRep(rep_id=life.rep), "occurred_at": loop.now}
    loop.append(chance.choice([desk.LeadAccepted, desk.LeadWon])(**said))
