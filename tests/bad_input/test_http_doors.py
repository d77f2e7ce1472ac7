"""What people send that they should not: a problem document names the place, and nothing is recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.topics import LEADS, PROFILES, TEAMS
from services.desk.app import SERVICE as DESK
from services.intake.app import SERVICE as INTAKE
from services.runtime.settings import Settings
from tests.integration.leads_at_the_desk import ROSTER
from tests.integration.served import TOKEN, Served, publish_agreement, served, settings_for
from tests.integration.test_intake import everything_in

pytestmark = pytest.mark.integration

LEAD = "0b0f6c1a-5b5e-5f6e-9d58-1f0b7c3f8a11"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings)
    return settings


@pytest.fixture
async def intake(settings: Settings) -> AsyncIterator[Served]:
    async with served(INTAKE, settings) as service:
        yield service


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Served]:
    async with served(DESK, settings) as service:
        await service.http.put("/v1/roster", json=ROSTER)
        yield service


def is_a_problem(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], bool(document["title"])) == (status, True)
    for word in words:
        assert word in document["detail"], document


BODIES: list[tuple[bytes, int, str]] = [
    (b"", 422, "body"),
    (b"{", 400, "no JSON"),
    (b'{"email": "a@example.com"', 400, "no JSON"),
    (b"\xff{}", 400, "UTF-8"),
    (b'{"email": "a\xff@example.com"}', 400, "UTF-8"),
    (b"[]", 422, "object"),
    (b'"text"', 422, "object"),
    (b"null", 422, "body"),
    (b"{}", 422, "email or a phone"),
    (b'{"email": ""}', 422, "email or a phone"),
    (b'{"email": "ana"}', 422, "`email`"),
    (b'{"email": "a@b@example.com"}', 422, "`email`"),
    (b'{"email": 7}', 422, "`email`"),
    (b'{"phone": "call me"}', 422, "`phone`"),
    (b'{"phone": "030 901820"}', 422, "`phone`"),
    (b'{"email": "a@example.com", "phone": "+49 1"}', 422, "`phone`"),
    (b'{"emial": "a@example.com"}', 422, "`emial`"),
    (b'{"email": "a@example.com", "source": {"chanel": "web"}}', 422, "`source.chanel`"),
    (b'{"email": "a@example.com", "source": "web"}', 422, "`source`"),
    (
        b'{"email": "a@example.com", "source": {"cost": {"amount": 1.5, "currency": "EUR"}}}',
        422,
        "`source.cost.amount`",
    ),
    (b'{"email": "a@example.com", "country": "Germany"}', 422, "`country`"),
    (b'{"email": "a@example.com", "attributes": {"Size of it": 1}}', 422, "attributes"),
    (b'{"email": "a@example.com", "attributes": {"size": {"deep": 1}}}', 422, "attributes.size"),
    (b'{"email": "a@example.com", "consent": {"news": "perhaps"}}', 422, "`consent.news`"),
    (b'{"email": "a@example.com", "submitted_at": "yesterday"}', 422, "`submitted_at`"),
    (b'{"email": "a@example.com", "submitted_at": "2026-03-01T09:00:00"}', 422, "time zone"),
    (b'{"email": "a@example.com", "submitted_at": "2999-03-01T09:00:00Z"}', 422, "not come yet"),
    (b'{"email": "a@example.com", "name": "' + b"x" * 600 + b'"}', 422, "`name`"),
    (b'{"email": "a@example.com", "message": "' + b"x" * 2_000_000 + b'"}', 413, "1048576"),
    (b'{"email": "a@example.com", "attributes": {"size": NaN}}', 422, "attributes.size"),
    (b'{"email": "a@example.com", "attributes": {"size": 1e999}}', 422, "attributes.size"),
]


async def test_no_bad_lead_gets_in(intake: Served, settings: Settings) -> None:
    for body, status, word in BODIES:
        is_a_problem(await intake.http.post("/v1/leads", content=body, headers=JSON), status, word)
    for key in ("", "x" * 300):
        assert (
            await intake.http.post("/v1/leads", json={"email": "a@example.com"}, headers={"Idempotency-Key": key})
        ).status_code == 422
    assert await everything_in(settings, LEADS) == []
    assert await everything_in(settings, PROFILES) == []


async def test_a_large_body_is_refused_also_when_its_length_is_not_told(intake: Served) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"email": "a@example.com", "message": "'
        for _ in range(40):
            yield b"x" * 65536

    is_a_problem(await intake.http.post("/v1/leads", content=pieces(), headers=JSON), 413, "1048576")


async def test_no_bad_engagement_consent_or_order_gets_in(intake: Served, settings: Settings) -> None:
    for said, word in (
        ({"email": "a@example.com", "kind": "x"}, "list"),
        ([{"kind": "x"}], "lead_id, an email or a phone"),
        ([{"email": "a@example.com"}], "kind"),
        ([{"email": "a@example.com", "kind": "x"}, {"email": "b", "kind": "x"}], "[1].email"),
        ([{"email": "a@example.com", "kind": "a@b"}], "kind"),
        ([{"email": "a@example.com", "kind": "x", "quantity": 0}], "quantity"),
        ([{"lead_id": "7", "kind": "x"}], "lead_id"),
        ([{"email": "a@example.com", "kind": "x"}] * 1001, "1000"),
    ):
        is_a_problem(await intake.http.post("/v1/engagements", json=said), 422, word)
    is_a_problem(
        await intake.http.post(
            "/v1/consents", json={"email": "a@example.com", "purpose": "news", "granted": "perhaps"}
        ),
        422,
        "granted",
    )
    is_a_problem(await intake.http.delete(f"/v1/leads/{LEAD}"), 404, LEAD)
    is_a_problem(await intake.http.delete("/v1/leads/seven"), 404, "no lead")
    is_a_problem(await intake.http.post(f"/v1/leads/{LEAD}/merge", json={"survivor": LEAD}), 404, LEAD)
    is_a_problem(await intake.http.post(f"/v1/leads/{LEAD}/suppress", json={"reason": "competitor"}), 404, LEAD)
    is_a_problem(await intake.http.post(f"/v1/leads/{LEAD}/unmerge"), 404, LEAD)
    assert await everything_in(settings, LEADS) == []


async def test_no_bad_form_gets_in(intake: Served, settings: Settings) -> None:
    accept = {"Accept": "application/json"}
    is_a_problem(
        await intake.http.post("/v1/forms/demo", json={"email": "a@example.com"}, headers=accept), 415, "POST /v1/leads"
    )
    is_a_problem(
        await intake.http.post("/v1/forms/De%20mo", data={"email": "a@example.com"}, headers=accept), 404, "form"
    )
    broken = {"Content-Type": "application/x-www-form-urlencoded", **accept}
    is_a_problem(
        await intake.http.post("/v1/forms/demo", content=b"email=a%40example.com&name=%ff%fe", headers=broken),
        400,
        "UTF-8",
    )
    cut = {"Content-Type": "multipart/form-data; boundary=x", **accept}
    is_a_problem(await intake.http.post("/v1/forms/demo", content=b"--y\r\nnonsense", headers=cut), 400, "form")
    many = {f"f{n}": "x" for n in range(400)}
    is_a_problem(
        await intake.http.post("/v1/forms/demo", files=[(k, (None, v)) for k, v in many.items()], headers=accept),
        400,
        "form",
    )
    assert await everything_in(settings, LEADS) == []


async def test_without_the_token_nothing_but_forms_is_open(intake: Served, desk: Served) -> None:
    for service, calls in (
        (
            intake,
            [
                ("POST", "/v1/leads"),
                ("POST", "/v1/engagements"),
                ("DELETE", f"/v1/leads/{LEAD}"),
                ("GET", "/v1/hooks/x"),
            ],
        ),
        (
            desk,
            [
                ("GET", "/v1/inbox?rep=anna"),
                ("POST", f"/v1/leads/{LEAD}/actions"),
                ("PUT", "/v1/roster"),
                ("GET", "/v1/events?rep=anna"),
            ],
        ),
    ):
        async with httpx.AsyncClient(base_url=service.url) as stranger:
            for method, path in calls:
                is_a_problem(await stranger.request(method, path, json={}), 401, "Bearer")
                wrong = {"Authorization": f"Bearer {TOKEN}x"}
                is_a_problem(await stranger.request(method, path, json={}, headers=wrong), 401, "Bearer")


ACTIONS: list[tuple[Any, int, str]] = [
    ({}, 422, "type"),
    ({"type": "dance"}, 422, "type"),
    ({"type": "accept"}, 404, "no lead"),
    ({"type": "accept", "asignment_id": "x"}, 422, "asignment_id"),
    ({"type": "accept", "assignment_id": "x y"}, 422, "assignment_id"),
    ({"type": "accept", "at": "now"}, 422, "`at`"),
    ({"type": "accept", "at": "2999-01-01T00:00:00Z"}, 422, "not come yet"),
    ({"type": "reject", "reason": "call +49 30 901820"}, 422, "reason"),
    ({"type": "win", "amount": {"amount": 1.5, "currency": "EUR"}}, 422, "amount"),
    ({"type": "win", "amount": {"amount": "1", "currency": "euro"}}, 422, "amount"),
    ({"type": "note", "text": ""}, 422, "text"),
    ({"type": "accept", "by": {"kind": "king"}}, 422, "by"),
    ([], 422, "body"),
]


async def test_no_bad_action_outcome_or_roster_gets_in(desk: Served, settings: Settings) -> None:
    before = len(await everything_in(settings, TEAMS))
    for said, status, word in ACTIONS:
        is_a_problem(await desk.http.post(f"/v1/leads/{LEAD}/actions", json=said), status, word)
    for raw in (b"{", b"\xff", b'{"type": "accept"'):
        is_a_problem(await desk.http.post(f"/v1/leads/{LEAD}/actions", content=raw, headers=JSON), 400)
    is_a_problem(await desk.http.post("/v1/leads/seven/actions", json={"type": "accept"}), 404, "no lead")
    is_a_problem(await desk.http.get("/v1/inbox"), 422, "rep")
    is_a_problem(await desk.http.get("/v1/inbox", params={"rep": "zoe"}), 404, "zoe")
    is_a_problem(await desk.http.get("/v1/events", params={"rep": "zoe"}), 404, "zoe")
    is_a_problem(await desk.http.post("/v1/outcomes", json={"type": "won"}), 422, "lead_id, an email or an external_id")
    is_a_problem(await desk.http.post("/v1/outcomes", json={"lead_id": LEAD, "type": "won"}), 404, LEAD)
    is_a_problem(await desk.http.put("/v1/reps/anna/availability", json={"available": "maybe"}), 422, "available")
    is_a_problem(
        await desk.http.put("/v1/reps/anna/availability", json={"available": False, "until": "2020-01-01T00:00:00Z"}),
        422,
        "passed",
    )
    anna = ROSTER["reps"][0]
    for reps, word in (
        ([anna, anna], "twice"),
        ([{**anna, "team": "sails"}], "sales"),
        ([{**anna, "pools": {"inbound": 0}}], "pools"),
        ([{**anna, "id": "A b"}], "id"),
    ):
        is_a_problem(await desk.http.put("/v1/roster", json={"reps": reps}), 422, word)
    assert await everything_in(settings, LEADS) == []
    assert len(await everything_in(settings, TEAMS)) == before


async def test_refusals_never_repeat_what_a_person_wrote(intake: Served) -> None:
    answer = await intake.http.post(
        "/v1/leads",
        json={"email": "a@example.com", "attributes": {"size": {"secret": "Maria Holm"}}, "namee": "Maria Holm"},
    )
    assert "Maria" not in json.dumps(answer.json())
