"""What the processes of an installation are told when they start: LEADLOOP_* variables made from its data folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from services.console.installation import Installation
from services.console.ports import HOST
from services.console.terminal import Refused
from services.runtime.settings import Settings, SettingsRefused

DOORS = ("intake", "desk", "feedback")
"""The services with doors of their own, whose addresses must survive a restart."""


def variables(
    installation: Installation,
    bootstrap_servers: str,
    ports: Mapping[str, int],
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a service of this installation; tuning variables of the caller's environment are kept."""
    told = {
        **installation.environment(),
        "LEADLOOP_BOOTSTRAP_SERVERS": bootstrap_servers,
        "LEADLOOP_HOST": HOST,
        **{f"LEADLOOP_{door.upper()}_URL": f"http://{HOST}:{ports[door]}" for door in DOORS if door in ports},
    }
    return {**(os.environ if environ is None else environ), **told}


def settings_of(installation: Installation, bootstrap_servers: str, ports: Mapping[str, int]) -> Settings:
    """The settings by which the console itself speaks to this installation's broker. Raises Refused."""
    told = variables(installation, bootstrap_servers, ports)
    try:
        # A port of its own the console does not need, and one that is meant for a service must not be refused here.
        return Settings.from_environment({name: value for name, value in told.items() if name != "LEADLOOP_PORT"})
    except SettingsRefused as refusal:
        raise Refused(str(refusal)) from refusal


def default_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The data folder when none is named.

    LEADLOOP_DATA_DIR, else ./leadloop-data if there is an installation, else the user's XDG data folder.
    """
    environ = os.environ if environ is None else environ
    if named := environ.get("LEADLOOP_DATA_DIR"):
        return Path(named)
    here = Path.cwd() / "leadloop-data"
    if (here / "installation.json").exists():
        return here
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "leadloop"
