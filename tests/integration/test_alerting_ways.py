"""The alerting service as a process, with real receivers: a storm is one message, and what cannot come one way comes another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.events.alerting import AlertKind, AlertRecalled, AlertRequested, RecipientMuted
from schemas.events.console import AgreementPublished
from schemas.ids import AgreementName, AlertId, LeadId, RecipientId, digest
from schemas.vocabulary import Because
from services.console.ports import free_port
from services.runtime.appending import Appender
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics
from tests.integration.alerting_receivers import http_receiver
from tests.integration.test_alerting import alerting
from tests.integration.test_alerting_sender import answers

pytestmark = pytest.mark.integration

_DEFAULT = Path(__file__).resolve().parents[2] / "deploy" / "agreements" / "default.yaml"
_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def _agreement(dead_port: int) -> str:
    """Channels that gather, that nobody answers, that are closed today, and who is on duty."""
    closed = f"{(datetime.now(UTC) + timedelta(days=3)):%a}".lower()
    text = _DEFAULT.read_text().replace("calendars:\n", f"calendars:\n  closed: {{open: {{{closed}: 09:00-09:01}}}}\n", 1)
    channels = f"""
  storm: {{url: "${{LEADLOOP_MANAGERS_URL}}storm", gather: 3s}}
  mail: {{url: "mailto://127.0.0.1:{dead_port}?from=a@example.com&to=b@example.com", tries_for: 1s, next: duty}}
  shop: {{url: "${{LEADLOOP_MANAGERS_URL}}shop", hours: closed, out_of_hours: duty}}
  quiet: {{url: "${{LEADLOOP_MANAGERS_URL}}quiet"}}
  duty: {{duty: {{people: [anna], since: "2026-01-05T09:00", zone: Europe/Berlin}}}}
"""
    return text.replace("channels:\n", f"channels:{channels}", 1)


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    its = Settings(bootstrap_servers=kafka, secret=b"x" * 32, token="t", data_dir=tmp_path, namespace=namespace, partitions=2)
    await ensure_topics(its)
    text = _agreement(free_port())
    console = Appender(its, "console", Health())
    await console.start()
    await console.append(
        AgreementPublished(
            name=AgreementName("default"), agreement_version=1, content=digest(text.encode()), text=text, effective_at=None
        )
    )
    await console.stop()
    return its


def _alert(recipient: str, number: int = 1) -> AlertRequested:
    return AlertRequested.model_validate(
        {
            "recipient": recipient, "alert_id": f"alert.{recipient}.{number}", "kind": AlertKind.CLOCK_BREACHED,
            "lead_id": f"4f5e2ad2-6b0f-5c0e-9d53-{number:012x}", "team_id": "sales", "rep_id": "mira", "assignment_id": None,
            "clock": "first-response", "deadline_at": _AT, "happened_at": _AT, "because": f"clock {number} ran out",
        }
    )  # fmt: skip


@pytest.mark.timeout(120)
async def test_a_storm_is_one_message_and_each_alert_finds_its_way(settings: Settings, tmp_path: Path) -> None:
    async with http_receiver() as (address, inbox):
        (tmp_path / "tools.yaml").write_text(f'reps: {{anna: "json://{address}/anna"}}\n')
        pen = Appender(settings, "alerting", Health())
        await pen.start()
        now = datetime.now(UTC)
        muted = RecipientMuted(recipient=RecipientId("quiet"), muted_at=now, until=now + timedelta(hours=1))
        recalled = AlertRecalled(
            recipient=RecipientId("quiet"),
            alert_id=AlertId("alert.quiet.1"),
            lead_id=LeadId(_alert("quiet").lead_id),
            because=Because("it was accepted"),
        )
        await pen.append_all([muted, _alert("quiet", 1), _alert("quiet", 2), recalled])
        await pen.append_all([_alert("storm", n) for n in range(500)])
        await pen.append_all([_alert("mail"), _alert("shop")])
        async with alerting(settings, f"json://{address}/"):
            found = await answers(settings, 3, timeout=60)
            await inbox.holds(2)
            await pen.append(muted.model_copy(update={"until": now}))
            await inbox.holds(3)
            found = await answers(settings, 4, timeout=30)
        await pen.stop()

    by_text = {post.content["message"]: post for post in inbox.taken}
    [storm] = [post for post in inbox.taken if post.content["title"].startswith("leadloop: 500 alerts")]
    assert "(500 × a clock ran out)" in storm.content["title"]
    assert storm.content["message"].count("A clock ran out: lead") == 50
    assert "and 450 more" in storm.content["message"]
    [duty] = [text for text in by_text if "Meant for: mail" in text]
    assert "Meant for: shop" in duty, "what two channels could not deliver is one message to who is on duty"
    [unmuted] = [post for post in inbox.taken if "clock 2 ran out" in post.content["message"] and post is not storm]
    assert unmuted.webhook_id == "alert.quiet.2", "what was settled meanwhile does not come"
    assert len(inbox.taken) == 3
    assert {(event.recipient, type(event).__name__) for _, event in found} == {
        ("storm", "AlertSent"), ("mail", "AlertFailed"), ("duty", "AlertSent"), ("quiet", "AlertSent")
    }  # fmt: skip
