"""The learner at work in the background: gathers lessons, learns from them at leisure, publishes what it knows.

What it says need not be replayable: it comes into force by its place in the topic of models, as an agreement does, and what
uses it is replayable. It never takes more than a tenth of the time, so that who waits for a score does not wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from aiokafka.errors import KafkaError

from schemas.learning.course import NOTICE
from services.runtime.appending import BrokerAway
from services.runtime.health import Health
from services.runtime.main import Running
from services.runtime.projection import Behind, ProjectionRunner
from services.runtime.settings import Settings
from services.scoring.lessons.examination import Examined, examine
from services.scoring.lessons.gathering import Gathering
from services.scoring.lessons.study import Pupil, Studied

log = structlog.get_logger(__name__)

GATHER = timedelta(seconds=2)
"""Between two readings of at most a thousand records."""
LOOK_EVERY_SECONDS = 2.0
BETWEEN_PUBLICATIONS = timedelta(seconds=20)
_SHARE_OF_TIME = 0.1
_AFTER_A_FAILURE_SECONDS = 10.0
_CAUGHT_UP_WITHIN_SECONDS = 3600.0
_SLACK_MS = 500
"""The clocks of the broker and of this process may differ by so much and lessons are still learned in order."""
_COMES_INTO_FORCE_AFTER = NOTICE + timedelta(seconds=3)


@dataclass(frozen=True)
class Aside:
    """What a projection needs of the process, with a health of its own: a learner that lags is no reason not to be ready."""

    settings: Settings
    service: str
    health: Health


class Teacher:
    """Learns as long as it runs."""

    def __init__(self, running: Running, runner: ProjectionRunner) -> None:
        self._running, self._runner = running, runner
        self._pupil = Pupil()
        self._published_at = float("-inf")

    async def run(self) -> None:
        """For ever. What fails is told and tried again: nothing is lost, for nothing is marked before it is learned."""
        while True:
            began = time.monotonic()
            try:
                studied = await self._lesson()
            except (
                KafkaError,
                BrokerAway,
                Behind,
                OSError,
                TimeoutError,
                sa.exc.OperationalError,
                sa.exc.InterfaceError,
            ) as error:
                log.warning("learner_waits", because=str(error), error=type(error).__name__)
                self._pupil.forget_what_was_read()
                studied = Studied(0, 0)
            except (
                Exception
            ):  # whatever it is: leads are scored without the learner, nothing is marked, it is tried again
                log.exception("learner_failed")
                self._pupil.forget_what_was_read()
                studied = Studied(0, 0)
                await asyncio.sleep(_AFTER_A_FAILURE_SECONDS)
            took = time.monotonic() - began
            rest = self._worked * (1 / _SHARE_OF_TIME - 1)
            await asyncio.sleep(max(0.02, rest) if studied.lessons else max(LOOK_EVERY_SECONDS - took, rest, 0.02))

    _worked = 0.0

    async def _lesson(self) -> Studied:
        await self._running.agreements.fresh()
        before_ms = int(time.time() * 1000) - _SLACK_MS
        self._worked = 0.0
        await self._runner.read_to_end(timeout=_CAUGHT_UP_WITHIN_SECONDS)
        agreement = self._running.agreements.in_force(datetime.now(UTC))
        began = time.monotonic()
        try:
            studied = await self._runner.database.write(lambda c: self._pupil.study(c, agreement, before_ms))
            examined = None
            if self._may_publish():
                last, at_rest = self._running.agreements.models.last(), not studied.lessons
                examined = await self._runner.database.write(
                    lambda c: examine(self._pupil, c, agreement, last, at_rest=at_rest)
                )
        except BaseException:
            self._pupil.forget_what_was_read()
            raise
        self._worked = time.monotonic() - began
        if examined is not None:
            await self._publish(examined)
        return studied

    def _may_publish(self) -> bool:
        return time.monotonic() - self._published_at >= BETWEEN_PUBLICATIONS.total_seconds()

    async def _publish(self, examined: Examined) -> None:
        self._published_at = time.monotonic()
        effective_at = datetime.now(UTC) + _COMES_INTO_FORCE_AFTER
        event = examined.event.model_copy(update={"effective_at": effective_at})
        await self._running.appender.append(event)
        if not examined.began_anew:
            await self._runner.database.write(self._pupil.was_announced)
        log.info(
            "model_published",
            version=event.model_version,
            outcomes=event.outcomes,
            learned=event.learned,
            because=event.because,
        )


@asynccontextmanager
async def teacher(settings: Settings, running: Running) -> AsyncIterator[None]:
    """Learn for as long as the block lasts; not at all where it is switched off (`LEADLOOP_LEARNING=off`)."""
    if not settings.learning:
        yield
        return
    aside = Aside(settings, running.service, Health())
    async with ProjectionRunner(Gathering(running.agreements), aside, gather=GATHER) as runner:
        task = asyncio.create_task(Teacher(running, runner).run(), name="teacher")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
