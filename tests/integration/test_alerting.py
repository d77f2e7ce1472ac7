"""The alerting service as a process: from a clock's breach in a lead's log to a message, also when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.base import Event
from schemas.events.alerting import AlertSent
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import FromPool, LeadAssigned, LeadRouted
from schemas.events.scoring import LeadQualified
from schemas.events.sla import AlertOnly, ClockBreached, ClockWarned
from schemas.ids import (
    AgreementName,
    ClockId,
    ClockName,
    ContentDigest,
    LeadId,
    PoolId,
    RepId,
    RequestId,
    RuleId,
    SubmissionId,
    TeamId,
    request_id,
)
from schemas.topics import by_class
from schemas.vocabulary import Because
from services.runtime.appending import Appender
from services.runtime.health import Health
from services.runtime.settings import Settings
from tests.integration.alerting_receivers import Inbox, http_receiver
from tests.integration.test_alerting_sender import answers, settings

__all__ = ["settings"]

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).resolve().parents[2]
_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_BY = {"agreement": AgreementName("default"), "agreement_version": 1}


def _lead(number: int) -> LeadId:
    return LeadId(f"4f5e2ad2-6b0f-5c0e-9d53-{number:012x}")


class Log:
    """Says what the other services say about a lead."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pens: dict[str, Appender] = {}

    async def __aenter__(self) -> Log:
        for service in ("intake", "scoring", "routing", "sla"):
            self._pens[service] = Appender(self._settings, service, Health())
            await self._pens[service].start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for pen in self._pens.values():
            await pen.stop()

    async def say(self, event: Event) -> int:
        """The event's position."""
        return (await self._pens[by_class()[type(event)].writer].append(event)).offset

    async def assign(self, lead: LeadId) -> RequestId:
        """Bring the lead to a rep; his assignment."""
        submitted = await self.say(
            LeadSubmitted(
                lead_id=lead,
                submission_id=SubmissionId("0d6c1b52-9a3e-5f47-8b21-6e5d4c3b2a19"),
                content=ContentDigest("a" * 64),
                submitted_at=_AT,
            )
        )
        epoch = await self.say(
            LeadQualified(
                lead_id=lead,
                judged_at=submitted,
                rule=RuleId("score"),
                because=Because("the score is 60"),
                score=Decimal(60),
                grade="A1",
                **_BY,
            )
        )
        request = request_id(lead, epoch)
        await self.say(
            LeadRouted(
                lead_id=lead,
                epoch=epoch,
                request_id=request,
                team_id=TeamId("sales"),
                ask=FromPool(pool_id=PoolId("inbound")),
                rule=RuleId("everyone"),
                because=Because("every other lead goes to inbound"),
                **_BY,
            )
        )
        await self.say(
            LeadAssigned(
                lead_id=lead,
                request_id=request,
                team_id=TeamId("sales"),
                pool_id=PoolId("inbound"),
                rep_id=RepId("mira"),
                number=1,
                because=Because("mira is next"),
                **_BY,
            )
        )
        return request

    async def warn_and_breach(self, lead: LeadId, assignment: RequestId) -> None:
        """Let the clock of an assignment warn and breach."""
        clock = {
            "lead_id": lead,
            "clock_id": ClockId(f"{assignment}.first-response"),
            "clock": ClockName("first-response"),
            "assignment_id": assignment,
            "team_id": TeamId("sales"),
            "rep_id": RepId("mira"),
            "deadline_at": _AT + timedelta(hours=4),
        }
        await self.say(ClockWarned(**clock, share=0.5, due_at=_AT + timedelta(hours=2)))
        await self.say(ClockBreached(**clock, since=0, on_breach=AlertOnly()))


@asynccontextmanager
async def alerting(settings: Settings, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process of its own; ended by SIGTERM, unless it has been killed."""
    environment = {
        **os.environ,
        "LEADLOOP_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "LEADLOOP_NAMESPACE": settings.namespace,
        "LEADLOOP_PARTITIONS": str(settings.partitions),
        "LEADLOOP_SECRET": settings.secret.hex(),
        "LEADLOOP_TOKEN": settings.token,
        "LEADLOOP_DATA_DIR": str(settings.data_dir),
        "LEADLOOP_DESK_URL": "http://desk.example",
        "LEADLOOP_SESSION_TIMEOUT": "6",
        "LEADLOOP_MANAGERS_URL": url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.alerting", env=environment, cwd=_ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await process.wait() == 0


def _ids(inbox: Inbox) -> list[str]:
    return [post.webhook_id for post in inbox.taken]


@pytest.mark.timeout(180)
async def test_a_warning_and_a_breach_reach_the_managers_once_each(settings: Settings) -> None:
    async with http_receiver() as (address, inbox), Log(settings) as log, alerting(settings, f"json://{address}/"):
        await log.warn_and_breach(_lead(1), await log.assign(_lead(1)))
        await inbox.holds(2, timeout=60)
        found = await answers(settings, 2)

    warned, breached = (post.content for post in inbox.taken)
    assert warned["title"] == "leadloop: a clock is running out, lead 4f5e2ad2"
    assert breached["title"] == "leadloop: a clock ran out, lead 4f5e2ad2"
    assert f"Open it: http://desk.example/manager?lead={_lead(1)}" in breached["message"]
    assert len(set(_ids(inbox))) == 2
    assert {envelope.correlation_id for envelope, _ in found} != {None}
    assert all(isinstance(event, AlertSent) for _, event in found)


@pytest.mark.timeout(300)
async def test_killed_again_and_again_it_tells_everything_and_repeats_only_what_was_under_way(
    settings: Settings,
) -> None:
    kills = 3
    async with http_receiver() as (address, inbox), Log(settings) as log:
        for number in range(kills):
            async with alerting(settings, f"json://{address}/") as process:
                await log.warn_and_breach(_lead(number), await log.assign(_lead(number)))
                await inbox.holds(len(inbox.taken) + 1, timeout=60)
                process.kill()
                await process.wait()
        async with alerting(settings, f"json://{address}/"):
            await log.warn_and_breach(_lead(kills), await log.assign(_lead(kills)))
            await _told_of(inbox, kills + 1)
            found = await answers(settings, len(set(_ids(inbox))), timeout=60)

    told = {event.alert_id for _, event in found if isinstance(event, AlertSent)}
    assert set(_ids(inbox)) == told
    assert len(inbox.taken) - len(told) <= kills, "a kill repeats at most the one message that was under way"


async def _told_of(inbox: Inbox, leads: int) -> None:
    """Wait until the warning and the breach of so many leads were told, be it in one message or in several."""
    wanted = {f"{what}: lead {_lead(number)}" for number in range(leads) for what in ("A clock is running out", "A clock ran out")}
    while not wanted <= {line for post in inbox.taken for line in post.content["message"].splitlines()}:
        await inbox.holds(len(inbox.taken) + 1, timeout=60)
