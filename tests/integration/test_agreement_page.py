"""The page *Agreement* of the running feedback service: what is in force, what is proposed, and a department's signature."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from schemas.agreement import load
from schemas.agreement.difference import difference
from schemas.agreement.life import Course, Published
from services.console import first_agreement
from services.console.first_agreement import DEFAULT
from services.feedback import agreement_view
from services.feedback.agreement_page import Previews, approve
from services.runtime.approving import key_file_of
from services.runtime.settings import Settings
from tests.approvers import MARKETING, SALES, SIGNERS, proposes
from tests.integration.served import pens, publish_agreement, settings_for
from tests.integration.test_agreement_life import Console

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FIRST = DEFAULT.read_text(encoding="utf-8")
SECOND = FIRST.replace("within: 4h", "within: 2h")
KEY = key_file_of(MARKETING.private, None).decode()


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    """An installation with both keys, in which the second agreement is proposed."""
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings, FIRST)
    async with pens(settings) as write:
        for event in (*(s.registers() for s in SIGNERS), proposes(SECOND, 2)):
            await write.by("console", event)
    return settings


async def course_of(settings: Settings) -> Course:
    return (await first_agreement.read(settings)).course


async def test_a_department_signs_on_the_page_and_the_log_has_it(settings: Settings) -> None:
    course = await course_of(settings)

    assert await approve(settings, course, 2, "marketing", "mira", KEY, "") == "marketing approves version 2."

    after = await course_of(settings)
    [proposed] = after.open_proposals()
    given = after.approvals.of(proposed.name, 2, proposed.content, datetime.now(UTC))
    assert {d: a.by for d, a in given.items()} == {"marketing": "mira"}


async def test_a_key_that_cannot_sign_for_the_department_signs_nothing(settings: Settings) -> None:
    course = await course_of(settings)
    locked = key_file_of(SALES.private, "a long passphrase").decode()

    for department, by, key, passphrase, why in (
        ("sales", "mira", KEY, "", "not sales"),
        ("sales", "mira", locked, "", "give its passphrase"),
        ("sales", "mira", locked, "a wrong passphrase", "no key file"),
        ("sales", "mira", "nonsense", "", "no key file"),
        ("marketing", "Mira <mira@example.com>", KEY, "", "one short word"),
    ):
        answer = await approve(settings, course, 2, department, by, key, passphrase)  # type: ignore[arg-type]
        assert answer.startswith("Nothing was signed")
        assert why in answer
        assert "@" not in answer
    assert (await course_of(settings)).void == []

    assert "approves" in await approve(settings, course, 2, "sales", "mira", locked, "a long passphrase")


async def test_the_page_tells_what_is_in_force_and_what_would_change(settings: Settings) -> None:
    course, now = await course_of(settings), datetime.now(UTC)
    current: Published = course.publication(now)

    told = agreement_view.in_force(current) + agreement_view.sections(current.agreement)
    waiting = agreement_view.proposals(course, await Previews().of(course, now), now)

    assert "<b>qualified</b> when topic is demo or contact or demo_requested was seen at least once within 30d" in told
    assert "the clock first-response allows 2h instead of 4h" in waiting
    assert waiting.count("has not approved") == 2
    assert difference(load(FIRST, 1), load(SECOND, 2)).sentences[0] in waiting


async def test_the_page_is_for_who_has_the_token(settings: Settings, tmp_path: Path) -> None:
    """In a process of its own: NiceGUI keeps its pages in one place."""
    async with Console(settings, tmp_path).runs("feedback"), httpx.AsyncClient() as stranger:
        port = tmp_path / "run" / "feedback.port"
        async with asyncio.timeout(60):
            while not port.exists():  # noqa: ASYNC110 -- a file of another process
                await asyncio.sleep(0.1)
        address = f"http://127.0.0.1:{json.loads(port.read_text())['port']}/board/agreement"

        assert (await stranger.get(address)).status_code == 401
        page = await stranger.get(f"{address}?token={settings.token}", follow_redirects=True, timeout=30)

        assert page.status_code == 200
        assert "Approve for marketing" in page.text
        assert "Approve for sales" in page.text
