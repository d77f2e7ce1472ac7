"""Feedback as the process that runs in an installation: its pages need a login, and it stops when it is told to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.runtime.topics import ensure_topics
from tests.integration.tally import settings_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TOKEN = "a-token-for-tests"


class Started:
    """The process and where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.url = process, f"http://127.0.0.1:{port}"


@pytest.fixture
async def feedback(kafka: str, namespace: str, tmp_path: Path) -> AsyncIterator[Started]:
    await ensure_topics(settings_of(kafka, namespace, tmp_path, None))
    environment = {
        **os.environ,
        "LEADLOOP_BOOTSTRAP_SERVERS": kafka,
        "LEADLOOP_SECRET": "ab" * 32,
        "LEADLOOP_TOKEN": TOKEN,
        "LEADLOOP_DATA_DIR": str(tmp_path),
        "LEADLOOP_NAMESPACE": namespace,
        "LEADLOOP_PARTITIONS": "4",
    }
    with (tmp_path / "feedback.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.feedback", env=environment, stdout=log, stderr=log
        )
    file = tmp_path / "run" / "feedback.port"
    async with asyncio.timeout(60):
        while not file.exists():
            assert process.returncode is None, (tmp_path / "feedback.log").read_text()
            await asyncio.sleep(0.05)
    yield Started(process, json.loads(file.read_text())["port"])
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_the_board_is_shown_to_who_has_the_token_and_the_service_stops_in_order(feedback: Started) -> None:
    async with httpx.AsyncClient(base_url=feedback.url, timeout=30) as stranger:
        assert (await stranger.get("/healthz")).status_code == 200
        refused = await stranger.get("/board/")
        assert refused.status_code == 401
        assert "Token of this installation" in refused.text
        assert "Where the leads are" not in refused.text
        assert (await stranger.get("/board/leads?status=won")).status_code == 401

    async with httpx.AsyncClient(base_url=feedback.url, timeout=30, follow_redirects=True) as marketing:
        board = await marketing.get("/", params={"token": TOKEN})
        assert board.status_code == 200
        assert board.url.path == "/board/"
        assert TOKEN not in str(board.url), "the address that stays in the browser's history holds no token"
        assert "Where the leads are" in board.text
        assert (await marketing.get("/v1/leads")).json() == {"leads": [], "total": 0, "next": None}
        assert (await marketing.get("/v1/nothing")).json()["status"] == 404

        async with marketing.stream("GET", "/v1/status/stream") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            feedback.process.terminate()
            async with asyncio.timeout(10):
                assert await feedback.process.wait() == 0
