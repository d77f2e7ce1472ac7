"""What all tests share: the real Kafka, and the mark of the folder that a test lies in."""

from pathlib import Path

import pytest

from tests.kafka import broker, kafka, namespace

__all__ = ["broker", "kafka", "namespace"]

_TESTS = Path(__file__).parent
_MARKED_FOLDERS = ("integration", "e2e", "chaos")
_KAFKA_FIXTURES = {"broker", "kafka"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a test by its folder, or by what it asks for: whoever needs a Kafka is an integration test at least."""
    for item in items:
        folder = Path(item.path).relative_to(_TESTS).parts[0]
        if folder in _MARKED_FOLDERS:
            item.add_marker(folder)
        elif _KAFKA_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("integration")
