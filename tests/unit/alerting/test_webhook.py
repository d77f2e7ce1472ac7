"""Signed messages by Standard Webhooks: the signature, the payload, and what a Retry-After means."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import orjson
import pytest

from schemas.events.alerting import News, NewsKind
from schemas.ids import EventId, LeadId, RepId
from schemas.vocabulary import LeadStatus, LifecycleStage, Reason, Slug
from services.alerting.faults import ChannelUnusable, retry_after
from services.alerting.webhook import Endpoint, body_of, keys_of, signature

_NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_NEWS = News(
    kind=NewsKind.RECYCLED,
    happened_at=_NOW,
    event_id=EventId("recycling.x.1.0"),
    lead_id=LeadId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"),
    cycle=1,
    lead_status=LeadStatus.RECYCLED,
    lifecycle_stage=LifecycleStage.MQL,
    rep_id=RepId("mira"),
    reason=Reason("no_budget"),
    stream=Slug("budget"),
    buying_stage=Slug("consideration"),
    score=Decimal("42.5"),
)


def test_the_signature_is_that_of_the_published_test_vector() -> None:
    """The vector of the reference libraries (standard-webhooks/standard-webhooks, libraries/python/tests)."""
    [key] = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signed = signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_secrets_are_changed_a_message_is_signed_with_both() -> None:
    old, new = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))

    both = signature(keys_of(f"whsec_{new} whsec_{old}"), "m", 1, b"{}").split(" ")

    assert both == [signature(keys_of(f"whsec_{s}"), "m", 1, b"{}") for s in (new, old)]


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_no base64!", "secret"])
def test_a_secret_that_is_none_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ChannelUnusable) as refused:
        keys_of(secret)
    assert "no base64!" not in str(refused.value)
    assert "c2hvcnQ" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "ftp://example.com", "example.com/hook", "http://", "http://[::1"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(ChannelUnusable, match="its URL is no http"):
            Endpoint(client, url, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_a_recycled_lead_is_told_with_its_stream_and_buying_stage_and_nobodys_name() -> None:
    body = orjson.loads(body_of(_NEWS, {}))

    assert body["type"] == "lead.recycled"
    assert body["timestamp"] == "2026-03-02T09:00:00Z"
    assert (body["data"]["stream"], body["data"]["buying_stage"]) == ("budget", "consideration")
    assert (body["data"]["rep"], body["data"]["reason"], body["data"]["score"]) == ("mira", "no_budget", "42.5")
    assert "contact" not in body["data"]


def test_what_the_agreement_lets_out_of_a_person_stands_apart() -> None:
    body = orjson.loads(body_of(_NEWS, {"email": "jo@example.com"}))

    assert body["data"]["contact"] == {"email": "jo@example.com"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 02 Mar 2026 09:01:00 GMT", 60.0),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 40, None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, _NOW) == seconds
