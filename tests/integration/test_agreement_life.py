"""A second agreement by the command line, on a real Kafka, while scoring runs: signed by both, in force at its instant."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.events.console import AgreementPublished
from schemas.events.intake import LeadSubmitted
from schemas.ids import AgreementName, LeadId, SubmissionId, digest
from schemas.topics import LEADS
from services.console.first_agreement import DEFAULT
from services.runtime.settings import Settings
from tests.approvers import SALES, Signer, agreed, key_of
from tests.engine.audit import header, type_of
from tests.engine.installation import Installation
from tests.integration.served import Pens, pens, publish_agreement, settings_for

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
FIRST = DEFAULT.read_text(encoding="utf-8")
SECOND = FIRST.replace("when: {score: {at_least: 50}}", "when: {score: {at_least: 10}}")
NEVER = "  - {id: too-good, verdict: disqualified, when: {score: {at_least: 60}}, because: the score is at least 60}"
VERDICTS = ("LeadQualified", "LeadNurtured")


class Console:
    """The `leadloop` command, as the two departments use it on one installation."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LEADLOOP_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "LEADLOOP_SECRET": settings.secret.hex(),
            "LEADLOOP_TOKEN": settings.token,
            "LEADLOOP_DATA_DIR": str(settings.data_dir),
            "LEADLOOP_NAMESPACE": settings.namespace,
            "LEADLOOP_PARTITIONS": str(settings.partitions),
        }

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, answer, refusal."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.console.main", "agreement", *words,
            env=self.environment, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            answer, refusal = await process.communicate()
        assert process.returncode is not None
        return process.returncode, answer.decode(), refusal.decode()

    async def says(self, *words: str) -> Any:
        """The answer in JSON of a command that must go well."""
        code, answer, refusal = await self(*words, "--json")
        assert code == 0, refusal
        return json.loads(answer)

    async def refuses(self, *words: str) -> str:
        """The one sentence of a command that must be refused."""
        code, _, refusal = await self(*words)
        assert code == 1, refusal
        assert len(refusal.strip().splitlines()) == 1, refusal
        return refusal

    @asynccontextmanager
    async def runs(self, service: str) -> AsyncIterator[None]:
        """A service as a process of its own, for as long as the block lasts."""
        with (self.folder / f"{service}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{service}", env=self.environment, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                if process.returncode is None:
                    process.terminate()
                async with asyncio.timeout(20):
                    await process.wait()


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    return settings_for(kafka, namespace, tmp_path)


@pytest.fixture
async def console(settings: Settings, tmp_path: Path) -> Console:
    """The first agreement is in force, and a second one lies in second.yaml."""
    await publish_agreement(settings, FIRST)
    (tmp_path / "second.yaml").write_text(SECOND)
    return Console(settings, tmp_path)


async def with_keys(console: Console) -> None:
    for department in ("marketing", "sales"):
        await console.says("keys", "new", department, "--by", "tom")


async def test_a_version_is_proposed_approved_by_both_and_published(console: Console) -> None:
    await with_keys(console)
    assert stat.S_IMODE((console.folder / "sales.key").stat().st_mode) == 0o600

    proposed = await console.says("propose", "second.yaml", "--by", "mira")
    assert proposed["version"] == 2
    assert proposed["content"] == digest(SECOND.encode())
    assert any("nurtured" in e["before"] and "qualified" in e["after"] for e in proposed["examples"])
    assert "have not approved" in await console.refuses("publish")

    approved = await console.says("approve", "--as", "marketing", "--key", "marketing.key", "--by", "mira")
    assert approved["missing"] == ["sales"]
    assert "sales has not approved" in await console.refuses("publish")
    await console.says("approve", "2", "--as", "sales", "--key", "sales.key", "--by", "tom")
    published = await console.says("publish", "--by", "tom")

    told = await console.says("history")
    assert [(v["version"], v["in_force_until"]) for v in told["versions"]] == [
        (1, published["effective_at"]),
        (2, None),
    ]
    second = told["versions"][1]
    assert (second["proposed"]["by"], second["marketing"]["by"], second["sales"]["by"]) == ("mira", "mira", "tom")
    assert told["void"] == []
    assert (await console.says("diff", "current", "2"))["sentences"]


async def test_what_cannot_be_is_refused_with_a_sentence(console: Console) -> None:
    await with_keys(console)
    await console.says("propose", "second.yaml")

    assert "no time zone" in await console.refuses("publish", "--effective-at", "2030-01-01T09:00:00")
    assert "less than 10 seconds" in await console.refuses("publish", "--effective-at", "2020-01-01T09:00:00Z")
    assert "not sales's" in await console.refuses("approve", "--as", "sales", "--key", "marketing.key")
    assert "no version 7" in await console.refuses("approve", "7", "--as", "sales", "--key", "sales.key")
    assert "never overwritten" in await console.refuses("keys", "new", "sales")
    assert "has a key already" in await console.refuses("keys", "new", "sales", "--file", "other.key")
    assert not (console.folder / "other.key").exists()
    assert "proposed already" in await console.refuses("propose", "second.yaml")
    (console.folder / "broken.yaml").write_text("name: x")
    assert "does not hold" in await console.refuses("propose", "broken.yaml")
    (console.folder / "never.yaml").write_text(FIRST.replace("  - {id: rest,", f"{NEVER}\n  - {{id: rest,"))
    assert "agreement prove never.yaml" in await console.refuses("propose", "never.yaml")


async def test_a_forged_approval_in_the_log_is_void_for_everybody(console: Console, settings: Settings) -> None:
    await with_keys(console)
    await console.says("propose", "second.yaml")
    await console.says("approve", "--as", "marketing", "--key", "marketing.key")
    async with pens(settings) as write:
        await write.by("console", Signer("sales", key_of("somebody")).approves(SECOND, 2))
        await write.by("console", SALES.approves(SECOND, 2))
        await write.by("console", published_now(SECOND, 2))

    told = await console.says("history")

    assert [v["said"] for v in told["void"]] == ["AgreementApproved", "AgreementApproved", "AgreementPublished"]
    assert told["versions"][-1]["published"] is None
    assert told["versions"][-1]["sales"] is None


def published_now(text: str, version: int) -> AgreementPublished:
    return AgreementPublished(
        name=AgreementName("default"),
        agreement_version=version,
        content=digest(text.encode()),
        text=text,
        effective_at=datetime.now(UTC) + timedelta(seconds=30),
    )


async def test_a_running_service_judges_by_the_version_in_force_at_each_record(
    console: Console, settings: Settings
) -> None:
    """The same submission over and over, by ever new leads: nurtured by version 1, qualified by version 2."""
    async with console.runs("scoring"), pens(settings) as write:
        await write.by("intake", submission(1))
        await judged(settings, 1)  # it works
        effective_at = datetime.now(UTC) + timedelta(seconds=15)
        for event in agreed(SECOND, 2, effective_at):
            await write.by("console", event)
        number = await submit_until(write, effective_at + timedelta(seconds=2))
        records = await judged(settings, number)

    by_id = {str(header(r, "ce_id")): r for r in records}
    seen = set()
    for record in (r for r in records if type_of(r) in VERDICTS):
        cause = by_id[str(header(record, "ce_causationid"))]
        if type_of(cause) != "LeadSubmitted":
            continue  # a lead that version 1 has nurtured is judged anew when version 2 comes into force
        late = cause.timestamp >= effective_at.timestamp() * 1000
        said: Mapping[str, Any] = json.loads(record.value)
        assert said["agreement_version"] == (2 if late else 1)
        assert type_of(record) == ("LeadQualified" if late else "LeadNurtured")
        seen.add(late)
    assert seen == {False, True}


async def submit_until(write: Pens, end: datetime) -> int:
    """A lead every half second."""
    number = 1
    while datetime.now(UTC) < end:
        number += 1
        await write.by("intake", submission(number))
        await asyncio.sleep(0.5)  # the instant that matters lies between two of them
    return number


def submission(number: int) -> LeadSubmitted:
    return LeadSubmitted(
        lead_id=LeadId(f"00000000-0000-5000-8000-{number:012d}"),
        submission_id=SubmissionId(f"00000000-0000-4000-8000-{number:012d}"),
        content=digest(str(number).encode()),
        submitted_at=datetime.now(UTC),
        attributes={"employees": 60},
    )


async def judged(settings: Settings, number: int) -> list[Any]:
    """The leads' log once every lead has a verdict."""
    reader = Installation(settings.bootstrap_servers, settings.namespace, settings.data_dir, settings.partitions)
    async with asyncio.timeout(60):
        while True:
            records = await reader.log(LEADS)
            if len({r.key for r in records if type_of(r) in VERDICTS}) == number:
                return list(records)
            await asyncio.sleep(0.3)
