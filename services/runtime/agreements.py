"""Reading the agreements: which one was in force at an instant, and whether our copy is fresh enough to decide by.

A processor decides only if a read to the end of the topic began at most `settings.agreement_freshness` ago. Publications
are effective at least ten seconds after they are appended, so a fresh copy knows every agreement that can be in force.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.agreement import Agreement
from schemas.agreement.life import COURSE_EVENTS, NOTICE, THE_BEGINNING, Course, NoAgreement, Published
from schemas.base import Event
from schemas.events.console import AgreementPublished
from schemas.events.scoring import ModelPublished
from schemas.learning.course import ModelCourse, ModelInForce
from schemas.topics import AGREEMENTS, MODELS
from schemas.wire import Envelope, Headers, UndecodableRecord, decode
from services.runtime.cancellation import answered
from services.runtime.gathering import let_rest
from services.runtime.health import Health
from services.runtime.leaving import die
from services.runtime.letting_go import let_go
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

__all__ = ["NOTICE", "THE_BEGINNING", "AgreementReader", "NoAgreement", "Publications", "Published"]

_PART = "agreements"
_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 5.0
_MODEL = ModelPublished.type_name()
_TYPES = frozenset(event.type_name() for event in COURSE_EVENTS)


class Publications:
    """The publications in the order of their coming into force. A fold over the topic; the rule is `Course`'s."""

    def __init__(self) -> None:
        self.course = Course()

    def __len__(self) -> int:
        return len(self.course.published)

    def __iter__(self) -> Iterator[Published]:
        return iter(self.course.published)

    @property
    def void(self) -> list[tuple[int, str]]:
        """(version, why) of publications that do not count."""
        said = AgreementPublished.__name__
        return [(v.version, v.because) for v in self.course.void if v.said == said and v.version is not None]

    def take(self, event: Event, appended_at: datetime) -> bool:
        """Fold one event of the topic in. False if it is void."""
        void = self.course.take(event, appended_at)
        if void is not None:
            log.warning("agreement_event_is_void", event_type=void.said, version=void.version, because=void.because)
        return void is None

    def take_record(self, headers: Headers, value: bytes | None, appended_at: datetime) -> bool:
        """Fold one record of the topic in; what is none of its events is skipped. Raises UndecodableRecord."""
        envelope = Envelope.parse(headers)
        return envelope.type in _TYPES and self.take(decode(envelope.type, value), appended_at)

    def in_force(self, at: datetime) -> Agreement:
        """The agreement in force at `at`. Raises NoAgreement before the first publication."""
        return self.course.publication(at).agreement

    def version(self, number: int) -> Agreement | None:
        """A published agreement by its version."""
        return next((p.agreement for p in self.course.published if p.agreement.version == number), None)

    def next_after(self, at: datetime) -> datetime | None:
        """When the next one that is already published comes into force."""
        return self.course.next_after(at)


