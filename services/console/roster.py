"""The roster as a file: who is in which team and pool; given to the desk, which alone may say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.agreement import AgreementRefused, Roster, load_roster
from services.console.doors import Doors
from services.console.first_agreement import read_text
from services.console.terminal import Refused


def read_roster(path: Path) -> Roster:
    """The roster in a YAML file. Raises Refused with the line of the first mistakes."""
    try:
        return load_roster(read_text(path))
    except AgreementRefused as refused:
        wrong = [finding for finding in refused.findings if finding.severity == "error"]
        raise Refused(
            f"the roster {path} does not hold: " + "; ".join(str(finding) for finding in wrong[:3])
        ) from refused


def apply_roster(doors: Doors, path: Path) -> Any:
    """Make the roster in this file the roster. Raises Refused."""
    return doors.put("desk", "/v1/roster", read_roster(path).model_dump(mode="json", by_alias=True, exclude_none=True))
