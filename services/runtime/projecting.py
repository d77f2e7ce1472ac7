"""What projections do the same: choosing records by type, decoding what can be decoded, replacing rows by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from schemas.base import Event
from schemas.history.upcasters import UPCASTERS
from schemas.wire import UndecodableRecord
from services.runtime.bulk import delete_by, upsert
from services.runtime.following import Choice
from services.runtime.projection import Incoming

log = structlog.get_logger(__name__)


def spellings(events: Iterable[type[Event]]) -> frozenset[str]:
    """The `ce_type`s of these events, old versions included."""
    current = {event.type_name() for event in events}
    kinds = {name.rsplit(".v", 1)[0] for name in current}
    return frozenset(current | {old for old in UPCASTERS if old.rsplit(".v", 1)[0] in kinds})


def of_types(events: Iterable[type[Event]]) -> Choice:
    """The choice of records of these events, old versions included; without a type, as tombstones are, also."""
    return frozenset({None, *(name.encode() for name in spellings(events))}).__contains__


def decoded(incoming: Incoming) -> Event | None:
    """What the record says; None if it cannot be read (feedback keeps such records as dead letters)."""
    try:
        _ = incoming.envelope
        return incoming.event
    except UndecodableRecord as error:
        log.warning("record_cannot_be_read", place=incoming.place, error=type(error).__name__)
        return None


def replace_rows(
    connection: sa.Connection, table: sa.Table, keys: Iterable[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Put `rows` in the place of whatever stands under `keys` (of the table's one key column), in any database."""
    (key,) = table.primary_key.columns
    delete_by(connection, key, set(keys) - {row[key.name] for row in rows})
    upsert(connection, table, rows)


def some_at_a_time(keys: Sequence[str], most: int = 500) -> Iterable[Sequence[str]]:
    """A statement takes a limited number of values."""
    return (keys[i : i + most] for i in range(0, len(keys), most))
