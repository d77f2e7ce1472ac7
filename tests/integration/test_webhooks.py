"""Signed webhooks on real Kafka, to real endpoints that fail, hang, lie and go away: at least once, with ids that stay."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.events.alerting import AlertFailed, AlertSent, News, NewsKind, NewsReleased, ToolKind
from schemas.events.intake import LeadProfile
from schemas.ids import AlertId, EventId, LeadId, RecipientId
from schemas.topics import PROFILES
from schemas.vocabulary import LeadStatus, LifecycleStage
from services.alerting.app import alerting_tables
from services.alerting.carriers import Carriers
from services.alerting.doors import alerting_doors
from services.alerting.patience import Patience
from services.alerting.reading import AlertingProjection
from services.alerting.sender import Sender
from services.runtime.main import Running, Service
from services.runtime.settings import Settings
from tests.integration.alerting_receivers import (
    BREAK_OFF,
    ENDLESS,
    FAIL,
    GONE,
    HANG,
    NO_HTTP,
    REDIRECT,
    TOO_MANY,
    Post,
    http_receiver,
)
from tests.integration.served import Served, pens, publish_agreement, served, settings_for
from tests.integration.test_alerting_sender import answers

pytestmark = pytest.mark.integration

_SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
_ROOT = Path(__file__).resolve().parents[2]
_TOOLS = """
tools:
  webhooks:
    one: {url: "${ONE}", secret: "${SECRET}", events: [assigned], personal: [email, name]}
    other: {url: "${OTHER}", secret: "${SECRET}", events: [assigned]}
