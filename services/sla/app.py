"""The sla service: one processor and no doors of its own."""

from __future__ import annotations

from services.runtime.main import Service
from services.sla.processor import SLA

SERVICE = Service(name="sla", processors=(SLA,))
