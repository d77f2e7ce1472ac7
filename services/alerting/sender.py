"""The sender: delivers what was released, once as a rule, and says AlertSent or AlertFailed.

It reads `alerts` in a consumer group of its own, so that of several alerting processes one has each partition. What it
owes is derived from the log: it first reads a partition to its end, then delivers what is released without an answer.
The group's committed position never passes a release that is still owed, so a process that is killed loses nothing;
one killed between a delivery and its AlertSent delivers again, with the same id.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from schemas.base import Event
from schemas.events.alerting import AlertFailed, AlertReleased, AlertSent
from schemas.ids import EventId, RecipientId
from schemas.topics import ALERTS
from schemas.vocabulary import Because
from schemas.wire import Envelope, UndecodableRecord, decode
from services.alerting.delivery import Channel, ChannelUnusable, NotDelivered, expand
from services.alerting.message import Message, Writer
from services.alerting.pending import Owed, Pending, begin_at
from services.runtime.appending import BrokerAway
from services.runtime.metrics import DELIVERIES
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.runtime.main import Running

log = structlog.get_logger(__name__)

_PART = "alerts sender"
READS: frozenset[type[Event]] = frozenset({AlertReleased, AlertSent, AlertFailed})
_MATTERS = frozenset(event.type_name() for event in READS)
_COMMIT_EVERY_SECONDS = 1.0
_LAST_ATTEMPT_SECONDS = 5.0
"""How long an attempt under way is waited for when a partition goes, or the service stops (it has ten seconds)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the sender tries. The defaults give a receiver that is away about two hours."""

    first: float = 1.0
    """Seconds between the first attempt and the second."""
    factor: float = 2.0
    longest: float = 600.0
    """Seconds between two attempts, at most."""
    attempts: int = 20

    def after(self, attempt: int) -> float:
        """Seconds to wait after this attempt, counted from 1."""
        return min(self.first * self.factor ** (attempt - 1), self.longest)


@asynccontextmanager
async def sender(settings: Settings, running: Running) -> AsyncIterator[None]:
    """Deliver for as long as the block lasts."""
    running.health.expect(_PART, "reading what is owed")
    async with Sender(settings, running).delivering():
        yield


class Sender:
    """Reads `alerts`, keeps what each partition owes, and has one delivery under way per recipient."""

    def __init__(
        self,
        settings: Settings,
        running: Running,
        environment: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._settings, self._running = settings, running
        self._environment = os.environ if environment is None else environment
        self._patience = patience or Patience()
        self._writer = Writer(settings.desk_url)
        self._pending: dict[TopicPartition, Pending] = {}
        self._ends: dict[TopicPartition, int] = {}
        """Up to where a partition must be read before anything of it is delivered."""
        self._at_work: dict[tuple[TopicPartition, RecipientId], asyncio.Task[None]] = {}
        self._resting: set[asyncio.Task[Any]] = set()
        """Those of them that only wait for their next attempt."""
        self._channels: dict[tuple[RecipientId, str], Channel] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._joined = False
        """Whether the group has given this process its share, be it none."""

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Read and deliver for as long as the block lasts; on leaving, what is under way is left to the next owner."""
        task = asyncio.create_task(self._run(), name="alerts sender")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        pause = 0.1
        while True:
            try:
                async with self._consumer() as consumer:
                    pause = 0.1
                    await self._read(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                self._running.health.say(_PART, ok=False, because=f"the broker does not answer: {type(error).__name__}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        session_ms = int(self._settings.session_timeout.total_seconds() * 1000)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap_servers,
            group_id=self._settings.group("alerting.sender"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(1, session_ms // 3),
        )
        consumer.subscribe(
            [self._settings.topic(ALERTS)],
            listener=_Ownership(partial(self._revoked, consumer), self._assigned),
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await self._let_go(list(self._pending))
            await self._commit(consumer)
            self._forget(list(self._pending))
            async with asyncio.timeout(5):
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        committed_at = asyncio.get_running_loop().time()
        while True:
            batches: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=250, max_records=1000)
            new = await self._meet(consumer)
            for tp, records in batches.items():
                pending = self._pending.get(tp)
                if pending is not None and tp not in new:  # what came before the look back comes again in its order
                    for record in records:
                        _take(pending, record)
            self._deliver()
            if asyncio.get_running_loop().time() - committed_at >= _COMMIT_EVERY_SECONDS:
                await self._commit(consumer)
                committed_at = asyncio.get_running_loop().time()

    async def _meet(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Begin with partitions newly assigned: nothing of them is delivered before all of it is known."""
        new = [tp for tp in consumer.assignment() if tp not in self._pending]
        if not new:
            if self._joined and self._all_known():
                self._running.health.say(_PART, ok=True)
            return []
        async with asyncio.timeout(10):
            ends = await consumer.end_offsets(new)
            beginnings = await consumer.beginning_offsets(new)
            for tp in new:
                start = begin_at((await consumer.committed(tp)) or 0, beginnings[tp])
                consumer.seek(tp, start)
                self._pending[tp], self._ends[tp] = Pending(start), ends[tp]
        return new

    def _all_known(self) -> bool:
        return all(self._pending[tp].position >= end for tp, end in self._ends.items())

    async def _let_go(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop delivering what these owe. An attempt under way may end, else the next owner repeats it."""
        gone = set(partitions)
        for tp in gone:
            if (pending := self._pending.get(tp)) is not None:
                pending.owned = False
        tasks = {task for (tp, _), task in self._at_work.items() if tp in gone}
        for task in tasks & self._resting:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_LAST_ATTEMPT_SECONDS)
            for task in late:
                task.cancel()

    def _assigned(self) -> None:
        self._joined = True

    async def _revoked(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        gone = list(partitions)
        await self._let_go(gone)
        await self._commit(consumer)
        self._forget(gone)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in partitions:
            self._pending.pop(tp, None)
            self._ends.pop(tp, None)
            self._committed.pop(tp, None)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        where = {tp: p.committable for tp, p in self._pending.items() if p.position >= self._ends[tp]}
        new = {tp: offset for tp, offset in where.items() if self._committed.get(tp) != offset}
        if not new:
            return
        try:
            await consumer.commit(new)
            self._committed.update(new)
        except (
            KafkaError
        ) as error:  # the group moves or the broker is away: the next commit, or the next owner, says it again
            log.info("position_not_committed", because=type(error).__name__)

    def _deliver(self) -> None:
        """One task per recipient and partition that owes something and is known to its end."""
        for tp, pending in self._pending.items():
            if pending.position < self._ends[tp]:
                continue
            for recipient in pending.recipients():
                if (tp, recipient) not in self._at_work:
                    task = asyncio.create_task(self._work_off(tp, pending, recipient), name=f"alerts to {recipient}")
                    self._at_work[tp, recipient] = task
                    task.add_done_callback(partial(self._finished, (tp, recipient)))

    def _finished(self, key: tuple[TopicPartition, RecipientId], task: asyncio.Task[None]) -> None:
        if self._at_work.get(key) is task:
            del self._at_work[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery_broke_off", recipient=key[1], error=type(error).__name__, exc_info=error)

    async def _work_off(self, tp: TopicPartition, pending: Pending, recipient: RecipientId) -> None:
        """What one recipient is owed, one message after the other."""
        while pending.owned and (owed := pending.first(recipient)) is not None:
            answer = await self._one(owed, pending)
            if answer is not None:
                await self._say(answer, owed.envelope)
                pending.settle(owed.released.alert_id)

    async def _one(self, owed: Owed, pending: Pending) -> AlertSent | AlertFailed | None:
        """Deliver one message, again until it is delivered or the patience ends; none: it is no longer ours."""
        message = self._writer.write(owed.released)
        attempt = 0
        while pending.owned:
            attempt += 1
            try:
                await self._attempt(owed.released.recipient, message)
            except ChannelUnusable as error:
                return self._failed(owed, attempt, str(error))
            except NotDelivered as error:
                DELIVERIES.labels("failed").inc()
                log.warning(
                    "not_delivered",
                    alert_id=message.alert_id,
                    recipient=owed.released.recipient,
                    attempt=attempt,
                    because=str(error),
                )
                if attempt >= self._patience.attempts:
                    return self._failed(owed, attempt, f"{error}, {attempt} times")
                await self._rest(attempt)
            else:
                DELIVERIES.labels("sent").inc()
                log.info("delivered", alert_id=message.alert_id, recipient=owed.released.recipient, attempt=attempt)
                return AlertSent(
                    recipient=owed.released.recipient,
                    alert_id=message.alert_id,
                    attempts=attempt,
                    sent_at=datetime.now(UTC),
                )

        return None

    async def _rest(self, attempt: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._resting.add(task)
        try:
            await asyncio.sleep(self._patience.after(attempt))
        finally:
            self._resting.discard(task)

    async def _attempt(self, recipient: RecipientId, message: Message) -> None:
        await self._running.agreements.fresh()
        terms = self._running.agreements.in_force(datetime.now(UTC)).channels.get(recipient)
        if terms is None:
            raise ChannelUnusable("the agreement in force has no channel of this name: add it under channels")
        url = expand(terms.url, self._environment)
        if (recipient, url) not in self._channels:
            self._channels[recipient, url] = Channel.at(url)
        await asyncio.to_thread(self._channels[recipient, url].deliver, message)

    def _failed(self, owed: Owed, attempts: int, because: str) -> AlertFailed:
        DELIVERIES.labels("given_up").inc()
        log.error("alert_given_up", alert_id=owed.released.alert_id, recipient=owed.released.recipient, because=because)
        return AlertFailed(
            recipient=owed.released.recipient,
            alert_id=owed.released.alert_id,
            attempts=attempts,
            failed_at=datetime.now(UTC),
            because=Because(because),
        )

    async def _say(self, answer: AlertSent | AlertFailed, cause: Envelope) -> None:
        """Append the answer, with an id that a repetition shares, until the broker has it."""
        event_id = EventId(f"alerting.sender.{answer.alert_id}.{type(answer).__name__}")
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._running.appender.append(answer, event_id=event_id, cause=cause)
            except BrokerAway:  # health says so; delivering again instead would tell the person twice
                await asyncio.sleep(self._patience.after(attempt))
            else:
                return


class _Ownership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the sender what is taken away."""

    def __init__(
        self, revoked: Callable[[Iterable[TopicPartition]], Awaitable[None]], assigned: Callable[[], None]
    ) -> None:
        self._revoked, self._assigned = revoked, assigned

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._assigned()  # the reader meets them


def _take(pending: Pending, record: Any) -> None:
    event: Event | None = None
    envelope: Envelope | None = None
    try:
        envelope = Envelope.parse(record.headers)
        if envelope.type in _MATTERS:
            event = decode(envelope.type, record.value)
    except UndecodableRecord as error:  # alerting.recipient reads the same record and makes the dead letter
        log.warning("record_in_alerts_is_no_event", offset=record.offset, because=str(error))
    pending.read(record.offset, event, envelope)
