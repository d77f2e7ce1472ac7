"""What a new roster changes: who joins, who changes, who leaves. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.agreement import Agreement, AgreementRefused, Finding, Member, Roster
from schemas.agreement.roster import examine_roster
from schemas.base import Event
from schemas.events.desk import RepChanged, RepJoined, RepLeft
from services.desk.requests import RosterIn

_NOT_THE_ROSTERS = ("id", "team", "available", "until", "open_leads")


def read_roster(said: RosterIn, agreement: Agreement) -> tuple[Roster, list[str]]:
    """(the roster, what is doubtful in it, such as a pool without anybody), checked against the agreement's teams, pools
    and calendars. Raises AgreementRefused."""
    reps = [rep.model_dump(exclude_none=True) for rep in said.reps]
    lines = ",\n".join(
        json.dumps(rep) for rep in reps
    )  # JSON is YAML, and one rep a line gives findings a line to name
    roster, findings = examine_roster(f'{{"reps": [\n{lines}\n]}}', agreement)
    if roster is None or any(finding.severity == "error" for finding in findings):
        raise AgreementRefused(findings)
    return roster, sentences(findings)


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
            events.append(RepJoined(**member.said()))
        elif _of(member) != {field: value for field, value in before.items() if field not in _NOT_THE_ROSTERS}:
            events.append(RepChanged(**member.said()))
    return events


def sentences(findings: Sequence[Finding]) -> list[str]:
    """Findings in sentences."""
    return [f"{f.path or 'the roster'}: {f.message} {f.remedy}".strip() for f in findings]


def _of(member: Member) -> dict[str, Any]:
    """A member as GET /v1/roster gives him, without what changes by itself."""
    said = member.model_dump(mode="json", exclude={"id", "team", *TERMS})
    return {**said, **terms_of(member.said())}


TERMS = ("caps", "zone", "breaks", "leave", "skills")
"""What a member may have besides his pools, open_leads_cap and calendar."""


def terms_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a RepJoined or RepChanged as plain JSON; absent where they say nothing."""
    plain = {name: _plain(said[name]) for name in TERMS}
    return {name: value for name, value in plain.items() if value}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
