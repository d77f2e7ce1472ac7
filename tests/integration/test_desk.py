"""The desk on real Kafka through real HTTP: the inbox, every action, races, the roster, notices and erasure."""

# ruff: noqa: ASYNC110 - another process's view of the log is looked at again until it has come

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.events import intake, routing
from schemas.events.desk import LeadAccepted
from schemas.topics import LEADS, PROFILES, TEAMS
from schemas.vocabulary import ByRep
from services.desk import inbox as queries
from services.desk.app import SERVICE
from services.desk.reading import DeskProjection
from services.runtime.lead_log import LeadMemory
from services.runtime.settings import Settings
from tests.integration.leads_at_the_desk import ROSTER, Lead, new_lead
from tests.integration.served import Pens, Served, pens, publish_agreement, served, settings_for
from tests.integration.test_intake import everything_in


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings)
    return settings


@pytest.fixture
async def write(settings: Settings) -> AsyncIterator[Pens]:
    async with pens(settings) as them:
        yield them


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as service:
        assert (await service.http.put("/v1/roster", json=ROSTER)).status_code == 200
        yield service


async def act(desk: Served, lead: Lead, kind: str, **said: Any) -> httpx.Response:
    said.setdefault("assignment_id", lead.assignment_id)
    headers = {"Idempotency-Key": said.pop("key")} if "key" in said else {}
    return await desk.http.post(f"/v1/leads/{lead.lead_id}/actions", json={"type": kind, **said}, headers=headers)


async def inbox(desk: Served, rep: str, leads: int) -> list[dict[str, Any]]:
    """The inbox once it holds so many leads."""
    async with asyncio.timeout(30):
        while True:
            rows: list[dict[str, Any]] = (await desk.http.get("/v1/inbox", params={"rep": rep})).json()
            if len(rows) == leads:
                return rows
            await asyncio.sleep(0.02)


async def read_by(desk: Served, lead: Lead) -> LeadMemory:
    """The lead as the desk has it after reading to the log's end."""
    runner = desk.running.projection(DeskProjection())
    await runner.read_to_end(lead.lead_id)
    return await runner.read(lambda connection: queries.memory_of(connection, lead.lead_id))


async def test_an_assigned_lead_is_in_its_reps_inbox_with_everything_a_rep_needs(desk: Served, write: Pens) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    await lead.clock("anna")
    await write.by(
        "intake",
        intake.EngagementObserved.model_validate(
            {"lead_id": lead.lead_id, "kind": "pricing_viewed", "occurred_at": datetime.now(UTC)}
        ),
    )
    await read_by(desk, lead)
    (row,) = await inbox(desk, "anna", 1)
    assert {
        "lead_id",
        "assignment_id",
        "cycle",
        "grade",
        "score",
        "reasons",
        "clocks",
        "contact",
        "brief",
    } <= row.keys()
    assert (row["lead_id"], row["assignment_id"], row["cycle"]) == (lead.lead_id, lead.assignment_id, 1)
    assert (row["grade"], row["score"]) == ("A1", 40)
    assert sum(r["points"] for r in row["reasons"]) == row["score"]
    assert (row["clocks"][0]["clock"], row["clocks"][0]["phase"]) == ("first-response", "running")
    assert row["contact"]["company"] == "Acme"
    brief = " / ".join(row["brief"])
    assert all(word in brief for word in ("form demo", "campaign spring", "employees 120", "pricing viewed"))
    assert await inbox(desk, "ben", 0) == []


