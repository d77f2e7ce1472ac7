"""One installation of the engine's tests: its topics, its first agreement, what is written into it and what is read
back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.base import Event
from schemas.events.intake import EngagementObserved
from schemas.ids import EventId, LeadId
from schemas.topics import AGREEMENTS, LEADS, Topic
from schemas.wire import Envelope, Headers, encode, new_trace
from services.runtime.plan import Plan
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics, incarnations, partition_of
from tests.approvers import agreed
from tests.engine.tally import PROCESSORS

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_AGREEMENT = (ROOT / "deploy" / "agreements" / "default.yaml").read_text()


def lead(number: int) -> LeadId:
    """A lead's id."""
    return LeadId(str(uuid.uuid5(uuid.NAMESPACE_OID, f"lead {number}")))


def headers_of(event: Event, event_id: str, subject: str, source: str = "/leadloop/test") -> Headers:
    """The headers of an event that comes in by HTTP."""
    return Envelope(
        event_id=EventId(event_id), type=event.type_name(), source=source, time=datetime.now(UTC), subject=subject,
        correlation_id=event_id, traceparent=new_trace(event_id), writer="test",
    ).headers()  # fmt: skip


class Installation:
    """Topics under one namespace, and a pen."""

    def __init__(self, bootstrap_servers: str, namespace: str, data_dir: Path, partitions: int = 4) -> None:
        self.settings = Settings(
            bootstrap_servers=bootstrap_servers, secret=b"s" * 32, token="t", data_dir=data_dir, namespace=namespace,
            partitions=partitions, session_timeout=timedelta(seconds=6),
        )  # fmt: skip
        self.producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers, enable_idempotence=True, linger_ms=2, request_timeout_ms=60_000
        )

    @asynccontextmanager
    async def open(self, text: str = DEFAULT_AGREEMENT) -> AsyncIterator[Installation]:
        """Make the topics and publish the first agreement."""
        await ensure_topics(self.settings)
        async with self.producer:
            await self.publish(1, None, text)
            yield self

    async def publish(self, version: int, effective_at: datetime | None, text: str = DEFAULT_AGREEMENT) -> None:
        """Publish an agreement as this version, approved by both departments."""
        for number, event in enumerate(agreed(text, version, effective_at)):
            headers = headers_of(event, f"agreement.{version}.{number}", "default")
            await self.write(AGREEMENTS, 0, b"default", encode(event), headers)

    async def write(
        self, topic: Topic, partition: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> ConsumerRecord:
        """Append one record and wait for it."""
        return await self.producer.send_and_wait(
            self.settings.topic(topic), value, key=key, partition=partition, headers=headers
        )

    async def engage(self, number: int, of: LeadId, kind: str = "page_viewed") -> asyncio.Future[object]:
        """Append an engagement with the id `in.<number>`; the future is done when it is acknowledged."""
        event = EngagementObserved(lead_id=of, kind=kind, occurred_at=datetime.now(UTC))
        return await self.producer.send(
            self.settings.topic(LEADS), encode(event), key=of.encode(),
            partition=partition_of(of, self.settings.partitions), headers=headers_of(event, f"in.{number}", of),
        )  # fmt: skip

    async def engage_all(self, numbers: Iterable[int], leads: int, kind: str = "page_viewed") -> None:
        """Append engagements, spread over leads, and wait for all."""
        await asyncio.gather(*[await self.engage(n, lead(n % leads), kind) for n in numbers])

    async def read(self, topic: str, partitions: int | None = None) -> list[ConsumerRecord]:
        """Everything that is in a topic (by its name on the cluster) now, by partition and offset."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.bootstrap_servers, auto_offset_reset="earliest")
        records: list[ConsumerRecord] = []
        async with consumer:
            tps = [TopicPartition(topic, p) for p in range(partitions or self.settings.partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            async with asyncio.timeout(30):
                while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                    for fetched in (await consumer.getmany(timeout_ms=200)).values():
                        records += fetched
        return sorted(records, key=lambda r: (r.partition, r.offset))

    async def log(self, topic: Topic) -> list[ConsumerRecord]:
        """Everything that is in a topic of the registry now."""
        return await self.read(self.settings.topic(topic), self.settings.partitions_of(topic))

    async def changelog(self, processor: str) -> list[ConsumerRecord]:
        """Everything that is in a processor's changelog now."""
        topic = PROCESSORS[processor].log
        incarnation = (await incarnations(self.settings, topic))[topic.name]
        return await self.read(Plan.of(PROCESSORS[processor], self.settings, incarnation).changelog)

    async def positions(self, topic: Topic, processor: str) -> tuple[dict[int, int], dict[int, int]]:
        """(committed, end) of a processor's input."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers,
            group_id=self.settings.group(processor),
            enable_auto_commit=False,
        )
        async with consumer:
            tps = [TopicPartition(self.settings.topic(topic), p) for p in range(self.settings.partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            return {tp.partition: (await consumer.committed(tp)) or 0 for tp in tps}, {
                tp.partition: ends[tp] for tp in tps
            }

    async def worked(self, *inputs: tuple[Topic, str], timeout: float = 90.0) -> None:
        """Wait until the processors have committed everything. `inputs`: (topic, processor)."""
        last: dict[str, object] = {}
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for topic, processor in inputs:
                        last[processor] = await self.positions(topic, processor)
                    if all(committed == ends for committed, ends in last.values()):  # type: ignore[misc]
                        return
                    await asyncio.sleep(0.3)  # commits come once a second, and the broker tells nobody
        except TimeoutError:
            raise AssertionError(f"not worked within {timeout} s; (committed, end) by processor: {last}") from None


class Worker:
    """One process of workers. As under a supervisor, `supervised` starts it again when it ends with 70."""

    def __init__(self, installation: Installation, *processors: str, log_file: Path, **environment: str) -> None:
        settings = installation.settings
        self._command = [sys.executable, "-m", "tests.engine.worker", *processors]
        self._environment: Mapping[str, str] = {
            **os.environ,
            "LEADLOOP_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "LEADLOOP_SECRET": settings.secret.hex(),
            "LEADLOOP_TOKEN": settings.token,
            "LEADLOOP_DATA_DIR": str(settings.data_dir),
            "LEADLOOP_NAMESPACE": settings.namespace,
            "LEADLOOP_PARTITIONS": str(settings.partitions),
            "LEADLOOP_SESSION_TIMEOUT": "6",
            **environment,
        }
        self._log_file = log_file
        self._processors = len(processors)
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self._started_at = self._log_file.stat().st_size if self._log_file.exists() else 0
        with self._log_file.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[Worker]:
        """Start it again whenever it ends by itself with 70, and kill it at the end."""

        async def watch() -> None:
            while True:
                if self.process.poll() == 70:
                    self.start()
                await asyncio.sleep(0.2)

        watching = asyncio.create_task(watch())
        try:
            yield self
        finally:
            watching.cancel()
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)

    async def ended(self, timeout: float = 60.0) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(timeout):
            while self.process.poll() is None:  # noqa: ASYNC110 -- a wait in a thread would outlive the test
                await asyncio.sleep(0.05)
        return int(self.process.returncode)

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.ended()

    async def stop(self, timeout: float = 60.0) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return await self.ended(timeout)

    async def until_said(self, text: str, times: int = 1, timeout: float = 90.0, *, ever: bool = False) -> None:
        """Wait until it has logged a text so often since it was started last (`ever`: since it was started first)."""
        since = 0 if ever else self._started_at
        try:
            async with asyncio.timeout(timeout):
                while self.said()[since:].count(text) < times:
                    code = self.process.poll()
                    assert code in (None, 70), f"the worker has ended with {code}: {self.said()[-3000:]}"
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(
                f"it has not said {text!r} {times} times within {timeout} s: {self.said()[-3000:]}"
            ) from None

    async def until_working(self) -> None:
        """Wait until all its processors have their partitions."""
        await self.until_said("restored ", self._processors)

    async def until_stopped(self) -> None:
        """Wait until it has been stopped by a signal."""
        async with asyncio.timeout(60):
            while _process_state(self.process.pid) != "T":  # noqa: ASYNC110 -- the system offers nothing to await
                await asyncio.sleep(0.05)

    def said(self) -> str:
        """Everything that it has logged."""
        return self._log_file.read_bytes().decode("latin-1")


def _process_state(pid: int) -> str:
    """The letter of proc(5): R, S, T, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
