"""The door that mutes a channel: it ends, and names what there is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.events.alerting import RecipientMuted
from services.alerting.mute_doors import mute_doors
from services.runtime.health import Health
from services.runtime.http import create_app
from services.runtime.settings import Settings
from tests.unit.alerting.world import agreement


class _Written:
    """Takes what is appended."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def append(self, event: Any, **_: Any) -> None:
        self.events.append(event)


_TOKEN = "a-token-for-tests-of-32-characters"


def _knock(folder: Path, name: str, until: Any) -> tuple[int, list[Any]]:
    async def knock() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            headers = {"authorization": f"Bearer {_TOKEN}"}
            return await client.post(f"/v1/channels/{name}/mute", json={"until": until}, headers=headers)

    settings = Settings(bootstrap_servers="nowhere:1", secret=b"x" * 32, token=_TOKEN, data_dir=folder)
    written, app = _Written(), create_app("alerting", settings, Health())
    app.include_router(mute_doors(written, agreement))  # type: ignore[arg-type]
    return asyncio.run(knock()).status_code, written.events


def test_a_channel_and_a_rep_are_muted_until_then(tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(hours=2)
    for name in ("managers", "rep.mira"):
        status, [event] = _knock(tmp_path, name, until.isoformat())

        assert status == 202
        assert isinstance(event, RecipientMuted)
        assert (event.recipient, event.until) == (name, until)


@pytest.mark.parametrize(
    ("name", "until", "status"),
    [
        ("boss", "2026-03-02T09:00:00Z", 404),
        ("rep.", "2026-03-02T09:00:00Z", 404),
        ("rep.A B", "2026-03-02T09:00:00Z", 404),
        ("managers", "2999-03-02T09:00:00Z", 422),
        ("managers", "2026-03-02T09:00:00", 422),
        ("managers", None, 422),
    ],
)
def test_what_cannot_be_muted_is_refused_and_nothing_is_written(tmp_path: Path, name: str, until: Any, status: int) -> None:
    assert _knock(tmp_path, name, until) == (status, [])
