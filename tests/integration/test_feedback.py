"""Feedback on real Kafka: a log written by hand is read as the rules say, told as it happens, and audited."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pgserver
import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer

from schemas.events import alerting, console, desk, intake, routing, scoring, sla
from schemas.ids import LeadId
from schemas.topics import ALERTS, DEAD_LETTERS, LEADS, PROFILES, TEAMS
from services.console import processes
from services.feedback import tables
from services.feedback.app import add_doors
from services.feedback.auditing import Auditor, auditing
from services.feedback.ledger import Ledger
from services.runtime.appending import Appender
from services.runtime.dead_letters import open_sealed
from services.runtime.health import Health
from services.runtime.http import create_app, serve
from services.runtime.metrics import REGISTRY
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics
from tests.integration.lead_story import Story, Writers, writers
from tests.integration.tally import Process, settings_of

pytestmark = pytest.mark.integration


@dataclass
class House:
    """Feedback, running."""

    settings: Settings
    runner: ProjectionRunner
    client: httpx.AsyncClient
    writers: Writers
    version: int = 1

    def story(self) -> Story:
        return Story(self.writers, LeadId(str(uuid.uuid4())))

    async def get(self, path: str, **parameters: Any) -> Any:
        """What a door answers once everything in the log is in the ledger."""
        for topic in (LEADS, ALERTS, DEAD_LETTERS, TEAMS, PROFILES):
            await self.runner.read_to_end(topic=topic)
        answer = await self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pgserver.PostgresServer]:
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    server: pgserver.PostgresServer = request.getfixturevalue("postgres")
    return str(server.get_uri())


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path, database_url: str | None) -> Settings:
    settings = settings_of(kafka, namespace, tmp_path, database_url)
    await ensure_topics(settings)
    return settings


class NextLedger(Ledger):
    """The ledger of a later version: other tables."""

    version = Ledger.version + 1


async def running(settings: Settings, projection: type[Ledger] = Ledger) -> AsyncIterator[House]:
    process = Process(settings)
    runner = ProjectionRunner(projection(settings.dead_letter_key), process)
    app = create_app("feedback", settings, process.health)
    add_doors(app, settings, runner)
    async with (
        writers(settings) as pens,
        runner,
        serve(app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {settings.token}"}, timeout=30
        ) as client,
    ):
        await runner.caught_up()
        yield House(settings, runner, client, pens)


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    async for one in running(settings):
        yield one


class Told:
    """What a stream tells."""

    def __init__(self, stream: httpx.Response) -> None:
        self._lines, self._last = stream.aiter_lines(), ""

    async def next(self, number: int) -> list[tuple[str, dict[str, Any]]]:
        """The next (id, content) of so many status events."""
        found: list[tuple[str, dict[str, Any]]] = []
        async with asyncio.timeout(20):
            while len(found) < number:
                line = await anext(self._lines)
                if line.startswith("id: "):
                    self._last = line[4:]
                elif line.startswith("data: "):
                    found.append((self._last, json.loads(line[6:])))
        return found


# ------------------------------------------------------------------ the ledger


async def test_a_lead_is_where_its_log_says_with_its_whole_timeline(house: House) -> None:
    story = house.story()
    await story.reaches("anna", source={"campaign": "spring", "channel": "web"})
    await story.accepts()
    lead = await house.get(f"/v1/leads/{story.lead}")
    assert {k: lead[k] for k in ("lead_status", "lifecycle_stage", "cycle", "grade", "score", "owner", "campaign")} == {
        "lead_status": "accepted",
        "lifecycle_stage": "sal",
        "cycle": 1,
        "grade": "B2",
        "score": 45,
        "owner": "anna",
        "campaign": "spring",
    }
    told = await house.get(f"/v1/leads/{story.lead}/timeline")
    assert [e["type"] for e in told["events"]] == [
        "LeadSubmitted",
        "LeadScored",
        "LeadQualified",
        "LeadRouted",
        "LeadAssigned",
        "LeadAccepted",
    ]
    assert told["events"][2]["sentence"] == "qualified by the rule hand-raiser: asked for a demo"
    assert told["events"][5]["sentence"] == "anna accepted it"
    assert not any(e["void"] for e in told["events"])


async def test_void_events_are_marked_and_repetitions_are_not_there(house: House) -> None:
    story = house.story()
    await story.reaches("anna")
    assignment = story.life.offer
    await story.acts(desk.LeadAccepted, "the-same-click")
    assert await story.says(await again(story), "the-same-click") is not None
    await story.rejects("not_mine")
    assert (await story.acts(desk.LeadWon, assignment_id=assignment)).value == "void"
    told = (await house.get(f"/v1/leads/{story.lead}/timeline"))["events"]
    assert [(e["type"], e["void"]) for e in told[4:]] == [
        ("LeadAssigned", False),
        ("LeadAccepted", False),
        ("LeadRejected", False),
        ("LeadWon", True),
    ]
    lead = await house.get(f"/v1/leads/{story.lead}")
    assert (lead["lead_status"], lead["owner"], lead["owed"]) == ("waiting", None, "a pool from routing")


async def again(story: Story) -> desk.LeadAccepted:
    from datetime import UTC, datetime

    from schemas.vocabulary import ByRep

    return desk.LeadAccepted(
        lead_id=story.lead,
        assignment_id=story.life.offer,
        by=ByRep(rep_id="anna"),
        occurred_at=datetime.now(UTC),  # type: ignore[arg-type]
    )


async def test_an_unknown_lead_is_404(house: House) -> None:
    answer = await house.client.get(f"/v1/leads/{uuid.uuid4()}")
    assert answer.status_code == 404
    assert "GET /v1/leads lists" in answer.json()["detail"]


async def test_leads_are_listed_by_status_in_pages(house: House) -> None:
    stories = [house.story() for _ in range(5)]
    for story in stories:
        await story.submitted()
    await stories[0].judged(scoring.LeadNurtured)
    first = await house.get("/v1/leads", status="new", limit=3)
    assert (first["total"], len(first["leads"])) == (4, 3)
    second = await house.get("/v1/leads", status="new", limit=3, after=first["next"])
    assert second["next"] is None
    assert {lead["lead_id"] for lead in first["leads"] + second["leads"]} == {s.lead for s in stories[1:]}
    refused = await house.client.get("/v1/leads", params={"status": "asleep"})
    assert refused.status_code == 422
    assert "must be one of 'new', 'nurtured'" in refused.json()["detail"]


# ------------------------------------------------------------------ the stream


async def test_the_stream_tells_a_rejection_with_its_reason_as_it_happens(house: House) -> None:
    story = house.story()
    await story.reaches("anna")
    await house.get("/v1/audit")
    async with house.client.stream("GET", "/v1/status/stream") as stream:
        waiting = asyncio.ensure_future(Told(stream).next(1))
        await story.rejects("not_mine")
        ((_, change),) = await waiting
    assert change["lead_id"] == story.lead
    assert (change["previous_status"], change["lead_status"], change["reason"]) == ("assigned", "waiting", "not_mine")
    assert change["because"] == "anna rejected it: not_mine"


async def test_the_stream_is_resumed_without_gap_or_repetition(house: House) -> None:
    stories = [house.story() for _ in range(6)]
    for story in stories:
        await story.reaches()
    async with house.client.stream("GET", "/v1/status/stream", params={"from": "beginning"}) as stream:
        seen = await Told(stream).next(7)
    for story in stories:
        await story.accepts()
    async with house.client.stream("GET", "/v1/status/stream", headers={"Last-Event-ID": seen[-1][0]}) as stream:
        told = Told(stream)
        rest = await told.next(6 * 4 - 7)
        live = asyncio.ensure_future(told.next(1))
        await stories[0].wins("10.00")
        rest += await live
    places = [(c["lead_id"], c["position"]) for _, c in seen + rest]
    assert len(set(places)) == len(places) == 6 * 4 + 1
    for story in stories:
        assert [c["lead_status"] for _, c in seen + rest if c["lead_id"] == story.lead][:4] == [
            "new",
            "waiting",
            "assigned",
            "accepted",
        ]


async def test_the_stream_is_resumed_after_the_ledger_was_built_anew(settings: Settings) -> None:
    async for old in running(settings):
        stories = [old.story() for _ in range(4)]
        for story in stories:
            await story.reaches()
        async with old.client.stream("GET", "/v1/status/stream", params={"from": "beginning"}) as stream:
            seen = await Told(stream).next(5)
        place = old.runner.database.place
    async for new in running(settings, NextLedger):
        assert new.runner.database.place != place
        async with new.client.stream("GET", "/v1/status/stream", headers={"Last-Event-ID": seen[-1][0]}) as stream:
            rest = await Told(stream).next(4 * 3 - 5)
    places = [(c["lead_id"], c["position"]) for _, c in seen + rest]
    assert len(set(places)) == len(places) == 4 * 3


async def test_an_event_id_that_is_none_is_explained(house: House) -> None:
    answer = await house.client.get("/v1/status/stream", headers={"Last-Event-ID": "yesterday"})
    assert answer.status_code == 400
    assert "leave it out" in answer.json()["detail"]


# ------------------------------------------------------------------ the audit


async def test_the_audit_counts_leads_letters_and_what_is_owed(house: House) -> None:
    won, waiting, owed = house.story(), house.story(), house.story()
    await won.reaches()
    await won.accepts()
    await won.wins("5.00")
    await won.acts(desk.LeadAccepted)  # void: it has ended
    await waiting.submitted()
    await waiting.judged(scoring.LeadNurtured)
    await owed.submitted()
    audit = await house.get("/v1/audit")
    numbers = {k: audit[k] for k in ("received", "by_status", "dead_lettered", "unaccounted", "double_assigned")}
    assert numbers == {
        "received": 3,
        "by_status": {"new": 1, "nurtured": 1, "won": 1},
        "dead_lettered": 0,
        "unaccounted": 0,
        "double_assigned": 0,
    }
    assert audit["compared_records"] > 0
    assert audit["sentence"] == "3 in, 3 accounted for, none with two owners"
    from services.feedback.audit import audit as audit_at

    later = await audit_at(house.runner, house.settings, now_ms=2**45)
    assert [u.lead_id for u in later.unaccounted] == [owed.lead]
    assert later.unaccounted[0].because.startswith("owed a verdict from scoring for ")


async def test_the_audit_finds_a_row_that_is_not_what_the_log_says(house: House) -> None:
    story, other = house.story(), house.story()
    await story.reaches()
    await other.reaches()
    assert (await house.get("/v1/audit"))["clean"]
    change = sa.update(tables.LEADS).where(tables.LEADS.c.lead_id == story.lead).values(status="won")
    lose = sa.delete(tables.LEADS).where(tables.LEADS.c.lead_id == other.lead)
    await house.runner.database.write(lambda c: (c.execute(change), c.execute(lose)))
    shallow = await house.get("/v1/audit", deep=False)
    assert [u["lead_id"] for u in shallow["unaccounted_leads"]] == [story.lead]
    auditor = Auditor(replace(house.settings, audit_every=timedelta(milliseconds=1)), house.runner)
    async with auditing(auditor), asyncio.timeout(20):
        await auditor.looked.wait()
    assert auditor.last is not None
    assert {u.lead_id for u in auditor.last.unaccounted} == {story.lead, other.lead}
    assert REGISTRY.get_sample_value("leadloop_audit_found", {"what": "unaccounted"}) == 2
    audit = await house.get("/v1/audit", deep=True)
    assert audit["unaccounted"] == 2
    assert {u["lead_id"]: u["because"] for u in audit["unaccounted_leads"]} == {
        story.lead: "the ledger says won, the log says assigned",
        other.lead: "it is in the log and not in the ledger",
    }


async def test_two_assignments_at_one_position_are_found(house: House) -> None:
    story = house.story()
    await story.reaches()
    await house.get("/v1/audit")
    second = {
        "lead_id": story.lead,
        "from_position": 10**6,
        "assignment_id": "another",
        "rep_id": "ben",
        "team_id": "sales",
        "from_ms": 0,
        "until_position": None,
        "answered_ms": None,
        "accepted": False,
    }
    await house.runner.database.write(lambda c: c.execute(sa.insert(tables.ASSIGNMENTS), second))
    audit = await house.get("/v1/audit")
    assert (audit["double_assigned"], audit["double_assigned_leads"], audit["clean"]) == (1, [story.lead], False)


# ------------------------------------------------------------------ what nobody can read


async def test_garbage_in_any_topic_is_one_dead_letter_each_and_the_rest_goes_on(house: House) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=house.settings.bootstrap_servers)
    await producer.start()
    headers = [
        ("ce_type", b"leadloop.LeadDreamt.v1"),
        ("ce_id", b"x"),
        ("ce_source", b"y"),
        ("ce_time", b"2026-01-01T00:00:00Z"),
    ]
    for topic in (LEADS, TEAMS, PROFILES, ALERTS, DEAD_LETTERS):
        await producer.send_and_wait(house.settings.topic(topic), b"\xff\x00garbage", key=b"\xfe")
    await producer.send_and_wait(house.settings.topic(LEADS), b"{}", key=b"somebody", headers=headers)
    await producer.stop()
    story = house.story()
    await story.reaches()
    audit = await house.get("/v1/audit")
    await house.runner.read_to_end(topic=DEAD_LETTERS)
    audit = await house.get("/v1/audit")
    assert (audit["dead_lettered"], audit["received"], audit["unaccounted"]) == (6, 1, 0)
    rows = await house.runner.read(lambda c: c.execute(sa.select(tables.LETTERS)).all())
    assert {row.processor for row in rows} == {"feedback"}
    closed = rows[0].letter_id
    await house.writers.write(console.DeadLetterClosed(processor="feedback", dead_letter_id=closed, how="discarded"))  # type: ignore[arg-type]
    assert (await house.get("/v1/audit"))["dead_lettered"] == 5


async def test_a_dead_letter_holds_the_record_as_it_was(house: House) -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from schemas.events.runtime import DeadLettered
    from schemas.wire import decode

    producer = AIOKafkaProducer(bootstrap_servers=house.settings.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(
        house.settings.topic(LEADS), b"\xff\x00garbage", key=b"\xfe", headers=[("odd", b"\x01")]
    )
    await producer.stop()
    await house.get("/v1/audit")
    consumer = AIOKafkaConsumer(bootstrap_servers=house.settings.bootstrap_servers)
    await consumer.start()
    consumer.assign([TopicPartition(house.settings.topic(DEAD_LETTERS), 0)])
    await consumer.seek_to_beginning()
    async with asyncio.timeout(10):
        record = await consumer.getone()
    await consumer.stop()
    event = decode(dict(record.headers)["ce_type"].decode(), record.value)
    assert isinstance(event, DeadLettered)
    assert b"garbage" not in record.value
    letter = open_sealed(event.sealed, house.settings.dead_letter_key)
    assert (letter.key, letter.value, letter.headers) == (b"\xfe", b"\xff\x00garbage", [("odd", b"\x01")])
    assert "the type is missing" in letter.error


# ------------------------------------------------------------------ reports


async def test_reports_count_what_is_in_effect_and_not_what_was_undone(house: House) -> None:
    won, back, undone = house.story(), house.story(), house.story()
    cost = {"campaign": "spring", "cost": {"amount": "2.50", "currency": "EUR"}}
    await won.reaches(source=cost)
    await won.clock(sla.ClockStarted)
    await won.accepts()
    await won.clock(sla.ClockMet)
    await won.wins("900.00")
    await back.reaches(source=cost)
    await back.returns("no_budget")
    await back.recycled()
    await undone.reaches()
    await undone.clock(sla.ClockStarted)
    await undone.clock(sla.ClockBreached, since=0, on_breach={"kind": "alert"})
    await undone.clock(sla.ClockCorrected, corrected_by="told-late", happened_at=datetime.now(UTC))
    await undone.rejects("not_mine", "a-mistake")
    await undone.acts(desk.ActionUndone, action_id="a-mistake", assignment_id=undone.life.last_offer)
    await undone.accepts()
    await undone.acts(desk.LeadWon, "too-early", amount={"amount": "7.00", "currency": "EUR"})
    await undone.acts(desk.ActionUndone, action_id="too-early", assignment_id=undone.life.last_offer)

    campaign = {
        "name": "Spring fair",
        "from": "2026-03-01",
        "to": "2026-03-31",
        "channel": "fair",
        "spend": [{"month": "2026-03", "amount": {"amount": "100.00", "currency": "EUR"}}],
    }
    put = await house.client.put("/v1/campaigns/spring", json=campaign)
    assert put.status_code == 200, put.text
    assert put.json()["spend"] == [{"month": "2026-03", "amount": {"amount": "100.00", "currency": "EUR"}}]

    rejections = await house.get("/v1/reports/rejections")
    assert rejections["reasons"] == [
        {
            "reason": "no_budget",
            "kind": "rejected",
            "about": None,  # no agreement is known here
            "count": 1,
            "overturned": 0,
            "campaigns": {"spring": 1},
        }
    ]
    funnel = await house.get("/v1/reports/funnel")
    assert [(s["stage"], s["leads"]) for s in funnel["stages"]] == [
        ("lead", 3),
        ("mql", 3),
        ("sal", 2),
        ("sql", 1),
        ("customer", 1),
    ]
    by_campaign = {c["campaign"]: c for c in (await house.get("/v1/reports/campaigns"))["campaigns"]}
    spring = by_campaign["spring"]
    assert (spring["leads"], spring["customers"], spring["turned_down"], spring["name"]) == (2, 1, 1, "Spring fair")
    assert spring["won"] == [{"amount": "900.00", "currency": "EUR"}]
    assert spring["spend"] == [{"amount": "105.00", "currency": "EUR"}]
    assert spring["cost_per_lead"] == [{"amount": "52.50", "currency": "EUR"}]
    score = await house.get("/v1/reports/scorecard")
    assert score["marketing"] == {"received": 3, "qualified": 3, "qualified_share": 1.0}
    assert (score["sales"]["assignments"], score["sales"]["accepted_assignments"]) == (3, 2)
    assert score["sales"]["clocks"] == {"met": 2, "breached": 0, "running": 0, "met_share": 1.0}
    assert (score["revenue"], score["owes"]) == (None, {"marketing": [], "sales": []})  # no agreement is published here
    assert [(w["marketing"]["received"], w["sales"]["clocks"]["kept"]) for w in score["weeks"]] == [(3, 2)]
    assert "Week by week" in (await house.client.get("/scorecard")).text
    assert (await house.client.get("/scorecard", headers={"Authorization": "none"})).status_code == 401
    sheet = await house.get("/v1/campaigns/spring/review")
    assert [s["leads"] for s in sheet["stages"]] == [2, 2, 1, 1, 1]
    assert (sheet["cost"], sheet["revenue"]) == (spring["spend"], spring["won"])
    assert [(r["title"], r["count"], r["by_sales"]) for r in sheet["turned_down"]] == [("no budget", 1, True)]
    assert "Spring fair" in (await house.client.get("/campaigns/spring")).text
    assert (await house.client.get("/v1/campaigns/spring/review.pdf")).content.startswith(b"%PDF-")
    assert (await house.client.get("/v1/campaigns/winter/review")).status_code == 404
    only = await house.get("/v1/reports/funnel", campaign="(none)")
    assert only["stages"][0]["leads"] == 1


async def test_wins_are_credited_to_the_touches_that_are_known_now(house: House) -> None:
    """A merge moves the credit of the first touch to who was met first."""
    earlier, won, undone = house.story(), house.story(), house.story()
    await earlier.submitted(source={"campaign": "fair", "channel": "event"})
    await won.reaches(source={"campaign": "spring", "channel": "web"})
    await won.says(
        intake.EngagementObserved.model_validate(
            {
                "lead_id": won.lead,
                "kind": "guide_downloaded",
                "occurred_at": datetime.now(UTC),
                "source": {"campaign": "autumn", "channel": "mail"},
                "asset": "buyers-guide",
            }
        )
    )
    await won.accepts()
    await won.wins("900.01")
    await undone.reaches(source={"campaign": "spring"})
    await undone.accepts()
    await undone.acts(desk.LeadWon, "too-early", amount={"amount": "7.00", "currency": "EUR"})
    await undone.acts(desk.ActionUndone, action_id="too-early", assignment_id=undone.life.last_offer)

    linear = await house.get("/v1/reports/attribution")
    assert linear["revenue"] == [{"amount": "900.01", "currency": "EUR"}]
    credited = {c["name"]: c["revenue"] for c in linear["by"]["campaign"] if c["revenue"]}
    assert credited == {
        "spring": [{"amount": "450.00", "currency": "EUR"}],
        "autumn": [{"amount": "450.01", "currency": "EUR"}],
    }
    assert {c["name"]: c["wins"] for c in linear["by"]["collateral"]} == {"(none)": 0.5, "buyers-guide": 0.5}
    first = await house.get("/v1/reports/attribution", model="first", by="campaign")
    assert first["by"]["campaign"][0]["name"] == "spring"

    await earlier.says(intake.LeadsMerged(lead_id=earlier.lead, survivor=won.lead))
    first = await house.get("/v1/reports/attribution", model="first-touch", by="campaign")
    assert first["by"]["campaign"][0] == {
        "name": "fair",
        "revenue": [{"amount": "900.01", "currency": "EUR"}],
        "share": {"EUR": 1.0},
        "wins": 1.0,
        "leads_touched": 1,
        "leads_won": 1,
    }
    refused = await house.client.get("/v1/reports/attribution", params={"model": "gut-feeling"})
    assert refused.status_code == 422
    assert "there are first, last, linear" in refused.json()["detail"]


async def test_what_is_owed_what_is_late_and_who_kept_his_promise(house: House) -> None:
    now = datetime.now(UTC)
    minutes = lambda n: now + timedelta(minutes=n)  # noqa: E731
    kept, broken, early, paused, waits = (house.story() for _ in range(5))
    await kept.reaches(source={"campaign": "spring", "channel": "web"})
    await kept.clock(sla.ClockStarted, started_at=minutes(-60), deadline_at=minutes(-30))
    await kept.acts(desk.ContactAttempted, channel="phone", disposition="no_answer")
    await kept.acts(desk.LeadConnected, channel="email")
    await kept.clock(sla.ClockMet, met_at=minutes(-50), deadline_at=minutes(-30))
    await kept.accepts()
    await broken.reaches("ben")
    await broken.clock(sla.ClockStarted, rep_id="ben", started_at=minutes(-60), deadline_at=minutes(-30))
    late = {"since": 0, "on_breach": {"kind": "alert"}, "detected_late": True}
    await broken.clock(sla.ClockBreached, rep_id="ben", deadline_at=minutes(-30), **late)
    await early.reaches()
    await early.clock(sla.ClockStarted, started_at=minutes(-60), deadline_at=minutes(-30))
    await early.clock(sla.ClockBreached, deadline_at=minutes(-30), since=0, on_breach={"kind": "alert"})
    await early.acts(desk.ContactAttempted, "a-mistake", channel="phone", disposition="voicemail")
    await early.clock(sla.ClockCorrected, corrected_by="a-mistake", happened_at=minutes(-40))
    await early.acts(desk.ActionUndone, action_id="a-mistake")
    await paused.reaches()
    await paused.clock(sla.ClockStarted, started_at=minutes(-10), deadline_at=minutes(20))
    await paused.clock(sla.ClockPaused, paused_at=minutes(-5))
    await paused.clock(sla.ClockResumed, resumed_at=minutes(-1), deadline_at=minutes(45))
    await waits.submitted()
    await waits.scored()
    await waits.judged()
    await waits.routed()
    queued = {
        "lead_id": waits.lead, "request_id": waits.life.offer, "team_id": "sales", "pool_id": "inbound",
        "reason": "nobody_available", "because": "anna is away until Monday", "agreement": "tests", "agreement_version": 1,
    }  # fmt: skip
    await waits.says(routing.LeadQueued.model_validate(queued))

    due = await house.get("/v1/due", within=60)
    assert [(d["lead_id"], d["state"]) for d in due["due"]] == [(str(paused.lead), "running")]
    assert 44 <= due["due"][0]["minutes_left"] <= 45
    assert (await house.get("/v1/due", within=30))["total"] == 0

    unworked = await house.get("/v1/unworked")
    assert unworked["by_status"] == {"assigned": 2, "waiting": 1}
    why = {lead["lead_id"]: lead["why"] for lead in unworked["leads"]}
    assert why[str(waits.lead)] == "waits in the queue: anna is away until Monday"
    assert "ben has it" in why[str(broken.lead)]
    assert "first-response was due 30 min ago" in why[str(broken.lead)]
    assert why.keys() == {str(waits.lead), str(broken.lead), str(paused.lead)}
    assert (await house.get("/v1/unworked", team="another"))["total"] == 0

    report = await house.get("/v1/reports/sla", zone="Europe/Berlin")
    counts = {"met": 1, "breached": 1, "corrected": 1, "running": 1, "paused": 0, "cancelled": 0, "detected_late": 1}
    assert {name: report["clocks"][name] for name in counts} == counts
    assert report["clocks"]["met_share"] == 0.6667
    by_rep = {group["rep"]: group for group in report["by"]["rep"]}
    assert by_rep["ben"]["clocks"]["met_share"] == 0
    assert (by_rep["anna"]["first_response"]["assignments"], by_rep["anna"]["first_response"]["answered"]) == (3, 2)
    began = minutes(-60).astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{began:%a %H}" in {group["hour"] for group in report["by"]["hour"]}
    assert (await house.get("/v1/reports/sla", campaign="spring"))["clocks"]["breached"] == 0

    efforts = await house.get("/v1/reports/efforts")
    assert sum(week["marketing"]["qualified"]["value"] for week in efforts["weeks"]) == 5
    assert sum(week["sales"]["clocks"]["kept"] for week in efforts["weeks"]) == 2
    assert efforts["weeks"][-1]["sales"]["by_channels"] == {"2": 1}

    assert (await house.get("/v1/forecast"))["because"].startswith("too few clocks have ended")
    for n in range(30):
        own = {"clock_id": f"earlier-{n}", "started_at": minutes(-600), "deadline_at": minutes(-500)}
        await kept.clock(sla.ClockStarted, **own)
        if n % 2:
            await kept.clock(sla.ClockMet, **own, met_at=minutes(-590 + n))
        else:
            await kept.clock(sla.ClockBreached, **own, since=0, on_breach={"kind": "alert"})
    foreseen = await house.get("/v1/forecast", within=60)
    assert foreseen["learned_from"] == 33
    assert [c["lead_id"] for c in foreseen["clocks"]] == [str(paused.lead)]
    assert 0.3 < foreseen["clocks"][0]["probability"] < 1
    assert foreseen["by_rep"][0]["rep"] == "anna"

    told = await house.get(f"/v1/leads/{broken.lead}/clocks")
    assert told[0]["says"].endswith("which was detected late")
    assert (await house.client.get("/v1/leads/nobody/clocks")).status_code == 404
    assert (await house.client.get("/v1/reports/sla", params={"zone": "Middle/Earth"})).status_code == 422


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"spend": [{"month": "2026-13", "amount": {"amount": "1", "currency": "EUR"}}]}, "spend[0].month"),
        ({"spend": [{"month": "2026-03", "amount": {"amount": "lots", "currency": "EUR"}}]}, "spend[0].amount.amount"),
        ({"to": "2026-02-01"}, "ends after it begins"),
        ({"budget": 5}, "`budget` is not known here"),
    ],
)
async def test_a_wrong_campaign_is_explained(house: House, change: dict[str, Any], says: str) -> None:
    answer = await house.client.put("/v1/campaigns/spring", json={"name": "Spring", "from": "2026-03-01", **change})
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


async def test_alerts_are_known_with_their_delivery(house: House) -> None:
    story = house.story()
    await story.reaches()
    said = {"recipient": "managers", "alert_id": "a1"}
    now = "2026-03-01T09:00:00Z"
    await house.writers.write(
        alerting.AlertRequested.model_validate(
            {
                **said,
                "kind": "clock_breached",
                "lead_id": story.lead,
                "team_id": "sales",
                "rep_id": "anna",
                "assignment_id": None,
                "clock": None,
                "deadline_at": None,
                "happened_at": now,
                "because": "the clock was breached",
            }
        )
    )
    await house.writers.write(alerting.AlertSent.model_validate({**said, "attempts": 2, "sent_at": now}))
    await house.get("/v1/audit")
    rows = await house.runner.read(lambda c: c.execute(sa.select(tables.ALERTS)).all())
    assert [(r.kind, r.lead_id, r.state, r.attempts) for r in rows] == [("clock_breached", story.lead, "sent", 2)]


async def test_processes_are_those_that_live(house: House) -> None:
    import os

    folder = house.settings.data_dir / "run"
    processes.record(folder, "scoring", os.getpid())
    processes.record(folder, "scoring-2", os.getpid())
    folder.joinpath("desk.process.json").write_text(json.dumps({"pid": os.getpid(), "started": "another boot"}))
    folder.joinpath("sla.process.json").write_text("{broken")
    assert await house.get("/v1/processes") == {"scoring": [os.getpid(), os.getpid()]}


async def test_the_ledger_says_each_status_once_in_statuses_with_the_trace_of_its_cause(house: House) -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from schemas.topics import STATUSES
    from services.runtime.topics import partition_of

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    intake = Appender(house.settings, "intake", Health())
    await intake.start()
    from tests.builders import submitted

    lead = LeadId(str(uuid.uuid4()))
    await intake.append(submitted(lead=lead), traceparent=trace)
    await intake.stop()
    await house.get("/v1/audit")
    consumer = AIOKafkaConsumer(bootstrap_servers=house.settings.bootstrap_servers)
    await consumer.start()
    consumer.assign([TopicPartition(house.settings.topic(STATUSES), partition_of(lead, house.settings.partitions))])
    await consumer.seek_to_beginning()
    async with asyncio.timeout(10):
        record = await consumer.getone()
    await consumer.stop()
    headers = dict(record.headers)
    assert record.key == lead.encode()
    assert headers["traceparent"].startswith(trace[:36].encode())
    assert json.loads(record.value)["lead_status"] == "new"
