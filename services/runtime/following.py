"""Following topics to their end and beyond with a plain consumer: partitions assigned by hand, positions kept by the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import Topic
from schemas.wire import Record
from services.runtime.asking import AskedTogether
from services.runtime.gathering import let_rest
from services.runtime.letting_go import let_go
from services.runtime.settings import Settings

Place = tuple[str, int]
"""(topic's name in the registry, partition)"""

Choice = Callable[[bytes | None], bool]
"""Whether records with this `ce_type` header (None: without one, as tombstones are) are wanted."""

_IDLE_MS = 1000
_SILENT_WAIT_MS = 2000
"""How long a request waits for news. Nothing else waits behind it but what nobody is in a hurry for (metadata)."""
_PROOF_SECONDS = 5.0
"""While nothing comes, the broker is asked this often whether it is there at all."""
_ANSWER_SECONDS = 5.0
_FETCH_BYTES = 4 * 1024 * 1024


class Follower:
    """A consumer of all partitions of some topics, and a second connection that asks for their ends.

    Two connections, because a broker answers one after the other what comes over one, and a fetch that waits for news would
    hold up the question where the end is for half a second.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[Topic],
        begin: Mapping[Place, int],
        choices: Mapping[str, Choice] | None = None,
    ) -> None:
        """begin: for every partition of the topics, the offset of the first record to take.

        choices: by topic, which records are wanted; the others are passed over before anything is made of them.
        """
        self._settings, self._begin = settings, dict(begin)
        self._names = {settings.topic(t): t.name for t in topics}
        self._partitions = {
            (t.name, p): TopicPartition(settings.topic(t), p) for t in topics for p in range(settings.partitions_of(t))
        }
        self._choices = dict(choices or {})
        self._questions: AskedTogether[Sequence[Place], dict[Place, int]] = AskedTogether(self._answer)
        self._proved_at = time.monotonic()

    async def __aenter__(self) -> Follower:
        """Connect. Raises KafkaError if no broker answers."""
        self._consumer, self._asker = self._client(), self._client()
        try:
            await self._consumer.start()
            let_rest(self._consumer._fetcher)
            await self._asker.start()
            self._consumer.assign(list(self._partitions.values()))
            for place, partition in self._partitions.items():
                self._consumer.seek(partition, self._begin[place])
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in (self._consumer, self._asker):
            await let_go(client)

    async def skip_to_end(self) -> None:
        """Take nothing of what is there now. Raises TimeoutError or KafkaError."""
        for place, end in (await self.ends(list(self._partitions))).items():
            self._consumer.seek(self._partitions[place], end)

    async def take(self, most: int) -> list[Record]:
        """What waits, at most so many records, each partition in its order; an empty list after a second of silence.

        Raises TimeoutError or KafkaError when the broker is away.
        """
        fetched = await self._fetch(most)
        return [record for partition, records in fetched.items() for record in self._chosen(partition, records)]

    async def take_with_positions(self, most: int) -> tuple[list[Record], dict[Place, int]]:
        """What `take` gives, and by partition how far that was, also past what is not wanted; both empty in silence."""
        fetched = await self._fetch(most)
        upto = {(self._names[p.topic], p.partition): records[-1].offset + 1 for p, records in fetched.items()}
        return [record for partition, records in fetched.items() for record in self._chosen(partition, records)], upto

    async def _fetch(self, most: int) -> Mapping[TopicPartition, Sequence[Any]]:
        fetched: Mapping[TopicPartition, Sequence[Any]] = await self._consumer.getmany(
            timeout_ms=_IDLE_MS, max_records=most
        )
        if fetched:
            self._proved_at = time.monotonic()
        elif time.monotonic() - self._proved_at > _PROOF_SECONDS:
            await self.ends([next(iter(self._partitions))])
        return fetched

    def _chosen(self, partition: TopicPartition, records: Sequence[Any]) -> Iterator[Record]:
        topic, number = self._names[partition.topic], partition.partition
        wanted = self._choices.get(topic)
        for r in records:
            if wanted is None or wanted(_type_of(r.headers)):
                at = datetime.fromtimestamp(r.timestamp / 1000, UTC)
                yield Record(topic, number, r.offset, at, r.key, r.value, r.headers)

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """The offset after the last record of each partition, as of now. Raises TimeoutError or KafkaError.

        Questions that come while one is under way are asked together.
        """
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await self._questions.ask(places)

    async def _answer(self, questions: Sequence[Sequence[Place]]) -> list[dict[Place, int]]:
        partitions = {place: self._partitions[place] for places in questions for place in places}
        async with asyncio.timeout(_ANSWER_SECONDS):
            ends = await self._asker.end_offsets(list(partitions.values()))
        self._proved_at = time.monotonic()
        return [{place: ends[partitions[place]] for place in places} for places in questions]

    async def positions(self) -> dict[Place, int]:
        """Where the consumer is, also past offsets that hold no record (compacted away)."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            return {place: await self._consumer.position(partition) for place, partition in self._partitions.items()}

    def _client(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_SILENT_WAIT_MS,
            client_id=f"{self._settings.namespace}.tail",
        )


def _type_of(headers: Iterable[tuple[str, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == "ce_type":
            return value
    return None
