"""The loop over in-memory logs: the same `step` as a live processor, in virtual time, deterministic to the byte.

For backtests, simulation, tests of whole paths, and the comparison of a recorded run. Kafka is away; what stays is what
decides: one log per key with offsets and append times, every processor reading its log in order, timers in the log.

    loop = Replay([LEAD, TEAM], agreement, start=datetime(2026, 1, 5, 9, tzinfo=UTC))
    loop.append(RepJoined(...))
    loop.run_until(loop.now + timedelta(hours=4))
    loop.events(LEADS, lead_id)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from schemas import topics
from schemas.agreement import Agreement
from schemas.base import Event
from schemas.events.runtime import TimerDue
from schemas.ids import EventId, ProcessorName
from schemas.learning.course import ModelCourse, ModelInForce
from schemas.lifecycle import Effect, Life
from schemas.topics import LEADS, Topic
from schemas.wire import Envelope, Record, UndecodableRecord, decode, encode, new_trace
from services.runtime.protocol import Parts, PartStore, Processor
from services.runtime.step import Agreements, DecideFailed, KeyRecord, Said, Step, interesting, step

INCARNATION = "replay"
"""Stands for the topic's id in the ids and cause positions of what is said here."""
WRITER = "replay"


class MemoryLog:
    """One partition of one topic, as a list: offsets from 0, append times that never go back."""

    def __init__(self, topic: Topic, partition: int = 0) -> None:
        self.topic = topic
        self.partition = partition
        self.records: list[Record] = []
        """Those that were not taken."""
        self._taken = 0
        self._last_at: datetime | None = None

    def append(self, key: str, value: bytes | None, headers: Iterable[tuple[str, bytes]], at: datetime) -> Record:
        """Append at `at`, or at the time of the last record if that is later."""
        if self._last_at is not None:
            at = max(at, self._last_at)
        record = Record(self.topic.name, self.partition, len(self), at, key.encode(), value, tuple(headers))
        self.records.append(record)
        self._last_at = at
        return record

    def take(self) -> list[Record]:
        """The records since the last time; they are kept no more, and offsets go on."""
        taken, self.records = self.records, []
        self._taken += len(taken)
        return taken

    def __len__(self) -> int:
        return self._taken + len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)


@dataclass(frozen=True)
class AgreementsInMemory:
    """Agreements with the instants from which on they are in force, in order. The first may be from the beginning."""

    published: tuple[tuple[datetime, Agreement], ...]
    models: ModelCourse = field(default_factory=ModelCourse)

    @classmethod
    def only(cls, agreement: Agreement) -> AgreementsInMemory:
        """One agreement, in force from the beginning."""
        return cls(((datetime.min.replace(tzinfo=UTC), agreement),))

    def in_force(self, at: datetime) -> Agreement:
        """The agreement in force at an instant. Raises LookupError before the first."""
        found = [agreement for since, agreement in self.published if since <= at]
        if not found:
            raise LookupError(f"no agreement is in force at {at.isoformat()}")
        return found[-1]

    def version(self, number: int) -> Agreement | None:
        """The agreement of a version."""
        return next((a for _, a in self.published if a.version == number), None)

    def next_after(self, at: datetime) -> datetime | None:
        """When the next one comes into force."""
        return next((since for since, _ in self.published if since > at), None)

    def model_at(self, at: datetime) -> ModelInForce | None:
        """The learned model in force at an instant."""
        return self.models.in_force(at)


@dataclass
class Hosted:
    """One processor over the logs of its topic."""

    processor: Processor[Any]
    types: frozenset[str]
    keys: dict[str, KeyRecord[Any]] = field(default_factory=dict)
    parts: dict[str, PartStore] = field(default_factory=dict)
    armed: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, processor: Processor[Any]) -> Hosted:
        """A processor that has read nothing."""
        return cls(processor, interesting(processor) | {TimerDue.type_name()})

    def work(
        self,
        record: Record,
        agreements: Agreements,
        *,
        incarnation: str,
        source: str,
        writer: str,
        event: Event | None = None,
    ) -> Step[Any] | None:
        """Work one record as a live processor does; None if it is none of its types. Raises what `step` raises."""
        if record.type_name() not in self.types:
            return None
        key = record.key.decode() if record.key is not None else ""
        parts = Parts(self.parts.get(key))
        try:
            done = step(
                self.processor,
                self.keys.get(key),
                parts,
                record,
                agreements,
                incarnation=incarnation,
                source=source,
                writer=writer,
                event=event,
            )
        except DecideFailed as failed:
            self.keys[key] = failed.after
            raise
        self.keys[key] = done.after
        changes = parts.changes
        if changes:
            self.parts.setdefault(key, PartStore()).apply(changes)
        return done


