"""The image: what it is built from, and the question by which Docker learns whether a service may be sent work."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.console.ports import free_port
from services.runtime.health import Health
from services.runtime.http import create_app, serve
from services.runtime.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def question() -> list[str]:
    """The health check's words, as Docker reads them."""
    (words,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    asked: list[str] = json.loads(words)
    return asked


async def answers_well(words: list[str], instead_of: int, port: int) -> bool:
    """Whether this command exits with 0, asked of a service at this port."""
    process = await asyncio.create_subprocess_exec(
        *(word.replace(f"/{instead_of}", f"/{port}", 1) for word in words), stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(30):
        return await process.wait() == 0


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def port(tmp_path: Path, health: Health) -> AsyncIterator[int]:
    settings = Settings(bootstrap_servers="nowhere:1", secret=b"x" * 32, token="a-token", data_dir=tmp_path)
    async with serve(create_app("a service", settings, health), "127.0.0.1", 0) as listening:
        yield listening


async def test_a_service_that_may_be_sent_work_is_healthy(port: int) -> None:
    assert await answers_well(question(), 8600, port)


async def test_a_service_that_is_not_ready_is_not_healthy(port: int, health: Health) -> None:
    health.say("broker", ok=False, because="away")
    assert not await answers_well(question(), 8600, port)


async def test_where_nobody_listens_nothing_is_healthy() -> None:
    port = free_port()
    assert not await answers_well(question(), 8600, port)
    assert not await answers_well(kafka_question(), 9092, port)


async def test_kafka_is_healthy_once_its_port_is_open(port: int) -> None:
    assert await answers_well(kafka_question(), 9092, port)


def kafka_question() -> list[str]:
    compose: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "docker-compose.yml").read_text())
    form, *words = compose["services"]["kafka"]["healthcheck"]["test"]
    assert form == "CMD"
    return [str(word) for word in words]


def test_the_image_has_what_installs_leadloop_itself_in_the_version_of_development() -> None:
    """Every event names the version of its writer, so leadloop must be installed, not only copied."""
    assert "--no-build-isolation --editable ." in DOCKERFILE
    (wanted,) = re.findall(r"^setuptools==\S+", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert f"{wanted} " in (ROOT / "requirements-bootstrap.txt").read_text()
