"""Who the people behind leads are, for the audiences that marketing's tools get: read from `profiles`, gone with the person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import orjson
import sqlalchemy as sa

from schemas.events.intake import LeadProfile
from schemas.topics import PROFILES, Topic
from services.runtime.bulk import delete_by, select_by, upsert
from services.runtime.following import Choice
from services.runtime.main import Running
from services.runtime.projecting import decoded, spellings
from services.runtime.projection import Announcement, Incoming, ProjectionRunner
from services.runtime.settings import Settings

METADATA = sa.MetaData()
PEOPLE = sa.Table(
    "people", METADATA, sa.Column("lead_id", sa.Text, primary_key=True), sa.Column("profile", sa.Text, nullable=False)
)
FIELDS = ("email", "phone", "name", "company", "country", "external_ids")
"""What of a person an audience may hold."""
_PROFILE = spellings({LeadProfile})


class People:
    """The projection: one row a person, deleted by the tombstone that an erasure writes."""

    name = "people"
    version = 1
    topics: tuple[Topic, ...] = (PROFILES,)
    metadata = METADATA
    choices: ClassVar[Mapping[str, Choice]] = {}

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement]:
        """See services.runtime.projection.Projection."""
        newest: dict[str, str | None] = {}
        for incoming in records:
            if incoming.tombstone:
                newest[incoming.key] = None
            elif incoming.type in _PROFILE and isinstance(event := decoded(incoming), LeadProfile):
                said = event.model_dump(mode="json", include=set(FIELDS), exclude_none=True)
                newest[incoming.key] = orjson.dumps(said).decode()
        gone = [key for key, profile in newest.items() if profile is None]
        if gone:
            delete_by(connection, PEOPLE.c.lead_id, gone)
        known = [{"lead_id": key, "profile": profile} for key, profile in newest.items() if profile is not None]
        if known:
            upsert(connection, PEOPLE, known)
        return ()


def profiles(connection: sa.Connection, leads: Collection[str]) -> dict[str, dict[str, Any]]:
    """What is known of the people behind these leads."""
    rows = select_by(connection, PEOPLE.c.lead_id, leads, PEOPLE.c.lead_id, PEOPLE.c.profile)
    return {row.lead_id: orjson.loads(row.profile) for row in rows}


def people_of(settings: Settings, running: Running) -> ProjectionRunner:
    """The runner: the same for the background and the doors."""
    return running.projection(People())


def people(settings: Settings, running: Running) -> AbstractAsyncContextManager[ProjectionRunner]:
    """Follows `profiles` while the service runs."""
    return people_of(settings, running)