def replay(
    processor: Processor[Any],
    records: Iterable[Record],
    agreements: Agreements,
    *,
    incarnation: str,
    source: str,
    writer: str,
) -> Iterator[Said]:
    """What a processor says on a recorded log: the very events, ids and bytes that it said then, if the code, the time
    zones and the holidays (`writer`) are the same. Records that make it fail are dead letters and say nothing."""
    hosted = Hosted.of(processor)
    for record in records:
        try:
            done = hosted.work(record, agreements, incarnation=incarnation, source=source, writer=writer)
        except (DecideFailed, UndecodableRecord):
            continue
        if done is not None:
            yield from done.said


def differences(said: Iterable[Said], recorded: Iterable[Record]) -> list[str]:
    """Where a replay and a recording differ, one sentence each. `recorded`: the records that this processor appended;
    one that is there twice (another owner said it, too) must be there with the same bytes."""
    then: dict[str, tuple[bytes | None, tuple[tuple[str, bytes], ...]]] = {}
    out: list[str] = []
    for record in recorded:
        event_id = (record.header("ce_id") or b"").decode()
        if then.setdefault(event_id, (record.value, record.headers)) != (record.value, record.headers):
            out.append(f"{event_id} is recorded twice with different bytes")
    for s in said:
        was = then.pop(s.envelope.event_id, None)
        if was is None:
            out.append(f"{s.envelope.event_id} ({s.envelope.type}) is said now and was not recorded")
        elif was != (s.value, tuple(s.envelope.headers())):
            out.append(f"{s.envelope.event_id} ({s.envelope.type}) is said now in other bytes than recorded")
    return out + [f"{event_id} was recorded and is not said now" for event_id in then]


@dataclass(frozen=True)
class Read:
    """One record of a log as a reader sees it: with what it did to the lead's life, if somebody followed it."""

    record: Record
    event: Event
    effect: Effect | None


Heard = Callable[[Record, Event, Effect | None], None]
"""A record, its event, and what it did to the lead's life if somebody follows that."""


