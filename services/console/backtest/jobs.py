"""What one process of a backtest does with one partition: rehearse a proposed agreement, or say everything again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from schemas.agreement import load
from schemas.learning.course import ModelCourse
from services.console.backtest.again import Again, SaidAgain
from services.console.backtest.parallel import Did
from services.console.backtest.shelf import AT_HAND
from services.console.backtest.sources import Place, Source
from services.console.backtest.tally import Tally
from services.console.backtest.whatif import Rehearsal
from services.runtime.finding import find
from services.runtime.replay import AgreementsInMemory


@dataclass(frozen=True)
class Text:
    """An agreement that can be sent to another process."""

    since: datetime
    version: int
    text: str


def in_memory(texts: tuple[Text, ...], models: ModelCourse) -> AgreementsInMemory:
    """The agreements of these texts, and the models beside them."""
    return AgreementsInMemory(tuple((t.since, load(t.text, t.version, t.since)) for t in texts), models)


@dataclass(frozen=True)
class Rehearse:
    """One partition of `leads` under a proposed agreement."""

    source: Source
    place: Place
    agreements: tuple[Text, ...]
    """Those in force up to `since`, and the proposed one from there on."""
    since: datetime | None
    until: datetime
    listed: int
    models: ModelCourse = field(default_factory=ModelCourse)
    at_hand: int = AT_HAND


def rehearse(job: Rehearse, did: Did) -> Tally:
    """Read the partition and count."""
    (scoring,) = find("scoring").processors
    rehearsal = Rehearsal(
        scoring, in_memory(job.agreements, job.models), since=job.since, tally=Tally(listed=job.listed), at_hand=job.at_hand
    )
    for batch in job.source.batches(job.place):
        for record in batch:
            rehearsal.take(record)
        did(len(batch))
    return rehearsal.end(job.until)


@dataclass(frozen=True)
class SayAgain:
    """One partition of any log, read by all of its processors."""

    source: Source
    place: Place
    agreements: tuple[Text, ...]
    namespace: str
    services: tuple[str, ...]
    incarnation: str
    """Of the partition's topic."""
    ends: dict[str, tuple[int, ...]]
    """Topic -> where each partition ends: what was caused by a later record is not looked at."""
    folder: Path
    models: ModelCourse = field(default_factory=ModelCourse)
    at_hand: int = AT_HAND


def say_again(job: SayAgain, did: Did) -> Again:
    """Read the partition, decide everything once more, and note what was said and what is recorded."""
    processors = [p for name in job.services for p in find(name).processors]
    with SaidAgain(
        processors,
        in_memory(job.agreements, job.models),
        topic=job.place.topic,
        namespace=job.namespace,
        incarnation=job.incarnation,
        ends=job.ends,
        file=job.folder / f"{job.place.topic}-{job.place.partition}.sqlite",
        at_hand=job.at_hand,
    ) as again:
        for batch in job.source.batches(job.place):
            for record in batch:
                again.take(record)
            did(len(batch))
        return again.counted
