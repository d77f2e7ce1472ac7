"""The recycling service: one processor and no doors of its own."""

from __future__ import annotations

from services.recycling.processor import RECYCLING
from services.runtime.main import Service

SERVICE = Service(name="recycling", processors=(RECYCLING,))