"""
_LEADS = [LeadId(f"4f5e2ad2-6b0f-5c0e-9d53-{n:012x}") for n in range(50)]
_HASTY = Patience(delays=(0.05, 0.05, 0.1, 0.1, 0.2, 0.2, 0.2), at_once=8, hold_after=50, dead_after=60)


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    its = replace(settings_for(kafka, namespace, tmp_path), webhook_within=timedelta(seconds=0.5))
    await publish_agreement(its, (_ROOT / "deploy" / "agreements" / "default.yaml").read_text() + _TOOLS)
    return its


def _released(number: int, name: str = "one") -> NewsReleased:
    return NewsReleased(
        recipient=RecipientId(f"webhook.{name}"),
        tool=ToolKind.WEBHOOK,
        alert_id=AlertId(f"msg_{number}"),
        news=News(
            kind=NewsKind.ASSIGNED,
            happened_at="2026-03-02T09:00:00Z",  # type: ignore[arg-type]
            event_id=EventId(f"e{number}"),
            lead_id=_LEADS[number % 50],
            cycle=1,
            lead_status=LeadStatus.ASSIGNED,
            lifecycle_stage=LifecycleStage.MQL,
        ),
    )


@asynccontextmanager
async def alerting(
    settings: Settings, *released: NewsReleased, patience: Patience = _HASTY, **environment: str
) -> AsyncIterator[Served]:
    """The service with its doors and sender, as its main runs them; `released` is said before it starts."""
    async with pens(settings) as write:
        for event in released:
            await write.by("alerting", event)

    @asynccontextmanager
    async def hasty(settings: Settings, running: Running) -> AsyncIterator[None]:
        tables = running.projection(AlertingProjection())
        async with (
            Carriers.open(settings, running, tables, {"SECRET": _SECRET, **environment}) as carriers,
            Sender(settings, running, tables, carriers, lambda _: patience).delivering(),
        ):
            yield

    async with served(
        Service("alerting", http=alerting_doors, background=(alerting_tables, hasty)), settings
    ) as service:
        await service.running.projection(AlertingProjection()).caught_up()
        yield service


def _is_signed(post: Post) -> bool:
    """What a receiver does with a message, by the specification's words and not by our code."""
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.raw
    key = base64.b64decode(_SECRET.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in post.headers["webhook-signature"].split(" ")


async def test_an_endpoint_that_fails_in_every_way_gets_each_message_signed_under_the_same_id(settings: Settings) -> None:
    faults = (FAIL, HANG, REDIRECT, ENDLESS, BREAK_OFF, NO_HTTP)
    async with http_receiver(*faults) as (address, inbox), alerting(settings, _released(1), ONE=f"http://{address}/h"):
        [(_, sent)] = await answers(settings, 1)

    assert isinstance(sent, AlertSent)
    assert sent.attempts == inbox.asked == len(faults) + 1
    [post] = inbox.taken
    assert _is_signed(post)
    assert post.webhook_id == "msg_1"
    assert post.content["type"] == "lead.assigned"


async def test_only_what_the_agreement_names_of_a_person_goes_out_and_nothing_after_the_erasure(settings: Settings) -> None:
    profile = LeadProfile(
        lead_id=_LEADS[1],
        updated_at="2026-03-02T09:00:00Z",  # type: ignore[arg-type]
        email="jo@example.com",
        phone="+491701234567",
        name="Jo Doe",
    )
    async with http_receiver() as (address, inbox), pens(settings) as write:
        await write.by("intake", profile)
        url = f"http://{address}/h"
        async with alerting(settings, _released(1), _released(1, "other"), ONE=url, OTHER=url):
            await inbox.holds(2)
            await write._appenders["intake"].tombstone(PROFILES, _LEADS[1])
            await write.by("alerting", _released(51))  # of the same lead
            await inbox.holds(3)

    first = [post.content["data"].get("contact") for post in inbox.taken[:2]]
    assert {"email": "jo@example.com", "name": "Jo Doe"} in first
    assert None in first
    assert "contact" not in inbox.taken[2].content["data"]


async def test_429_is_honoured_for_every_message_to_this_endpoint_and_delays_no_other(settings: Settings) -> None:
    begun = asyncio.get_running_loop().time()
    async with http_receiver(TOO_MANY) as (slow, inbox), http_receiver() as (quick, others):
        messages = [_released(1), *(_released(n, "other") for n in range(2, 12)), *(_released(n) for n in range(12, 15))]
        patience = replace(_HASTY, at_once=1)
        async with alerting(
            settings, *messages, patience=patience, ONE=f"http://{slow}/", OTHER=f"http://{quick}/"
        ):
            await others.holds(10)
            assert not inbox.taken
            at = asyncio.get_running_loop().time()
            await inbox.holds(4)
            assert asyncio.get_running_loop().time() - at > 0.3
    assert asyncio.get_running_loop().time() - begun > 1


async def test_410_disables_the_endpoint_until_a_person_enables_and_replays(settings: Settings) -> None:
    async with http_receiver(GONE) as (address, inbox), http_receiver() as (fine, others):
        environment = {"ONE": f"http://{address}/", "OTHER": f"http://{fine}/"}
        async with alerting(settings, _released(1), **environment) as service:
            await answers(settings, 1)
            [row] = await _rows(service, "webhook.one", "disabled")
            assert "410 Gone" in row["because"]

        # also the next process knows, and asks nobody
        async with alerting(settings, _released(2), _released(3, "other"), **environment) as service:
            found = await answers(settings, 3)
            await others.holds(1)
            assert inbox.asked == 1
            assert [type(event) for _, event in found].count(AlertFailed) == 2

            assert (await service.http.post("/v1/webhooks/one/enable")).json()["state"] == "well"
            replay = {"since": "2020-01-01T00:00:00Z", "states": ["failed"]}
            done = (await service.http.post("/v1/webhooks/one/replay", json=replay)).json()
            assert sorted(done["replayed"]) == ["msg_1", "msg_2"]
            await inbox.holds(2)
            await answers(settings, 5)
            async with asyncio.timeout(30):
                while len((shown := (await service.http.get("/v1/webhooks/one?state=sent")).json())["messages"]) < 2:  # noqa: ASYNC110 - a door
                    await asyncio.sleep(0.05)

    assert {post.webhook_id for post in inbox.taken} == {"msg_1", "msg_2"}
    assert {m["id"]: m["replays"] for m in shown["messages"]} == {"msg_1": 1, "msg_2": 1}
    assert shown["state"] == "well"


async def test_a_dead_endpoint_is_shown_and_blocks_nobody(settings: Settings) -> None:
    async with http_receiver() as (gone, _):
        pass  # its port is free again: nobody listens
    async with http_receiver() as (fine, others):
        environment = {"ONE": f"http://{gone}/", "OTHER": f"http://{fine}/"}
        patience = Patience(delays=(0.05,) * 200, at_once=8, hold_after=2, dead_after=4.0)
        messages = [_released(n) for n in range(10)]
        async with alerting(settings, *messages, patience=patience, **environment) as service:
            async with pens(settings) as write:
                for n in range(10, 20):
                    await write.by("alerting", _released(n, "other"))
            await others.holds(10)
            [failing] = await _rows(service, "webhook.one", "failing")
            assert failing["owed"] > 0
            assert failing["failing_since"] is not None
            await answers(settings, 20)
            [dead] = await _rows(service, "webhook.one", "disabled", failed=10)

    assert dead["failed"] == 10
    assert "taken nothing for days" in dead["because"]


async def test_after_a_restart_attempts_go_on_at_their_time_and_not_from_the_beginning(settings: Settings) -> None:
    async with http_receiver(FAIL, FAIL) as (address, inbox):
        slow = Patience(delays=(0.05, 3.0, 3.0))
        async with alerting(settings, _released(1), patience=slow, ONE=f"http://{address}/") as service:
            async with asyncio.timeout(20):
                while (await _message(service, "one", "msg_1"))["attempts"] < 2:  # noqa: ASYNC110 - a door
                    await asyncio.sleep(0.05)
        begun = asyncio.get_running_loop().time()
        async with alerting(settings, patience=slow, ONE=f"http://{address}/"):
            [(_, sent)] = await answers(settings, 1)
    assert isinstance(sent, AlertSent)
    assert sent.attempts == inbox.asked == 3
    assert asyncio.get_running_loop().time() - begun > 0.5


async def test_the_doors_name_what_is_not_there(settings: Settings) -> None:
    async with alerting(settings, _released(1), ONE="http://127.0.0.1:9/") as service:
        rows = {row["id"]: row for row in (await service.http.get("/v1/webhooks")).json()}
        assert rows["webhook.other"]["events"] == ["assigned"]
        assert rows["webhook.one"]["personal"] == ["email", "name"]
        for path, status in (("/nobody", 404), ("/one/messages/msg_9", 404), ("/one?limit=0", 422)):
            assert (await service.http.get(f"/v1/webhooks{path}")).status_code == status
        replay = service.http.build_request("POST", "/v1/webhooks/one/replay", json={"messages": ["msg_9"]})
        assert (await service.http.send(replay)).status_code == 404
        for body in ({}, {"messages": ["a"], "since": "2026-01-01T00:00:00Z"}, {"until": "2026-01-01T00:00:00Z"}):
            assert (await service.http.post("/v1/webhooks/one/replay", json=body)).status_code == 422
        del service.http.headers["Authorization"]
        assert (await service.http.get("/v1/webhooks")).status_code == 401


async def _rows(service: Served, recipient: str, state: str, *, failed: int = 0) -> list[Mapping[str, Any]]:
    """The recipient's row once it is in this state and so many messages have been given up: the tables follow the log."""
    async with asyncio.timeout(30):
        while True:
            rows = (await service.http.get("/v1/webhooks")).json()
            if found := [row for row in rows if row["id"] == recipient and row["state"] == state and row["failed"] >= failed]:
                return found
            await asyncio.sleep(0.05)


async def _message(service: Served, name: str, message: str) -> dict[str, Any]:
    answer = await service.http.get(f"/v1/webhooks/{name}/messages/{message}")
    return answer.json() if answer.status_code == 200 else {"attempts": 0}
