"""Making the installation's topics, checking them, and telling one making of a topic from the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2

from schemas.topics import DEAD_LETTERS, TOPICS, Cleanup, Topic
from services.runtime.settings import Settings
from services.runtime.topic_ids import TopicIdsRequest

_TOPIC_ALREADY_EXISTS = 36
_KEPT_FOR_EVER = "-1"


class TopicsRefused(RuntimeError):
    """The cluster's topics are not what this installation needs; the text says what to do."""


@lru_cache(maxsize=65536)
def partition_of(key: str | bytes, partitions: int) -> int:
    """Kafka's own rule for keyed records (murmur2), so that every client agrees on it."""
    raw = key.encode() if isinstance(key, str) else key
    return int((murmur2(raw) & 0x7FFFFFFF) % partitions)


def configuration(topic: Topic) -> dict[str, str]:
    """The topic's settings on the broker."""
    config = {
        "cleanup.policy": topic.cleanup.value,
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": _KEPT_FOR_EVER if topic.retention is None else str(int(topic.retention.total_seconds() * 1000)),
        "retention.bytes": "-1",
    }
    if topic.cleanup is Cleanup.COMPACT:
        config |= {"segment.ms": "3600000", "max.compaction.lag.ms": "43200000", "delete.retention.ms": "86400000"}
    if topic is DEAD_LETTERS:
        config["max.message.bytes"] = "4000000"  # a record of the largest size, sealed
    return config


def new_topics(settings: Settings) -> list[NewTopic]:
    """Every topic of the registry, as the broker is asked to make it."""
    return [NewTopic(settings.topic(t), settings.partitions_of(t), -1, {}, configuration(t)) for t in TOPICS]


async def ensure_topics(settings: Settings, extra: Sequence[NewTopic] = (), *, timeout: float = 30.0) -> None:
    """Make what is missing, wait until every partition has a leader, refuse another number of partitions.

    Raises TopicsRefused with a sentence; KafkaError if the broker is away.
    """
    await ensure(settings, [*new_topics(settings), *extra], timeout=timeout)


async def ensure(settings: Settings, wanted: Sequence[NewTopic], *, timeout: float = 30.0) -> None:
    """Make what is missing of `wanted`, wait until every partition has a leader, refuse another number of partitions.

    Raises TopicsRefused with a sentence; KafkaError if the broker is away.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [t for t in wanted if t.name not in existing]
        if missing:
            response = await admin.create_topics(missing, validate_only=False)
            for name, code, *rest in response.topic_errors:
                if code not in (0, _TOPIC_ALREADY_EXISTS):
                    raise TopicsRefused(
                        f"the broker refuses to make the topic {name}: {rest[0] if rest else ''} (error {code})"
                    )
        await _wait_for_leaders(admin, {t.name: t.num_partitions for t in wanted}, timeout)
    finally:
        await admin.close()


async def is_there(settings: Settings, name: str) -> bool:
    """Whether the cluster has a topic of that name. Raises KafkaError if the broker is away."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        return name in await admin.list_topics()
    finally:
        await admin.close()


async def _wait_for_leaders(admin: AIOKafkaAdminClient, wanted: Mapping[str, int], timeout: float) -> None:
    async with asyncio.timeout(timeout):
        while True:
            found: list[dict[str, Any]] = await admin.describe_topics(list(wanted))
            ready = {
                d["topic"]: len(d["partitions"])
                for d in found
                if d["error_code"] == 0
                and d["partitions"]
                and all(p["leader"] >= 0 and p["error_code"] == 0 for p in d["partitions"])
            }
            if ready.keys() >= wanted.keys():
                break
            await asyncio.sleep(0.05)  # the broker offers nothing to await here
    for name, number in wanted.items():
        if ready[name] != number:
            raise TopicsRefused(
                f"topic {name} has {ready[name]} partitions, and this installation was asked for {number}: "
                "the number is fixed at the first start; start with the old number, or migrate into a new namespace"
            )


async def incarnations(settings: Settings, *topics: Topic) -> dict[str, str]:
    """For each topic, by its name in the registry, eight hexadecimal digits of its id on the broker.

    A topic made anew starts at offset 0 again; positions in the old one must never be compared with positions in it.
    Raises TopicsRefused if one is not there, KafkaError if the broker is away.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        response = await admin._client.send(
            admin._client.get_random_node(), TopicIdsRequest([settings.topic(t) for t in topics])
        )
        found = {t["name"]: t["topic_id"].hex()[:8] for t in response.to_object()["topics"] if t["error_code"] == 0}
        missing = [t.name for t in topics if settings.topic(t) not in found]
        if missing:
            raise TopicsRefused(
                f"the broker has no topic {', '.join(missing)}: start the installation with `leadloop up` to make them"
            )
        return {t.name: found[settings.topic(t)] for t in topics}
    finally:
        await admin.close()
