"""One hop with state and one output: events a second, each contestant a process of its own on the same broker."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from benchmarks.figures import Figure
from schemas.agreement import load
from schemas.events.console import AgreementPublished
from schemas.events.intake import LeadSubmitted
from schemas.ids import LeadId, SubmissionId, digest
from schemas.topics import LEADS
from schemas.vocabulary import AttributeName, NonPersonalText, Source
from schemas.wire import Envelope, encode, new_trace
from services.console.broker import EmbeddedBroker
from services.runtime.appending import Appender, fresh_id
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics, partition_of

EVENTS = int(os.environ.get("LEADLOOP_BENCH_EVENTS", "100000"))
FAUST_EVENTS = 10_000
KEYS = 20_000
AGREEMENT = Path(__file__).parent / "agreement.yaml"


async def measure() -> list[Figure]:
    """All three in one run, on a broker of their own."""
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        broker = EmbeddedBroker(Path(folder) / "broker")
        await broker.start()
        try:
            rates = {
                name: await _rate(name, broker.bootstrap_servers, Path(folder), number)
                for name, number in (("ours", EVENTS), ("plain", EVENTS), ("faust", FAUST_EVENTS))
            }
        finally:
            await broker.stop()
    return [
        Figure("our engine", rates["ours"], "events/s"),
        Figure("a plain aiokafka loop with the same guarantees", rates["plain"], "events/s"),
        Figure("stock Faust with a Table", rates["faust"], "events/s"),
        Figure("ours / plain loop", rates["ours"] / rates["plain"], "x", ">= 1.3"),
        Figure("ours / stock Faust", rates["ours"] / rates["faust"], "x", ">= 10"),
    ]


def settings_for(bootstrap: str, folder: Path, namespace: str) -> Settings:
    """Settings of a throw-away installation."""
    return Settings(bootstrap, secrets.token_bytes(32), "bench", folder, namespace=namespace, log_level="ERROR")


def environment_of(settings: Settings) -> dict[str, str]:
    """The same, for a process."""
    return {
        **os.environ,
        "LEADLOOP_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "LEADLOOP_SECRET": settings.secret.hex(),
        "LEADLOOP_TOKEN": settings.token,
        "LEADLOOP_DATA_DIR": str(settings.data_dir),
        "LEADLOOP_NAMESPACE": settings.namespace,
        "LEADLOOP_LOG_LEVEL": settings.log_level,
    }


async def prepare(settings: Settings, text: str = AGREEMENT.read_text(encoding="utf-8")) -> None:
    """Topics and an agreement."""
    extra = [
        NewTopic(
            f"{settings.namespace}.plain-changelog", settings.partitions, 1, topic_configs={"cleanup.policy": "compact"}
        ),
        NewTopic(f"{settings.namespace}.faust-out", settings.partitions, 1),
    ]
    await ensure_topics(settings, extra)
    appender = Appender(settings, "console", Health())
    await appender.start()
    await appender.append(
        AgreementPublished(
            name=load(text, 1).name,
            agreement_version=1,
            content=digest(text.encode()),
            text=text,
            effective_at=None,
        )
    )
    await appender.stop()


def submission(number: int, keys: int) -> LeadSubmitted:
    """The number-th submission, of one of `keys` leads."""
    lead = LeadId(str(uuid.UUID(int=number % keys + 1)))
    return LeadSubmitted(
        lead_id=lead,
        submission_id=SubmissionId(str(uuid.UUID(int=number + 1))),
        content=digest(str(number).encode()),
        repeat_window=timedelta(0),
        submitted_at=datetime.now(UTC),
        source=Source(channel=NonPersonalText("web"), utm_source=NonPersonalText("newsletter")),
        attributes={AttributeName("employees"): number % 400, AttributeName("topic"): NonPersonalText("demo")},
    )


async def fill(settings: Settings, number: int, *, keys: int = KEYS) -> None:
    """Append that many submissions of that many leads."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, acks="all", linger_ms=20, max_batch_size=500_000
    )
    await producer.start()
    futures = []
    for i in range(number):
        event, event_id = submission(i, keys), fresh_id()
        envelope = Envelope(
            event_id,
            event.type_name(),
            "/bench",
            datetime.now(UTC),
            event.lead_id,
            event_id,
            new_trace(event_id),
            "bench",
        )
        futures.append(
            await producer.send(
                settings.topic(LEADS),
                encode(event),
                key=event.lead_id.encode(),
                partition=partition_of(event.lead_id, settings.partitions),
                headers=envelope.headers(),
            )
        )
    await asyncio.gather(*futures)
    await producer.stop()


async def _rate(name: str, bootstrap: str, folder: Path, number: int) -> float:
    settings = settings_for(bootstrap, folder, f"bench-{name}-{secrets.token_hex(3)}")
    await prepare(settings)
    await fill(settings, number)
    return await rate_of(name, settings, number)


async def rate_of(name: str, settings: Settings, number: int) -> float:
    """Events a second of one contestant over a prepared log; its process is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.contestants", name, env=environment_of(settings)
    )
    try:
        topic = f"{settings.namespace}.faust-out" if name == "faust" else settings.topic(LEADS)
        first, last = await _outputs(settings, topic, number, skip_inputs=name != "faust")
        return number / (last - first)
    finally:
        process.kill()
        await process.wait()


async def _outputs(settings: Settings, topic: str, number: int, *, skip_inputs: bool) -> tuple[float, float]:
    """Append times in seconds of the first and the last output, once all are there."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=500,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, p) for p in range(settings.partitions)]
        consumer.assign(tps)
        if skip_inputs:
            await consumer.seek_to_end(*tps)
            for tp in tps:
                await consumer.position(tp)
        seen, first, last = 0, float("inf"), 0.0
        async with asyncio.timeout(600):
            while seen < number:
                for records in (await consumer.getmany(*tps, timeout_ms=1000)).values():
                    seen += len(records)
                    first = min(first, records[0].timestamp / 1000)
                    last = max(last, records[-1].timestamp / 1000)
        return first, last
    finally:
        await consumer.stop()
