"""Records that nobody can read: kept whole as dead letters by feedback alone, so that each is one letter and not seven."""

from __future__ import annotations

from schemas.ids import EventId, ProcessorName
from schemas.wire import UndecodableRecord
from services.runtime.dead_letters import dead_lettered, letter_of
from services.runtime.projection import Announcement, Incoming

FEEDBACK = ProcessorName("feedback")


def dead_letter(incoming: Incoming, error: UndecodableRecord, key: bytes) -> Announcement:
    """The dead letter about a record; the same at every reading."""
    event = dead_lettered(FEEDBACK, letter_of(incoming.record, error, None), incoming.type, error, key)
    return Announcement(event, EventId(f"{FEEDBACK}.{incoming.place}.dead"), incoming.record.at, None)
