"""What all tests share: the real Kafka."""

from tests.kafka import broker, kafka, namespace

__all__ = ["broker", "kafka", "namespace"]