class AgreementReader:
    """A live copy of the agreements that knows how fresh it is."""

    def __init__(self, settings: Settings, health: Health, *, models: bool = False) -> None:
        """models: whether the learned models are read, too; then a fresh copy knows every one that can be in force."""
        self._settings, self._health = settings, health
        self.publications = Publications()
        self.models = ModelCourse()
        read = (AGREEMENTS, MODELS) if models else (AGREEMENTS,)
        self._positions = {TopicPartition(settings.topic(topic), 0): 0 for topic in read}
        self._models_topic = settings.topic(MODELS)
        self._fresh_at = float("-inf")
        self._changed = asyncio.Condition()
        health.expect(_PART, "no agreement has been read yet")

    def in_force(self, at: datetime) -> Agreement:
        """The agreement in force at `at`. Raises NoAgreement."""
        return self.publications.in_force(at)

    def version(self, number: int) -> Agreement | None:
        return self.publications.version(number)

    def next_after(self, at: datetime) -> datetime | None:
        return self.publications.next_after(at)

    def model_at(self, at: datetime) -> ModelInForce | None:
        """The learned model in force at `at`; None before the first, and where models are not read."""
        return self.models.in_force(at)

    @property
    def is_fresh(self) -> bool:
        """Whether a read to the end began recently enough, and there is an agreement at all."""
        return (
            len(self.publications) > 0
            and time.monotonic() - self._fresh_at <= self._settings.agreement_freshness.total_seconds()
        )

    async def fresh(self) -> None:
        """Wait until the copy is fresh and holds an agreement. Returns at once when it is."""
        if self.is_fresh:
            return
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_fresh)

    async def wait_for(self, version: int) -> None:
        """Wait until this version, or a newer one, has been read."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(p.agreement.version >= version for p in self.publications))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AgreementReader]:
        """Read for as long as the block lasts."""
        task = asyncio.create_task(self._run(), name="agreements")
        task.add_done_callback(_end_the_process_if_it_failed)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        backoff = _FIRST_RETRY_SECONDS
        while True:
            try:
                await answered(self._read_over_one_connection())
            except (KafkaError, OSError, TimeoutError) as error:
                self._health.say(_PART, ok=False, because=f"the broker does not answer: {type(error).__name__}")
                backoff = _FIRST_RETRY_SECONDS if self.is_fresh else min(backoff * 2, _LAST_RETRY_SECONDS)
                await asyncio.sleep(backoff)

    async def _read_over_one_connection(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest",
            request_timeout_ms=10_000, fetch_max_wait_ms=self._part_ms(5),
        )  # fmt: skip
        try:
            await consumer.start()
            let_rest(consumer._fetcher)
            await self._read(consumer)
        finally:
            await let_go(consumer)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        tps = list(self._positions)
        consumer.assign(tps)
        for tp, position in self._positions.items():
            consumer.seek(tp, position)
        pause_ms = self._part_ms(3.3)
        while True:
            began = time.monotonic()
            async with asyncio.timeout(10):
                ends = await consumer.end_offsets(tps)
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                await self._take(await consumer.getmany(*tps, timeout_ms=1000))
            await self._became_fresh(began)
            await self._take(await consumer.getmany(*tps, timeout_ms=pause_ms))

    def _part_ms(self, of: float) -> int:
        """A part of the time for which a read is fresh. Twice the wait of a request, behind which the question for the
        end of the topic waits, and one pause must be well within it."""
        return int(self._settings.agreement_freshness.total_seconds() * 1000 / of)

    async def _take(self, batches: dict[TopicPartition, list[object]]) -> None:
        for tp, records in batches.items():
            for r in records:
                self._fold(r)
                self._positions[tp] = r.offset + 1  # type: ignore[attr-defined]
            async with self._changed:
                self._changed.notify_all()

    def _fold(self, r: object) -> None:
        try:
            if r.topic == self._models_topic:  # type: ignore[attr-defined]
                return self._fold_model(list(r.headers), r.value, datetime.fromtimestamp(r.timestamp / 1000, UTC))  # type: ignore[attr-defined]
            self.publications.take_record(list(r.headers), r.value, datetime.fromtimestamp(r.timestamp / 1000, UTC))  # type: ignore[attr-defined]
        except UndecodableRecord as error:
            log.warning("record_in_agreements_is_no_event", offset=r.offset, because=str(error))  # type: ignore[attr-defined]

    def _fold_model(self, headers: Headers, value: bytes | None, at: datetime) -> None:
        envelope = Envelope.parse(headers)
        if envelope.type == _MODEL:
            event = decode(envelope.type, value)
            assert isinstance(event, ModelPublished)
            void = self.models.take(event, at)
            if void is not None:
                log.warning("model_is_void", version=event.model_version, because=void)

    async def _became_fresh(self, began: float) -> None:
        self._fresh_at = began
        if len(self.publications):
            self._health.say(_PART, ok=True)
        else:
            self._health.say(_PART, ok=False, because="no agreement is published: `leadloop up` publishes the first")
        async with self._changed:
            self._changed.notify_all()


def _end_the_process_if_it_failed(task: asyncio.Task[None]) -> None:
    """Without a reader every processor would wait for ever, and nothing would say why."""
    if not task.cancelled() and task.exception() is not None:
        die("the reader of agreements failed", task.exception())
