"""One chaos run: start, load, faults, quiet, audit."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiosmtpd.controller import Controller

from services.console.installation import Installation
from services.console.ports import free_port
from services.runtime.settings import Settings
from tests.chaos import load, storms
from tests.chaos.audit import audit
from tests.chaos.evidence import Evidence, Promised, Shown, collect, keep
from tests.chaos.faults import Deed, Fault, KilledStart
from tests.chaos.findings import Findings
from tests.chaos.house import House
from tests.chaos.storms import Squall

HERE = Path(__file__).parent
REPS = ("anna", "ben", "cem", "dana", "emil", "fay", "gus", "hana")
TIMELINES = 60
"""Of how many leads the timeline is compared with the log."""
TIMERS_LATE_SECONDS = 120.0
"""How late a TimerDue may be besides the outages: a session time and a restart, on a machine with much else to do."""
IMPORT_BEFORE_SECONDS = 0.7
"""So long before intake is killed it is handed a file: long enough to be answered, too short for all rows."""
EVIDENCE = "evidence.msgpack.gz"

INTERRUPTS_ALERTS = {Deed.KILL_BROKER: 2, Deed.FREEZE_BROKER: 2, Deed.KILL_ALL: 1}
"""How often the sender of alerts may be ended by what is done to everybody."""


@dataclass(frozen=True)
class Plan:
    leads: int
    per_second: float
    faults: Sequence[Fault]
    seed: int = 7
    quiet_within_seconds: float = 240.0
    environment: tuple[tuple[str, str], ...] = ()
    imported: int = 0
    """So many leads more come in a file, a moment before intake is killed for the first time."""
    squalls: Sequence[Squall] = ()
    """What happens to the team meanwhile; at the end everybody must be there."""
    killed_starts: Sequence[KilledStart] = ()
    """Starts before the one that succeeds."""


@dataclass
class Outcome:
    """What a run left behind."""

    findings: Findings
    evidence: Evidence
    suffered: Counter[tuple[Deed, str]]
    data: Path

    def report(self) -> str:
        """What was found, and where to look on."""
        return (
            f"{self.findings.report()}\n"
            f"what was done when: {self.data / 'faults.log'}; the processes' own words: {self.data / 'logs'}\n"
            f"audit the evidence again: .venv/bin/python -m tests.chaos {self.data / EVIDENCE}\n"
            f"a lead's journey: .venv/bin/leadloop up --data {self.data}, then leadloop explain LEAD --data {self.data}"
        )


class Mailbox:
    """A real SMTP server that notes what comes in."""

    def __init__(self) -> None:
        self.message_ids: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        for line in envelope.content.decode(errors="replace").splitlines():
            if line.lower().startswith("message-id:"):
                self.message_ids.append(line.split(":", 1)[1].strip())
        return "250 OK"


async def run(plan: Plan, data: Path) -> Outcome:
    """Do it all; answers what the audit found. The data folder stays, with the evidence in it."""
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
    promised = Promised()
    try:
        for killed in plan.killed_starts:
            await house.start_in_vain(killed)
        await house.start()
        await _burden(house, plan, promised)
        shown = await _quiet(house, plan.quiet_within_seconds)
        promised.mails = mailbox.message_ids
        promised.interruptions = _interruptions(house.suffered)
        installation = Installation.find(data)
        settings = Settings(
            house.kafka, installation.secret, house.token, data,
            namespace=installation.namespace, partitions=installation.partitions,
        )  # fmt: skip
        evidence = await collect(settings, promised, shown)
        evidence.timers_late_at_most_seconds = TIMERS_LATE_SECONDS + house.outage_seconds
    finally:
        ended = await house.stop()
        controller.stop()
    keep(evidence, data / EVIDENCE)
    findings = audit(evidence)
    findings.expect("stop", not ended, ended)
    findings.counts["actions answered 409"] = promised.refused
    return Outcome(findings, evidence, house.suffered, data)


async def _burden(house: House, plan: Plan, promised: Promised) -> None:
    """Leads come in, reps work them, and meanwhile the faults are done."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        reps = [group.create_task(load.work(house, promised, rep, seed=plan.seed, until=over)) for rep in REPS]
        seconds = plan.leads / plan.per_second
        faults = group.create_task(_faults(house, plan.faults, seconds))
        storm = group.create_task(storms.blow(house, promised, plan.squalls, seconds))
        listed = group.create_task(_import(house, plan, promised, seconds))
        await load.send_leads(house, promised, number=plan.leads, per_second=plan.per_second, seed=plan.seed)
        await asyncio.gather(faults, storm, listed)
        over.set()
        await asyncio.gather(*reps)


