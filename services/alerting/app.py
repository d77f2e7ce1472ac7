"""The alerting service: two processors, the tables that its doors show, and the sender."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from services.alerting.doors import alerting_doors
from services.alerting.processors import LEAD, RECIPIENT
from services.alerting.reading import AlertingProjection
from services.alerting.sender import sender
from services.runtime.main import Running, Service
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

_GATHER = timedelta(milliseconds=50)
"""Who needs a person or a message reads to the log's end first, and waits no longer than this."""


def alerting_tables(settings: Settings, running: Running) -> AbstractAsyncContextManager[ProjectionRunner]:
    """Reads alerts and profiles."""
    return running.projection(AlertingProjection(), gather=_GATHER)


SERVICE = Service(
    name="alerting", processors=(LEAD, RECIPIENT), http=alerting_doors, background=(alerting_tables, sender)
)
