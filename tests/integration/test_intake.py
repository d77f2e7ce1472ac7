"""Intake on real Kafka through real HTTP: what 202 promises, what repeats what, and where personal data is."""

# ruff: noqa: ASYNC110 - another process's view of the log is looked at again until it has come

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import LEADS, PROFILES, Topic
from services.intake.app import SERVICE
from services.runtime.settings import Settings
from tests.integration.served import Served, pens, publish_agreement, served, settings_for

ANA = {"email": "Ana.Alvarez@Example.com", "name": "Ana Alvarez", "attributes": {"topic": "demo", "employees": 120}}


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings)
    return settings


@pytest.fixture
async def intake(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as service:
        yield service


async def everything_in(settings: Settings, topic: Topic) -> list[dict[str, Any]]:
    """Every record of the topic, with its type and key."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic(topic), p) for p in range(settings.partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            for place in places:
                while await consumer.position(place) < ends[place]:
                    for records in (await consumer.getmany(place, timeout_ms=500)).values():
                        for r in records:
                            headers = dict(r.headers)
                            found.append(
                                {
                                    "type": headers.get("ce_type", b"")
                                    .decode()
                                    .removeprefix("leadloop.")
                                    .removesuffix(".v1"),
                                    "key": r.key.decode(),
                                    "id": headers.get("ce_id", b"").decode(),
                                    **(json.loads(r.value) if r.value is not None else {"tombstone": True}),
                                }
                            )
        return found
    finally:
        await consumer.stop()


async def test_what_is_answered_by_202_is_in_the_log_with_its_profile_beside_it(
    intake: Served, settings: Settings
) -> None:
    answer = await intake.http.post(
        "/v1/leads", json={**ANA, "source": {"channel": "web", "campaign": "spring"}, "country": "es"}
    )
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert said["duplicate"] is False
    (event,) = await everything_in(settings, LEADS)
    assert (event["type"], event["lead_id"], event["submission_id"]) == (
        "LeadSubmitted",
        said["lead_id"],
        said["submission_id"],
    )
    assert event["attributes"] == {"topic": "demo", "employees": 120}
    assert event["source"]["campaign"] == "spring"
    assert event["country"] == "ES"
    (profile,) = await everything_in(settings, PROFILES)
    assert (profile["lead_id"], profile["email"], profile["name"]) == (
        said["lead_id"],
        "ana.alvarez@example.com",
        "Ana Alvarez",
    )


async def test_one_person_is_one_lead_however_the_address_is_written(intake: Served) -> None:
    first = await intake.http.post("/v1/leads", json=ANA)
    second = await intake.http.post("/v1/leads", json={"email": " ana.alvarez@EXAMPLE.com ", "message": "another time"})
    assert second.json()["lead_id"] == first.json()["lead_id"]
    assert second.json()["submission_id"] != first.json()["submission_id"]


async def test_a_phone_number_names_a_lead_in_any_spelling(intake: Served) -> None:
    first = await intake.http.post("/v1/leads", json={"phone": "030 901820", "country": "DE"})
    second = await intake.http.post("/v1/leads", json={"phone": "+49 30 90 18 20"})
    assert first.status_code == second.status_code == 202
    assert first.json()["lead_id"] == second.json()["lead_id"]


async def test_an_equal_body_within_the_window_is_the_same_submission(intake: Served, settings: Settings) -> None:
    first = await intake.http.post("/v1/leads", json=ANA)
    again = await intake.http.post("/v1/leads", json=dict(reversed(list(ANA.items()))))
    assert again.json() == first.json() | {"duplicate": True}
    assert len(await everything_in(settings, LEADS)) == 1


async def test_equal_posts_at_the_same_moment_are_one_submission(intake: Served, settings: Settings) -> None:
    answers = await asyncio.gather(*[intake.http.post("/v1/leads", json=ANA) for _ in range(20)])
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["submission_id"] for a in answers}) == 1
    assert sorted(a.json()["duplicate"] for a in answers) == [False] + [True] * 19
    assert len(await everything_in(settings, LEADS)) == 1


async def test_two_intakes_at_once_still_make_one_submission_of_equal_posts(settings: Settings, tmp_path: Path) -> None:
    other = settings_for(settings.bootstrap_servers, settings.namespace, tmp_path / "other")
    async with served(SERVICE, settings) as one, served(SERVICE, other) as two:
        answers = await asyncio.gather(
            *[side.http.post("/v1/leads", json=ANA) for side in (one, two) for _ in range(5)]
        )
        assert {a.status_code for a in answers} == {202}
        assert len({a.json()["submission_id"] for a in answers}) == 1
        assert sum(not a.json()["duplicate"] for a in answers) == 1


async def test_a_key_with_the_same_body_gives_the_same_ids(intake: Served, settings: Settings) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = await intake.http.post("/v1/leads", json=ANA, headers=key)
    again = await intake.http.post("/v1/leads", json=ANA, headers=key)
    assert again.json() == first.json() | {"duplicate": True}
    assert len(await everything_in(settings, LEADS)) == 1


async def test_a_key_with_another_body_is_refused_also_for_another_lead(intake: Served) -> None:
    key = {"Idempotency-Key": "order-17"}
    await intake.http.post("/v1/leads", json=ANA, headers=key)
    for body in ({**ANA, "name": "Ana B."}, {**ANA, "email": "ben@example.com"}):
        refused = await intake.http.post("/v1/leads", json=body, headers=key)
        assert refused.status_code == 422
        assert "new key" in refused.json()["detail"]


async def test_two_keys_with_one_body_are_two_submissions(intake: Served) -> None:
    answers = [await intake.http.post("/v1/leads", json=ANA, headers={"Idempotency-Key": key}) for key in "ab"]
    assert len({a.json()["submission_id"] for a in answers}) == 2
    assert not any(a.json()["duplicate"] for a in answers)


async def test_without_a_key_the_content_of_a_submission_with_one_is_the_same_submission(
    intake: Served, settings: Settings
) -> None:
    first = await intake.http.post("/v1/leads", json=ANA, headers={"Idempotency-Key": "order-19"})
    bare = await intake.http.post("/v1/leads", json=ANA)
    assert bare.json() == first.json() | {"duplicate": True}
    assert len(await everything_in(settings, LEADS)) == 1
    other = await intake.http.post("/v1/leads", json={**ANA, "message": "another"})
    assert other.json()["duplicate"] is False


async def test_equal_posts_at_once_with_a_key_and_without_are_one_submission_of_that_key(
    intake: Served, settings: Settings
) -> None:
    key = {"Idempotency-Key": "order-20"}
    keyed = await intake.http.post("/v1/leads", json=ANA, headers=key)
    answers = await asyncio.gather(
        *[intake.http.post("/v1/leads", json=ANA, headers=headers) for headers in (key, {}) * 5]
    )
    assert [a.json() for a in answers] == [keyed.json() | {"duplicate": True}] * 10
    assert len(await everything_in(settings, LEADS)) == 1


async def test_after_an_erasure_the_content_of_a_submission_with_a_key_is_new_again(intake: Served) -> None:
    first = (await intake.http.post("/v1/leads", json=ANA, headers={"Idempotency-Key": "order-21"})).json()
    assert (await intake.http.delete(f"/v1/leads/{first['lead_id']}")).status_code == 200
    again = (await intake.http.post("/v1/leads", json=ANA)).json()
    assert (again["lead_id"], again["duplicate"]) == (first["lead_id"], False)
    assert again["submission_id"] != first["submission_id"]


async def test_what_was_taken_in_is_known_after_a_restart(settings: Settings) -> None:
    key = {"Idempotency-Key": "order-18"}
    async with served(SERVICE, settings) as before:
        first = await before.http.post("/v1/leads", json=ANA, headers=key)
    async with served(SERVICE, settings) as after:
        again = await after.http.post("/v1/leads", json=ANA, headers=key)
    assert again.json() == first.json() | {"duplicate": True}


async def test_a_profile_grows_and_what_a_later_submission_leaves_out_stays(intake: Served, settings: Settings) -> None:
    await intake.http.post("/v1/leads", json={**ANA, "company": "Acme"})
    await intake.http.post(
        "/v1/leads", json={"email": ANA["email"], "phone": "+49 30 901820", "external_ids": {"crm": "77"}}
    )
    last = (await everything_in(settings, PROFILES))[-1]
    assert (last["name"], last["company"], last["phone"]) == ("Ana Alvarez", "Acme", "+4930901820")
    assert last["external_ids"] == {"crm": "77"}


async def test_nothing_personal_gets_into_the_leads_log(intake: Served, settings: Settings) -> None:
    secrets = ["ana.alvarez@example.com", "Alvarez", "Acme", "4930901820", "call me", "Annie", "blue", "0171 1234567"]
    answer = await intake.http.post(
        "/v1/leads",
        json={
            **ANA,
            "phone": "+49 30 901820",
            "company": "Acme",
            "message": "call me",
            "attributes": {
                "topic": "demo",
                "nickname": "Annie",
                "favourite_colour": "blue",
                "industry": "call 0171 1234567",
            },
            "source": {"campaign": "ana.alvarez@example.com", "term": "0171 1234567", "channel": "web"},
        },
    )
    assert answer.status_code == 202, answer.text
    warned = " ".join(answer.json()["warnings"])
    assert all(word in warned for word in ("favourite_colour", "industry", "source.campaign", "source.term"))
    log = json.dumps(await everything_in(settings, LEADS)).lower()
    assert not [word for word in secrets if word.lower() in log]
    (profile,) = await everything_in(settings, PROFILES)
    assert profile["attributes"] == {"nickname": "Annie", "favourite_colour": "blue", "industry": "call 0171 1234567"}


async def test_a_submission_for_a_merged_lead_goes_to_the_survivor(intake: Served, settings: Settings) -> None:
    ana = (await intake.http.post("/v1/leads", json=ANA)).json()["lead_id"]
    work = (await intake.http.post("/v1/leads", json={"email": "ana@work.example.com", "company": "Acme"})).json()[
        "lead_id"
    ]
    merged = await intake.http.post(f"/v1/leads/{work}/merge", json={"survivor": ana})
    assert merged.status_code == 200, merged.text
    again = await intake.http.post("/v1/leads", json={"email": "ana@work.example.com", "phone": "+49 30 901820"})
    assert again.status_code == 202
    assert again.json()["lead_id"] == ana
    profile = [p for p in await everything_in(settings, PROFILES) if p["key"] == ana][-1]
    assert (profile["email"], profile["company"], profile["phone"]) == (
        "ana.alvarez@example.com",
        "Acme",
        "+4930901820",
    )
    back = await intake.http.post(f"/v1/leads/{work}/unmerge", json={})
    assert back.status_code == 200
    own = await intake.http.post("/v1/leads", json={"email": "ana@work.example.com", "message": "mine again"})
    assert own.json()["lead_id"] == work


async def test_an_append_that_a_merge_overtook_is_appended_to_the_survivor(intake: Served, settings: Settings) -> None:
    """Another intake merges while ours takes a submission in: ours reads its own append back void, and goes on."""
    ana = (await intake.http.post("/v1/leads", json=ANA)).json()["lead_id"]
    work = (await intake.http.post("/v1/leads", json={"email": "ana@work.example.com"})).json()["lead_id"]
    async with pens(settings) as write:
        from schemas.events.intake import LeadsMerged

        posts = [
            intake.http.post("/v1/leads", json={"email": "ana@work.example.com", "message": str(n)}) for n in range(30)
        ]
        merge = write.by("intake", LeadsMerged(lead_id=work, survivor=ana))
        answers, _ = await asyncio.gather(asyncio.gather(*posts), merge)
    assert {a.status_code for a in answers} == {202}
    events = await everything_in(settings, LEADS)
    merged_at = next(i for i, e in enumerate(events) if e["type"] == "LeadsMerged")
    in_effect = {
        e["submission_id"]: e["lead_id"] for e in events if e["type"] == "LeadSubmitted" and e["lead_id"] == ana
    } | {
        e["submission_id"]: e["lead_id"]
        for e in events[:merged_at]
        if e["type"] == "LeadSubmitted" and e["lead_id"] == work
    }
    assert [in_effect[a.json()["submission_id"]] for a in answers] == [a.json()["lead_id"] for a in answers]


async def test_a_suppressed_leads_submission_is_recorded_and_says_so(intake: Served) -> None:
    lead = (await intake.http.post("/v1/leads", json=ANA)).json()["lead_id"]
    assert (await intake.http.post(f"/v1/leads/{lead}/suppress", json={"reason": "competitor"})).status_code == 200
    answer = await intake.http.post("/v1/leads", json={**ANA, "message": "again"}, headers={"Idempotency-Key": "s"})
    again = await intake.http.post("/v1/leads", json={**ANA, "message": "again"}, headers={"Idempotency-Key": "s"})
    assert answer.status_code == 202
    assert "suppressed" in answer.json()["warnings"][-1]
    assert again.json() == answer.json() | {"duplicate": True}
    refused = await intake.http.post(f"/v1/leads/{lead}/suppress", json={"reason": "boredom"})
    assert refused.status_code == 422
    assert "competitor" in refused.json()["detail"]


async def test_erasing_deletes_the_profile_and_a_new_submission_begins_anew(intake: Served, settings: Settings) -> None:
    lead = (await intake.http.post("/v1/leads", json={**ANA, "company": "Acme"})).json()["lead_id"]
    assert (await intake.http.delete(f"/v1/leads/{lead}")).status_code == 200
    assert (await intake.http.delete(f"/v1/leads/{lead}")).status_code == 200
    assert (await everything_in(settings, PROFILES))[-1]["tombstone"]
    again = await intake.http.post("/v1/leads", json=ANA)
    assert again.json()["duplicate"] is False
    assert again.json()["lead_id"] == lead
    assert (await everything_in(settings, PROFILES))[-1].get("company") is None


async def test_an_erasure_that_a_crash_cut_short_is_finished_by_the_next_start(settings: Settings) -> None:
    from schemas.events.intake import LeadErased

    async with served(SERVICE, settings) as before:
        lead = (await before.http.post("/v1/leads", json=ANA)).json()["lead_id"]
    async with pens(settings) as write:
        await write.by("intake", LeadErased(lead_id=lead))
    async with served(SERVICE, settings), asyncio.timeout(20):
        while not (await everything_in(settings, PROFILES))[-1].get("tombstone"):
            await asyncio.sleep(0.2)


async def test_engagements_and_consents_are_recorded_for_the_person_they_name(
    intake: Served, settings: Settings
) -> None:
    lead = (await intake.http.post("/v1/leads", json=ANA)).json()["lead_id"]
    said = [
        {"email": ANA["email"], "kind": "pricing_viewed", "occurred_at": "2026-03-01T09:00:00+01:00"},
        {"lead_id": lead, "kind": "danced"},
    ]
    answer = await intake.http.post("/v1/engagements", json=said, headers={"Idempotency-Key": "e1"})
    again = await intake.http.post("/v1/engagements", json=said, headers={"Idempotency-Key": "e1"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 2
    assert "danced" in answer.json()["warnings"][0]
    assert again.json()["engagements"] == answer.json()["engagements"]
    consent = await intake.http.post(
        "/v1/consents", json={"email": ANA["email"], "purpose": "marketing", "granted": False}
    )
    assert consent.json()["lead_id"] == lead
    events = await everything_in(settings, LEADS)
    assert [e["kind"] for e in events if e["type"] == "EngagementObserved"][:2] == ["pricing_viewed", "danced"]
    assert next(e for e in events if e["type"] == "EngagementObserved")["occurred_at"] == "2026-03-01T08:00:00Z"
    assert [e["granted"] for e in events if e["type"] == "ConsentChanged"] == [False]


async def test_a_browser_posts_a_form_and_is_thanked(intake: Served, settings: Settings) -> None:
    intake.http.headers.pop("Authorization")
    page = await intake.http.get("/forms/demo?utm_campaign=spring")
    assert page.status_code == 200
    assert "See a demo" in page.text
    assert 'value="spring"' in page.text
    fields = {
        "first_name": "Ana",
        "last_name": "Alvarez",
        "email": "ana@example.com",
        "phone": "nonsense",
        "size": "120",
        "utm_campaign": "spring",
        "consent_marketing": "yes",
        "Favourite Colour": "blue",
    }
    posted = await intake.http.post("/v1/forms/demo", data=fields)
    assert (posted.status_code, posted.headers["location"]) == (303, "/forms/demo/thanks")
    assert (await intake.http.get(posted.headers["location"])).status_code == 200
    multipart = await intake.http.post(
        "/v1/forms/demo", files=[(k, (None, v)) for k, v in fields.items()], headers={"Accept": "application/json"}
    )
    assert (multipart.status_code, multipart.json()["duplicate"]) == (202, True)
    assert (await intake.http.post("/v1/forms/moved", data={"email": "b@example.com"})).headers[
        "location"
    ] == "https://example.com/thank-you"
    event = next(e for e in await everything_in(settings, LEADS) if e["form"] == "demo")
    assert event["attributes"] == {"employees": 120, "topic": "demo"}
    assert (event["source"]["channel"], event["source"]["campaign"], event["consent"]) == (
        "web",
        "spring",
        {"marketing": True},
    )
    profile = next(p for p in await everything_in(settings, PROFILES) if p["email"] == "ana@example.com")
    assert profile["name"] == "Ana Alvarez"
    assert profile["attributes"] == {"phone_as_typed": "nonsense", "favourite_colour": "blue"}


async def test_a_machine_that_fills_in_the_hidden_field_is_thanked_and_forgotten(
    intake: Served, settings: Settings
) -> None:
    posted = await intake.http.post("/v1/forms/demo", data={"email": "bot@example.com", "fax_number_2": "1"})
    assert posted.status_code == 303
    assert await everything_in(settings, LEADS) == []


async def test_a_form_without_an_address_is_shown_again_with_what_was_written(intake: Served) -> None:
    shown = await intake.http.post("/v1/forms/demo", data={"first_name": "Ana", "email": "ana(at)example"})
    assert shown.status_code == 422
    assert 'aria-invalid="true"' in shown.text
    assert 'value="Ana"' in shown.text
    refused = await intake.http.post("/v1/forms/demo", data={"name": "Ana"}, headers={"Accept": "application/json"})
    assert refused.headers["content-type"] == "application/problem+json"


async def test_there_are_no_webhook_connections_yet(intake: Served) -> None:
    for method in ("GET", "POST"):
        answer = await intake.http.request(method, "/v1/hooks/crm")
        assert (answer.status_code, answer.json()["title"]) == (404, "No such connection")
