"""The installation's topics as the broker has them, next to what the registry says."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.topics import TOPICS, Cleanup, Topic
from services.console.terminal import Refused
from services.runtime.settings import Settings

_PATIENCE_SECONDS = 20.0


async def look_at_topics(settings: Settings) -> list[dict[str, Any]]:
    """One row a topic. Raises Refused when the broker does not answer."""
    names = [settings.topic(topic) for topic in TOPICS]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, request_timeout_ms=10_000
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await admin.start()
            try:
                described = {
                    topic["topic"]: len(topic["partitions"])
                    for topic in await admin.describe_topics(names)
                    if topic["error_code"] == 0
                }
            finally:
                await admin.close()
            await consumer.start()
            try:
                return [
                    await _row(consumer, settings, topic, described.get(settings.topic(topic), 0)) for topic in TOPICS
                ]
            finally:
                await consumer.stop()
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(
            f"the broker at {settings.bootstrap_servers} does not tell its topics ({type(fault).__name__}); see "
            "what runs with: leadloop status"
        ) from fault


async def _row(consumer: AIOKafkaConsumer, settings: Settings, topic: Topic, partitions: int) -> dict[str, Any]:
    name, wanted = settings.topic(topic), settings.partitions_of(topic)
    places = [TopicPartition(name, partition) for partition in range(partitions)]
    first = await consumer.beginning_offsets(places) if places else {}
    last = await consumer.end_offsets(places) if places else {}
    return {
        "name": name,
        "key": topic.key,
        "partitions": partitions,
        "wanted_partitions": wanted,
        "records": sum(last[place] - first[place] for place in places),
        "ends": {place.partition: last[place] for place in places},
        "kept": _kept(topic),
        "what": topic.what,
        "well": partitions == wanted,
    }


def _kept(topic: Topic) -> str:
    if topic.cleanup is Cleanup.COMPACT:
        return "the newest of each key"
    return "for ever" if topic.retention is None else f"{topic.retention.days} days"
