"""Companies, terms of the roster, and a rep who leaves, at the desk's doors on real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.desk.app import SERVICE
from services.runtime.settings import Settings
from tests.integration.leads_at_the_desk import ROSTER
from tests.integration.served import Served, publish_agreement, served, settings_for

ACME = {"id": "acme", "name": "Acme", "domains": ["https://www.acme.example/"], "owners": ["anna", "dario"]}


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings)
    return settings


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as service:
        assert (await service.http.put("/v1/roster", json=ROSTER)).status_code == 200
        yield service


async def put(desk: Served, *accounts: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await desk.http.put("/v1/accounts", json={"accounts": list(accounts), **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.integration
async def test_companies_are_set_once_and_removed_when_asked(desk: Served) -> None:
    assert await put(desk, ACME) == {"received": 1, "changed": 1, "removed": 0}
    assert await put(desk, ACME) == {"received": 1, "changed": 0, "removed": 0}
    rows = (await desk.http.get("/v1/accounts")).json()["accounts"]
    assert [(r["id"], r["team"], r["domains"], r["owners"]) for r in rows] == [
        ("acme", "sales", ["acme.example"], ["anna", "dario"])
    ]
    other = {"id": "zenith", "domains": ["zenith.example"], "owners": ["ben"]}
    assert await put(desk, other, remove_others=True) == {"received": 1, "changed": 1, "removed": 1}
    wrong = await desk.http.put("/v1/accounts", json={"accounts": [{**ACME, "owners": ["nobody"]}]})
    assert wrong.status_code == 422
    assert "the roster has no rep nobody" in wrong.json()["detail"]


@pytest.mark.integration
async def test_terms_of_the_roster_come_back_as_they_were_set_and_nothing_changes_if_they_are_sent_again(
    desk: Served,
) -> None:
    terms = {
        "caps": [{"at_most": 3, "per": "day"}],
        "zone": "Europe/Berlin",
        "breaks": {"mon-fri": "12:00-13:00"},
        "leave": [{"first": "2026-12-24", "last": "2027-01-02"}],
        "skills": ["de"],
    }
    reps = [{**rep, **terms} if rep["id"] == "anna" else rep for rep in ROSTER["reps"]]
    changed = (await desk.http.put("/v1/roster", json={"reps": reps})).json()
    assert changed["changed"] == ["anna"]
    rows = (await desk.http.get("/v1/roster")).json()["reps"]
    anna = next(row for row in rows if row["id"] == "anna")
    assert anna["caps"] == [{"at_most": 3, "per": "day", "rolling": False, "grades": []}]
    assert anna["breaks"] == [{"days": [0, 1, 2, 3, 4], "start": 720, "end": 780}]
    again = (await desk.http.put("/v1/roster", json={"reps": rows})).json()
    assert again["changed"] == []


@pytest.mark.integration
async def test_a_rep_who_retires_is_in_the_roster_no_more(desk: Served) -> None:
    answer = await desk.http.post("/v1/reps/ben/retire", json={"reason": "reroute"})
    assert answer.json() == {"rep": "ben", "team": "sales", "open_leads": 0}
    assert {row["id"] for row in (await desk.http.get("/v1/roster")).json()["reps"]} == {"anna", "dario"}
    assert (await desk.http.post("/v1/reps/ben/retire", json={})).status_code == 404
