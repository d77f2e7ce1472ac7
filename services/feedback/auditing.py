"""The audit in the background: feedback looks again and again whether every lead is accounted for, and tells operators."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
import structlog
from aiokafka.errors import KafkaError

from services.feedback.audit import Audit, audit
from services.runtime.metrics import AUDIT_FOUND, AUDITED
from services.runtime.projection import Behind, ProjectionRunner
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_FIRST_AFTER_SECONDS = 60.0
_AGAIN_AFTER_SECONDS = 60.0
_NAMED = 20


class Auditor:
    """Audits as long as it runs; what it found last is in the metrics and in `last`."""

    def __init__(self, settings: Settings, runner: ProjectionRunner) -> None:
        self._settings, self._runner = settings, runner
        self.last: Audit | None = None
        self.looked = asyncio.Event()
        """Set once an audit has ended."""

    async def run(self) -> None:
        """For ever. A broker or a database that is away is told, and asked again a minute later."""
        every = self._settings.audit_every.total_seconds()
        rest = min(_FIRST_AFTER_SECONDS, every)
        while True:
            await asyncio.sleep(rest)
            try:
                await self.look()
                rest = every
            except (KafkaError, Behind, OSError, TimeoutError, sa.exc.OperationalError, sa.exc.InterfaceError) as error:
                log.warning("audit_waits", because=str(error), error=type(error).__name__)
                rest = min(_AGAIN_AFTER_SECONDS, every)
            except Exception:
                log.exception("audit_failed")
                rest = every

    async def look(self) -> None:
        """Audit now, remember it, and tell. Raises what `audit` raises."""
        self.last = found = await audit(self._runner, self._settings)
        AUDIT_FOUND.labels("unaccounted").set(len(found.unaccounted))
        AUDIT_FOUND.labels("double_assigned").set(len(found.double_assigned))
        AUDIT_FOUND.labels("dead_letters").set(found.dead_lettered)
        AUDITED.set(time.time())
        self.looked.set()
        if found.clean:
            log.info("audit_clean", audit=found.sentence)
        else:
            named = {lead.lead_id: lead.because for lead in found.unaccounted[:_NAMED]}
            log.error("audit_found", audit=found.sentence, unaccounted=named, two_owners=found.double_assigned[:_NAMED])


@asynccontextmanager
async def auditing(auditor: Auditor) -> AsyncIterator[Auditor]:
    """Audit while the context is open."""
    task = asyncio.create_task(auditor.run(), name="audit")
    try:
        yield auditor
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
