"""Delivery of whole fetches and the commit of one position a partition: Faust's consumer and producer, replaced.

Read anew when a pinned version changes (tests/architecture/test_pins.py):
- `Consumer._drain_messages`, `force_commit`, `wait_empty`, `perform_seek`, `on_partitions_revoked` stand in for those
  of faust/transport/consumer.py, which hand out one message at a time, keep one acknowledgement an offset, and seek
  with aiokafka's `seek_to_committed`, which leaves a partition without a commit where it is.
- `Thread` stands in for faust/transport/drivers/aiokafka.py `AIOKafkaConsumerThread`: the same calls on the
  application's own loop, without a second thread and a hand-over for each call; its `_commit` crashes the application
  on any failure.
- Faust hands aiokafka its live set of active partitions (`_get_active_partitions`); when it empties, aiokafka reads it
  as "all" (consumer/fetcher.py, `fetched_records`). We hand over a copy, and never an empty one.
- faust/transport/drivers/aiokafka.py `Producer.flush` gives up after 100 ms.
Ordinary Faust agents are not offered: nothing here would commit for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.utils.futures import maybe_async

from services.runtime.cancellation import answered
from services.runtime.fencing import Fence
from services.runtime.gathering import Gathering, let_rest

log = structlog.get_logger(__name__)
FAUST_LOGGER = logging.getLogger("faust")
"""Faust's services log under the names of their modules; ours shall be told apart and quietened with the rest of
Faust."""

COMMIT_SECONDS = 5.0
_ASK_SECONDS = 10.0


class Delivery(Protocol):
    """Whoever works the records: the group commit."""

    topic: str
    """The one input, by its name on the cluster."""
    committable: dict[int, int]
    """Partition -> next offset of which everything before is done and durable."""

    gathering: Gathering
    """How records are to be asked for."""

    def put(self, partition: int, records: Sequence[ConsumerRecord]) -> None:
        """Records in their order; returns at once."""

    async def room(self) -> None:
        """Wait until there is room for more."""

    def drop(self) -> None:
        """Forget what was put and not begun."""

    async def settle(self) -> None:
        """Wait until nothing is in flight; ends the process if that takes longer than the session."""

    def seek_position(self, partition: int) -> int:
        """Where the partition's own memory says to go on; -1: it says nothing."""


