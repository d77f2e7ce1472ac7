"""The alerting service: two processors and the sender."""

from __future__ import annotations

from services.alerting.processors import LEAD, RECIPIENT
from services.alerting.sender import sender
from services.runtime.main import Service

SERVICE = Service(name="alerting", processors=(LEAD, RECIPIENT), background=(sender,))
