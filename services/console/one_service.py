"""`leadloop run SERVICE`: one service in the foreground, alone or as one more worker of an installation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from services.console.environment import variables
from services.console.installation import Installation
from services.console.options import bootstrap_servers_of, folder_of
from services.console.terminal import EXIT_WRONG_USAGE, complain


def run(service: str, data: Path | None) -> NoReturn:
    """Become that service. Raises Refused when the installation does not run."""
    from services.runtime.main import SERVICES, run_service

    if service not in SERVICES:
        complain(f"there is no service {service!r}: the services are {', '.join(SERVICES)}")
        raise SystemExit(EXIT_WRONG_USAGE)
    environment = dict(os.environ)
    if data is not None or not {"LEADLOOP_BOOTSTRAP_SERVERS", "LEADLOOP_SECRET"} <= environment.keys():
        installation = Installation.find(folder_of(data))
        environment = variables(installation, bootstrap_servers_of(installation), installation.ports, environment)
        # The installation's own ports are held by the workers that `leadloop up` keeps.
        environment["LEADLOOP_PORT"] = os.environ.get("LEADLOOP_PORT", "0")
    run_service(service, environment)
