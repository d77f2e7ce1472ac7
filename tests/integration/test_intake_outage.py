"""The broker goes away under intake and desk: nothing is claimed, and all goes on when it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from schemas.topics import LEADS
from services.console.broker import EmbeddedBroker
from services.desk.app import SERVICE as DESK
from services.intake.app import SERVICE as INTAKE
from tests.integration.leads_at_the_desk import ROSTER
from tests.integration.served import publish_agreement, served, settings_for
from tests.integration.test_intake import ANA, everything_in


async def test_a_stopped_broker_is_answered_by_503_and_a_started_one_by_202(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    settings = settings_for(broker.bootstrap_servers, "outage", tmp_path, patience=2)
    await publish_agreement(settings)
    async with served(INTAKE, settings) as intake, served(DESK, settings) as desk:
        assert (await desk.http.put("/v1/roster", json=ROSTER)).status_code == 200
        assert (await intake.http.post("/v1/leads", json=ANA)).status_code == 202
        await broker.stop()
        away = await intake.http.post("/v1/leads", json={"email": "ben@example.com"}, headers={"Idempotency-Key": "b"})
        assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json"), away.text
        assert int(away.headers["retry-after"]) >= 1
        assert (await intake.http.get("/readyz")).status_code == 503
        assert (await intake.http.get("/healthz")).status_code == 200
        absent = await desk.http.put("/v1/reps/anna/availability", json={"available": False})
        assert (absent.status_code, "retry-after" in absent.headers) == (503, True)
        assert (await desk.http.get("/v1/inbox", params={"rep": "anna"})).json() == []
        await broker.start()
        back = await _until_confirmed(intake.http)
        again = await intake.http.post("/v1/leads", json={"email": "ben@example.com"}, headers={"Idempotency-Key": "b"})
        assert again.json() == back.json() | {"duplicate": True}
    submissions = {
        e["submission_id"] for e in await everything_in(settings, LEADS) if e["lead_id"] == back.json()["lead_id"]
    }
    assert submissions == {back.json()["submission_id"]}


async def _until_confirmed(client: httpx.AsyncClient) -> httpx.Response:
    """What a patient client does with a 503."""
    async with asyncio.timeout(60):
        while True:
            answer = await client.post("/v1/leads", json={"email": "ben@example.com"}, headers={"Idempotency-Key": "b"})
            if answer.status_code == 202:
                return answer
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(int(answer.headers["retry-after"]))
