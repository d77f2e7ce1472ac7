"""What a shadow is, kept in a file: which agreement runs beside the live one, from when until when.

Nothing else is kept: its state is what the log says, routed again from the beginning, so a shadow that was killed goes on
exactly as if it had not been.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from services.console.datafolder import make_folder, write_whole
from services.console.terminal import Refused


@dataclass(frozen=True)
class Shadow:
    """A proposed agreement that runs beside the live one."""

    name: str
    text: str
    since: datetime
    until: datetime | None


def file_of(folder: Path, name: str) -> Path:
    """Where a shadow is kept."""
    return folder / "shadows" / f"{name}.json"


def kept(file: Path) -> Shadow | None:
    """The shadow that is kept there, if there is one. Raises Refused if the file is damaged."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        until = datetime.fromisoformat(said["until"]) if said["until"] is not None else None
        return Shadow(said["name"], said["text"], datetime.fromisoformat(said["since"]), until)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{file} is damaged ({type(error).__name__}): remove it and start the shadow anew") from error


def keep(file: Path, shadow: Shadow) -> None:
    """Write it down, whole or not at all."""
    make_folder(file.parent)
    write_whole(file, json.dumps(asdict(shadow), default=lambda at: at.isoformat()).encode())
