"""Whom to target, on a real Kafka: leads that were won and leads that were not, as the ledger reads them from the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from schemas.events.desk import LeadWon
from schemas.ids import LeadId
from schemas.topics import LEADS
from schemas.vocabulary import BySystem
from services.feedback.app import SERVICE, ledger_of
from services.runtime.settings import Settings
from tests.builders import MONDAY, submitted
from tests.integration.served import Pens, Served, pens, publish_agreement, served, settings_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CAMPAIGN = {"name": "Autumn", "from": "2026-01-01", "spend": [{"month": "2026-01", "amount": {"amount": "900", "currency": "EUR"}}]}


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    made = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(made)
    return made


@pytest.fixture
async def feedback(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as one:
        yield one


async def comes(write: Pens, number: int, *, won: bool, **said: Any) -> None:
    lead = LeadId(f"0b0f6c1a-5b5e-4f6e-9d58-{number:012d}")
    await write.by("intake", submitted(lead=lead, at=MONDAY, **said))
    if won:
        await write.by("desk", LeadWon(lead_id=lead, by=BySystem(system="crm"), occurred_at=MONDAY))


async def read(feedback: Served, settings: Settings) -> dict[str, Any]:
    await ledger_of(settings, feedback.running).read_to_end(topic=LEADS)
    answer = await feedback.http.get("/v1/reports/audience")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def segment(answer: dict[str, Any], **key: str) -> dict[str, Any]:
    return next(s for s in answer["segments"] if s["segment"] == key)


async def test_nothing_is_claimed_without_wins(feedback: Served, settings: Settings) -> None:
    answer = await read(feedback, settings)

    assert (answer["leads"], answer["won"], answer["segments"]) == (0, 0, [])
    assert "nothing can be claimed yet" in answer["remarks"][0]
    assert "No lead is old enough" in (await feedback.http.get("/audience")).text


async def test_a_campaign_that_converts_is_named_and_one_that_only_costs_too(feedback: Served, settings: Settings) -> None:
    async with pens(settings) as write:
        await asyncio.gather(
            *(
                comes(
                    write, number, won=number % 10 < (6 if number < 60 else 0 if number < 120 else 1),
                    country="DE" if number % 2 else "FR",
                    source={"campaign": ("spring", "autumn", "summer")[number // 60], "channel": "web"},
                    attributes={"employees": number % 7 * 100, "topic": "demo", "nickname": "zoe"},
                )
                for number in range(180)
            )
        )  # fmt: skip
    (await feedback.http.put("/v1/campaigns/autumn", json=CAMPAIGN)).raise_for_status()
    last = 181  # wins came at once, so that only what is submitted in the very moment is too young
    async with pens(settings) as write:
        await comes(write, last, won=False, country="DE")

    answer = await read(feedback, settings)

    spring, autumn = segment(answer, campaign="spring"), segment(answer, campaign="autumn")
    assert spring["verdict"] == "better"
    assert autumn["verdict"] == "worse"
    assert spring["interval"][0] < spring["rate"] < spring["interval"][1]
    assert autumn["spend"] == [{"amount": "900.00", "currency": "EUR"}]
    assert autumn["cost_per_win"] == []
    assert any("campaign spring" in s for s in answer["target_next"])
    assert any("campaign autumn" in s and "900.00 EUR for no win" in s for s in answer["stop_paying_for"])
    assert segment(answer, country="FR")["verdict"] == "no difference shown"
    named = {name for s in answer["segments"] for name in s["segment"]}
    assert {"employees", "topic", "channel"} <= named
    assert "nickname" not in named, "it is personal by the agreement"
    assert len({s["segment"]["employees"] for s in answer["segments"] if "employees" in s["segment"]}) <= 4
    page = (await feedback.http.get("/audience")).text
    assert "Target campaign spring" in page
    assert "<svg" in page


async def test_the_page_is_not_for_strangers(feedback: Served) -> None:
    del feedback.http.headers["Authorization"]

    assert (await feedback.http.get("/audience")).status_code == 401
    assert (await feedback.http.get("/v1/reports/audience")).status_code == 401
