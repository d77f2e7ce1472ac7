"""Storms of reassignment at the real doors, as data: half a team flips its availability at once, reps leave and come back,
a manager takes every lead of a rep. Breaches come by themselves, from leads that nobody works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from schemas.lifecycle import State
from schemas.topics import LEADS
from services.console.roster import read_roster
from tests.chaos.evidence import Evidence, Promised
from tests.chaos.faults import Deed, Fault
from tests.chaos.findings import Findings
from tests.chaos.histories import accepted, stories
from tests.chaos.house import House
from tests.chaos.load import until_answered


class Weather(StrEnum):
    """What happens to a rep."""

    AWAY = "says that he is away"
    BACK = "says that he is there"
    LEAVES = "leaves, and his leads go on by the rules"
    RETURNS = "the roster is applied again, with him in it"
    LOSES_ALL = "a manager gives all that he has back to the rules"


@dataclass(frozen=True)
class Squall:
    """What happens to some reps at the same moment."""

    at: float
    """When, as a share of the run."""
    weather: Weather
    reps: tuple[str, ...] = ()


FIRST, SECOND = ("anna", "ben", "cem", "dana"), ("emil", "fay", "gus", "hana")

SHORT: tuple[Squall, ...] = (
    Squall(0.20, Weather.AWAY, FIRST),
    Squall(0.24, Weather.BACK, FIRST),
    Squall(0.25, Weather.LEAVES, ("gus",)),
    Squall(0.38, Weather.AWAY, SECOND),
    Squall(0.39, Weather.LOSES_ALL, FIRST),
    Squall(0.44, Weather.RETURNS),
    Squall(0.45, Weather.BACK, SECOND),
    Squall(0.84, Weather.LEAVES, ("ben", "hana")),
    Squall(0.88, Weather.RETURNS),
)
"""Each kind once or twice, around the kills of routing in `faults.SHORT`."""

WAVES = 8
"""After a SIGKILL a group waits for the end of a session, ten seconds: a wave must last longer, or nothing is ever routed."""


def long() -> tuple[tuple[Squall, ...], tuple[Fault, ...]]:
    """Eight waves, each with kills of routing (and now and then of the desk and sla) before, within and after."""
    squalls: list[Squall] = []
    faults: list[Fault] = []
    for wave in range(WAVES):
        at, step = 0.06 + wave * 0.11, 0.11 / 8
        here, there = (FIRST, SECOND) if wave % 2 else (SECOND, FIRST)
        moments = [at + step * n for n in range(8)]
        squalls += [
            Squall(moments[0], Weather.AWAY, here),
            Squall(moments[1], Weather.LOSES_ALL, there),
            Squall(moments[2], Weather.LEAVES, (there[wave % 4], here[(wave + 1) % 4])),
            Squall(moments[3], Weather.BACK, here),
            Squall(moments[4], Weather.RETURNS),
            Squall(moments[5], Weather.LOSES_ALL, here[:2]),
            Squall(moments[6], Weather.AWAY, (*here, *there)),
            Squall(moments[7], Weather.BACK, (*here, *there)),
        ]
        faults.append(Fault(moments[wave % 8] + 0.002, Deed.KILL, "routing"))
        if wave % 3 == 0:
            faults.append(Fault(moments[(wave + 3) % 8], Deed.KILL, "sla" if wave % 2 else "desk"))
    faults += [Fault(0.20, Deed.ADD_WORKER, "routing"), Fault(0.50, Deed.REMOVE_WORKER, "routing")]
    faults += [Fault(0.62, Deed.FREEZE, "routing")]
    return tuple(squalls), tuple(sorted(faults, key=lambda fault: fault.at))


async def blow(house: House, promised: Promised, squalls: Sequence[Squall], seconds: float) -> None:
    """Do what the rows say; all reps of a row at once."""
    began = asyncio.get_running_loop().time()
    async with house.client() as client:
        for number, squall in enumerate(squalls):
            await asyncio.sleep(max(0.0, began + squall.at * seconds - asyncio.get_running_loop().time()))
            if squall.weather is Weather.RETURNS:
                await _apply_roster(house, client)
            async with asyncio.TaskGroup() as group:
                for rep in squall.reps:
                    group.create_task(_DOINGS[squall.weather](house, client, promised, rep, f"storm-{number}-{rep}"))


async def _flips(house: House, client: httpx.AsyncClient, rep: str, available: bool) -> None:
    answer = await until_answered(
        lambda: client.put(f"{house.doors['desk']}/v1/reps/{rep}/availability", json={"available": available})
    )
    assert answer.status_code in (200, 404), answer.text  # 404: he has left


async def _away(house: House, client: httpx.AsyncClient, promised: Promised, rep: str, key: str) -> None:
    await _flips(house, client, rep, False)


async def _back(house: House, client: httpx.AsyncClient, promised: Promised, rep: str, key: str) -> None:
    await _flips(house, client, rep, True)


async def _leaves(house: House, client: httpx.AsyncClient, promised: Promised, rep: str, key: str) -> None:
    answer = await until_answered(
        lambda: client.post(f"{house.doors['desk']}/v1/reps/{rep}/retire", json={"reason": "resigned"})
    )
    assert answer.status_code in (200, 404), answer.text  # 404: the answer of the first try was lost


async def _loses_all(house: House, client: httpx.AsyncClient, promised: Promised, rep: str, key: str) -> None:
    inbox = await until_answered(lambda: client.get(f"{house.doors['desk']}/v1/inbox", params={"rep": rep}))
    rows = inbox.json() if inbox.status_code == 200 else []
    for number, row in enumerate(rows):
        body = {"type": "reassign", "assignment_id": row["assignment_id"], "by": "maria"}
        url, headers = f"{house.doors['desk']}/v1/leads/{row['lead_id']}/actions", {"Idempotency-Key": f"{key}-{number}"}
        answer = await until_answered(lambda url=url, body=body, headers=headers: client.post(url, json=body, headers=headers))
        if answer.status_code == 409:
            promised.refused += 1
            continue
        assert answer.status_code == 202, answer.text
        promised.actions[answer.json()["action_id"]] = row["lead_id"]


_DOINGS = {
    Weather.AWAY: _away,
    Weather.BACK: _back,
    Weather.LEAVES: _leaves,
    Weather.LOSES_ALL: _loses_all,
}


async def _apply_roster(house: House, client: httpx.AsyncClient) -> None:
    roster = read_roster(Path(house.roster)).model_dump(mode="json", by_alias=True, exclude_none=True)
    answer = await until_answered(lambda: client.put(f"{house.doors['desk']}/v1/roster", json=roster))
    assert answer.status_code == 200, answer.text


# ------------------------------------------------------------------ the audit of it


def left_lying(evidence: Evidence, reps: Sequence[str]) -> list[str]:
    """Leads without an assignment that somebody could have, by the raw topic: everybody is there, nobody is at a cap.

    That no lead ever had two is a point of the audit itself (`assignments.check`).
    """
    lives = stories(accepted(evidence.topics[LEADS.name], Findings()))
    return [
        f"{key} is {story.life.state} and was kept from {sorted(story.life.excluded)} alone"
        for key, story in lives.items()
        if story.life.state in (State.UNROUTED, State.OPEN) and not set(reps) <= set(story.life.excluded)
    ]
