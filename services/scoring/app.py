"""The scoring service: one processor, and a learner in the background; no doors of its own."""

from __future__ import annotations

from services.runtime.main import Service
from services.scoring.lessons.teacher import teacher
from services.scoring.processor import SCORING

SERVICE = Service(name="scoring", processors=(SCORING,), background=(teacher,))