class Thread(driver.AIOKafkaConsumerThread):
    """Faust's name for what drives aiokafka's consumer; here it is no thread."""

    logger = FAUST_LOGGER

    fence: Fence

    def __init__(self, *args: Any, loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any) -> None:
        super().__init__(*args, loop=loop, thread_loop=loop or asyncio.get_running_loop(), **kwargs)

    # A Service and not a ServiceThread: mode/threads.py would start a thread with a loop of its own.
    start = Service.start
    stop = Service.stop
    crash = Service.crash  # type: ignore[assignment]
    maybe_start = Service.maybe_start
    _stop_children = Service._stop_children
    _stop_futures = Service._stop_futures
    _stop_exit_stacks = Service._stop_exit_stacks

    def _stopped_set(self) -> None:
        self._stopped.set()

    def set_shutdown(self) -> None:
        self._shutdown.set()

    @Service.task
    async def _thread_keepalive(self) -> None:
        self.set_shutdown()

    async def call_thread(self, fun: Any, *args: Any, **kwargs: Any) -> Any:
        return await maybe_async(fun(*args, **kwargs))

    @property
    def kafka(self) -> AIOKafkaConsumer:
        """aiokafka's consumer. Raises ConsumerNotStarted."""
        return self._ensure_consumer()

    async def on_start(self) -> None:
        await super().on_start()
        self.fence.watch(self.kafka._coordinator)
        let_rest(self.kafka._fetcher)

    async def on_stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # Nothing is fetched before the states are restored and the inputs are sought; changelogs are never fetched
        # here: records that nobody takes hold up aiokafka's fetches of the whole node.
        self.fence.alive()
        self.kafka.pause(*self.kafka.assignment())
        await super().on_partitions_assigned(assigned, generation_id)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False where it could not be done: that only makes the next start read more, and skip it."""
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await answered(self.kafka.commit({TopicPartition(*tp): offset for tp, offset in offsets.items()}))
        except (CommitFailedError, IllegalStateError, KafkaError, TimeoutError, OSError) as error:
            log.warning("position_not_committed", because=type(error).__name__)
            return False
        return True


class Consumer(driver.Consumer):
    """Hands whole fetches to the delivery and commits what it says is done."""

    logger = FAUST_LOGGER
    app: Any
    _thread: Thread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._expected: dict[int, int] = {}
        """Partition -> next offset to hand over."""
        self._committed: dict[int, int] = {}
        self._read_again: dict[int, int] = {}
        """Partition -> offset at which a gap was seen and read again once: then it is one of control records."""
        self._seeks = 0
        super().__init__(*args, **kwargs)

    @property
    def delivery(self) -> Delivery:
        delivery: Delivery = self.app.hosted.delivery
        return delivery

    def _new_consumer_thread(self) -> Thread:
        thread = Thread(self, loop=self.loop, beacon=self.beacon)
        thread.fence = self.app.hosted.fence
        return thread

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """As the producer's: Faust makes no topics."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watch over acknowledgements, which we have none of."""

    def inputs(self) -> list[TopicPartition]:
        """The input partitions that are assigned now."""
        return [tp for tp in self._thread.kafka.assignment() if tp.topic == self.delivery.topic]

    def lag(self) -> int:
        """Records appended to the assigned partitions and not yet done, as far as the last fetch told."""
        done = self.delivery.committable
        highwaters = [(tp, self._thread.kafka.highwater(tp)) for tp in self.inputs()]
        return sum(
            max(0, high - done[tp.partition]) for tp, high in highwaters if high is not None and tp.partition in done
        )

    # -- where to read -----------------------------------------------------------------------------------------------

    async def perform_seek(self) -> None:
        """Go to where each input's work is done and durable, and forget what was delivered. The inputs must be
        paused."""
        kafka, inputs = self._thread.kafka, self.inputs()
        self._seeks += 1
        self.delivery.drop()
        async with asyncio.timeout(_ASK_SECONDS):
            begins = await kafka.beginning_offsets(inputs)
            committed = {tp: await kafka.committed(tp) for tp in inputs}
        for tp in inputs:
            offset = max(begins[tp], committed[tp] or 0, self.delivery.seek_position(tp.partition))
            kafka.seek(tp, offset)
            self._expected[tp.partition] = self.delivery.committable[tp.partition] = offset
            self._committed[tp.partition] = committed[tp] or 0  # where we know better, others shall see it, too

    def resume_inputs(self) -> None:
        """Begin to fetch."""
        inputs = self.inputs()
        self._thread.kafka.resume(*inputs)
        self.resume_partitions({ensure_TP(tp) for tp in inputs})
        self.resume_flow()

    async def _drain_messages(self, fetcher: Any) -> None:
        gathering = self.delivery.gathering
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
                active = {
                    TopicPartition(*tp) for tp in self._get_active_partitions() if tp.topic == self.delivery.topic
                }
                if not active:
                    await asyncio.sleep(0.05)  # another worker has them all
                    continue
                seeks = self._seeks
                gathering.ask(self._thread.kafka._fetcher)
                fetched = await self._fetched(active, gathering.patience)
                gathering.delivered(sum(len(records) for records in fetched.values()))
                for tp, records in fetched.items():
                    self._hand_over(tp, records, moved=seeks != self._seeks)
                await self.delivery.room()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _fetched(
        self, active: set[TopicPartition], seconds: float
    ) -> Mapping[TopicPartition, list[ConsumerRecord]]:
        try:
            fetched: Mapping[TopicPartition, list[ConsumerRecord]] = await answered(
                self._thread.getmany(active, seconds)
            )
        except ConnectionAbortedError:
            return {}
        return fetched

    def _hand_over(self, tp: TopicPartition, records: list[ConsumerRecord], *, moved: bool) -> None:
        partition = tp.partition
        wanted = self._expected.get(partition)
        if wanted is None or not self.flow_active or ensure_TP(tp) not in self._get_active_partitions():
            return  # a seek follows before anything flows again
        if moved:  # a seek happened while these were on their way: in doubt, read again
            self._thread.kafka.seek(tp, wanted)
            return
        if records[0].offset < wanted:
            records = [r for r in records if r.offset >= wanted]
            if not records:
                return
        if records[0].offset > wanted and self._read_again.get(partition) != wanted:
            self._read_again[partition] = wanted
            log.info("gap_in_input", partition=partition, wanted=wanted, got=records[0].offset)
            self._thread.kafka.seek(tp, wanted)
            return
        self._expected[partition] = records[-1].offset + 1
        self.delivery.put(partition, records)

    # -- how far we are ----------------------------------------------------------------------------------------------

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit the position of every partition that has moved."""
        assigned = {tp.partition for tp in self.inputs()}
        moved = {p: o for p, o in self.delivery.committable.items() if p in assigned and o > self._committed.get(p, -1)}
        if not moved or not await self._commit({TP(self.delivery.topic, p): o for p, o in moved.items()}):
            return False
        for partition, offset in moved.items():
            if partition in self._committed:
                self._committed[partition] = max(offset, self._committed[partition])
        return True

    async def wait_empty(self) -> None:
        """At a revocation or stop: drop what was not begun, finish the group in flight, commit."""
        self.app.hosted.rest()
        self.delivery.drop()
        await self.delivery.settle()
        await self.force_commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        if self._active_partitions is not None:
            self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        self._seeks += 1
        await self._on_partitions_revoked(revoked)  # the application's: stops the flow and comes back to wait_empty
        for positions in (self._expected, self._committed, self._read_again, self.delivery.committable):
            positions.clear()  # the protocol is eager: everything is revoked


class Producer(driver.Producer):
    """An idempotent producer that waits for every replica."""

    logger = FAUST_LOGGER
    app: Any

    async def on_start(self) -> None:
        await super().on_start()
        self.app.hosted.writable(self._ensure_producer())

    def _settings_extra(self) -> Mapping[str, Any]:
        return {
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "max_batch_size": 900_000,
            "max_request_size": 9_000_000,
            "request_timeout_ms": int(self.app.hosted.write_seconds * 1000),
        }

    async def flush(self) -> None:
        await super().flush()
        if self._producer is not None:
            async with asyncio.timeout(self.app.hosted.write_seconds):
                await self._producer.flush()

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Topics are made before anything starts (topics.py), with their policies and equal partitions."""


class Transport(driver.Transport):
    """Faust's transport with our consumer and producer."""

    Consumer = Consumer
    Producer = Producer
