"""Which services there are, and one by its name. Its libraries come with it, so nothing of it is imported before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.runtime.main import Service

SERVICES = ("intake", "scoring", "routing", "sla", "recycling", "desk", "alerting", "feedback")


def find(name: str) -> Service:
    """The service of that name. Raises LookupError with the names that there are."""
    if name not in SERVICES:
        raise LookupError(f"there is no service {name!r}: the services are {', '.join(SERVICES)}")
    service: Service = importlib.import_module(f"services.{name}.app").SERVICE
    return service
