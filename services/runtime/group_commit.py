"""Group commit: decide, then outputs, then state, then visible, then the position; one group in flight at a time.

"The state knows the event" implies "its outputs are durable"; committed <= committable <= acknowledged. So whatever
dies whenever, the next owner reads again what is not committed, skips what the state knows, and says the rest as it was
said. Any failure to send ends the process: nothing was made visible, and the next start does it again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from aiokafka.structs import ConsumerRecord

from schemas import topics
from schemas.events.runtime import TimerDue
from schemas.ids import EventId
from schemas.lifecycle import Effect
from schemas.wire import CausePosition, Envelope, Record, UndecodableRecord, encode, new_trace
from services.runtime import changelog, metrics
from services.runtime.changelog import PARTITION_KEY
from services.runtime.dead_letters import Share, dead_lettered, letter_of
from services.runtime.fencing import Fence
from services.runtime.gathering import Gathering
from services.runtime.groups import Group, States, Touched
from services.runtime.health import Health
from services.runtime.leaving import NEEDS_A_PERSON, die
from services.runtime.plan import Plan
from services.runtime.sending import NO_HEADERS, Outgoing, Sender
from services.runtime.step import Agreements, DecideFailed, KeyRecord, Said, concerns, interesting, step
from services.runtime.store import StateUnreadable, Store
from services.runtime.tail import Tail
from services.runtime.timers import Timers
from services.runtime.topics import partition_of

log = structlog.get_logger(__name__)

HIGH_WATER = 4000
"""Records waiting at which no more are fetched."""
MEMORY_EVERY_SECONDS = 1.0
REWRITTEN_AT_ONCE = 2000
TIMER = TimerDue.type_name()


class FreshAgreements(Agreements, Protocol):
    """Agreements that know how fresh they are."""

    @property
    def is_fresh(self) -> bool: ...
    async def fresh(self) -> None: ...


class GroupCommit:
    """Works one processor's records."""

    def __init__(
        self, plan: Plan, agreements: FreshAgreements, health: Health, fence: Fence, stores: dict[int, Store]
    ) -> None:
        self._plan, self._agreements, self._health, self._fence, self._stores = plan, agreements, health, fence, stores
        self.topic = plan.log_topic
        self.committable: dict[int, int] = {}
        self.gathering = Gathering(plan.processor.gather.total_seconds())
        self.generation = -1
        self._processor = plan.processor
        self._wanted = frozenset(name.encode() for name in interesting(plan.processor))
        self._for = plan.processor.name.encode()
        self._hears_timers = TimerDue in plan.processor.listens
        self._topics = {
            topic: (plan.settings.topic(topic), plan.settings.partitions_of(topic)) for topic in topics.TOPICS
        }
        self._pen: Sender
        self._timers_of_ours: Timers
        self._tail_of_ours: Tail
        self._queue: deque[tuple[int, Sequence[ConsumerRecord]]] = deque()
        self._waiting = 0
        self._wake, self._room, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self._idle.set()
        self._share = Share(plan.settings.dead_letter_share)
        self._memory_due: set[int] = set()
        self._memory_at: dict[int, float] = {}
        self.serving = False
        self._writing_since: float | None = None
        labels = (plan.processor.name,)
        self._events, self._skipped = metrics.EVENTS.labels(*labels), metrics.SKIPPED.labels(*labels)
        self._groups, self._seconds = metrics.GROUPS.labels(*labels), metrics.GROUP_SECONDS.labels(*labels)
        self._repetitions, self._dead = metrics.REPETITIONS.labels(*labels), metrics.DEAD_LETTERED.labels(*labels)
        self._rewritten = metrics.REWRITTEN.labels(*labels)

    def equip(self, sender: Sender, timers: Timers, tail: Tail) -> None:
        """What is there only once the application has started."""
        self._pen, self._timers_of_ours, self._tail_of_ours = sender, timers, tail

    # -- what the transport calls --------------------------------------------------------------------------------------

    def put(self, partition: int, records: Sequence[ConsumerRecord]) -> None:
        """Take records in their order."""
        self._queue.append((partition, records))
        self._waiting += len(records)
        self._wake.set()
        if self._waiting >= HIGH_WATER:
            self._room.clear()

    async def room(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    def drop(self) -> None:
        """Forget what was not begun."""
        self._queue.clear()
        self._waiting = 0
        self._room.set()

    async def settle(self) -> None:
        """Wait for the group in flight; ends the process if that takes longer than the session lasts."""
        self.serving = False
        try:
            async with asyncio.timeout(self._plan.settings.session_timeout.total_seconds()):
                await self._idle.wait()
        except TimeoutError:
            die("the group in flight did not end within the session time", processor=self._processor.name)

    def seek_position(self, partition: int) -> int:
        """Where the partition's own record says to go on reading; -1: it says nothing."""
        store = self._stores.get(partition)
        return store.position if store is not None else -1

    # -- what the host calls -------------------------------------------------------------------------------------------

    def serve(self, generation: int) -> None:
        """The states are restored: work."""
        self.generation = generation
        self._memory_due.clear()
        self._memory_at.clear()
        self.serving = True
        self._wake.set()

    def seconds_of_this_write(self) -> float:
        """How long the group in flight has been writing; 0 if none does."""
        return time.perf_counter() - self._writing_since if self._writing_since is not None else 0.0

    def rewrite(self) -> None:
        """A store has keys to be written anew, or memory to be written."""
        self._wake.set()

    def remember(self, partition: int) -> None:
        """The partition's own memory changed: write it."""
        self._memory_due.add(partition)
        self._wake.set()

    async def run(self) -> None:
        """Work what is put, for as long as the task lives. Ends the process on any failure."""
        try:
            while True:
                await self._wake.wait()
                if not self._agreements.is_fresh:
                    await self._agreements.fresh()
                self._wake.clear()
                taken = self._take() if self.serving else []
                if not taken and not self._has_to_write():
                    continue
                self._wake.set()
                self._idle.clear()
                await self._commit(taken)
                self._idle.set()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except StateUnreadable as error:
            die(str(error), code=NEEDS_A_PERSON, processor=self._processor.name)
        except BaseException as error:  # noqa: BLE001 -- whatever it is: nothing was made visible, start again
            die("a group could not be committed", error, processor=self._processor.name)

    def _has_to_write(self) -> bool:
        return self.serving and bool(
            self._memory_due or any(store.stale and store.overwritten() for store in self._stores.values())
        )

    # -- one group -----------------------------------------------------------------------------------------------------

    def _take(self) -> list[tuple[int, Sequence[ConsumerRecord]]]:
        """What waits now, at most `group_size`."""
        limit = self._plan.settings.group_size
        taken: list[tuple[int, Sequence[ConsumerRecord]]] = []
        while self._queue and limit > 0:
            partition, records = self._queue.popleft()
            if len(records) > limit:
                self._queue.appendleft((partition, records[limit:]))
                records = records[:limit]
            taken.append((partition, records))
            limit -= len(records)
            self._waiting -= len(records)
        if self._waiting < HIGH_WATER:
            self._room.set()
        return taken

    async def _commit(self, taken: list[tuple[int, Sequence[ConsumerRecord]]]) -> None:
        began = time.perf_counter()
        group = self._decide(taken)
        self._stop_if_too_many_dead()
        self._writing_since = began
        if group.said:
            self._fence.check()
            await self._pen.send(group.said)
        states = self._states(group)
        if states:
            await self._send_states(states)
        self._writing_since = None
        self._make_visible(group)
        self._count(group, sum(len(records) for _, records in taken), time.perf_counter() - began)

    # -- 1 decide ------------------------------------------------------------------------------------------------------

    def _decide(self, taken: list[tuple[int, Sequence[ConsumerRecord]]]) -> Group:
        group = Group()
        wanted, mine = self._wanted, self._for
        for partition, records in taken:
            store = self._stores[partition]
            touched = group.touched.setdefault(partition, {})
            for r in records:
                if concerns(r.headers, wanted, mine):
                    self._work(group, store, touched, r)
            group.positions[partition] = records[-1].offset + 1
        return group

    def _work(self, group: Group, store: Store, touched: dict[bytes, Touched], r: ConsumerRecord) -> None:
        key: bytes = r.key
        before: KeyRecord[Any] | None
        was = touched.get(key)
        if was is not None:
            before, parts = was.after, was.parts
        else:
            held = store.keys.get(key)
            if held is not None and r.offset <= held.position:
                return
            before = store.codec.head(held) if held is not None else None
            parts = store.parts_of(key)
        plan = self._plan
        record = Record(
            plan.log_name,
            r.partition,
            r.offset,
            datetime.fromtimestamp(r.timestamp / 1000, UTC),
            key,
            r.value,
            r.headers,
        )
        group.worked += 1
        try:
            if not changelog.usable_key(key):
                raise UndecodableRecord("the key is missing, empty, or has a NUL in it")
            done = step(
                self._processor, before, parts, record, self._agreements,
                incarnation=plan.incarnation, source=plan.source, writer=plan.writer,
            )  # fmt: skip
        except DecideFailed as failed:
            touched[key] = Touched(failed.after, parts)
            self._keep_dead(group, record, failed.error, failed.effect)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a record makes `step` raise is a fault of the data: it is kept whole
            self._keep_dead(group, record, error, None)
        else:
            touched[key] = Touched(done.after, parts)
            self._share.count(dead=False)
            if done.effect is None:
                group.repeated += 1
            for said in done.said:
                self._say(group, said, record)
            if self._hears_timers and record.type_name() == TIMER:
                group.timers.append((r.partition, key, r.timestamp))

    def _say(self, group: Group, said: Said, record: Record) -> None:
        key = said.key.encode()
        group.types[said.envelope.type] = group.types.get(said.envelope.type, 0) + 1
        group.say(*self._place(said, key, record), (key, said.value, said.envelope.headers()))

    def _place(self, said: Said, key: bytes, record: Record) -> tuple[str, int]:
        """Topic and partition of what is said. What stays under its key stays in its partition: a key's log is one."""
        if said.topic is self._processor.log and key == record.key:
            return self.topic, record.partition
        name, partitions = self._topics[said.topic]
        return name, partition_of(topics.partition_key_of(said.event, said.topic), partitions)

    def _keep_dead(self, group: Group, record: Record, error: Exception, effect: Effect | None) -> None:
        """Keep the record whole, in the same group."""
        plan, name = self._plan, self._processor.name
        letter = letter_of(record, error, effect)
        event = dead_lettered(name, letter, record.type_name(), error, plan.settings.dead_letter_key)
        event_id = EventId(f"{name}.{plan.incarnation}.{record.partition}.{record.offset}.dead")
        envelope = Envelope(
            event_id=event_id,
            type=event.type_name(),
            source=plan.runtime_source,
            time=record.at,
            subject=name,
            correlation_id=event_id,
            traceparent=new_trace(event_id),
            writer=plan.writer,
            cause=CausePosition(f"{name}/{plan.incarnation}/{record.partition}", record.offset, 0),
        )
        group.say(plan.settings.topic(topics.DEAD_LETTERS), 0, (name.encode(), encode(event), envelope.headers()))
        group.dead += 1
        self._share.count(dead=True)
        log.warning(
            "dead_letter", processor=name, topic=record.topic, partition=record.partition, offset=record.offset,
            type=record.type_name(), error=type(error).__name__,
        )  # fmt: skip

    def _stop_if_too_many_dead(self) -> None:
        """Before anything of the group is written: a bad deploy must not bury a day's work."""
        if self._share.exceeded:
            because = (
                f"{self._share.dead} of the last {self._share.seen} records could not be processed, and "
                f"{self._plan.settings.dead_letter_share:.0%} are tolerated: see `leadloop dead-letters list`, "
                "mend the rules or the deployment, and start the service again"
            )
            self._health.say(self._processor.name, ok=False, because=because)
            die(because, code=NEEDS_A_PERSON, processor=self._processor.name)

    # -- 2 state -------------------------------------------------------------------------------------------------------

    def _states(self, group: Group) -> dict[int, States]:
        """What is to be written into the changelog, by partition."""
        return {p: states for p in self._stores if (states := self._states_of(p, group)).bundles}

    def _states_of(self, partition: int, group: Group) -> States:
        store, generation = self._stores[partition], self.generation
        states = States()
        for key, touched in group.touched.get(partition, {}).items():
            position = touched.after.position
            bundle: list[Outgoing] = [(key, changelog.pack(generation, position, touched.after), NO_HEADERS)]
            for (kind, name), part in touched.parts.changes.items() if touched.parts.changed else ():
                value = (
                    changelog.pack_gone(generation, position)
                    if part is None
                    else changelog.pack(generation, position, part)
                )
                bundle.append((changelog.part_key(key, kind, name), value, NO_HEADERS))
            states.bundles.append(bundle)
            states.written.update(k for k, _, _ in bundle)
        self._write_memory(states, store, partition, group)
        if store.stale:
            self._write_anew(states, store)
        return states

    def _write_anew(self, states: States, store: Store) -> None:
        """What a stale owner overwrote."""
        for key in store.overwritten()[:REWRITTEN_AT_ONCE]:
            if key not in states.written:
                value = store.newest(key, self.generation)
                if value is not None:
                    states.bundles.append([(key, value, NO_HEADERS)])
                self._rewritten.inc()
            states.anew.append(key)

    def _write_memory(self, states: States, store: Store, partition: int, group: Group) -> None:
        """The partition's own record, with a group that writes anyway but at most once a second; and tombstones."""
        now = time.monotonic()
        due = partition in self._memory_due
        if not due and (not states.bundles or now - self._memory_at.get(partition, 0.0) < MEMORY_EVERY_SECONDS):
            return
        states.memory = max(store.position, self.committable.get(partition, 0), group.positions.get(partition, 0))
        states.bundles.append(
            [(PARTITION_KEY, changelog.pack(self.generation, states.memory, store.memory), NO_HEADERS)]
        )
        states.written.add(PARTITION_KEY)
        before_ms = int(time.time() * 1000) - int(changelog.COMPACTION_LAG.total_seconds() * 1000)
        for key in store.buried(before_ms, REWRITTEN_AT_ONCE):
            if key not in states.written:
                states.bundles.append([(key, None, NO_HEADERS)])
                states.buried.append(key)
        self._memory_due.discard(partition)
        self._memory_at[partition] = now

    async def _send_states(self, states: dict[int, States]) -> None:
        self._fence.check()
        appended = await asyncio.gather(
            *[self._pen.send_bundles(self._plan.changelog, p, s.bundles) for p, s in states.items()]
        )
        for (partition, written), batches in zip(states.items(), appended, strict=True):
            self._tail_of_ours.appended(partition, batches)
            store = self._stores[partition]
            for key in written.anew:
                store.stale.pop(key, None)
            for key in written.buried:
                store.bury(key)
            if written.memory is not None:
                store.position = written.memory

    # -- 3 visible -----------------------------------------------------------------------------------------------------

    def _make_visible(self, group: Group) -> None:
        at_ms, timers = int(time.time() * 1000), self._timers_of_ours
        for partition, touched in group.touched.items():
            store = self._stores[partition]
            for key, what in touched.items():
                store.take(key, what.after, what.parts.changes if what.parts.changed else {}, at_ms)
                timers.arm(partition, key, what.after)
        for partition, key, appended_ms in group.timers:
            timers.heard(partition, key, appended_ms)
        for partition, position in group.positions.items():
            if partition in self.committable:
                self.committable[partition] = position

    def _count(self, group: Group, records: int, seconds: float) -> None:
        if records:
            self._groups.inc()
            self._seconds.observe(seconds)
            self._events.inc(group.worked)
            self._skipped.inc(records - group.worked)
            self._repetitions.inc(group.repeated)
            self._dead.inc(group.dead)
            for type_name, number in group.types.items():
                metrics.SAID.labels(self._processor.name, type_name).inc(number)
