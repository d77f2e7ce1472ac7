"""One chaos run: start, load, faults, quiet, audit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiosmtpd.controller import Controller

from schemas.topics import ALERTS, LEADS, TEAMS
from services.console.installation import Installation
from services.console.ports import free_port
from services.runtime.settings import Settings
from services.runtime.topics import incarnations
from tests.chaos import audit, load, replayed
from tests.chaos.faults import Fault
from tests.chaos.house import House

HERE = Path(__file__).parent
REPS = ("anna", "ben", "cem", "dana", "emil", "fay", "gus", "hana")


@dataclass(frozen=True)
class Plan:
    leads: int
    per_second: float
    faults: Sequence[Fault]
    seed: int = 7
    quiet_within_seconds: float = 240.0
    environment: tuple[tuple[str, str], ...] = ()


class Mailbox:
    """A real SMTP server that counts what comes in."""

    def __init__(self) -> None:
        self.message_ids: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        for line in envelope.content.decode(errors="replace").splitlines():
            if line.lower().startswith("message-id:"):
                self.message_ids.append(line.split(":", 1)[1].strip())
        return "250 OK"


async def run(plan: Plan, data: Path) -> tuple[audit.Findings, load.Ledger]:
    """Do it all; answers what the audit found."""
    mailbox = Mailbox()
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    house = House(
        data,
        HERE / "agreement.yaml",
        HERE / "roster.yaml",
        {
            "LEADLOOP_MANAGERS_URL": f"mailto://127.0.0.1:{port}?from=leadloop@example.org&to=managers@example.org",
            **dict(plan.environment),
        },
    )
    promised = load.Ledger()
    try:
        await house.start()
        over = asyncio.Event()
        seconds = plan.leads / plan.per_second
        async with asyncio.TaskGroup() as group:
            reps = [group.create_task(load.work(house, promised, rep, seed=plan.seed, until=over)) for rep in REPS]
            faults = group.create_task(_faults(house, plan.faults, seconds))
            await load.send_leads(house, promised, number=plan.leads, per_second=plan.per_second, seed=plan.seed)
            await faults
            over.set()
            await asyncio.gather(*reps)
        ledger = await _quiet(house, plan.quiet_within_seconds)
        installation = Installation.find(data)
        raw = await audit.topics(house.kafka, installation.namespace, installation.partitions)
        findings = audit.audit(raw, promised.submissions, promised.actions, ledger)
        settings = Settings(house.kafka, installation.secret, house.token, data, namespace=installation.namespace)
        replayed.compare(raw, await incarnations(settings, LEADS, TEAMS, ALERTS), findings)
        findings.counts["mails"] = len(mailbox.message_ids)
        findings.counts["actions answered 409"] = promised.refused
        return findings, promised
    finally:
        await house.stop()
        controller.stop()


async def _faults(house: House, faults: Sequence[Fault], seconds: float) -> None:
    began = asyncio.get_running_loop().time()
    for fault in faults:
        await asyncio.sleep(max(0.0, began + fault.at * seconds - asyncio.get_running_loop().time()))
        if os.environ.get("LEADLOOP_CHAOS_LOUD"):
            print(f"{fault.at:5.0%} {fault.deed} {fault.whom}", flush=True)  # noqa: T201 - asked for by whoever runs it
        await house.suffer(fault)


async def _quiet(house: House, within: float) -> dict[str, dict[str, Any]]:
    """Wait until nothing is owed, nothing moves and no clock runs; answers the ledger, by lead."""
    before: dict[str, dict[str, Any]] | None = None
    async with asyncio.timeout(within), house.client() as client:
        while True:
            await asyncio.sleep(2.0)  # a status may lag behind its log by this much
            try:
                audited = (await client.get(f"{house.doors['feedback']}/v1/audit")).raise_for_status().json()
                now = await _ledger(house, client)
            except httpx.HTTPError:
                continue
            moving = any(row["lead_status"] in ("new", "assigned", "recycled") for row in now.values())
            if not moving and audited["unaccounted"] == 0 and now == before:
                return now
            before = now


async def _ledger(house: House, client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    after: str | None = None
    while True:
        answer = (
            (
                await client.get(
                    f"{house.doors['feedback']}/v1/leads", params={"limit": 500, **({"after": after} if after else {})}
                )
            )
            .raise_for_status()
            .json()
        )
        rows |= {row["lead_id"]: row for row in answer["leads"]}
        after = answer.get("next")
        if not after:
            return rows
