"""Routing behind the desk's real doors: rosters and names that are wrong, everybody at his cap, a pool that is emptied or
removed while leads wait for it, who was seen at work, and what can be undone for how long."""

# ruff: noqa: ASYNC110 - what routing says is looked at again until it has come

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import TEAMS
from services.desk.app import SERVICE
from services.runtime.settings import Settings
from tests.approvers import agreed
from tests.integration.leads_at_the_desk import Lead, new_lead
from tests.integration.served import AGREEMENT, Pens, Served, pens, publish_agreement, served, settings_for
from tests.integration.test_intake import everything_in

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

_ROOT = Path(__file__).resolve().parents[2]
FIRST = (
    AGREEMENT.replace("inbound: {team: sales, role: sdr, mode: fair}", "inbound: {team: sales, role: sdr, idle_after: 8h}")
    .replace("recycling:", "undo_within: 5s\nrecycling:")
    .replace("  pick:", "  second: {team: sales, role: sdr}\n  pick:")
)
SECOND = FIRST.replace("  inbound: {team: sales, role: sdr, idle_after: 8h}\n", "").replace("pool: inbound", "pool: second")


def rep(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "team": "sales", "pools": {"inbound": 1}, **more}


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings, FIRST)
    return settings


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as service:
        yield service


@asynccontextmanager
async def routing(settings: Settings) -> AsyncIterator[None]:
    """Routing as a process of its own."""
    told = {
        "BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "NAMESPACE": settings.namespace,
        "PARTITIONS": str(settings.partitions),
        "SECRET": settings.secret.hex(),
        "TOKEN": settings.token,
        "DATA_DIR": str(settings.data_dir / "routing"),
    }
    environment = {**os.environ, **{f"LEADLOOP_{name}": value for name, value in told.items()}}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.routing", env=environment, cwd=_ROOT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def put(desk: Served, *reps: dict[str, Any]) -> dict[str, Any]:
    answer = await desk.http.put("/v1/roster", json={"reps": list(reps)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def until(desk: Served, path: str, so: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """What the door says as soon as it is so."""
    rows: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(45):
            while not so(rows := (await desk.http.get(path)).json()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{path} still says {rows}") from None
    return rows


def held_by(name: str, number: int = 1) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda rows: sum(row["rep"] == name for row in rows) == number


async def act(desk: Served, row: dict[str, Any], kind: str, **said: Any) -> Any:
    body = {"type": kind, "assignment_id": row["assignment_id"], **said}
    return await desk.http.post(f"/v1/leads/{row['lead_id']}/actions", json=body)


async def test_a_roster_or_a_name_that_is_wrong_is_refused_with_place_and_remedy(desk: Served, write: Pens) -> None:
    await put(desk, rep("anna"))

    async def refused(what: tuple[str, ...], *reps: dict[str, Any]) -> None:
        answer = await desk.http.put("/v1/roster", json={"reps": list(reps)})
        assert answer.status_code == 422, answer.text
        said = " ".join([answer.json()["detail"], *(e["message"] for e in answer.json().get("errors", ()))])
        assert all(word in said for word in what), said

    await refused(("inbuond", "Did you mean inbound?"), rep("anna", pools={"inbuond": 1}))
    await refused(("reps[0].pools.inbound", "greater than or equal to 1"), rep("anna", pools={"inbound": 0}))
    await refused(("reps[1].pools.inbound", "greater than or equal to 1"), rep("ben"), rep("anna", pools={"inbound": -3}))
    await refused(("anna is in two teams", "keep one entry"), rep("anna"), rep("anna", team="closers"))
    await refused(("no team 'slaes'", "Did you mean sales?"), rep("anna", team="slaes"))
    unknown = await desk.http.put("/v1/reps/zoe/availability", json={"available": False})
    assert (unknown.status_code, "/v1/roster" in unknown.json()["detail"]) == (404, True)
    assert (await desk.http.post("/v1/reps/zoe/retire", json={})).status_code == 404
    lead = new_lead(write)
    await lead.assigned("anna")
    order = await act(desk, {"lead_id": lead.lead_id, "assignment_id": lead.assignment_id}, "reassign", to="zoe")
    assert (order.status_code, order.json()["detail"]) == (404, "The roster has no rep zoe.")
    assert [row["id"] for row in (await desk.http.get("/v1/roster")).json()["reps"]] == ["anna"], "and nothing has changed"


@pytest.fixture
async def write(settings: Settings) -> AsyncIterator[Pens]:
    async with pens(settings) as them:
        yield them


async def test_leads_wait_while_nobody_can_take_them_and_find_a_rep_as_soon_as_somebody_can(
    desk: Served, write: Pens, settings: Settings
) -> None:
    async def comes() -> Lead:
        lead = new_lead(write)
        await lead.qualified()
        return lead

    await put(desk, rep("anna", open_leads_cap=1), rep("ben", open_leads_cap=1))
    async with routing(settings):
        await comes()
        await until(desk, "/v1/assignments", lambda rows: len(rows) == 1)
        await comes()
        (first, _) = await until(desk, "/v1/assignments", lambda rows: len(rows) == 2)
        third = await comes()
        (waiting,) = await until(desk, "/v1/waiting", lambda rows: len(rows) == 1 and rows[0]["queued"] is not None)
        assert waiting["lead_id"] == third.lead_id
        assert "cap" in waiting["because"]

        # The undo ends five seconds after the action; who acts is seen at work once a minute.
        assert (await act(desk, first, "accept")).status_code == 202
        undone = await act(desk, first, "undo")
        assert undone.status_code == 202, undone.text
        assert (await act(desk, first, "accept")).status_code == 202
        await asyncio.sleep(5.2)
        too_late = await act(desk, first, "undo")
        assert too_late.status_code == 409
        assert "undone for 5s" in too_late.json()["detail"]
        seen = [e for e in await everything_in(settings, TEAMS) if e["type"] == "RepActed"]
        assert [e["rep_id"] for e in seen] == [first["rep"]]

        # A place is free: the third lead has it at once.
        assert (await act(desk, first, "lose", reason="no_budget")).status_code == 202
        await until(desk, "/v1/waiting", lambda rows: rows == [])

        # Nobody is left in the pool: what they held waits, and says so, until somebody comes.
        emptied = await put(desk, rep("cleo", pools={"pick": 1}))
        assert any("nobody is in the pool inbound" in doubt for doubt in emptied["warnings"])
        rows = await until(desk, "/v1/waiting", lambda rows: len(rows) == 2 and all(r["queued"] for r in rows))
        assert all("inbound" in row["because"] for row in rows), rows

        # The next agreement has no such pool: they are routed anew, to one in which somebody is.
        effective_at = datetime.now(UTC) + timedelta(seconds=12)
        for event in agreed(SECOND, 2, effective_at, "tests"):
            await write.by("console", event)
        await asyncio.sleep(12.5)
        await put(desk, rep("dora", pools={"second": 1}))
        await until(desk, "/v1/assignments", held_by("dora", 2))
        assert await until(desk, "/v1/waiting", lambda rows: rows == []) == []
