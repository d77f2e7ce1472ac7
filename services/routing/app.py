"""The routing service: two processors and no doors of its own."""

from __future__ import annotations

from services.routing.processors import LEAD, TEAM
from services.runtime.main import Service

SERVICE = Service("routing", processors=(LEAD, TEAM))
