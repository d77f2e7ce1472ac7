"""The sender: delivers what was released, once as a rule, and says AlertSent or AlertFailed.

It reads `alerts` in a consumer group of its own, so that of several alerting processes one has each partition. What it
owes is derived from the log: it first reads a partition to its end, then delivers what is released without an answer.
The group's committed position never passes a release that is still owed, so a process that is killed loses nothing;
one killed between a delivery and its AlertSent delivers again, with the same id.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from schemas.agreement import Agreement
from schemas.base import Event
from schemas.events.alerting import (
    AlertFailed,
    AlertReleased,
    AlertSent,
    DeliveryAttempted,
    DeliveryReplayed,
    NewsReleased,
    RecipientDisabled,
    RecipientEnabled,
    ToolKind,
)
from schemas.ids import RecipientId
from schemas.topics import ALERTS
from schemas.wire import Envelope, UndecodableRecord, decode
from services.alerting import shelf
from services.alerting.backlog import Backlog, Line, Released, begin_at
from services.alerting.carriers import Carriers
from services.alerting.courier import Courier, now_ms
from services.alerting.crm.hearing import Listener
from services.alerting.patience import PEOPLE, TOOLS, Patience
from services.alerting.reading import AlertingProjection
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings
from services.runtime.topics import partition_of

if TYPE_CHECKING:
    from services.runtime.main import Running

log = structlog.get_logger(__name__)

_PART = "alerts sender"
READS: frozenset[type[Event]] = frozenset(
    {
        AlertReleased,
        NewsReleased,
        DeliveryReplayed,
        DeliveryAttempted,
        AlertSent,
        AlertFailed,
        RecipientDisabled,
        RecipientEnabled,
    }
)
_MATTERS = frozenset(event.type_name() for event in READS)
_COMMIT_EVERY_SECONDS = 1.0
_LAST_ATTEMPT_SECONDS = 5.0
"""How long an attempt under way is waited for when a partition goes, or the service stops (it has ten seconds)."""


@asynccontextmanager
async def sender(settings: Settings, running: Running) -> AsyncIterator[None]:
    """Deliver for as long as the block lasts."""
    running.health.expect(_PART, "reading what is owed")
    tables = running.projection(AlertingProjection())
    async with Carriers.open(settings, running, tables, os.environ) as carriers:
        patience = partial(patience_with, settings.webhook_delays, lambda: running.agreements.in_force(datetime.now(UTC)))
        its = Sender(settings, running, tables, carriers, patience)
        listener = Listener(settings, running.appender, running.agreements, tables, carriers.crms, its.owns)
        async with its.delivering(), listener.listening():
            yield


def patience_with(delays: tuple[float, ...], agreement: Callable[[], Agreement], released: Released | None) -> Patience:
    """How long to try: people and tools have different needs, and a channel may say its own. delays: of tools, in seconds, instead
    of the usual ones. agreement: the one in force."""
    if isinstance(released, NewsReleased | DeliveryReplayed) and released.tool is not ToolKind.REP:
        return replace(TOOLS, delays=delays) if delays else TOOLS
    channel = agreement().channels.get(released.recipient) if isinstance(released, AlertReleased) else None
    return PEOPLE if channel is None or channel.tries_for is None else PEOPLE.for_no_longer_than(channel.tries_for)


class Sender:
    """Reads `alerts`, keeps what each partition owes, and has attempts begun as they become due."""

    def __init__(
        self,
        settings: Settings,
        running: Running,
        tables: ProjectionRunner,
        carriers: Carriers,
        patience: Callable[[Released | None], Patience],
    ) -> None:
        self._settings, self._running, self._tables, self._patience = settings, running, tables, patience
        self._courier = Courier(carriers, running.appender)
        self._backlogs: dict[TopicPartition, Backlog] = {}
        self._ends: dict[TopicPartition, int] = {}
        """Up to where a partition must be read before anything of it is delivered."""
        self._at_work: dict[asyncio.Task[None], TopicPartition] = {}
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

    def owns(self, recipient: RecipientId) -> bool:
        """Whether this process is the one that sees to the recipient, and knows what he is owed."""
        tp = TopicPartition(self._settings.topic(ALERTS), partition_of(recipient, self._settings.partitions))
        backlog = self._backlogs.get(tp)
        return backlog is not None and backlog.owned and backlog.position >= self._ends[tp]

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
            await self._let_go(list(self._backlogs))
            await self._commit(consumer)
            self._forget(list(self._backlogs))
            async with asyncio.timeout(5):
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        committed_at = asyncio.get_running_loop().time()
        while True:
            batches: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=250, max_records=1000)
            new = await self._meet(consumer)
            for tp, records in batches.items():
                backlog = self._backlogs.get(tp)
                if backlog is not None and tp not in new:  # what came before the look back comes again in its order
                    for record in records:
                        _take(backlog, record)
            self._deliver()
            if asyncio.get_running_loop().time() - committed_at >= _COMMIT_EVERY_SECONDS:
                await self._commit(consumer)
                committed_at = asyncio.get_running_loop().time()

    async def _meet(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Begin with partitions newly assigned: nothing of them is delivered before all of it is known."""
        new = [tp for tp in consumer.assignment() if tp not in self._backlogs]
        if not new:
            if self._joined and self._all_known():
                self._running.health.say(_PART, ok=True)
            return []
        await self._tables.read_to_end(topic=ALERTS, timeout=30)
        disabled = await self._tables.read(shelf.disabled)
        async with asyncio.timeout(10):
            ends = await consumer.end_offsets(new)
            beginnings = await consumer.beginning_offsets(new)
            for tp in new:
                start = begin_at((await consumer.committed(tp)) or 0, beginnings[tp])
                consumer.seek(tp, start)
                self._backlogs[tp], self._ends[tp] = Backlog(start, self._patience, disabled), ends[tp]
        return new

    def _all_known(self) -> bool:
        return all(self._backlogs[tp].position >= end for tp, end in self._ends.items())

    async def _let_go(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop delivering what these owe. An attempt under way may end, else the next owner repeats it."""
        gone = set(partitions)
        for tp in gone:
            if (backlog := self._backlogs.get(tp)) is not None:
                backlog.owned = False
        tasks = {task for task, tp in self._at_work.items() if tp in gone}
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
            self._backlogs.pop(tp, None)
            self._ends.pop(tp, None)
            self._committed.pop(tp, None)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        where = {tp: p.committable for tp, p in self._backlogs.items() if p.position >= self._ends[tp]}
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
        """Begin what is due, of partitions that are known to their ends."""
        for tp, backlog in self._backlogs.items():
            if backlog.position >= self._ends[tp]:
                for line in tuple(backlog.lines.values()):
                    self._feed(tp, backlog, line)

    def _feed(self, tp: TopicPartition, backlog: Backlog, line: Line) -> None:
        while backlog.owned and (owed := line.begin(now_ms())) is not None:
            task = asyncio.create_task(self._courier.attempt(backlog, line, owed), name=f"to {line.recipient}")
            self._at_work[task] = tp
            task.add_done_callback(partial(self._finished, tp, backlog, line))

    def _finished(self, tp: TopicPartition, backlog: Backlog, line: Line, task: asyncio.Task[None]) -> None:
        del self._at_work[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery_broke_off", recipient=line.recipient, error=type(error).__name__, exc_info=error)
        backlog.forget(line)
        self._feed(tp, backlog, line)


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


def _take(backlog: Backlog, record: Any) -> None:
    event: Event | None = None
    envelope: Envelope | None = None
    try:
        envelope = Envelope.parse(record.headers)
        if envelope.type in _MATTERS:
            event = decode(envelope.type, record.value)
    except UndecodableRecord as error:  # alerting.recipient reads the same record and makes the dead letter
        log.warning("record_in_alerts_is_no_event", offset=record.offset, because=str(error))
    backlog.read(record.offset, event, envelope)
