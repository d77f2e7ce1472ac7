"""The world outside: forms that send leads, reps who work them. Whoever gets no answer asks again with the same key."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import Any

import httpx

from tests.chaos.evidence import Promised
from tests.chaos.house import House

RETRY_SECONDS = 0.3
PATIENCE_SECONDS = 600.0
"""How long one request is sent again: longer than all outages of a run together."""


async def until_answered(send: Any) -> httpx.Response:
    """Ask until there is an answer that is neither a broken connection nor a 5xx."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                answer: httpx.Response = await send()
            except httpx.TransportError:
                answer = httpx.Response(503)
            if answer.status_code < 500:
                return answer
            await asyncio.sleep(RETRY_SECONDS)


def _lead(number: int, chance: random.Random) -> dict[str, Any]:
    return {
        "email": f"prospect{number}@company{number % 97}.example",
        "name": f"Prospect {number}",
        "company": f"Company {number % 97}",
        "country": chance.choice(["DE", "AT", "US"]),
        "attributes": {
            "employees": chance.choice([5, 80, 400]),
            "topic": chance.choice(["demo", "demo", "pricing", "newsletter"]),
        },
        "source": {"channel": "web", "campaign": chance.choice(["spring", "webinar", "fair"])},
    }


async def send_leads(house: House, promised: Promised, *, number: int, per_second: float, seed: int) -> None:
    """`number` leads at a steady rate; every tenth comes twice, with the same key."""
    chance = random.Random(seed)
    async with house.client() as client, asyncio.TaskGroup() as group:
        for i in range(number):
            body, key = _lead(i, chance), f"chaos-{seed}-{i}"
            group.create_task(_send(house, client, promised, body, key))
            if i % 10 == 0:
                group.create_task(_send(house, client, promised, body, key))
            await asyncio.sleep(1 / per_second)


async def _send(house: House, client: httpx.AsyncClient, promised: Promised, body: dict[str, Any], key: str) -> None:
    answer = await until_answered(
        lambda: client.post(f"{house.doors['intake']}/v1/leads", json=body, headers={"Idempotency-Key": key})
    )
    assert answer.status_code == 202, f"intake answered {answer.status_code}: {answer.text}"
    said = answer.json()
    before = promised.submissions.setdefault(said["submission_id"], said["lead_id"])
    assert before == said["lead_id"], "one submission became two leads"
    promised.people[said["lead_id"]] = body


async def import_leads(house: House, promised: Promised, *, number: int, seed: int) -> None:
    """One file of leads, handed in once more while it is taken in; every row must become one submission."""
    chance = random.Random(f"{seed}/import")
    people = [{"email": f"listed{i}@firm{i % 7}.example", "name": f"Listed {i}", "company": f"Firm {i % 7}"} for i in range(number)]
    lines = [f"{p['email']},{p['name']},{p['company']},{chance.choice(['demo', 'newsletter'])}\n" for p in people]
    url = f"{house.doors['intake']}/v1/imports"
    async with house.client() as client:
        file = {"content": "email,name,company,topic\n" + "".join(lines), "headers": {"Content-Type": "text/csv"}}
        ids = {(await until_answered(lambda: client.post(url, **file))).json()["import_id"] for _ in range(2)}
        assert len(ids) == 1, "one file became two imports"
        said: dict[str, Any] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while said.get("state") != "done":
                await asyncio.sleep(RETRY_SECONDS)
                said = (await until_answered(lambda: client.get(f"{url}/{min(ids)}"))).json()
        assert (said["taken_in"], said["repeated"], said["failed"]) == (number, 0, 0), said
        rows = (await until_answered(lambda: client.get(f"{url}/{min(ids)}/rows"))).json()["rows"]
    for row in rows:
        promised.submissions[row["submission_id"]] = row["lead_id"]
        promised.people[row["lead_id"]] = people[row["line"] - 2]


async def work(house: House, promised: Promised, rep: str, *, seed: int, until: asyncio.Event) -> None:
    """A rep: looks into the inbox and acts on what is there; some leads he leaves until their clock breaches."""
    chance = random.Random(f"{seed}/{rep}")
    left_alone: set[str] = set()
    async with house.client() as client:
        while not until.is_set():
            answer = await until_answered(lambda: client.get(f"{house.doors['desk']}/v1/inbox", params={"rep": rep}))
            assert answer.status_code in (200, 404), f"the desk answered {answer.status_code}: {answer.text}"
            for row in answer.json() if answer.status_code == 200 else ():  # 404: he has left
                if until.is_set():
                    return
                if row["assignment_id"] in left_alone:
                    continue
                if chance.random() < 0.1:
                    left_alone.add(row["assignment_id"])
                    continue
                await _act(house, client, promised, row, chance)
            await asyncio.sleep(0.2)


SCRIPTS: tuple[tuple[dict[str, Any], ...], ...] = (
    (
        {"type": "accept"},
        {"type": "attempt", "channel": "phone", "disposition": "connected"},
        {"type": "win", "amount": {"amount": "1200.00", "currency": "EUR"}},
    ),
    (
        {"type": "accept"},
        {"type": "attempt", "channel": "phone", "disposition": "no_answer"},
        {"type": "recycle", "reason": "no_timeline"},
    ),
    ({"type": "reject", "reason": "no_budget"},),
    ({"type": "reject", "reason": "not_mine"},),
    ({"type": "accept"}, {"type": "connect", "channel": "phone"}, {"type": "lose", "reason": "no_budget"}),
    ({"type": "accept"},),
)


async def _act(
    house: House, client: httpx.AsyncClient, promised: Promised, row: dict[str, Any], chance: random.Random
) -> None:
    for step in chance.choice(SCRIPTS):
        key = str(uuid.UUID(int=chance.getrandbits(128)))
        answer = await until_answered(
            lambda step=step, key=key: client.post(
                f"{house.doors['desk']}/v1/leads/{row['lead_id']}/actions",
                json={**step, "assignment_id": row["assignment_id"]},
                headers={"Idempotency-Key": key},
            )
        )
        if answer.status_code == 409:
            promised.refused += 1
            return
        assert answer.status_code == 202, f"the desk answered {answer.status_code} to {step}: {answer.text}"
        promised.actions[answer.json()["action_id"]] = row["lead_id"]
