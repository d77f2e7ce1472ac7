"""Reading who is who into the desk's tables: reps from the teams' logs, persons and notes from the profiles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from schemas.base import Event
from schemas.events import desk, intake
from services.desk.roster import terms_of
from services.desk.rows import ACCOUNTS, ACTIONS, EXTERNAL, NOTES, PEOPLE, REPS
from services.runtime.bulk import delete_by, upsert
from services.runtime.projecting import decoded, replace_rows, spellings
from services.runtime.projection import Incoming

_OF_PROFILES = spellings({intake.LeadProfile, desk.ProfileNote})


def read_team(connection: sa.Connection, r: Incoming, event: Event) -> None:
    """One event of a team\'s log: the roster, or a claim."""
    match event:
        case desk.RepJoined() | desk.RepChanged():
            row = connection.execute(
                sa.select(REPS.c.available, REPS.c.until, REPS.c.team_id).where(REPS.c.rep_id == event.rep_id)
            ).one_or_none()
            stays = row is not None and row.team_id == event.team_id
            replace_rows(
                connection,
                REPS,
                [event.rep_id],
                [
                    {
                        "rep_id": event.rep_id,
                        "team_id": event.team_id,
                        "role": event.role,
                        "calendar": event.calendar,
                        "pools": json.dumps({str(p): w for p, w in event.pools.items()}),
                        "open_leads_cap": event.open_leads_cap,
                        "available": row.available if row is not None and stays else True,
                        "until": row.until if row is not None and stays else None,
                        "terms": json.dumps(terms_of(dict(event))),
                    }
                ],
            )
        case desk.RepLeft():
            connection.execute(sa.delete(REPS).where(REPS.c.rep_id == event.rep_id, REPS.c.team_id == event.team_id))
        case desk.RepAvailabilityChanged():
            connection.execute(
                sa.update(REPS)
                .where(REPS.c.rep_id == event.rep_id, REPS.c.team_id == event.team_id)
                .values(available=event.available, until=event.model_dump(mode="json")["until"])
            )
        case desk.AccountSet() | desk.AccountRemoved():
            connection.execute(
                sa.delete(ACCOUNTS).where(
                    ACCOUNTS.c.account_id == event.account_id, ACCOUNTS.c.team_id == event.team_id
                )
            )
            if isinstance(event, desk.AccountSet):
                said = event.model_dump_json(exclude={"team_id", "account_id"})
                told = {"account_id": event.account_id, "team_id": event.team_id, "said": said}
                connection.execute(sa.insert(ACCOUNTS), [told])
        case desk.LeadClaimed():
            replace_rows(
                connection,
                ACTIONS,
                [r.envelope.event_id],
                [
                    {
                        "action_id": r.envelope.event_id,
                        "lead_id": event.lead_id,
                        "kind": "LeadClaimed",
                        "rep_id": event.rep_id,
                        "assignment_id": event.request_id,
                        "effect": None,
                        "at_ms": int(r.record.at.timestamp() * 1000),
                    }
                ],
            )


def read_profiles(connection: sa.Connection, records: Sequence[Incoming]) -> None:
    """Profiles, notes and their tombstones: the newest of each key counts, written in few statements."""
    people: dict[str, dict[str, Any] | None] = {}
    notes: dict[str, dict[str, Any] | None] = {}
    external: dict[str, dict[str, str]] = {}
    for r in records:
        at_ms = int(r.record.at.timestamp() * 1000)
        if r.tombstone:
            people[r.key] = notes[r.key] = None
            external[r.key] = {}
            continue
        event = decoded(r) if r.type in _OF_PROFILES else None
        if isinstance(event, desk.ProfileNote):
            notes[r.key] = {
                "note_key": r.key,
                "lead_id": event.lead_id,
                "text": event.text,
                "at_ms": at_ms,
                "erased": False,
            }
        elif isinstance(event, intake.LeadProfile):
            people[r.key] = {
                "lead_id": r.key,
                "email": event.email,
                "profile": event.model_dump_json(),
                "at_ms": at_ms,
            }
            external[r.key] = {str(system): named[:200] for system, named in event.external_ids.items()}
    replace_rows(connection, PEOPLE, people, [row for row in people.values() if row is not None])
    replace_rows(connection, NOTES, notes, [row for row in notes.values() if row is not None])
    delete_by(connection, EXTERNAL.c.lead_id, external)
    named_outside = [
        {"lead_id": lead, "system": system, "external_id": named}
        for lead, ids in external.items()
        for system, named in ids.items()
    ]
    upsert(connection, EXTERNAL, named_outside)
