"""The learner inside the loop, on a real Kafka: outcomes come back, a model is published, the agreement lets it count."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from schemas.events.desk import LeadLost, LeadWon
from schemas.ids import LeadId
from schemas.vocabulary import BySystem
from services.console.backtest.running import recording_of, verified
from services.feedback.app import SERVICE as FEEDBACK
from services.runtime.settings import Settings
from tests.approvers import agreed
from tests.builders import submitted
from tests.integration.served import TOKEN, Pens, Served, pens, publish_agreement, served, settings_for
from tests.integration.test_backtest import FIRST, said, until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

WATCHED = FIRST + "learning: {settles_after: 0s, at_least: 200}\n"
COUNTS = FIRST + "learning: {settles_after: 0s, at_least: 200, counts: model, qualifies_from: 0.5}\n"
LEADS, ROUNDS = 400, 8
"""Leads come and are worked in rounds: what is learned of one helps with the next."""
GOOD, BAD = {"topic": "pricing", "employees": 4, "industry": "mining"}, {"topic": "pricing", "employees": 90, "industry": "retail"}
"""The rules think that size counts; what counts is the industry."""


def lead(number: int) -> LeadId:
    return LeadId(f"0b0f6c1a-5b5e-4f6e-9d58-{number:012d}")


def now() -> datetime:
    return datetime.now(UTC)


class Scoring:
    """The service as a process of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self._folder / "scoring.log").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.scoring", env={**os.environ, **self._environment}, stdout=output, stderr=output
            )

    async def killed(self) -> None:
        """Dead at once, as by kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


@asynccontextmanager
async def scoring(settings: Settings) -> AsyncIterator[Scoring]:
    process = Scoring(
        {
            "LEADLOOP_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "LEADLOOP_SECRET": settings.secret.hex(),
            "LEADLOOP_TOKEN": TOKEN,
            "LEADLOOP_DATA_DIR": str(settings.data_dir),
            "LEADLOOP_NAMESPACE": settings.namespace,
            "LEADLOOP_PARTITIONS": str(settings.partitions),
        },
        settings.data_dir,
    )
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def leads(write: Pens, numbers: range) -> None:
    await asyncio.gather(
        *[
            write.by("intake", submitted(lead=lead(n), at=now(), attributes=GOOD if n % 3 == 0 else BAD))
            for n in numbers
        ]
    )


async def outcomes(write: Pens, numbers: range) -> None:
    """Two thirds of the good ones are won, and one in ten of the others."""

    def ended(n: int) -> LeadWon | LeadLost:
        won = n % 9 != 0 if n % 3 == 0 else n % 10 == 0
        what = LeadWon if won else LeadLost
        return what(lead_id=lead(n), by=BySystem(system="crm"), occurred_at=now())  # type: ignore[arg-type]

    await asyncio.gather(*[write.by("desk", ended(n)) for n in numbers])


async def answers(client: httpx.AsyncClient, path: str, holds: Callable[[Any], bool], seconds: float = 120) -> Any:
    """What the door answers, once it is as it should be."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await client.get(path)
            if answer.status_code == 200 and holds(answer.json()):
                return answer.json()
            await asyncio.sleep(0.3)


async def scored(settings: Settings, count: int) -> None:
    await until(settings, lambda told: len(said(told, "LeadScored")) == count)


def lessons(settings: Settings) -> tuple[int, int]:
    """How many outcomes are marked as learned, and how many the learner counted."""
    from services.scoring.learning.state import from_bytes
    from services.scoring.lessons.tables import LEARNER, LESSONS

    (file,) = settings.data_dir.glob("*learning*.sqlite")
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")  # both answers of one state of the database
        marked = connection.scalar(sa.select(sa.func.count()).select_from(LESSONS).where(LESSONS.c.learned)) or 0
        state = connection.scalar(sa.select(LEARNER.c.state))
    engine.dispose()
    assert state is not None
    return marked, from_bytes(state).known