class Replay:
    """Logs, processors and a clock that moves only when told to."""

    def __init__(
        self,
        processors: Sequence[Processor[Any]],
        agreement: Agreement | AgreementsInMemory,
        *,
        start: datetime,
        latency: timedelta = timedelta(milliseconds=5),
        heard: Heard | None = None,
        as_said: bool = False,
    ) -> None:
        self.agreements = AgreementsInMemory.only(agreement) if isinstance(agreement, Agreement) else agreement
        self.now = start
        self.latency = latency
        """From reading a record to the append of what is said about it."""
        self.heard = heard
        """Told of every record once all processors have worked it."""
        self.as_said = as_said
        """Hand events on as they were said, without reading them back out of their bytes: a quarter faster."""
        self.hosted = {p.name: Hosted.of(p) for p in processors}
        self.effects: dict[tuple[str, int], Effect] = {}
        """(topic, offset) -> what a life event did there."""
        self._logs: dict[str, MemoryLog] = {t.name: MemoryLog(t) for t in topics.TOPICS}
        self._to_append: list[tuple[datetime, int, Said | TimerAt]] = []
        self._number = 0
        self._made = 0
        self._unread: deque[tuple[Record, Event]] = deque()
        for since, _ in self.agreements.published:
            if since > start:
                self._schedule(since, TimerAt(None, "", since))

    # ---- what comes from outside

    def append(
        self,
        event: Event,
        *,
        event_id: str | None = None,
        topic: Topic | None = None,
        at: datetime | None = None,
    ) -> EventId:
        """Append an event from the edge now, or at a later instant, and work everything up to then. Its id."""
        if at is not None:
            self.run_until(at)
        entry = topics.by_class()[type(event)]
        to = topics.topic_of(event, entry.writer, topic)
        self._made += 1
        made = EventId(event_id or str(uuid5(NAMESPACE_OID, f"leadloop replay {self._made}")))
        envelope = Envelope(
            event_id=made,
            type=event.type_name(),
            source=f"/leadloop/{entry.writer}",
            time=self.now,
            subject=topics.key_of(event, to),
            correlation_id=made,
            traceparent=new_trace(made),
            writer=WRITER,
        )
        self._write(to, envelope.subject, event, envelope)
        self._settle()
        return made

    # ---- time

    def run_until(self, instant: datetime) -> None:
        """Let time pass up to and including `instant`: everything said arrives, every deadline comes."""
        self._settle()
        while self._to_append and self._to_append[0][0] <= instant:
            at, _, what = heappop(self._to_append)
            self.now = max(self.now, at)
            self._arrive(what)
            self._settle()
        self.now = max(self.now, instant)

    def run(self, limit: timedelta = timedelta(minutes=1)) -> None:
        """Let pass as much time as what was said needs to be answered: until nothing but deadlines is left."""
        end = self.now + limit
        while any(isinstance(what, Said) for _, _, what in self._to_append):
            at = self._to_append[0][0]
            if at > end:
                raise TimeoutError(f"the loop was not quiet within {limit}: is something said for ever?")
            self.run_until(at)

    # ---- what can be read

    def log(self, topic: Topic, key: str) -> list[Read]:
        """The records of one key, decoded, with their effects."""
        return [
            Read(r, decode(r.type_name(), r.value), self.effects.get((topic.name, r.offset)))
            for r in self._logs[topic.name]
            if r.key == key.encode()
        ]

    def events(self, topic: Topic, key: str, *types: type[Event]) -> list[Event]:
        """The events of one key, of these types if any are named."""
        return [r.event for r in self.log(topic, key) if not types or isinstance(r.event, types)]

    def records(self, topic: Topic) -> Sequence[Record]:
        """The topic's records."""
        return self._logs[topic.name].records

    def take(self, topic: Topic) -> list[Record]:
        """The topic's records since the last time, for who plays more than fits into memory: they are kept no more."""
        taken = self._logs[topic.name].take()
        for record in taken:
            self.effects.pop((topic.name, record.offset), None)
        return taken

    def length(self, topic: Topic) -> int:
        """How many records the topic has, those taken included: the offset of the next one."""
        return len(self._logs[topic.name])

    def life(self, lead: str) -> Life:
        """The lead's life as the processors that follow it know it. Raises LookupError if none of them does."""
        for hosted in self.hosted.values():
            if hosted.processor.follows_life:
                known = hosted.keys.get(lead)
                return known.life if known is not None else Life()
        raise LookupError("no processor of this replay follows the leads' lives")

    def state(self, processor: str, key: str) -> Any:
        """What a processor remembers of a key."""
        hosted = self.hosted[ProcessorName(processor)]
        known = hosted.keys.get(key)
        return known.own if known is not None else hosted.processor.state()

    def parts(self, processor: str, key: str) -> Mapping[str, Mapping[str, Any]]:
        """The parts of a processor's key."""
        return self.hosted[ProcessorName(processor)].parts.get(key, {})

    # ---- inside

    def _schedule(self, at: datetime, what: Said | TimerAt) -> None:
        self._number += 1
        heappush(self._to_append, (at, self._number, what))

    def _arrive(self, what: Said | TimerAt) -> None:
        if isinstance(what, Said):
            self._append(what.topic, what.key, what.value, what.event, what.envelope)
        elif what.processor is None:
            self._new_agreement(what.due_at)
        elif self.hosted[what.processor].armed.get(what.key) == what.due_at:
            del self.hosted[what.processor].armed[what.key]
            self._write_timer(what.processor, what.key, what.due_at, None)

    def _new_agreement(self, since: datetime) -> None:
        version = self.agreements.in_force(since).version
        for hosted in self.hosted.values():
            for key, known in sorted(hosted.keys.items()):
                if hosted.processor.touched_by_agreement(known.own):
                    self._write_timer(hosted.processor.name, key, since, version)

    def _write_timer(self, processor: ProcessorName, key: str, due_at: datetime, version: int | None) -> None:
        topic = self.hosted[processor].processor.log
        event = TimerDue(key=key, processor=processor, due_at=due_at, agreement_version=version)
        event_id = EventId(f"timer.{processor}.{topic.name}.{len(self._logs[topic.name])}")
        envelope = Envelope(
            event_id=event_id,
            type=event.type_name(),
            source="/leadloop/runtime",
            time=self.now,
            subject=key,
            correlation_id=event_id,
            traceparent=new_trace(event_id),
            writer=WRITER,
            addressed_to=processor,
        )
        self._write(topic, key, event, envelope)

    def _write(self, topic: Topic, key: str, event: Event, envelope: Envelope) -> None:
        self._append(topic, key, encode(event), event, envelope)

    def _append(self, topic: Topic, key: str, value: bytes, event: Event, envelope: Envelope) -> None:
        self._unread.append((self._logs[topic.name].append(key, value, envelope.headers(), self.now), event))

    def _settle(self) -> None:
        """Work every record that is in a log; what is said about it arrives after the latency."""
        while self._unread:
            record, event = self._unread.popleft()
            for hosted in self.hosted.values():
                if hosted.processor.log.name == record.topic:
                    self._work(hosted, record, event)
            if self.heard is not None:
                self.heard(record, event, self.effects.get((record.topic, record.offset)))

    def _work(self, hosted: Hosted, record: Record, event: Event) -> None:
        name = hosted.processor.name
        done = hosted.work(
            record,
            self.agreements,
            incarnation=INCARNATION,
            source=f"/leadloop/{hosted.processor.service}",
            writer=WRITER,
            event=event if self.as_said else None,
        )
        if done is None:
            return
        if hosted.processor.follows_life and done.effect is not None and record.topic == LEADS.name:
            self.effects[record.topic, record.offset] = done.effect
        for said in done.said:
            self._schedule(self.now + self.latency, said)
        key = record.key.decode() if record.key is not None else ""
        due = hosted.processor.due(done.after.own)
        if due is None:
            hosted.armed.pop(key, None)
        elif hosted.armed.get(key) != due:
            hosted.armed[key] = due
            self._schedule(max(due, self.now), TimerAt(name, key, due))


@dataclass(frozen=True)
class TimerAt:
    """A deadline that was asked for; without a processor, a new agreement."""

    processor: ProcessorName | None
    key: str
    due_at: datetime
