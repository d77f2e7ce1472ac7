"""A backtest from its beginning to its answer: agreements and ends are read, partitions shared out, results put together."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from schemas.agreement import Agreement, load
from schemas.events.runtime import TimerDue
from schemas.learning.course import ModelCourse
from schemas.topics import ALERTS, LEADS, TEAMS, by_class
from services.console.backtest.again import Again, compare
from services.console.backtest.jobs import Rehearse, SayAgain, Text, rehearse, say_again
from services.console.backtest.parallel import WorkerFailed, work
from services.console.backtest.report import document
from services.console.backtest.sources import KafkaLog, Place, Source, places
from services.console.backtest.tally import LISTED, Tally
from services.console.terminal import Refused
from services.runtime.agreements import THE_BEGINNING, AgreementReader
from services.runtime.finding import find
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.topics import TopicsRefused, incarnations

_PATIENCE_SECONDS = 60.0

Progress = Callable[[int, int], None]
"""Told how many records of how many are done."""


@dataclass(frozen=True)
class Recording:
    """What an installation has recorded, as of now."""

    source: Source
    places: tuple[Place, ...]
    agreements: tuple[Text, ...]
    incarnations: dict[str, str]
    namespace: str
    until: datetime
    models: ModelCourse = field(default_factory=ModelCourse)


def recording_of(settings: Settings) -> Recording:
    """Find out what is recorded. Raises Refused."""
    try:
        return asyncio.run(_recording_of(settings))
    except TopicsRefused as refused:
        raise Refused(str(refused)) from refused
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(
            f"the broker at {settings.bootstrap_servers} does not answer ({type(fault).__name__}); see what runs with: "
            "leadloop status"
        ) from fault


async def _recording_of(settings: Settings) -> Recording:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        until = datetime.now(UTC)
        found = await places(settings, LEADS, TEAMS, ALERTS)
        made = await incarnations(settings, LEADS, TEAMS, ALERTS)
        reader = AgreementReader(settings, Health(), models=True)
        async with reader.running():
            await reader.fresh()
            texts = tuple(Text(p.effective_at, p.agreement.version, p.text) for p in reader.publications)
    log = KafkaLog(settings.bootstrap_servers, settings.namespace)
    return Recording(log, tuple(found), texts, made, settings.namespace, until, reader.models)


def cores() -> int:
    """How many processes there are cores for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def under(
    proposed: str,
    recording: Recording,
    *,
    since: datetime | None,
    progress: Progress,
    workers: int = 0,
    listed: int = LISTED,
) -> dict[str, Any]:
    """What would have been qualified under the agreement with the text `proposed`. Raises AgreementRefused, Refused.

    since: from when on it is in force; None: from the beginning. workers: processes; 0: one a core.
    """
    began = time.monotonic()
    newest = max((t.version for t in recording.agreements), default=0)
    agreement = load(proposed, newest + 1)
    new = Text(since or THE_BEGINNING, newest + 1, proposed)
    past = tuple(t for t in recording.agreements if since is not None and t.since < since)
    jobs = [
        Rehearse(recording.source, place, (*past, new), since, recording.until, listed, recording.models)
        for place in _largest_first(recording.places)
        if place.topic == LEADS.name
    ]
    together = Tally(listed=listed)
    for tally in _share_out(rehearse, jobs, workers, progress):
        together.take(tally)
    return document(
        together,
        agreement,
        since=since,
        until=recording.until,
        replaced=_in_words(recording),
        seconds=time.monotonic() - began,
    )


def verified(
    recording: Recording, *, progress: Progress, workers: int = 0, only: Sequence[str] = ()
) -> dict[str, Any]:
    """Whether everything that processors said comes out again, byte for byte. only: the processors of these services;
    none named: all. Raises Refused."""
    began = time.monotonic()
    ends: dict[str, tuple[int, ...]] = {}
    for place in sorted(recording.places, key=lambda p: p.partition):
        ends[place.topic] = (*ends.get(place.topic, ()), place.end)
    deciding = tuple(sorted(by_class()[TimerDue].readers))  # were one forgotten, its words would be extra
    services = tuple(service for service in deciding if not only or service in only)
    topics = {p.log.name for service in services for p in find(service).processors}
    unknown = [service for service in only if service not in deciding]
    if unknown:
        raise Refused(f"{unknown[0]} decides nothing: name one of {', '.join(deciding)}")
    together = Again()
    with tempfile.TemporaryDirectory(prefix="leadloop-backtest-") as name:
        folder = Path(name)
        jobs = [
            SayAgain(
                recording.source,
                place,
                recording.agreements,
                recording.namespace,
                services,
                recording.incarnations[place.topic],
                ends,
                folder,
                recording.models,
            )
            for place in _largest_first(recording.places)
            if place.topic in topics or any(_writes_to(service, place.topic) for service in services)
        ]
        for again in _share_out(say_again, jobs, workers, progress):
            together.take(again)
        compared = compare(sorted(folder.glob("*.sqlite")), folder / "together.db")
    said = together.said.total()
    return {
        "identical": compared.identical,
        "events": together.events,
        "said_again": said,
        "same": compared.same,
        "share": round(compared.same / said, 6) if said else 1.0,
        "lost": {"events": compared.lost[0], "such_as": compared.lost[1]},
        "extra": {"events": compared.extra[0], "such_as": compared.extra[1]},
        "other_bytes": {"events": compared.other[0], "such_as": compared.other[1]},
        "processors": {
            name: {"said": together.said[name], "recorded": together.recorded[name]}
            for name in sorted({*together.said, *together.recorded})
        },
        "dead_letters": dict(together.dead_letters),
        "agreements": [{"version": t.version, "since": None if t.since == THE_BEGINNING else t.since.isoformat()} for t in recording.agreements],
        "decided_by": dict(together.writers.most_common()),
        "until": recording.until.isoformat(),
        "seconds": round(time.monotonic() - began, 1),
    }


def _writes_to(service: str, topic: str) -> bool:
    return any(entry.writer == service and topic in {t.name for t in entry.topics} for entry in by_class().values())


def _largest_first(found: Sequence[Place]) -> list[Place]:
    return sorted((p for p in found if p.records), key=lambda p: -p.records)


def _share_out(function: Any, jobs: Sequence[Any], workers: int, progress: Progress) -> Any:
    total, done = sum(job.place.records for job in jobs), 0

    def did(number: int) -> None:
        nonlocal done
        done += number
        progress(min(done, total), total)

    progress(0, total)
    try:
        yield from work(function, jobs, workers or cores(), did)
    except WorkerFailed as failed:
        raise Refused(f"the recorded log could not be replayed: {failed}") from failed
    progress(total, total)


def _in_words(recording: Recording) -> str:
    in_force = [t for t in recording.agreements if t.since <= recording.until]
    if not in_force:
        return "no agreement"
    agreement: Agreement = load(in_force[-1].text, in_force[-1].version)
    return f"{agreement.name}, version {agreement.version}"
