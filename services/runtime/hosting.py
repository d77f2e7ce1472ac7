"""Hosting one processor: a Faust application of its own, whose transport, recovery and work are ours.

What Faust does here: settings, membership of the group and co-partitioned assignment of input and changelog, the
declaration of both, the life cycle of services. Read anew when a pinned version changes
(tests/architecture/test_pins.py):
- `_HostingApp` uses the extension points `_new_transport`, `_new_producer_transport` and the `TableManager` setting of
  faust/app/base.py; two applications live in one process and one loop when a service has two processors.
- Not the stock Worker (faust/worker.py): main.py owns the process, its signals and its end.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import faust
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from services.runtime import changelog, metrics
from services.runtime.announcing import Announcer
from services.runtime.cancellation import answered
from services.runtime.fencing import Fence
from services.runtime.group_commit import FreshAgreements, GroupCommit
from services.runtime.health import Health
from services.runtime.leaving import die
from services.runtime.plan import Plan
from services.runtime.protocol import Processor
from services.runtime.restore import Changelog, ChangelogReader, Tables
from services.runtime.sending import Sender
from services.runtime.settings import Settings
from services.runtime.store import Codec, Store
from services.runtime.tail import Tail
from services.runtime.timers import Timers, TimerWriter, defaulted
from services.runtime.topics import ensure
from services.runtime.transport import FAUST_LOGGER, Transport

STOP_SECONDS = 8.0
"""A stop that takes longer is ended hard; nothing is lost by it, the next start does the rest."""
HEARTBEATS_A_SESSION = 5
_REQUEST_SECONDS = 40.0
_LOOK_EVERY_SECONDS = 1.0
_STUCK_SECONDS = 2.0
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
"""Python's 700 cost a tenth of all time: a record makes dozens of objects, and all but its state die with its group."""
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0


class Around(Protocol):
    """What the host needs of the process that it runs in (main.py `Running`)."""

    @property
    def settings(self) -> Settings: ...
    @property
    def health(self) -> Health: ...
    @property
    def agreements(self) -> FreshAgreements: ...
    @property
    def incarnations(self) -> Mapping[str, str]: ...


@asynccontextmanager
async def host(processor: Processor[Any], running: Around) -> AsyncIterator[Hosted]:
    """Run the processor for as long as the block lasts; leaving it finishes the group, commits and leaves the group.

    Returns before the processor is restored: its part of `running.health` (by the processor's name) says when it works.
    Ends the process with 70 on any failure that a new start mends, with 78 where a person is needed.
    """
    async with working(Hosted(processor, running)) as hosted:
        yield hosted


@asynccontextmanager
async def working(hosted: Hosted) -> AsyncIterator[Hosted]:
    """Let what is hosted work for as long as the block lasts."""
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 50)
    task = asyncio.create_task(hosted.run(), name=f"hosting {hosted.name}")
    try:
        yield hosted
    finally:
        await hosted.stop(task)


class _HostingApp(faust.App):
    """Faust's application with our transport."""

    logger = FAUST_LOGGER
    hosted: Hosted
    consumer: Any
    _crashed: Any

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """Nothing of a table is on a disk of ours."""


