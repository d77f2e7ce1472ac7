"""Whether every lead is accounted for: what feedback says of its ledger, in the one form that everybody reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.console.doors import Doors


def audit_of(doors: Doors, *, deep: bool = False) -> dict[str, Any]:
    """What feedback answers. `deep`: every record of the log is folded anew, however long it is. Raises Refused."""
    found: dict[str, Any] = doors.get("feedback", "/v1/audit", **({"deep": "true"} if deep else {}))
    return found


def is_clean(found: Mapping[str, Any]) -> bool:
    """Whether no lead is unaccounted for, none has two owners, and no record waits as a dead letter."""
    return not (found["unaccounted"] or found["double_assigned"] or found["dead_lettered"])


def sentence(found: Mapping[str, Any]) -> str:
    """Such as "214 in, 214 accounted for, none with two owners"."""
    received, unaccounted, dead = found["received"], found["unaccounted"], found["dead_lettered"]
    said = (
        f"{received} in, {received - unaccounted} accounted for, {found['double_assigned'] or 'none'} with two owners"
    )
    return said + (f", {dead} dead letter{'s' if dead > 1 else ''} open" if dead else "")


def faults(found: Mapping[str, Any]) -> list[str]:
    """What is behind the numbers, one sentence each, with its remedy."""
    said = [
        f"lead {lead['lead_id']}: {lead['because']}; see: leadloop explain {lead['lead_id']}"
        for lead in found.get("unaccounted_leads", ())
    ]
    said += [
        f"lead {lead} had two assignments in effect at once; see: leadloop explain {lead}"
        for lead in found.get("double_assigned_leads", ())
    ]
    return said + (["look at the dead letters: leadloop dead-letters list"] if found["dead_lettered"] else [])