async def test_every_action_is_recorded_as_its_event(desk: Served, write: Pens, settings: Settings) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    for kind, said in (
        ("accept", {}),
        ("attempt", {"channel": "phone", "disposition": "voicemail"}),
        ("connect", {"channel": "phone"}),
        ("meeting_booked", {}),
        ("meeting", {"outcome": "held"}),
        ("meeting_no_show", {}),
        ("note", {"note": "Knows our product, ask for Maria."}),
        ("next_step", {"due_at": later}),
        ("open_opportunity", {"amount": {"amount": "12000.00", "currency": "EUR"}}),
        ("win", {"amount": {"amount": "11000.00", "currency": "EUR"}, "at": "2026-01-02T10:00:00+01:00"}),
    ):
        answer = await act(desk, lead, kind, **said)
        assert answer.status_code == 202, answer.text
        assert answer.json()["duplicate"] is False
    log = [e for e in await everything_in(settings, LEADS) if e.get("by")]
    assert [e["type"] for e in log] == [
        "LeadAccepted",
        "ContactAttempted",
        "LeadConnected",
        "MeetingRecorded",
        "MeetingRecorded",
        "MeetingRecorded",
        "NoteAdded",
        "NextStepSet",
        "OpportunityOpened",
        "LeadWon",
    ]
    assert {json.dumps(e["by"]) for e in log} == {json.dumps({"kind": "rep", "rep_id": "anna"})}
    assert [e["outcome"] for e in log if e["type"] == "MeetingRecorded"] == ["booked", "held", "no_show"]
    assert log[-1]["occurred_at"] == "2026-01-02T09:00:00Z"
    assert "Maria" not in json.dumps(log)
    note = next(p for p in await everything_in(settings, PROFILES) if p["type"] == "ProfileNote")
    assert (note["text"], note["note_id"]) == ("Knows our product, ask for Maria.", log[6]["id"])


