"""Three ways to do one hop with state and one output: our engine, a plain aiokafka loop with the same guarantees, stock Faust.

Run as a process: `python -m benchmarks.contestants ours|plain|faust`; settings come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.base import Event
from schemas.events.intake import LeadSubmitted
from schemas.events.scoring import LeadScored
from schemas.ids import AgreementName, ProcessorName
from schemas.topics import LEADS
from schemas.vocabulary import Because, Contribution, Slug
from schemas.wire import Record, decode, encode
from services.runtime import logs
from services.runtime.hosting import host
from services.runtime.main import Running
from services.runtime.protocol import Context, Decision, Parts, Processor
from services.runtime.settings import Settings
from services.runtime.step import KeyRecord, step
from services.runtime.topics import incarnations


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the hop remembers of a lead."""

    submissions: int = 0
    best: str = "0"


def decide(state: Tally, event: Event, context: Context) -> Decision[Tally]:
    """One submission in, one score out."""
    if not isinstance(event, LeadSubmitted):
        return Decision(state)
    after, scored = count(state, event, context.agreement.version)
    return Decision(after, (scored,))


def count(state: Tally, event: LeadSubmitted, agreement_version: int) -> tuple[Tally, LeadScored]:
    """The work itself: the same for all three."""
    size, topic = event.attributes.get("employees", 0), event.attributes.get("topic")  # type: ignore[call-overload]
    points = Decimal(30 if isinstance(size, int) and size >= 50 else 0)
    interest = Decimal(20 if topic == "demo" else 5) + state.submissions
    scored = LeadScored(
        lead_id=event.lead_id,
        score=points + interest,
        fit=points,
        engagement=interest,
        grade="B2",
        contributions=(
            Contribution(part="fit", rule=Slug("size"), points=points, because=Because("the size of the company")),
            Contribution(part="engagement", rule=Slug("topic"), points=interest, because=Because("what was asked for")),
        ),
        agreement=AgreementName("bench"),
        agreement_version=agreement_version,
    )
    return Tally(state.submissions + 1, max(state.best, str(scored.score))), scored


HOP: Processor[Tally] = Processor(
    name=ProcessorName("scoring"), log=LEADS, state=Tally, decide=decide, listens=frozenset({LeadSubmitted})
)


async def ours(settings: Settings) -> None:
    """Our engine."""
    running = Running(settings, "scoring")
    running.incarnations = await incarnations(settings, LEADS)
    async with AsyncExitStack() as stack:
        await running.appender.start()
        stack.push_async_callback(running.appender.stop)
        await stack.enter_async_context(running.agreements.running())
        await stack.enter_async_context(host(HOP, running))
        await asyncio.Event().wait()


async def plain(settings: Settings) -> None:
    """What a careful engineer writes with aiokafka alone: outputs acknowledged, then states, then the offsets."""
    running = Running(settings, "scoring")
    mark = (await incarnations(settings, LEADS))[LEADS.name]
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=0
    )
    consumer = AIOKafkaConsumer(
        settings.topic(LEADS),
        bootstrap_servers=settings.bootstrap_servers,
        group_id=settings.group("scoring"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    states: dict[bytes, KeyRecord[Tally]] = {}
    encoder = msgspec.json.Encoder()
    wanted = LeadSubmitted.type_name().encode()
    await producer.start()
    await consumer.start()
    async with running.agreements.running():
        while True:
            batches = await consumer.getmany(timeout_ms=500, max_records=500)
            await running.agreements.fresh()
            outputs, touched = [], {}
            for tp, records in batches.items():
                for r in records:
                    if dict(r.headers).get("ce_type") != wanted:
                        continue
                    record = Record(
                        LEADS.name,
                        tp.partition,
                        r.offset,
                        datetime.fromtimestamp(r.timestamp / 1000, UTC),
                        r.key,
                        r.value,
                        tuple(r.headers),
                    )
                    result = step(
                        HOP,
                        states.get(r.key),
                        Parts(),
                        record,
                        running.agreements,
                        incarnation=mark,
                        source="/bench",
                        writer="bench",
                    )
                    states[r.key] = result.after
                    touched[r.key] = tp.partition
                    for said in result.said:
                        outputs.append(
                            await producer.send(
                                tp.topic,
                                encode(said.event),
                                key=said.key.encode(),
                                partition=tp.partition,
                                headers=said.envelope.headers(),
                            )
                        )
            await asyncio.gather(*outputs)
            changelog = f"{settings.namespace}.plain-changelog"
            await asyncio.gather(
                *[
                    await producer.send(changelog, encoder.encode(states[key]), key=key, partition=p)
                    for key, p in touched.items()
                ]
            )
            if batches:
                await consumer.commit(
                    {TopicPartition(tp.topic, tp.partition): rs[-1].offset + 1 for tp, rs in batches.items()}
                )


def stock_faust(settings: Settings) -> None:
    """Faust as it comes, with a Table, and the same work for each event."""
    import faust

    os.chdir(settings.data_dir)
    app = faust.App(
        f"{settings.namespace}-faust",
        broker=f"kafka://{settings.bootstrap_servers}",
        web_enabled=False,
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        datadir=str(settings.data_dir / "faust"),
        store="memory://",
    )
    source = app.topic(
        settings.topic(LEADS), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    out = app.topic(
        f"{settings.namespace}.faust-out",
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=settings.partitions,
    )
    table: Any = app.Table("tally", default=dict, partitions=settings.partitions)
    wanted = LeadSubmitted.type_name()

    @app.agent(source)
    async def hop(stream: Any) -> None:
        async for event in stream.events():
            event_in = decode(wanted, event.value)
            assert isinstance(event_in, LeadSubmitted)
            key = event.key.decode()
            after, scored = count(Tally(**table[key]), event_in, 1)
            table[key] = msgspec.structs.asdict(after)
            await out.send(key=event.key, value=encode(scored))

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


def main() -> None:
    settings = Settings.from_environment(os.environ)
    logs.configure(sys.argv[1], log_format="json", level=settings.log_level)
    match sys.argv[1]:
        case "ours":
            asyncio.run(ours(settings))
        case "plain":
            asyncio.run(plain(settings))
        case "faust":
            stock_faust(settings)
        case other:
            raise SystemExit(f"there is no contestant {other}: there are ours, plain and faust")


if __name__ == "__main__":
    main()
