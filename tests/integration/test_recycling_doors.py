"""A rejection contested and overturned, and a lead that rests, through the doors of desk and feedback on real Kafka."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.events import intake, recycling
from schemas.topics import LEADS, PROFILES
from services.desk.app import SERVICE as DESK
from services.feedback.app import SERVICE as FEEDBACK
from services.feedback.app import ledger_of
from services.feedback.people import People
from tests.integration.leads_at_the_desk import AGREED, ROSTER, new_lead
from tests.integration.served import pens, publish_agreement, served, settings_for

pytestmark = pytest.mark.integration


async def test_marketing_contests_a_manager_decides_and_both_see_it(kafka: str, namespace: str, tmp_path: Path) -> None:
    settings = settings_for(kafka, namespace, tmp_path)
    await publish_agreement(settings)
    async with pens(settings) as write, served(DESK, settings) as desk, served(FEEDBACK, settings) as feedback:
        assert (await desk.http.put("/v1/roster", json=ROSTER)).status_code == 200
        lead = new_lead(write)
        await lead.assigned("anna")
        door = f"/v1/leads/{lead.lead_id}/contests"
        early = await feedback.http.post(door, json={})
        assert (early.status_code, early.json()["title"]) == (404, "Nothing to contest")

        said = {"type": "reject", "reason": "no_budget", "assignment_id": lead.assignment_id}
        assert (await desk.http.post(f"/v1/leads/{lead.lead_id}/actions", json=said)).status_code == 202
        contested = await feedback.http.post(door, json={"by": "mira", "because": "asked for an offer in March"})
        assert contested.status_code == 202, contested.text
        contest = contested.json()
        again = (await feedback.http.post(door, json={})).json()
        assert again == {**contest, "duplicate": True}
        happened = (await feedback.http.get(f"/v1/leads/{lead.lead_id}/timeline")).json()["events"]
        returned = next(e for e in happened if e["type"] == "LeadReturned")
        assert contest["action_id"] == returned["event_id"]
        wakes_at = datetime.now(UTC) + timedelta(days=90)
        recycled = await write.by(
            "recycling",
            recycling.LeadRecycled.model_validate(
                {
                    "lead_id": lead.lead_id, "epoch": returned["position"], "reason": "no_budget", "stream": "budget",
                    "wakes_at": wakes_at, "buying_stage": "decision", "because": "no budget", **AGREED,
                }
            ),
        )  # fmt: skip
        ledger = ledger_of(settings, feedback.running)
        await ledger.wait_for(LEADS, recycled.partition, recycled.offset)
        people = feedback.running.projection(People())
        await people.read_to_end(lead.lead_id, topic=PROFILES)

        streams = (await feedback.http.get("/v1/streams")).json()["streams"]
        assert [(s["stream"], s["leads"], s["buying_stages"]) for s in streams] == [("budget", 1, {"decision": 1})]
        audience = await feedback.http.get("/v1/streams/budget/audience", params={"personal": ["email", "external_ids"]})
        head, row = audience.text.splitlines()
        assert audience.headers["content-type"].startswith("text/csv")
        assert head.startswith("lead_id,email,external_ids,stream,buying_stage,reason,cycle")
        assert row.startswith(f"{lead.lead_id},lead-")
        assert "@example.com,crm:" in row
        assert "@" not in (await feedback.http.get("/v1/streams/budget/audience")).text
        cycles = (await feedback.http.get(f"/v1/leads/{lead.lead_id}/cycles")).json()["cycles"]
        assert [(c["cycle"], c["stream"], c["first_touch"]["campaign"]) for c in cycles] == [(1, "budget", "spring")]

        verdict = f"{door}/{contest['contest_id']}"
        strange = await desk.http.post(f"{door}/unheard-of", json={"verdict": "upheld"})
        assert (strange.status_code, strange.json()["title"]) == (404, "Nothing to decide")
        assert (await desk.http.post(verdict, json={"verdict": "maybe"})).status_code == 422
        decided = await desk.http.post(verdict, json={"verdict": "overturned", "by": "max"})
        assert (decided.status_code, decided.json()["duplicate"]) == (202, False), decided.text
        assert (await desk.http.post(verdict, json={"verdict": "overturned"})).json()["duplicate"]
        assert (await desk.http.post(verdict, json={"verdict": "upheld"})).status_code == 409

        await ledger.read_to_end(lead.lead_id)
        assert (await feedback.http.get(f"/v1/leads/{lead.lead_id}")).json()["lead_status"] == "waiting"
        assert (await feedback.http.get("/v1/contests")).json() == {"contests": []}
        [shown] = (await feedback.http.get("/v1/contests", params={"state": "all"})).json()["contests"]
        assert (shown["verdict"], shown["decided_by"], shown["rep"]) == ("overturned", "max", "anna")
        report = await feedback.http.get("/v1/reports/reversals", params={"format": "csv"})
        assert report.text.splitlines()[1] == "anna,1,0,0.0,1,0,0,1,1.0"
        assert (await feedback.http.get("/v1/reports/recycling", params={"from": "2026-01-01T00:00:00"})).status_code == 422
        assert (await feedback.http.post(door, json={})).status_code == 409

        await write.by("intake", intake.LeadErased.model_validate({"lead_id": lead.lead_id}))
        await ledger.read_to_end(lead.lead_id)
        assert (await feedback.http.post(door, json={})).status_code in (404, 409)