async def test_what_sales_says_of_leads_is_learned_counts_by_agreement_and_comes_out_again_to_the_byte(
    kafka: str, tmp_path: Path
) -> None:
    settings = settings_for(kafka, f"t-{uuid.uuid4().hex[:12]}", tmp_path)
    await publish_agreement(settings, WATCHED)
    async with pens(settings) as write, scoring(settings) as service, served(FEEDBACK, settings) as feedback:
        for number in range(ROUNDS):
            of_this_round = range(number * LEADS // ROUNDS, (number + 1) * LEADS // ROUNDS)
            await leads(write, of_this_round)
            await scored(settings, of_this_round.stop)
            await outcomes(write, of_this_round)
            if number == ROUNDS // 2:
                await answers(feedback.http, "/v1/reports/learning", lambda a: a["outcomes"] >= 1)
                await service.killed()
                await service.start()

        learned = await answers(feedback.http, "/v1/reports/learning", lambda a: a["outcomes"] >= 0.95 * LEADS)
        await until_learned(settings)
        await the_learner_only_watches(feedback, learned)

        for event in agreed(COUNTS, 2, now() + timedelta(seconds=12), "tests"):
            await write.by("console", event)
        await answers(feedback.http, "/v1/reports/learning", lambda a: a["model_decides"])
        await write.by("intake", submitted(lead=lead(LEADS), at=now(), attributes=GOOD))
        await write.by("intake", submitted(lead=lead(LEADS + 1), at=now(), attributes=BAD))
        await scored(settings, LEADS + 2)
        await the_model_decides(feedback)

    again = await asyncio.to_thread(lambda: verified(recording_of(settings), progress=lambda done, of: None, workers=1))
    assert again["other_bytes"]["events"] == again["extra"]["events"] == 0, again
    assert again["same"] == again["processors"]["scoring"]["said"] >= 2 * LEADS, "what nobody but scoring said was not recorded"


async def until_learned(settings: Settings) -> None:
    """Every outcome, and each once."""
    async with asyncio.timeout(60):
        while True:
            marked, known = lessons(settings)
            assert known == marked <= LEADS
            if marked == LEADS:
                return
            await asyncio.sleep(0.5)


async def the_learner_only_watches(feedback: Served, learned: dict[str, Any]) -> None:
    assert learned["learned"], learned["because"]
    assert learned["better_than_rules"], learned["because"]
    assert not learned["model_decides"]
    assert learned["series"][-1]["roc_auc"] > 0.75 > learned["series"][-1]["rules_roc_auc"]
    assert "industry" in [s["attribute"] for s in learned["strongest"][:4]]
    timeline = (await feedback.http.get(f"/v1/leads/{lead(0)}/timeline")).json()
    scores = [e["event"] for e in timeline["events"] if e["type"] == "LeadScored"]
    assert scores
    assert all(event["learned"] is None for event in scores)


async def the_model_decides(feedback: Served) -> None:
    good = await answers(feedback.http, f"/v1/leads/{lead(LEADS)}", lambda a: a["lead_status"] != "new")
    bad = await answers(feedback.http, f"/v1/leads/{lead(LEADS + 1)}", lambda a: a["lead_status"] != "new")
    assert (good["lead_status"], bad["lead_status"]) == ("waiting", "nurtured")

    timeline = (await feedback.http.get(f"/v1/leads/{lead(LEADS)}/timeline")).json()
    told = next(e["event"]["learned"] for e in timeline["events"] if e["type"] == "LeadScored")
    asked = (await feedback.http.get(f"/v1/leads/{lead(LEADS)}/score")).json()

    assert told["counts"] is True
    assert sum(Decimal(p["log_odds"]) for p in told["contributions"]) == Decimal(told["log_odds"])
    assert "industry is mining" in [p["because"] for p in told["contributions"]]
    assert (asked["verdict"], asked["rule"]) == ("qualified", "learned")
    assert asked["learned"]["model_version"] == told["model_version"]
    assert asked["learned"]["log_odds"] == pytest.approx(float(told["log_odds"]))
