"""The broker killed, stopped and started again under load: workers wait or leave and are started again; nothing is
lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.topics import LEADS, TEAMS
from services.console.broker import EmbeddedBroker
from tests.engine.audit import tally_faults
from tests.engine.installation import Installation, Worker

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

INPUTS = ((LEADS, "scoring"), (LEADS, "routing.lead"), (TEAMS, "routing.team"))


async def test_a_broker_that_is_killed_and_started_again_costs_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with Installation(broker.bootstrap_servers, "outage", tmp_path).open() as installation:
        names = [processor for _, processor in INPUTS]
        async with Worker(
            installation, *names, log_file=tmp_path / "worker.log", LEADLOOP_GROUP_SIZE="50"
        ).supervised() as worker:
            await worker.until_working()
            sent = [
                asyncio.create_task(installation.engage_all(range(n, n + 100), leads=20)) for n in range(0, 600, 100)
            ]
            await broker.kill()
            await asyncio.sleep(8)  # longer than the session
            await broker.start()
            await asyncio.gather(*sent)
            await installation.worked(*INPUTS)
            assert tally_faults(await installation.log(LEADS)) == [], worker.said()[-3000:]
