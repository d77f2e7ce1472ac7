"""The fixture of the engine's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.installation import Installation


@pytest.fixture
async def installation(kafka: str, namespace: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation of this test's own on the shared Kafka."""
    async with Installation(kafka, namespace, tmp_path).open() as opened:
        yield opened
