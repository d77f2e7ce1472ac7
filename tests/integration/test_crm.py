"""A CRM, both ways, on real Kafka, with the real desk and a server that behaves like SuiteCRM."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.events.alerting import News, NewsKind, NewsReleased, ToolKind
from schemas.events.intake import LeadErased
from schemas.ids import AlertId, EventId, LeadId, RecipientId, RepId
from schemas.topics import LEADS
from schemas.vocabulary import LeadStatus, LifecycleStage
from services.alerting.app import SERVICE as ALERTING
from services.alerting.crm.adapter import Written
from services.alerting.crm.suitecrm import SuiteCrm
from services.alerting.crm.terms import CrmTerms
from services.alerting.faults import NotDelivered
from services.desk.app import SERVICE as DESK
from services.runtime.settings import Settings
from tests.integration.leads_at_the_desk import ROSTER, Lead, new_lead
from tests.integration.served import AGREEMENT, Pens, Served, pens, publish_agreement, served, settings_for
from tests.integration.suitecrm import CLIENT, FakeSuiteCrm, suitecrm
from tests.integration.test_intake import everything_in

_TOOLS = "\ntools: {crms: {suite: {personal: [email, name, company]}}}\n"
_FILE = """
crms:
  suite:
    kind: suitecrm
    url: {url}
    client_id: leadloop
    client_secret: s3cret
    owners: {{anna: user-a, ben: user-b}}
    stages: {{assigned: Assigned, accepted: In Process, won: Converted, lost: Dead}}
    meanings:
      Converted: {{type: won}}
      Dead: {{type: lost, reason: no_budget}}
      Junk: {{type: lost, reason: there_is_no_such}}
    fields: {{grade: leadloop_grade_c}}
    amount_field: opportunity_amount
    poll_every: 200ms
    page_size: 2