@pytest.mark.parametrize(
    ("kind", "reason", "recorded", "rejected"),
    [
        ("reject", "not_mine", "LeadRejected", None),
        ("reject", "no_budget", "LeadReturned", True),
        ("reject", "bad_data", "LeadReturned", True),
        ("recycle", "no_budget", "LeadReturned", False),
    ],
)
async def test_what_follows_from_the_reason_decides_how_a_rejection_is_recorded(
    desk: Served, write: Pens, settings: Settings, kind: str, reason: str, recorded: str, rejected: bool | None
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    assert (await act(desk, lead, kind, reason=reason)).status_code == 202
    event = (await everything_in(settings, LEADS))[-1]
    assert (event["type"], event["reason"], event.get("rejected")) == (recorded, reason, rejected)
    assert await inbox(desk, "anna", 0) == []


async def test_a_reason_that_the_agreement_does_not_have_is_refused_with_those_it_has(
    desk: Served, write: Pens
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    for said in ({"reason": "boredom"}, {}):
        refused = await act(desk, lead, "reject", **said)
        assert refused.status_code == 422
        assert refused.json()["allowed"] == ["no_budget", "not_mine", "bad_data"]


async def test_the_same_closing_action_again_is_answered_by_the_first(
    desk: Served, write: Pens, settings: Settings
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    answers = await asyncio.gather(*[act(desk, lead, "reject", reason="not_mine") for _ in range(5)])
    assert [a.status_code for a in answers] == [202] * 5
    assert len({a.json()["action_id"] for a in answers}) == 1
    assert sum(e["type"] == "LeadRejected" for e in await everything_in(settings, LEADS)) == 1


async def test_an_action_on_an_ended_assignment_is_refused_and_says_who_has_the_lead(desk: Served, write: Pens) -> None:
    lead = new_lead(write)
    old = await lead.assigned("anna")
    assert (await act(desk, lead, "reject", reason="not_mine")).status_code == 202
    await lead.assigned("ben", epoch=(await read_by(desk, lead)).life.epoch)
    refused = await act(desk, lead, "accept", assignment_id=old)
    assert refused.status_code == 409, refused.text
    assert "anna rejected it (not mine)" in refused.json()["detail"]
    assert refused.json()["owner"] == "ben"


async def test_unknown_leads_assignments_and_reps_are_named(desk: Served, write: Pens) -> None:
    lead, nobody = new_lead(write), new_lead(write)
    await lead.assigned("anna")
    nobody.assignment_id = lead.assignment_id
    assert (await act(desk, nobody, "accept")).status_code == 404
    assert (await act(desk, lead, "accept", assignment_id="no-such-assignment")).status_code == 404
    assert (await act(desk, lead, "accept", by="zoe")).status_code == 404
    assert (await desk.http.get("/v1/inbox", params={"rep": "zoe"})).status_code == 404
    assert (await desk.http.put("/v1/reps/zoe/availability", json={"available": True})).status_code == 404


async def test_what_the_life_of_a_lead_does_not_allow_is_refused_in_a_sentence(desk: Served, write: Pens) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    early = await act(desk, lead, "win")
    assert (early.status_code, "accept it first" in early.json()["detail"]) == (409, True)
    assert (await act(desk, lead, "accept")).status_code == 202
    assert (await act(desk, lead, "attempt")).status_code == 202
    late = await act(desk, lead, "reject", reason="not_mine")
    assert (late.status_code, "recycle it or lose it" in late.json()["detail"]) == (409, True)
    future = await act(desk, lead, "attempt", at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert future.status_code == 422


async def test_an_idempotency_key_makes_two_calls_one_action(desk: Served, write: Pens, settings: Settings) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    first = await act(desk, lead, "attempt", channel="phone", key="k1")
    again = await act(desk, lead, "attempt", channel="phone", key="k1")
    assert again.json() == first.json() | {"duplicate": True}
    assert (await act(desk, lead, "attempt", channel="mail", key="k1")).status_code == 422
    assert (await act(desk, lead, "attempt", channel="phone", key="k2")).json()["action_id"] != first.json()[
        "action_id"
    ]
    assert sum(e["type"] == "ContactAttempted" for e in await everything_in(settings, LEADS)) == 2


async def test_undo_takes_back_the_newest_action(desk: Served, write: Pens) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    assert (await act(desk, lead, "undo")).status_code == 409
    rejected = (await act(desk, lead, "reject", reason="not_mine")).json()["action_id"]
    assert await inbox(desk, "anna", 0) == []
    assert (await act(desk, lead, "undo", action_id=rejected)).status_code == 202
    (row,) = await inbox(desk, "anna", 1)
    assert (row["assignment_id"], row["lead_status"]) == (lead.assignment_id, "assigned")


async def test_handing_over_and_reassigning_are_recorded_with_who_ordered_it(
    desk: Served, write: Pens, settings: Settings
) -> None:
    lead, other = new_lead(write), new_lead(write)
    await lead.assigned("anna")
    await act(desk, lead, "accept")
    assert (await act(desk, lead, "hand_over")).status_code == 202
    await other.assigned("anna")
    assert (await act(desk, other, "reassign", to="anna")).status_code == 409
    assert (await act(desk, other, "reassign", to="ben", by="maria")).status_code == 202
    events = {e["type"]: e for e in await everything_in(settings, LEADS)}
    assert events["LeadHandedOver"]["to_role"] == "ae"
    ordered = events["ReassignmentOrdered"]
    assert (ordered["to"], ordered["team_id"], ordered["by"]) == (
        "ben",
        "sales",
        {"kind": "manager", "manager_id": "maria"},
    )


async def test_a_rep_claims_a_waiting_lead(desk: Served, write: Pens, settings: Settings) -> None:
    lead = new_lead(write)
    offer = await lead.queued_to_be_claimed()
    assert (await act(desk, lead, "claim")).status_code == 422
    assert (await act(desk, lead, "claim", by="dario")).status_code == 409
    waiting = (await desk.http.get("/v1/claimable", params={"rep": "ben"})).json()
    assert [(row["lead_id"], row["request_id"]) for row in waiting] == [(lead.lead_id, offer)]
    answer = await act(desk, lead, "claim", by="ben", assignment_id=offer)
    assert answer.status_code == 202, answer.text
    claim = next(e for e in await everything_in(settings, TEAMS) if e["type"] == "LeadClaimed")
    assert (claim["rep_id"], claim["request_id"], claim["id"]) == ("ben", offer, answer.json()["action_id"])


async def test_outcomes_from_a_crm_need_no_assignment(desk: Served, write: Pens, settings: Settings) -> None:
    lead = new_lead(write)
    await lead.submitted(profile={"email": "crm@example.com", "external_ids": {"crm": "4711"}})
    won = await desk.http.post(
        "/v1/outcomes", json={"email": "CRM@example.com", "type": "won", "at": "2026-01-02T10:00:00Z"}
    )
    assert (won.status_code, won.json()["recorded"], won.json()["lead_id"]) == (202, True, lead.lead_id), won.text
    lost = await desk.http.post("/v1/outcomes", json={"external_id": "crm:4711", "type": "lost", "reason": "no_budget"})
    assert lost.status_code == 202
    unknown = await desk.http.post("/v1/outcomes", json={"external_id": "0", "type": "won"})
    assert unknown.status_code == 404
    nothing = await desk.http.post(
        "/v1/outcomes", json={"lead_id": lead.lead_id, "type": "stage_changed", "stage": "negotiation"}
    )
    assert (nothing.status_code, nothing.json()["recorded"]) == (200, False)
    said = [e for e in await everything_in(settings, LEADS) if e.get("by")]
    assert [(e["type"], e["assignment_id"], e["by"]["system"]) for e in said] == [
        ("LeadWon", None, "crm"),
        ("LeadLost", None, "crm"),
    ]


async def test_a_new_roster_says_only_what_changed(desk: Served, settings: Settings) -> None:
    same = await desk.http.put("/v1/roster", json=ROSTER)
    assert same.json() == {"joined": [], "changed": [], "left": [], "reps": 3}
    anna, ben, _ = ROSTER["reps"]
    changed = await desk.http.put(
        "/v1/roster",
        json={
            "reps": [
                {**anna, "open_leads_cap": 5},
                ben,
                {"id": "eva", "team": "sales", "role": "ae", "pools": {"closing": 1}},
            ]
        },
    )
    assert changed.json() == {"joined": ["eva"], "changed": ["anna"], "left": ["dario"], "reps": 3}
    reps = {r["id"]: r for r in (await desk.http.get("/v1/roster")).json()["reps"]}
    assert (reps["anna"]["open_leads_cap"], sorted(reps)) == (5, ["anna", "ben", "eva"])
    wrong = await desk.http.put("/v1/roster", json={"reps": [{**anna, "pools": {"inbuond": 1}}]})
    assert (wrong.status_code, "inbound" in wrong.json()["detail"]) == (422, True), wrong.text
    assert [e["type"] for e in await everything_in(settings, TEAMS)] == ["RepJoined"] * 3 + [
        "RepLeft",
        "RepChanged",
        "RepJoined",
    ]


async def test_what_get_answers_put_takes(desk: Served) -> None:
    rows = (await desk.http.get("/v1/roster")).json()["reps"]
    again = await desk.http.put("/v1/roster", json={"reps": rows})
    assert again.status_code == 200, again.text
    assert again.json() == {"joined": [], "changed": [], "left": [], "reps": 3}


async def test_availability_is_recorded_and_shown(desk: Served, settings: Settings) -> None:
    until = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    answer = await desk.http.put("/v1/reps/anna/availability", json={"available": False, "until": until.isoformat()})
    assert answer.status_code == 200
    anna = next(r for r in (await desk.http.get("/v1/roster")).json()["reps"] if r["id"] == "anna")
    assert (anna["available"], datetime.fromisoformat(anna["until"])) == (False, until)
    event = (await everything_in(settings, TEAMS))[-1]
    assert (event["type"], event["available"]) == ("RepAvailabilityChanged", False)


class Stream:
    """A reader of GET /v1/events."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next event's name and data."""
        event, data = "", ""
        async with asyncio.timeout(30):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif not line and data:
                    return event, json.loads(data)
        raise AssertionError("the stream has ended")


async def test_a_rep_is_told_at_once_and_can_resume_where_he_was(desk: Served, write: Pens) -> None:
    lead = new_lead(write)
    async with desk.http.stream("GET", "/v1/events", params={"rep": "anna"}) as response:
        stream = Stream(response)
        assert await anext(stream._lines) == "retry: 1000"
        await lead.assigned("anna")
        kind, said = await stream.next()
        assert (kind, said["lead_id"], said["assignment_id"]) == ("assigned", lead.lead_id, lead.assignment_id)
        await lead.clock("anna")
        await lead.clock("anna", "ClockWarned")
        assert (await stream.next())[0] == "clock_warned"
        resume = stream.last_id
    await lead.clock("anna", "ClockBreached")
    await write.by(
        "routing",
        routing.AssignmentWithdrawn.model_validate(
            {
                "lead_id": lead.lead_id,
                "assignment_id": lead.assignment_id,
                "because": "nobody answered in time",
                "cause": {"kind": "breach", "since": 10_000, "clock": "first-response"},
            }
        ),
    )
    async with desk.http.stream(
        "GET", "/v1/events", params={"rep": "anna"}, headers={"Last-Event-ID": resume}
    ) as response:
        stream = Stream(response)
        assert (await stream.next())[0] == "clock_breached"
        kind, said = await stream.next()
        assert (kind, said["because"]) == ("withdrawn", "it was withdrawn (nobody answered in time)")
    async with desk.http.stream(
        "GET", "/v1/events", params={"rep": "anna"}, headers={"Last-Event-ID": "nonsense!"}
    ) as response:
        assert response.status_code == 400


async def test_a_rep_whose_action_lost_the_race_is_told_so(desk: Served, write: Pens) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    action = await write.by(
        "desk",
        LeadAccepted(
            lead_id=lead.lead_id,
            assignment_id="gone.7",
            by=ByRep(rep_id="anna"),
            occurred_at=datetime.now(UTC),  # type: ignore[arg-type]
        ),
    )
    await write.by(
        "routing",
        routing.ActionRefused.model_validate(
            {
                "lead_id": lead.lead_id,
                "action_id": action.event_id,
                "action": "LeadAccepted",
                "rep_id": None,
                "because": "the assignment had ended",
            }
        ),
    )
    async with asyncio.timeout(30):
        while not (
            refused := [
                n for n in (await desk.http.get("/v1/notices", params={"rep": "anna"})).json() if n["type"] == "refused"
            ]
        ):
            await asyncio.sleep(0.02)
    assert (refused[0]["action_id"], refused[0]["because"]) == (action.event_id, "the assignment had ended")


async def test_erasing_takes_everything_about_the_person_from_the_desk(
    desk: Served, write: Pens, settings: Settings
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    await act(desk, lead, "note", text="Maria, likes hiking")
    assert (await inbox(desk, "anna", 1))[0]["notes"][0]["text"] == "Maria, likes hiking"
    await write.by("intake", intake.LeadErased(lead_id=lead.lead_id))
    assert await inbox(desk, "anna", 0) == []
    async with asyncio.timeout(30):
        while True:
            notes = [p for p in await everything_in(settings, PROFILES) if "/" in p["key"]]
            if notes and notes[-1].get("tombstone"):
                break
            await asyncio.sleep(0.1)
    assert (await act(desk, lead, "accept")).status_code == 404
    async with asyncio.timeout(30):
        while await _words_in_the_database(settings, "Maria"):
            await asyncio.sleep(0.05)
    assert not await _words_in_the_database(settings, "Acme")


async def _words_in_the_database(settings: Settings, word: str) -> bool:
    import sqlite3

    def look() -> bool:
        (file,) = settings.data_dir.glob("*desk*.sqlite")
        with sqlite3.connect(file) as connection:
            return any(word in line for line in connection.iterdump())

    return await asyncio.to_thread(look)


async def test_the_pages_need_the_token_once(desk: Served) -> None:
    async with httpx.AsyncClient(base_url=desk.url, follow_redirects=True) as browser:
        assert (await browser.get("/rep/anna")).status_code == 401
        page = await browser.get("/rep/anna", params={"token": desk.running.settings.token})
        assert (page.status_code, "anna’s inbox" in page.text) == (200, True)
        assert (await browser.get("/manager")).status_code == 200
        assert (await browser.get("/rep/zoe")).status_code == 404
        assert (await browser.get("/v1/inbox?rep=anna")).status_code == 200
        forged = await browser.put(
            "/v1/reps/anna/availability", json={"available": False}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert forged.status_code == 401
        assert (
            await browser.put(
                "/v1/reps/anna/availability", json={"available": False}, headers={"Sec-Fetch-Site": "same-origin"}
            )
        ).status_code == 200
