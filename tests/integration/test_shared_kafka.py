"""The shared broker of the tests keeps what is written to it, and the tests apart."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("number", range(3))
async def test_a_record_that_was_acknowledged_is_read_again_and_no_other_test_s(
    kafka: str, namespace: str, number: int
) -> None:
    topic = f"{namespace}.letters"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        await producer.send_and_wait(topic, b"%d" % number)
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"%d" % number
        assert await consumer.end_offsets(consumer.assignment()) == dict.fromkeys(consumer.assignment(), 1)