class Hosted:
    """One processor at work."""

    delivery_class: type[GroupCommit] = GroupCommit
    fence_class: type[Fence] = Fence

    def __init__(self, processor: Processor[Any], running: Around) -> None:
        if processor.due is not Processor.__dataclass_fields__["due"].default and not _hears_timers(processor):
            raise ValueError(f"{processor.name} has deadlines (`due`) and does not listen to TimerDue")
        settings = running.settings
        self.name = processor.name
        self.plan = Plan.of(processor, settings, running.incarnations[processor.log.name])
        self.health = running.health
        self.write_seconds = max(settings.broker_patience.total_seconds(), settings.session_timeout.total_seconds())
        """How long a write may take before the process ends."""
        self.stores: dict[int, Store] = {}
        self.fence = self.fence_class(settings.session_timeout.total_seconds())
        self.delivery = self.delivery_class(self.plan, running.agreements, self.health, self.fence, self.stores)
        self._reader = ChangelogReader(settings.bootstrap_servers, self.plan.changelog, Codec(processor))
        self._writer = TimerWriter(
            processor, self.plan.log_topic, self.plan.incarnation, self.plan.runtime_source, self.plan.writer
        )
        self.timers = Timers(processor, self.stores, self._writer, self._pen)
        self.tail = Tail(self._reader, self.stores, partial(self._ends, self.plan.changelog), self.delivery.rewrite)
        self._announcer = Announcer(
            processor, self.stores, running.agreements, self._writer, self._pen,
            caught_up=lambda partition, end: self.delivery.committable.get(partition, -1) >= end,
            ends=partial(self._ends, self.plan.log_topic), told=self.delivery.remember,
        )  # fmt: skip
        self._app: _HostingApp | None = None
        self._sender: Sender | None = None
        self.health.expect(self.name, "the processor is starting")

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start and work until cancelled."""
        try:
            await self._make_changelog()
            app = self._app = self._new_app()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(app.start(), name=f"{self.name} faust")
                tasks.create_task(self._crashed(app), name=f"{self.name} crash")
                works = [self.delivery.run, self.timers.run, self.tail.run, self._observe]
                if "touched_by_agreement" not in defaulted(self.plan.processor):
                    works.append(self._announcer.run)
                for work in works:
                    tasks.create_task(answered(work()), name=f"{self.name} {work.__qualname__}")
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 -- whatever it is, a new start is better than half a process
            die("the processor failed", error, processor=self.name)

    async def stop(self, task: asyncio.Task[None]) -> None:
        """Finish the group, commit, leave the group. Ends the process if it takes longer than STOP_SECONDS."""
        self.health.say(self.name, ok=False, because="the processor is stopping")
        if self._app is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._app.stop()
            except TimeoutError:
                die("the processor did not stop in time", processor=self.name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _new_app(self) -> _HostingApp:
        settings, plan = self.plan.settings, self.plan
        session = settings.session_timeout.total_seconds()
        app = _HostingApp(
            plan.group,
            broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
            TableManager=Tables,
            web_enabled=False,
            autodiscover=False,
            topic_partitions=settings.partitions,
            topic_disable_leader=True,
            table_standby_replicas=0,
            broker_session_timeout=session,
            broker_heartbeat_interval=session / HEARTBEATS_A_SESSION,
            broker_request_timeout=_REQUEST_SECONDS,
            broker_commit_interval=1.0,
            stream_recovery_delay=0.0,
            stream_wait_empty=True,
            loghandlers=[],
        )
        app.hosted = self
        app.topics.add(app.topic(plan.log_topic, key_type=bytes, value_type=bytes, partitions=settings.partitions))
        app.tables.add(Changelog(app, name=plan.table, partitions=settings.partitions))
        return app

    async def _make_changelog(self) -> None:
        """Its partitions are the input's, and it is there before anybody asks for its end."""
        settings, plan = self.plan.settings, self.plan
        topic = NewTopic(plan.changelog, settings.partitions, -1, {}, changelog.CONFIGURATION)
        pause = _FIRST_RETRY_SECONDS
        while True:
            try:
                return await ensure(settings, [topic])
            except (KafkaError, OSError, TimeoutError) as error:
                self.waiting(f"the broker does not answer: {type(error).__name__}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_RETRY_SECONDS)

    async def _crashed(self, app: _HostingApp) -> None:
        """Whatever makes Faust end its application ends the process: nothing in it would be restarted."""
        await app._crashed.wait()
        die("the application crashed", app.crash_reason, processor=self.name)

    def _pen(self) -> Sender:
        if self._sender is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._sender

    async def _ends(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """The present ends of a topic's partitions. Raises KafkaError."""
        if self._app is None:
            return {}
        ends = await self._app.consumer._thread.kafka.end_offsets([TopicPartition(topic, p) for p in partitions])
        return {tp.partition: end for tp, end in ends.items()}

    # -- what producer, recovery and transport call
    # ------------------------------------------------------------------------------

    def writable(self, producer: AIOKafkaProducer) -> None:
        """The producer has started; Faust starts it before the consumer."""
        self._sender = Sender(producer)
        self.delivery.equip(self._sender, self.timers, self.tail)

    async def restore(self, partitions: set[int]) -> int:
        """Bring the states of these partitions up to their changelogs' ends. Returns the records read."""
        return await self._reader.restore(self.stores, partitions)

    def serve(self, partitions: set[int], generation: int) -> None:
        """These partitions are ours, restored and sought."""
        gc.freeze()  # what was restored stays: looking it through for garbage again and again finds none
        self.timers.begin(partitions)
        self.tail.begin(sorted(partitions), generation)
        self.delivery.serve(generation)
        self._announcer.serving = True
        self.health.say(self.name, ok=True)

    def rest(self) -> None:
        """Nothing is ours from now on, but the group in flight."""
        self.timers.end()
        self.tail.end()
        self._announcer.serving = False
        self.waiting("the partitions are being assigned anew")

    def restored(self, seconds: float) -> None:
        """How long the last restore took."""
        metrics.RESTORE_SECONDS.labels(self.name).set(seconds)

    def waiting(self, because: str) -> None:
        """The processor does not work now."""
        self.health.say(self.name, ok=False, because=because)

    async def _observe(self) -> None:
        """How far behind we are, and whether a write hangs."""
        lag = metrics.LAG.labels(self.name)
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if self._app is not None and self.delivery.serving:
                lag.set(self._app.consumer.lag())
            stuck = self.delivery.seconds_of_this_write()
            if stuck > _STUCK_SECONDS:
                self.waiting("the broker does not acknowledge what is written")
            elif self.delivery.serving:
                self.health.say(self.name, ok=True)


def _hears_timers(processor: Processor[Any]) -> bool:
    return any(event.__name__ == "TimerDue" for event in processor.listens)
