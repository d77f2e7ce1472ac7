"""An agreement is approved by the buttons of the page *Agreement*, in a real browser, until it is in force."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from services.console.first_agreement import DEFAULT
from services.runtime.approving import key_file_of
from services.runtime.settings import Settings
from tests.approvers import MARKETING, SALES, SIGNERS, proposes
from tests.integration.served import pens, publish_agreement, settings_for
from tests.integration.test_agreement_life import Console

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FIRST = DEFAULT.read_text(encoding="utf-8")
SECOND = FIRST.replace("within: 4h", "within: 2h")
SOON_MS = 30_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here; install the package chromium to run this"),
]


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    """An installation with both keys, in which the second agreement is proposed."""
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings, FIRST)
    async with pens(settings) as write:
        for event in (*(s.registers() for s in SIGNERS), proposes(SECOND, 2)):
            await write.by("console", event)
    return settings


@pytest.fixture
async def page(settings: Settings, tmp_path: Path) -> AsyncIterator[Page]:
    """The page in a browser, of a feedback service that runs as a process of its own."""
    async with Console(settings, tmp_path).runs("feedback"), async_playwright() as play:
        port = tmp_path / "run" / "feedback.port"
        async with asyncio.timeout(60):
            while not port.exists():  # noqa: ASYNC110 -- a file of another process
                await asyncio.sleep(0.1)
        browser = await play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = await browser.new_page()
        page.set_default_timeout(SOON_MS)
        address = f"http://127.0.0.1:{json.loads(port.read_text())['port']}/board/agreement"
        await page.goto(f"{address}?token={settings.token}")
        yield page
        await browser.close()


async def test_both_departments_approve_by_the_button_and_the_page_shows_it_in_force(
    page: Page, settings: Settings, tmp_path: Path
) -> None:
    proposed, in_force = page.get_by_label("Proposed", exact=True), page.get_by_label("In force", exact=True)
    await expect(in_force).to_contain_text("nobody: it is the first", timeout=SOON_MS)
    await expect(proposed).to_contain_text("the clock first-response allows 2h instead of 4h", timeout=SOON_MS)

    for department, signer in (("marketing", MARKETING), ("sales", SALES)):
        await page.get_by_label("Who approves").fill("mira")
        await page.get_by_label("key file").fill(key_file_of(signer.private, None).decode())
        await page.locator(f"#approve-{department}").click()
        await expect(page.get_by_role("status")).to_have_text(f"{department} approves version 2.", timeout=SOON_MS)
        await expect(page.get_by_label("key file")).to_have_value("")

    await expect(proposed).not_to_contain_text("has not approved", timeout=SOON_MS)
    at = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    await Console(settings, tmp_path).says("publish", "2", "--effective-at", at)
    await expect(in_force.get_by_text("marketing (mira")).to_be_visible(timeout=2 * SOON_MS)
    await expect(proposed).to_contain_text("Nothing is proposed", timeout=SOON_MS)
