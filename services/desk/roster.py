"""What a new roster changes: who joins, who changes, who leaves. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.agreement import Agreement, Finding, Member, Roster, load_roster
from schemas.base import Event
from schemas.events.desk import RepChanged, RepJoined, RepLeft
from services.desk.requests import RosterIn


def read_roster(said: RosterIn, agreement: Agreement) -> Roster:
    """The roster, checked against the agreement's teams, pools and calendars. Raises AgreementRefused."""
    reps = [rep.model_dump(exclude_none=True) for rep in said.reps]
    lines = ",\n".join(
        json.dumps(rep) for rep in reps
    )  # JSON is YAML, and one rep a line gives findings a line to name
    return load_roster(f'{{"reps": [\n{lines}\n]}}', agreement)


def changes(current: Sequence[Mapping[str, Any]], wanted: Roster) -> list[Event]:
    """The events that turn `current` (rows as GET /v1/roster gives them) into `wanted`.

    Leaving comes first, so that a rep can change his team.
    """
    now = {str(row["id"]): row for row in current}
    events: list[Event] = []
    for rep, row in now.items():
        member = wanted.member(rep)
        if member is None or member.team != row["team"]:
            events.append(RepLeft(team_id=row["team"], rep_id=row["id"]))
    for member in wanted.reps:
        before = now.get(member.id)
        if before is None or before["team"] != member.team:
            events.append(RepJoined(**_said(member)))
        elif _of(member) != {field: before[field] for field in _of(member)}:
            events.append(RepChanged(**_said(member)))
    return events


def warnings(findings: Sequence[Finding]) -> list[str]:
    """Findings in sentences."""
    return [f"{f.path or 'the roster'}: {f.message} {f.remedy}".strip() for f in findings]


def _of(member: Member) -> dict[str, Any]:
    return {
        "role": member.role,
        "pools": {str(p): w for p, w in member.pools.items()},
        "open_leads_cap": member.open_leads_cap,
        "calendar": member.calendar,
    }


def _said(member: Member) -> dict[str, Any]:
    return {
        "team_id": member.team,
        "rep_id": member.id,
        "role": member.role,
        "pools": dict(member.pools),
        "open_leads_cap": member.open_leads_cap,
        "calendar": member.calendar,
    }