"""


@dataclass
class Installation:
    """Desk, alerting and CRM."""

    settings: Settings
    desk: Served
    crm: FakeSuiteCrm
    write: Pens

    @asynccontextmanager
    async def alerting(self) -> AsyncIterator[Served]:
        async with served(ALERTING, self.settings) as service:
            yield service

    async def said(self, lead: Lead | LeadId) -> list[str]:
        """What was said of a lead because of the CRM."""
        its = lead.lead_id if isinstance(lead, Lead) else lead
        found = await everything_in(self.settings, LEADS)
        return [r["type"] for r in found if r["lead_id"] == its and (r.get("by") or {}).get("kind") == "system"]

    async def tell(self, lead: Lead, kind: NewsKind, status: LeadStatus, rep: str = "anna") -> None:
        """What alerting by lead says of it; the processor itself runs elsewhere."""
        news = News(
            kind=kind,
            happened_at=datetime.now(UTC),
            event_id=EventId("e"),
            lead_id=lead.lead_id,
            cycle=1,
            lead_status=status,
            lifecycle_stage=LifecycleStage.MQL,
            rep_id=RepId(rep),
            grade="A1",
        )
        told = NewsReleased(
            recipient=RecipientId("crm.suite"), tool=ToolKind.CRM, alert_id=AlertId(f"msg_{uuid.uuid4()}"), news=news
        )
        await self.write.by("alerting", told)

    async def assigned(self, rep: str = "anna") -> Lead:
        """A lead of a rep that the CRM has been told of."""
        lead = new_lead(self.write)
        await lead.assigned(rep)
        await self.tell(lead, NewsKind.ASSIGNED, LeadStatus.ASSIGNED, rep)
        await until(lambda: self.crm.records.get(lead.lead_id, {}).get("status") == "Assigned")
        return lead


async def until(holds: Callable[[], Any], timeout: float = 30.0) -> None:
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110 - another server's records
            await asyncio.sleep(0.05)


@pytest.fixture
async def house(kafka: str, namespace: str, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = replace(settings_for(kafka, namespace, tmp_path), webhook_delays=(0.1,) * 50)
    await publish_agreement(settings, AGREEMENT + _TOOLS)
    async with AsyncExitStack() as stack:
        crm = await stack.enter_async_context(suitecrm())
        (tmp_path / "tools.yaml").write_text(_FILE.format(url=crm.url))
        desk = await stack.enter_async_context(served(DESK, settings))
        assert (await desk.http.put("/v1/roster", json=ROSTER)).status_code == 200
        write = await stack.enter_async_context(pens(settings))
        yield Installation(replace(settings, desk_url=desk.url), desk, crm, write)


async def test_an_assignment_is_a_record_with_its_owner_and_a_change_there_comes_back(house: Installation) -> None:
    async with house.alerting():
        lead = await house.assigned()
        record = house.crm.records[lead.lead_id]
        assert (record["assigned_user_id"], record["leadloop_grade_c"]) == ("user-a", "A1")
        assert record["email1"].endswith("@example.com")
        assert "phone_mobile" not in record

        house.crm.expire()
        house.crm.faults += [(503, {}), (429, {"Retry-After": "1"})]
        house.crm.change(lead.lead_id, assigned_user_id="user-b")
        await _comes(house, lead, ["ReassignmentOrdered"])
        house.crm.change(lead.lead_id, status="Converted", opportunity_amount="1200.50")
        await _comes(house, lead, ["ReassignmentOrdered", "LeadWon"])

        await asyncio.sleep(1)  # several times asked
    assert await house.said(lead) == ["ReassignmentOrdered", "LeadWon"]
    won = [r for r in await everything_in(house.settings, LEADS) if r["type"] == "LeadWon"]
    assert won[0]["amount"] == {"amount": "1200.50", "currency": "EUR"}
    assert house.crm.logins == 2


async def test_what_it_is_told_from_here_does_not_come_back_and_a_restart_says_nothing_twice(house: Installation) -> None:
    async with house.alerting():
        lead = await house.assigned()
        await house.tell(lead, NewsKind.STATUS_CHANGED, LeadStatus.WON)
        await until(lambda: house.crm.records[lead.lead_id]["status"] == "Converted")
        other = await house.assigned()
        house.crm.change(other.lead_id, status="Dead")
        await _comes(house, other, ["LeadLost"])
    house.crm.change(other.lead_id, description="somebody wrote something down")
    async with house.alerting():
        third = await house.assigned()
        house.crm.change(third.lead_id, status="Dead")
        await _comes(house, third, ["LeadLost"])
    assert await house.said(lead) == []
    assert await house.said(other) == ["LeadLost"]


async def test_changes_made_while_nobody_listened_are_all_heard_page_after_page(house: Installation) -> None:
    async with house.alerting():
        leads = [await house.assigned() for _ in range(5)]
        await asyncio.sleep(0.5)
    strangers = [str(uuid.uuid4()) for _ in range(5)]
    at = house.crm.now + timedelta(seconds=1)
    for record in [x for pair in zip(strangers, [lead.lead_id for lead in leads], strict=True) for x in pair]:
        house.crm.change(record, status="Dead")
        house.crm.records[record]["date_modified"] = at  # more in one second than a page holds
    async with house.alerting():
        for lead in leads:
            await _comes(house, lead, ["LeadLost"])


async def test_a_change_that_the_desk_refuses_is_shown_and_holds_up_nothing(house: Installation) -> None:
    async with house.alerting() as service:
        lead, other = await house.assigned(), await house.assigned()
        house.crm.change(lead.lead_id, status="Junk")
        house.crm.change(other.lead_id, status="Dead")
        await _comes(house, other, ["LeadLost"])
        async with asyncio.timeout(30):
            shown = (await service.http.get("/v1/webhooks/suite")).json()
            while shown["read_upto"] is None or not shown["refused"]:  # the tables follow the log
                await asyncio.sleep(0.1)
                shown = (await service.http.get("/v1/webhooks/suite")).json()
    assert await house.said(lead) == []
    assert shown["refused"][0]["lead_id"] == lead.lead_id
    assert "the agreement has no reason there_is_no_such" in shown["refused"][0]["because"].lower()
    assert shown["read_upto"] is not None


async def test_an_erased_lead_is_deleted_there(house: Installation) -> None:
    async with house.alerting():
        lead = await house.assigned()
        await house.write.by("intake", LeadErased(lead_id=lead.lead_id))
        await house.tell(lead, NewsKind.ERASED, LeadStatus.ERASED)
        await until(lambda: lead.lead_id not in house.crm.records)


async def _comes(house: Installation, lead: Lead, said: list[str]) -> None:
    async with asyncio.timeout(30):
        while await house.said(lead) != said:  # noqa: ASYNC110 - the log is looked at again
            await asyncio.sleep(0.1)


# ------------------------------------------------------------------ the adapter alone


_TERMS = CrmTerms(kind="suitecrm", url="${URL}", **CLIENT, page_size=2)


@asynccontextmanager
async def adapter(crm: FakeSuiteCrm, terms: CrmTerms = _TERMS) -> AsyncIterator[SuiteCrm]:
    async with httpx.AsyncClient() as client:
        yield SuiteCrm(client, terms, {"URL": crm.url})


def _written(record: str, **more: Any) -> Written:
    return Written(record, LeadId(record), "Assigned", "user-a", {}, {}, **more)


async def test_writing_twice_is_as_good_as_once_and_a_token_is_asked_for_once() -> None:
    record = str(uuid.uuid4())
    async with suitecrm() as crm, adapter(crm) as suite:
        await suite.write(_written(record))
        await suite.write(_written(record))
        crm.expire()
        await suite.write(_written(record))
        await suite.erase(record)
        await suite.erase(record)
    assert [method for method, _, _ in crm.writes] == ["POST", "PATCH", "PATCH"]
    assert crm.writes[0][2]["last_name"] == f"Lead {record[:8]}"
    assert crm.logins == 2
    assert crm.records == {}


@pytest.mark.parametrize(
    ("status", "headers", "because", "wait"),
    [
        (429, {"Retry-After": "30"}, "it answered 429", 30.0),
        (503, {}, "it answered 503", None),
        (200, {}, "it answered no list", None),
        (302, {"Location": "/"}, "it answered 302", None),
    ],
)
async def test_what_it_answers_instead_is_a_fault_that_the_next_attempt_may_not_have(
    status: int, headers: dict[str, str], because: str, wait: float | None
) -> None:
    async with suitecrm() as crm, adapter(crm) as suite:
        crm.faults.append((status, headers))
        with pytest.raises(NotDelivered, match=because) as failed:
            await suite.write(_written(str(uuid.uuid4())))
        assert failed.value.retry_after == wait
        await suite.write(_written(str(uuid.uuid4())))


async def test_a_wrong_secret_says_where_it_stands() -> None:
    async with suitecrm() as crm, adapter(crm, _TERMS.model_copy(update={"client_secret": "wrong"})) as suite:
        with pytest.raises(NotDelivered, match="check client_id and client_secret in the tools file"):
            await suite.write(_written(str(uuid.uuid4())))


def test_two_reps_of_one_user_are_refused() -> None:
    with pytest.raises(ValueError, match="one user for two reps"):
        CrmTerms(kind="suitecrm", url="u", **CLIENT, owners={"anna": "1", "ben": "1"})  # type: ignore[dict-item]

