"""The door that mutes a channel: it ends, and names what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from schemas.events.alerting import (
    AlertFailed,
    AlertReleased,
    AlertRequested,
    AlertSent,
    AlertWithdrawn,
    RecipientMuted,
)
from schemas.ids import AlertId, RecipientId
from schemas.topics import ALERTS
from schemas.vocabulary import Because, NonPersonalText
from services.alerting import shelf
from services.alerting.alert_rows import read
from services.alerting.mute_doors import mute_doors
from services.alerting.processors import RECIPIENT
from services.alerting.rows import METADATA
from services.runtime.health import Health
from services.runtime.http import create_app
from services.runtime.settings import Settings
from tests.unit.alerting.test_when import alert
from tests.unit.alerting.world import T0, Log, agreement


class _Written:
    """Takes what is appended."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def append(self, event: Any, **_: Any) -> Placed:
        self.events.append(event)
        return Placed()


class Placed:
    topic, partition, offset = ALERTS, 0, 0


class _Rows:
    """Tables of the alerts' log as far as it was read: without Kafka."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        METADATA.create_all(self.engine)

    async def wait_for(self, *_: Any) -> None:
        """All is read."""

    async def read(self, query: Callable[[sa.Connection], Any]) -> Any:
        with self.engine.begin() as connection:
            return query(connection)


_TOKEN = "a-token-for-tests-of-32-characters"


def _knock(folder: Path, name: str, until: Any) -> tuple[int, list[Any]]:
    async def knock() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            headers = {"authorization": f"Bearer {_TOKEN}"}
            return await client.post(f"/v1/channels/{name}/mute", json={"until": until}, headers=headers)

    settings = Settings(bootstrap_servers="nowhere:1", secret=b"x" * 32, token=_TOKEN, data_dir=folder)
    written, app = _Written(), create_app("alerting", settings, Health())
    app.include_router(mute_doors(written, agreement, _Rows()))  # type: ignore[arg-type]
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


def _shown(*events: Any, twice: bool = False) -> _Rows:
    rows = _Rows()
    with rows.engine.begin() as connection:
        for _ in range(1 + twice):
            read(connection, [(event, n) for n, event in enumerate(events)])
    return rows


def test_mutes_are_shown_with_who_until_when_and_why_and_how_much_waits() -> None:
    muted = RecipientMuted(
        recipient=RecipientId("managers"), muted_at=T0, until=T0 + timedelta(hours=2), by=NonPersonalText("kim"), because=Because("a fair")
    )
    over = RecipientMuted(recipient=RecipientId("rep.mira"), muted_at=T0, until=T0)
    rows = _shown(muted, over, alert(1))
    [shown] = asyncio.run(rows.read(lambda c: shelf.mutes(c, round(T0.timestamp() * 1000))))

    assert shown == {
        "channel": "managers",
        "muted_at": "2026-03-02T09:00:00Z",
        "muted_until": "2026-03-02T11:00:00Z",
        "by": "kim",
        "because": "a fair",
        "held": 1,
    }
    assert asyncio.run(rows.read(lambda c: shelf.mutes(c, round(T0.timestamp() * 1000) + 7_200_000))) == []


@pytest.mark.parametrize("twice", [False, True])
def test_a_row_says_what_became_of_an_alert_and_why(twice: bool) -> None:
    def of(number: int, **more: Any) -> AlertRequested:
        return alert(number).model_copy(update=more)

    log = Log(RECIPIENT)
    [released] = log.append(alert(1))
    digest = AlertReleased(recipient=RecipientId("managers"), alert_id=AlertId("digest.1"), lines=released.lines)
    assert isinstance(released, AlertReleased)
    said = {"recipient": "managers", "attempts": 1}
    rows = _shown(
        of(1), released, AlertSent.model_validate({**said, "alert_id": "alert.1", "sent_at": T0}),
        of(2), AlertWithdrawn(recipient=RecipientId("managers"), alert_id=AlertId("alert.2"), lead_id=alert(2).lead_id, because=Because("accepted")),
        of(3), AlertReleased.model_validate({**digest.model_dump(), "lines": [{**digest.lines[0].model_dump(), "alert_id": "alert.3"}]}),
        AlertFailed.model_validate({**said, "alert_id": "digest.1", "failed_at": T0, "because": "no answer"}),
        of(4, because=Because("out of hours")),
        of(5, recipient=RecipientId("duty"), via=(RecipientId("managers"),), because=Because("out of hours")),
        twice=twice,
    )  # fmt: skip
    found = {row["id"]: row for row in asyncio.run(rows.read(lambda c: shelf.alerts(c)))}

    assert {i: (row["state"], row["because"]) for i, row in found.items()} == {
        "alert.1": ("sent", None),
        "alert.2": ("withdrawn", "accepted"),
        "alert.3": ("failed", "no answer"),
        "alert.4": ("handed_on", "it was out of its hours, so duty was told"),
        "alert.5": ("held", None),
    }
    assert found["alert.3"]["message"] == "digest.1"
    assert [r["id"] for r in asyncio.run(rows.read(lambda c: shelf.alerts(c, states=["withdrawn"])))] == ["alert.2"]