async def _import(house: House, plan: Plan, promised: Promised, seconds: float) -> None:
    if plan.imported:
        killed_at = min(fault.at for fault in plan.faults if fault == Fault(fault.at, Deed.KILL, "intake"))
        await asyncio.sleep(max(0.0, killed_at * seconds - IMPORT_BEFORE_SECONDS))
        await load.import_leads(house, promised, number=plan.imported, seed=plan.seed)


async def _faults(house: House, faults: Sequence[Fault], seconds: float) -> None:
    began = asyncio.get_running_loop().time()
    for fault in faults:
        await asyncio.sleep(max(0.0, began + fault.at * seconds - asyncio.get_running_loop().time()))
        if os.environ.get("LEADLOOP_CHAOS_LOUD"):
            print(f"{fault.at:5.0%} {fault.deed} {fault.whom}", flush=True)  # noqa: T201 - asked for by whoever runs it
        await house.suffer(fault)


def _interruptions(suffered: Counter[tuple[Deed, str]]) -> int:
    return sum(
        times * (1 if whom == "alerting" else INTERRUPTS_ALERTS.get(deed, 0)) for (deed, whom), times in suffered.items()
    )


async def _quiet(house: House, within: float) -> Shown:
    """Wait until nothing is owed, nothing moves and no clock runs; answers what the services then show.

    If patience ends before that, it says so, and the audit goes to see what it is.
    """
    before, moves = Shown(), "no service answered"
    async with house.client() as client:
        try:
            async with asyncio.timeout(within):
                while True:
                    await asyncio.sleep(2.0)  # a status may lag behind its log by this much
                    try:
                        now = await _shown(house, client)
                    except httpx.HTTPError:
                        continue
                    moves = _moves(now, before)
                    if not moves:
                        break
                    before = now
        except TimeoutError:
            before.quiet = moves
            return before
        leads = sorted(now.ledger)
        for lead in leads[:: max(1, len(leads) // TIMELINES)]:
            answer = (await client.get(f"{house.doors['feedback']}/v1/leads/{lead}/timeline")).raise_for_status()
            now.timelines[lead] = [event["event_id"] for event in answer.json()["events"]]
        return now


def _moves(now: Shown, before: Shown) -> str:
    """What still moves, in words."""
    moving = Counter(row["lead_status"] for row in now.ledger.values() if row["lead_status"] in _PASSING)
    if moving:
        return ", ".join(f"{number} leads are {status}" for status, number in moving.items())
    if now.audit["unaccounted"]:
        return f"{now.audit['unaccounted']} leads are unaccounted for: {now.audit['unaccounted_leads'][:3]}"
    if now.ledger != before.ledger or now.inboxes != before.inboxes:
        return "the ledger or an inbox changed within the last two seconds"
    return ""


_PASSING = ("new", "assigned", "recycled")
"""In these a lead waits for a service, a clock or a date."""


async def _shown(house: House, client: httpx.AsyncClient) -> Shown:
    shown = Shown()
    feedback, desk = house.doors["feedback"], house.doors["desk"]
    shown.audit = (await client.get(f"{feedback}/v1/audit")).raise_for_status().json()
    after: str | None = None
    while True:
        parameters = {"limit": 500, **({"after": after} if after else {})}
        page = (await client.get(f"{feedback}/v1/leads", params=parameters)).raise_for_status().json()
        shown.ledger |= {row["lead_id"]: row for row in page["leads"]}
        after = page.get("next")
        if not after:
            break
    for rep in REPS:
        inbox = (await client.get(f"{desk}/v1/inbox", params={"rep": rep})).raise_for_status().json()
        shown.inboxes[rep] = sorted(row["assignment_id"] for row in inbox)
    return shown
