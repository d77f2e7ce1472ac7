"""The front doors of one running installation, walked as another program would: names, status codes, answers.

What each door does in every case is tested where it is built; here it is held that an installation has them all, under
the names and with the answers that other people's tools depend on.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.console.first_agreement import DEFAULT
from services.console.house import SERVICES
from tests.e2e.installations import SOON_SECONDS, Up, installation, leadloop, start

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

DOORS = ("intake", "desk", "feedback")
PROBLEM = {"type", "title", "status", "detail"}
"""What RFC 9457 names; every problem document has them, and may have more."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """The installation that all these tests walk through."""
    data = tmp_path_factory.mktemp("front-doors") / "data"
    async with installation(data) as started:
        started.append(await start(data, "--ports", "auto"))
        yield started[0]


def an_address() -> str:
    return f"{uuid.uuid4().hex}@company.example"


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document that the answer must be."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() >= PROBLEM
    assert document["status"] == status
    assert document["detail"].endswith(".")
    return document


@asynccontextmanager
async def listening(up: Up, url: str, last_id: str | None = None) -> AsyncIterator[AsyncIterator[tuple[str, str, Any]]]:
    """The stream of server-sent events at `url` from `last_id` on: (id, event, data)."""
    headers = {"Last-Event-ID": last_id} if last_id is not None else {}
    async with up.client.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    last, fields = "", dict[str, str]()
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            last = fields.get("id", last)
            continue
        if "data" in fields or "id" in fields:
            data = fields.get("data")
            yield last, fields.get("event", "message"), None if data is None else json.loads(data)
        fields = {}


async def where(stream: AsyncIterator[tuple[str, str, Any]]) -> str:
    """The id that a stream begins with: who has heard nothing yet can go on from there, too."""
    async with asyncio.timeout(SOON_SECONDS):
        last, _, said = await anext(stream)
    assert said is None
    return last


async def heard(stream: AsyncIterator[tuple[str, str, Any]], event: str, lead: str) -> tuple[str, Any]:
    """The next event of this kind that is about the lead: its id and what it says."""
    async with asyncio.timeout(SOON_SECONDS):
        async for last, kind, said in stream:
            if said is not None and (kind, said["lead_id"]) == (event, lead):
                return last, said
    raise AssertionError("the stream has ended")


# ------------------------------------------------------------------ the installation


async def test_the_line_of_up_names_every_door(up: Up) -> None:
    assert up.ready["ready"] is True
    host, _, port = up.ready["kafka"].partition(":")
    assert host
    assert int(port) > 0
    assert all(up.ready[door].startswith("http://") and not up.ready[door].endswith("/") for door in DOORS)
    assert isinstance(up.ready["token"], str)
    assert all(isinstance(pid, int) for service in SERVICES for pid in up.ready["pids"][service])


async def test_every_http_service_says_whether_it_lives_and_is_ready_to_whoever_asks(up: Up) -> None:
    async with httpx.AsyncClient() as stranger:
        for door in DOORS:
            alive = await stranger.get(f"{up.ready[door]}/healthz")
            ready = await stranger.get(f"{up.ready[door]}/readyz")
            metrics = await stranger.get(f"{up.ready[door]}/metrics")
            assert (alive.status_code, alive.json()) == (200, {"alive": True})
            assert (ready.status_code, ready.json()["ready"]) == (200, True)
            assert metrics.status_code == 200
            assert metrics.headers["content-type"].startswith("text/plain")
            assert "# TYPE leadloop_" in metrics.text


async def test_the_processes_are_those_that_up_named(up: Up) -> None:
    processes = (await up.client.get(f"{up.ready['feedback']}/v1/processes")).json()
    assert {service: processes[service] for service in SERVICES} == {
        service: up.ready["pids"][service] for service in SERVICES
    }


NOBODY = uuid.UUID("00000000-0000-4000-8000-000000000000")
"""A lead that there is not."""

GUARDED = [
    ("intake", "POST", "/v1/leads"),
    ("intake", "POST", "/v1/engagements"),
    ("intake", "POST", "/v1/imports"),
    ("intake", "GET", "/v1/imports"),
    ("desk", "GET", "/v1/inbox?rep=anna"),
    ("desk", "POST", f"/v1/leads/{NOBODY}/actions"),
    ("desk", "POST", "/v1/outcomes"),
    ("desk", "PUT", "/v1/reps/anna/availability"),
    ("desk", "GET", "/v1/roster"),
    ("desk", "PUT", "/v1/roster"),
    ("desk", "GET", "/v1/events?rep=anna"),
    ("feedback", "GET", f"/v1/leads/{NOBODY}"),
    ("feedback", "GET", f"/v1/leads/{NOBODY}/timeline"),
    ("feedback", "GET", "/v1/status/stream"),
    ("feedback", "GET", "/v1/processes"),
    ("feedback", "GET", "/v1/audit"),
    ("feedback", "PUT", "/v1/campaigns/spring"),
    *(("feedback", "GET", f"/v1/reports/{name}") for name in ("campaigns", "funnel", "rejections", "scorecard")),
]


@pytest.mark.parametrize(("door", "method", "path"), GUARDED)
async def test_a_door_opens_to_the_token_alone(up: Up, door: str, method: str, path: str) -> None:
    async with httpx.AsyncClient() as stranger:
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            answer = await stranger.request(method, f"{up.ready[door]}{path}", headers=headers)
            assert "Authorization: Bearer" in problem_of(answer, 401)["detail"]
            assert answer.headers["www-authenticate"].startswith("Bearer")


# ------------------------------------------------------------------ intake


async def test_a_submission_with_everything_that_can_be_said_arrives_with_all_of_it(up: Up) -> None:
    address = an_address()
    body = {
        "email": address, "phone": "+49 30 901820", "name": "Ada Adler", "company": "Adler & Co", "country": "DE",
        "attributes": {"topic": "demo", "employees": 120},
        "source": {
            "channel": "web", "campaign": "spring", "medium": "cpc", "term": "crm", "content": "banner",
            "utm_source": "search", "cost": {"amount": "12.00", "currency": "EUR"},
        },
        "consent": {"marketing": True}, "external_ids": {"crm": uuid.uuid4().hex},
        "submitted_at": "2026-01-05T09:00:00Z",
    }  # fmt: skip
    key = {"Idempotency-Key": uuid.uuid4().hex}
    door = f"{up.ready['intake']}/v1/leads"
    first = await up.client.post(door, json=body, headers=key)
    assert first.status_code == 202, first.text
    assert first.json().keys() == {"lead_id", "submission_id", "duplicate"}
    assert first.json()["duplicate"] is False
    for again in (key, {}):
        answer = await up.client.post(door, json=body, headers=again)
        assert (answer.status_code, answer.json()) == (202, first.json() | {"duplicate": True})
    other = await up.client.post(door, json=body | {"name": "Ada B. Adler"}, headers=key)
    assert "new key" in problem_of(other, 422)["detail"]

    lead = first.json()["lead_id"]
    told = await up.until(f"/v1/leads/{lead}/timeline", lambda told: bool(told["events"]))
    event = next(e["event"] for e in told["events"] if e["type"].startswith("LeadSubmitted"))
    assert {name: event["source"][name] for name in body["source"]} == body["source"]
    assert (event["consent"], event["country"], event["submitted_at"]) == (
        body["consent"],
        "DE",
        body["submitted_at"],
    )
    row = await up.owner_of(lead)
    assert {name: row["contact"][name] for name in ("email", "phone", "name", "company", "external_ids")} == {
        "email": address, "phone": "+4930901820", "name": "Ada Adler", "company": "Adler & Co",
        "external_ids": body["external_ids"],
    }  # fmt: skip


async def test_what_is_wrong_in_a_request_is_told_in_a_problem_document(up: Up) -> None:
    intake, desk, feedback = (up.ready[door] for door in DOORS)
    misspelt = await up.client.post(f"{intake}/v1/leads", json={"email": an_address(), "nmae": "Ada"})
    assert [e["field"] for e in problem_of(misspelt, 422)["errors"]] == ["nmae"]
    nobody = await up.client.post(f"{intake}/v1/leads", json={"name": "Ada"})
    assert "email or a phone" in problem_of(nobody, 422)["detail"]
    broken = await up.client.post(f"{intake}/v1/leads", content=b"{", headers={"Content-Type": "application/json"})
    problem_of(broken, 400)
    problem_of(await up.client.get(f"{feedback}/v1/nothing"), 404)
    problem_of(await up.client.delete(f"{desk}/v1/roster"), 405)
    problem_of(await up.client.get(f"{feedback}/v1/leads/{uuid.uuid4()}"), 404)
    problem_of(await up.client.get(f"{feedback}/v1/leads/no-lead/timeline"), 404)
    problem_of(await up.client.get(f"{desk}/v1/inbox", params={"rep": "zoe"}), 404)
    problem_of(await up.client.get(f"{desk}/v1/inbox"), 422)
    problem_of(await up.client.put(f"{desk}/v1/roster", json={"reps": [{"id": "anna"}]}), 422)


async def test_a_browsers_form_is_answered_by_303_and_a_programs_by_json(up: Up) -> None:
    async with httpx.AsyncClient() as browser:  # forms need no token
        posted = await browser.post(f"{up.ready['intake']}/v1/forms/demo", data={"email": an_address()})
        assert posted.status_code == 303
        thanks = await browser.get(httpx.URL(f"{up.ready['intake']}/").join(posted.headers["location"]))
        assert (thanks.status_code, thanks.headers["content-type"].partition(";")[0]) == (200, "text/html")
        asked = await browser.post(
            f"{up.ready['intake']}/v1/forms/demo",
            files={"email": (None, an_address())},
            headers={"Accept": "application/json"},
        )
        assert asked.status_code == 202
        assert asked.json().keys() == {"lead_id", "submission_id", "duplicate"}


async def test_a_webhook_of_a_connection_that_nobody_set_up_is_told_so(up: Up) -> None:
    for method in ("GET", "POST"):
        problem_of(await up.client.request(method, f"{up.ready['intake']}/v1/hooks/no-such-connection"), 404)


async def test_engagements_come_as_a_list_and_count(up: Up) -> None:
    address = an_address()
    lead = (await up.submit(email=address, attributes={"topic": "whitepaper"}))["lead_id"]
    answer = await up.client.post(
        f"{up.ready['intake']}/v1/engagements",
        json=[
            {"email": address, "kind": "pricing_viewed", "occurred_at": datetime.now(UTC).isoformat()},
            {"lead_id": lead, "kind": "demo_requested"},
        ],
    )
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert [e["lead_id"] for e in answer.json()["engagements"]] == [lead, lead]
    await up.until(f"/v1/leads/{lead}", lambda lead: lead["lead_status"] == "assigned")
    alone = await up.client.post(f"{up.ready['intake']}/v1/engagements", json={"lead_id": lead, "kind": "mail_clicked"})
    problem_of(alone, 422)


# ------------------------------------------------------------------ the desk


async def test_a_rep_finds_his_lead_and_what_he_does_is_recorded_or_refused(up: Up) -> None:
    lead = (await up.submit(attributes={"topic": "demo", "employees": 120}))["lead_id"]
    row = await up.owner_of(lead)
    promised = {"lead_id", "assignment_id", "cycle", "grade", "score", "reasons", "clocks", "contact", "brief"}
    assert row.keys() >= promised
    assert row["cycle"] == 1
    assert row["score"] == sum(reason["points"] for reason in row["reasons"])

    problem_of(await up.act(row | {"assignment_id": "no-such-assignment"}, "accept"), 404)
    problem_of(await up.act(row | {"lead_id": str(uuid.uuid4())}, "accept"), 404)
    problem_of(await up.act(row, "dance"), 422)
    problem_of(await up.act(row, "reject", reason="boredom"), 422)
    rejected = await up.act(row, "reject", reason="not_mine")
    assert rejected.status_code == 202, rejected.text
    again = await up.act(row, "reject", reason="not_mine")
    assert (again.status_code, again.json()["action_id"]) == (202, rejected.json()["action_id"])
    assert "rejected" in problem_of(await up.act(row, "accept"), 409)["detail"]

    next_row = await up.owner_of(lead, other_than=row["rep"])
    steps: list[tuple[str, dict[str, Any]]] = [
        ("accept", {}),
        ("attempt", {"channel": "phone", "disposition": "no_answer", "at": datetime.now(UTC).isoformat()}),
        ("connect", {"channel": "phone"}),
        ("opportunity", {"amount": {"amount": "1200.00", "currency": "EUR"}}),
        ("lose", {"reason": "no_budget"}),
    ]
    for kind, more in steps:
        done = await up.act(next_row, kind, **more)
        assert done.status_code == 202, done.text
    await up.until(f"/v1/leads/{lead}/timeline", has("LeadLost"))


def has(kind: str) -> Callable[[Any], bool]:
    """Whether a timeline has an event of this type that counts. The status may have gone on: a lost lead is recycled."""
    return lambda timeline: any(e["type"].startswith(kind) and not e["void"] for e in timeline["events"])


async def test_what_a_crm_knows_is_taken_for_a_lead_that_it_names_in_any_way(up: Up) -> None:
    ours = uuid.uuid4().hex
    for name, status, more in (
        ("lead_id", "won", {"amount": {"amount": "12.00", "currency": "EUR"}}),
        ("email", "lost", {"reason": "no_budget"}),
        ("external_id", "won", {}),
    ):
        lead = await up.submit(external_ids={"crm": f"{ours}-{name}"})
        named = lead | {"external_id": f"{ours}-{name}"}
        body = {name: named[name], "type": status, "at": datetime.now(UTC).isoformat(), **more}
        answer = await up.client.post(f"{up.ready['desk']}/v1/outcomes", json=body)
        assert (answer.status_code, answer.json()["lead_id"]) == (202, lead["lead_id"]), answer.text
        await up.until(f"/v1/leads/{lead['lead_id']}/timeline", has("LeadWon" if status == "won" else "LeadLost"))
    unknown = {"email": an_address(), "type": "won", "at": datetime.now(UTC).isoformat()}
    problem_of(await up.client.post(f"{up.ready['desk']}/v1/outcomes", json=unknown), 404)
    nobodys = {"type": "won", "at": datetime.now(UTC).isoformat()}
    problem_of(await up.client.post(f"{up.ready['desk']}/v1/outcomes", json=nobodys), 422)


async def test_a_roster_that_was_read_can_be_put_back_and_availability_is_in_it(up: Up) -> None:
    desk = up.ready["desk"]
    until = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    away = await up.client.put(f"{desk}/v1/reps/eva/availability", json={"available": False, "until": until})
    assert (away.status_code, away.json()) == (200, {"rep": "eva", "available": False, "until": until})
    roster = await up.client.get(f"{desk}/v1/roster")
    assert roster.status_code == 200
    eva = next(rep for rep in roster.json()["reps"] if rep["id"] == "eva")
    assert (eva["available"], eva["until"]) == (False, until)
    put = await up.client.put(f"{desk}/v1/roster", json=roster.json())
    assert (put.status_code, put.json()) == (
        200,
        {"joined": [], "changed": [], "left": [], "reps": len(roster.json()["reps"])},
    )
    back = await up.client.put(f"{desk}/v1/reps/eva/availability", json={"available": True})
    assert (back.status_code, back.json()["until"]) == (200, None)


async def test_both_streams_go_on_where_their_last_event_id_says(up: Up) -> None:
    """Each lead comes while nobody listens, so only the id can tell the stream where to go on."""
    everybody = [rep["id"] for rep in (await up.client.get(f"{up.ready['desk']}/v1/roster")).json()["reps"]]
    marks: dict[str, str] = {}
    for rep in everybody:
        async with listening(up, f"{up.ready['desk']}/v1/events?rep={rep}") as stream:
            marks[rep] = await where(stream)
    status = f"{up.ready['feedback']}/v1/status/stream"
    async with listening(up, status) as stream:
        mark = await where(stream)

    lead = (await up.submit())["lead_id"]
    rep = (await up.owner_of(lead))["rep"]
    await up.until(f"/v1/leads/{lead}", lambda lead: lead["lead_status"] == "assigned")

    async with listening(up, f"{up.ready['desk']}/v1/events?rep={rep}", marks[rep]) as stream:
        assert (await heard(stream, "assigned", lead))[1]["assignment_id"]
    async with listening(up, status, mark) as stream:
        seen = [await heard(stream, "status", lead) for _ in range(2)]
    assert seen[0][1]["lead_status"] == "new"
    async with listening(up, status, seen[0][0]) as stream:
        assert await heard(stream, "status", lead) == seen[1]
    for url in (f"{up.ready['desk']}/v1/events?rep={rep}", status):
        problem_of(await up.client.get(url, headers={"Last-Event-ID": "nonsense!"}), 400)


# ------------------------------------------------------------------ feedback


async def test_a_lead_and_its_timeline_are_told_under_the_promised_names(up: Up) -> None:
    lead = (await up.submit())["lead_id"]
    told = await up.until(f"/v1/leads/{lead}", lambda lead: lead["lead_status"] == "assigned")
    assert told.keys() >= {"lead_status", "lifecycle_stage", "cycle", "grade", "score", "owner"}
    assert (told["lifecycle_stage"], told["cycle"]) == ("mql", 1)
    events = (await up.client.get(f"{up.ready['feedback']}/v1/leads/{lead}/timeline")).json()["events"]
    assert events[0]["type"].startswith("LeadSubmitted")
    assert all({"type", "at", "void", "sentence", "reason", "event"} <= e.keys() for e in events)


async def test_a_campaign_is_put_and_every_report_answers(up: Up) -> None:
    campaign = {
        "name": "Spring", "from": "2026-03-01", "to": "2026-05-31", "channel": "search", "target": {"mql": 10},
        "spend": [{"month": "2026-03", "amount": {"amount": "1200.00", "currency": "EUR"}}],
    }  # fmt: skip
    put = await up.client.put(f"{up.ready['feedback']}/v1/campaigns/spring-26", json=campaign)
    assert (put.status_code, put.json()) == (200, {"campaign": "spring-26", **campaign})
    for name in ("campaigns", "funnel", "rejections", "scorecard"):
        report = await up.client.get(f"{up.ready['feedback']}/v1/reports/{name}")
        assert report.status_code == 200, report.text
        assert report.json()


async def test_the_audit_counts_every_lead_once(up: Up) -> None:
    leads = {(await up.submit())["lead_id"] for _ in range(2)}
    audit = await up.until("/v1/audit", lambda audit: audit["received"] >= len(leads))
    assert audit.keys() >= {"received", "by_status", "dead_lettered", "unaccounted", "double_assigned"}
    assert audit["received"] == sum(audit["by_status"].values())
    listed = await up.until("/v1/leads?limit=500", lambda page: leads <= {lead["lead_id"] for lead in page["leads"]})
    audit = (await up.client.get(f"{up.ready['feedback']}/v1/audit")).json()
    assert audit["received"] == listed["total"]
    assert (audit["dead_lettered"], audit["unaccounted"], audit["double_assigned"]) == (0, 0, 0)


# ------------------------------------------------------------------ the console


async def told(up: Up, *words: str) -> Any:
    """The JSON of a command that must go well on the installation."""
    code, answer, complaint = await leadloop(*words, "--data", str(up.data), "--json")
    assert (code, complaint) == (0, "")
    return json.loads(answer)


async def test_the_console_tells_the_same_in_json(up: Up) -> None:
    lead = (await up.submit())["lead_id"]
    await up.until(f"/v1/leads/{lead}", lambda lead: lead["lead_status"] == "assigned")

    assert {"teams", "pools", "reps", "reasons"} <= (await told(up, "agreement", "show")).keys()
    explained = await told(up, "explain", lead)
    assert (explained["lead_id"], explained["now"]["lead_status"]) == (lead, "assigned")
    assert all(line["at"] and line["said"] for line in explained["journey"])
    audit = await told(up, "audit")
    assert audit["received"] == sum(audit["by_status"].values())
    assert await told(up, "dead-letters", "list") == []
    assert all(topic["well"] for topic in await told(up, "topics"))


async def test_the_console_checks_an_agreement_in_json(tmp_path: Path) -> None:
    assert json.loads((await leadloop("agreement", "check", str(DEFAULT), "--json"))[1])["ok"] is True
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(DEFAULT.read_text(encoding="utf-8").replace("within: 4h", "within: soon"), encoding="utf-8")
    code, answer, complaint = await leadloop("agreement", "check", str(wrong), "--json")
    assert (code, complaint) == (1, "")
    (finding,) = json.loads(answer)["findings"]
    assert wrong.read_text(encoding="utf-8").splitlines()[finding["line"] - 1].strip() == "within: soon"
    assert finding.keys() >= {"severity", "code", "path", "line", "message", "remedy"}


async def test_a_file_of_leads_is_imported_by_the_command_once_and_its_leads_reach_reps(up: Up, tmp_path: Path) -> None:
    file = tmp_path / "fair.csv"
    addresses = [an_address() for _ in range(12)]
    file.write_text("Work mail;Name;Topic\n" + "".join(f"{a};Jo;demo\n" for a in addresses) + "nobody;Jo;demo\n")
    words = ("import", str(file), "--set", "source.campaign=fair", "--data", str(up.data), "--json")
    code, answer, complaint = await leadloop(*words)
    said = json.loads(answer)
    assert (code, complaint) == (1, ""), "one row is refused"
    assert (said["state"], said["taken_in"], said["refused"]) == ("done", 12, 1)
    assert said["refusals"][0]["line"] == 14
    assert said["columns"] == {"Work mail": "email", "Name": "name", "Topic": "attributes.topic"}
    again = json.loads((await leadloop(*words))[1])
    assert (again["import_id"], again["taken_in"]) == (said["import_id"], 12)
    shown = json.loads((await leadloop("imports", "show", said["import_id"], "--rows", "taken_in", "--data", str(up.data), "--json"))[1])
    for row in shown["lines"]:
        await up.until(f"/v1/leads/{row['lead_id']}", lambda lead: lead["lead_status"] == "assigned")
    code, answer, complaint = await leadloop("import", str(tmp_path / "none.csv"), "--data", str(up.data))
    assert (code, "cannot be read" in complaint) == (1, True)
    code, answer, complaint = await leadloop("imports", "cancel", "nothing", "--data", str(up.data))
    assert (code, "no import 'nothing'" in complaint) == (1, True)
