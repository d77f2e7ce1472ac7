"""A small projection for the tests of the runner, and the process that is killed in the middle of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from schemas.events.feedback import LeadStatusChanged
from schemas.events.intake import LeadSubmitted
from schemas.ids import EventId
from schemas.topics import LEADS, PROFILES, Topic
from schemas.vocabulary import LeadStatus, LifecycleStage
from services.runtime.following import Choice
from services.runtime.health import Health
from services.runtime.projection import Announcement, Incoming, ProjectionRunner
from services.runtime.settings import Settings

METADATA = sa.MetaData()
READ = sa.Table(
    "read",
    METADATA,
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
)
COUNTS = sa.Table(
    "counts", METADATA, sa.Column("lead_id", sa.Text, primary_key=True), sa.Column("n", sa.Integer, nullable=False)
)


@dataclass
class Tally:
    """Counts the submissions of each lead by adding, so that a record applied twice is seen; says each in `statuses`."""

    version: int = 1
    name: str = "tally"
    topics: tuple[Topic, ...] = (LEADS, PROFILES)
    metadata: sa.MetaData = METADATA
    choices: Mapping[str, Choice] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement]:
        self.sizes.append(len(records))
        said = []
        for incoming in records:
            event = incoming.event
            if not isinstance(event, LeadSubmitted):
                continue
            row = {
                "partition": incoming.record.partition,
                "position": incoming.record.offset,
                "lead_id": str(event.lead_id),
            }
            connection.execute(sa.insert(READ), row)
            added = connection.execute(
                sa.update(COUNTS).where(COUNTS.c.lead_id == event.lead_id).values(n=COUNTS.c.n + 1)
            )
            if added.rowcount == 0:
                connection.execute(sa.insert(COUNTS), {"lead_id": str(event.lead_id), "n": 1})
            said.append(
                Announcement(status_of(event, incoming), EventId(incoming.place), incoming.record.at, incoming.envelope)
            )
        return said


def status_of(event: LeadSubmitted, incoming: Incoming) -> LeadStatusChanged:
    return LeadStatusChanged(
        lead_id=event.lead_id,
        lead_status=LeadStatus.NEW,
        previous_status=None,
        lifecycle_stage=LifecycleStage.LEAD,
        cycle=1,
        grade=None,
        score=None,
        owner=None,
        team_id=None,
        reason=None,
        because="it was counted",
        changed_at=incoming.record.at,  # type: ignore[arg-type]
        changed_by=incoming.envelope.event_id,
        position=incoming.record.offset,
    )


@dataclass
class Process:
    """What a runner needs of its process."""

    settings: Settings
    service: str = "feedback"
    health: Health = field(default_factory=Health)


def settings_of(kafka: str, namespace: str, folder: Path, database_url: str | None) -> Settings:
    return Settings(
        bootstrap_servers=kafka,
        secret=b"0123456789abcdef",
        token="token",
        data_dir=folder,
        namespace=namespace,
        partitions=4,
        database_url=database_url,
    )


async def main(kafka: str, namespace: str, folder: str, database_url: str) -> None:
    """Project until killed."""
    async with ProjectionRunner(Tally(), Process(settings_of(kafka, namespace, Path(folder), database_url or None))):
        sys.stdout.write("started\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.argv[1])))
