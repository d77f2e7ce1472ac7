"""Bulk import through intake's real doors: what is answered, what is in the log, and what survives a restart."""

# ruff: noqa: ASYNC110 - how far an import is is looked at again until it has ended

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import LEADS, PROFILES
from services.intake.app import SERVICE
from services.runtime.settings import Settings
from tests.integration.served import Served, publish_agreement, served, settings_for
from tests.integration.test_intake import everything_in

CSV = {"Content-Type": "text/csv"}


def people(numbers: range) -> str:
    return "Work email,Name,Employees\n" + "".join(f"p{n}@example.org,Person {n},{n}\n" for n in numbers)


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    """Nobody scores here, so nothing tells how fast the loop is: the floor alone paces."""
    settings = replace(settings_for(kafka, namespace, tmp_path), import_rate=100.0)
    await publish_agreement(settings)
    return settings


@pytest.fixture
async def intake(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as service:
        yield service


async def imported(service: Served, text: str, **query: Any) -> dict[str, Any]:
    answer = await service.http.post("/v1/imports", content=text, headers=CSV, params=query)
    assert answer.status_code == 202, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def ended(service: Served, import_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            said: dict[str, Any] = (await service.http.get(f"/v1/imports/{import_id}")).json()
            if said["state"] != "under_way":
                return said
            await asyncio.sleep(0.1)


async def test_a_file_is_taken_in_row_by_row_once_with_what_is_wrong_told(intake: Served, settings: Settings) -> None:
    text = people(range(20)) + "nobody,x,1\n" + "p3@example.org,Person 3,3\n"
    said = await imported(intake, text, name="people.csv", set="source.campaign=fair")
    assert (said["state"], said["rows"], said["duplicate"]) == ("under_way", 22, False)
    assert said["columns"] == {"Work email": "email", "Name": "name", "Employees": "attributes.employees"}
    assert said["refusals"] == [{"line": 22, "message": said["refusals"][0]["message"]}]
    again = await imported(intake, text, name="people.csv", set="source.campaign=fair")
    assert (again["import_id"], again["duplicate"]) == (said["import_id"], True)
    done = await ended(intake, said["import_id"])
    assert (done["taken_in"], done["repeated"], done["refused"]) == (20, 1, 1)
    events = [e for e in await everything_in(settings, LEADS) if e["type"] == "LeadSubmitted"]
    assert len(events) == 20
    assert {e["attributes"]["employees"] for e in events} == set(range(20))
    assert {e["source"]["campaign"] for e in events} == {"fair"}
    assert len(await everything_in(settings, PROFILES)) == 20
    rows = (await intake.http.get(f"/v1/imports/{said['import_id']}/rows", params={"outcome": "taken_in"})).json()["rows"]
    assert {row["lead_id"] for row in rows} == {e["lead_id"] for e in events}
    other = await imported(intake, people(range(2)), set="source.campaign=fair")
    assert (await ended(intake, other["import_id"]))["repeated"] == 2
    assert len([e for e in await everything_in(settings, LEADS) if e["type"] == "LeadSubmitted"]) == 20
    listed = (await intake.http.get("/v1/imports")).json()["imports"]
    assert {one["import_id"] for one in listed} == {said["import_id"], other["import_id"]}


async def test_an_import_goes_on_after_a_restart_and_erasure_and_cancelling_reach_what_waits(settings: Settings) -> None:
    slow = replace(settings, import_rate=20.0)
    async with served(SERVICE, slow) as service:
        said = await imported(service, people(range(60)))
        waiting = (await service.http.get(f"/v1/imports/{said['import_id']}/rows", params={"outcome": "waiting"})).json()
        last = max(waiting["rows"], key=lambda row: row["line"])
        erased = await service.http.delete(f"/v1/leads/{last['lead_id']}")
        assert erased.json() == {"lead_id": last["lead_id"], "lead_status": "erased"}
        async with asyncio.timeout(10):
            while (await service.http.get(f"/v1/imports/{said['import_id']}")).json()["taken_in"] < 10:
                await asyncio.sleep(0.05)
    async with served(SERVICE, settings) as service:
        done = await ended(service, said["import_id"])
        assert (done["taken_in"], done["erased"], done["repeated"]) == (59, 1, 0)
        submitted = [e["key"] for e in await everything_in(settings, LEADS) if e["type"] == "LeadSubmitted"]
        assert len(submitted) == len(set(submitted)) == 59
        assert last["lead_id"] not in submitted
        more = await imported(service, people(range(1000, 1200)))
        cancelled = await service.http.delete(f"/v1/imports/{more['import_id']}")
        assert cancelled.status_code == 200
        done = await ended(service, more["import_id"])
        assert done["state"] == "cancelled"
        assert done["taken_in"] + done["cancelled"] == 200
        assert done["cancelled"] > 0


async def test_what_cannot_be_imported_is_refused_with_place_and_remedy(intake: Served, settings: Settings) -> None:
    async def refused(text: str, status: int, what: str, content_type: str = "text/csv", **query: Any) -> None:
        answer = await intake.http.post("/v1/imports", content=text, headers={"Content-Type": content_type}, params=query)
        assert answer.status_code == status
        assert what in answer.json()["detail"], answer.json()["detail"]

    await refused("email\na@example.org\n", 415, "text/csv", content_type="application/json")
    await refused("", 422, "empty")
    await refused("city\nRome\n", 422, "Contact address=email")
    await refused("email\na@example.org\n", 422, "no column 'mail'", map="mail=email")
    await refused("email\na@example.org\n", 422, "LEFT=RIGHT", map="mail")
    await refused("email\na@example.org\n", 422, "no field", set="shoe=42")
    await refused("email\na@example.org\n", 422, "Europe/Berlin", zone="Middle/Earth")
    planned = await intake.http.post("/v1/imports?dry_run=true", content=people(range(3)), headers=CSV)
    assert (planned.status_code, planned.json()["waiting"]) == (200, 3)
    assert (await intake.http.get("/v1/imports")).json()["imports"] == []
    assert (await intake.http.get("/v1/imports/nothing")).status_code == 404
    large = "email,message\n" + f"a@example.org,{'x' * 5000}\n" * 300
    assert (await intake.http.post("/v1/imports", content=large, headers=CSV)).status_code == 202, "files may be large"
    assert (await intake.http.post("/v1/leads", content=large)).status_code == 413
