"""The scoring service: one processor and no doors of its own."""

from __future__ import annotations

from services.runtime.main import Service
from services.scoring.processor import SCORING

SERVICE = Service(name="scoring", processors=(SCORING,))
