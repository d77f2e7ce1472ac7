"""A rep's notice by mail, and its links at the desk: only a button acts, each notice answers once, an ended offer says so."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.events.alerting import AlertFailed, AlertSent, News, NewsKind, NewsReleased, ToolKind
from schemas.events.desk import RepActed
from schemas.events.routing import AssignmentWithdrawn
from schemas.ids import AlertId, AssignmentId, EventId, LeadId, RecipientId, RepId
from schemas.topics import LEADS, TEAMS
from schemas.vocabulary import LeadStatus, LifecycleStage
from services.alerting.faults import ChannelUnusable
from services.alerting.tools_file import ToolsFileReader
from services.desk.app import SERVICE
from services.runtime.answer_links import Choice, Offered, link
from services.runtime.settings import Settings
from tests.integration.alerting_receivers import FAIL, smtp_receiver
from tests.integration.leads_at_the_desk import ROSTER, Lead, new_lead
from tests.integration.served import AGREEMENT, Pens, Served, pens, publish_agreement, served, settings_for
from tests.integration.test_alerting_sender import alive, answers, sending
from tests.integration.test_intake import everything_in

_TOOLS = "\ntools: {notices: {answer_within: 2h}}\n"
_LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    its = replace(settings_for(kafka, namespace, tmp_path), desk_url="http://desk.example")
    idling = "inbound: {team: sales, role: sdr, mode: fair, idle_after: 2h}"
    await publish_agreement(its, AGREEMENT.replace("inbound: {team: sales, role: sdr, mode: fair}", idling) + _TOOLS)
    return its


@pytest.fixture
async def write(settings: Settings) -> AsyncIterator[Pens]:
    async with pens(settings) as them:
        yield them


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Served]:
    async with served(SERVICE, settings) as service:
        assert (await service.http.put("/v1/roster", json=ROSTER)).status_code == 200
        del service.http.headers["Authorization"]  # whoever follows a link has no token
        yield service


def _link(settings: Settings, lead: Lead, choice: str = "accept", until: datetime = _LATER) -> str:
    """The path of a link in a notice of the lead's assignment to anna."""
    assert lead.assignment_id is not None
    offered = Offered(AlertId(f"msg_{lead.lead_id}"), lead.lead_id, AssignmentId(lead.assignment_id), RepId("anna"), until)
    return link(settings, offered, Choice(choice)).removeprefix(settings.desk_url)


async def _said(settings: Settings, lead: Lead) -> list[str]:
    """What the desk has said about the lead."""
    found = await everything_in(settings, LEADS)
    return [r["type"] for r in found if r.get("by") is not None and r["lead_id"] == lead.lead_id]


async def test_scanners_open_links_and_nothing_happens_until_the_button_is_pressed(
    desk: Served, write: Pens, settings: Settings
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    await lead.clock("anna")
    for choice in ("accept", "reject"):
        for method in ("GET", "HEAD", "GET"):
            answer = await desk.http.request(method, _link(settings, lead, choice))
            assert answer.status_code in (200, 405), answer.text
    page = (await desk.http.get(_link(settings, lead))).text
    assert await _said(settings, lead) == []
    assert "Take this lead?" in page
    assert "grade A1" in page
    assert "<script" not in page
    assert "@example.com" not in page
    assert answer.headers["referrer-policy"] == "no-referrer"

    done = await desk.http.post(_link(settings, lead))

    assert (done.status_code, "The lead is yours" in done.text) == (200, True)
    assert await _said(settings, lead) == ["LeadAccepted"]


async def test_a_notice_answers_once_whichever_of_its_links_is_used_and_how_often(
    desk: Served, write: Pens, settings: Settings
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    await desk.http.post(_link(settings, lead))

    for answer in (
        await desk.http.post(_link(settings, lead)),
        await desk.http.get(_link(settings, lead)),
        await desk.http.get(_link(settings, lead, "reject")),
        await desk.http.post(_link(settings, lead, "reject"), data={"reason": "not_mine"}),
    ):
        assert answer.status_code == 200
        assert "You have answered already" in answer.text
        assert "you have accepted the lead" in answer.text
    assert await _said(settings, lead) == ["LeadAccepted"]


async def test_a_rejection_needs_one_of_the_agreements_reasons(desk: Served, write: Pens, settings: Settings) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    page = (await desk.http.get(_link(settings, lead, "reject"))).text
    assert re.findall(r'value="(\w+)"', page) == ["no_budget", "not_mine", "bad_data"]
    for wrong in ({}, {"reason": "competitor"}, {"reason": "<b>"}, {"reason": "x" * 500}):
        refused = await desk.http.post(_link(settings, lead, "reject"), data=wrong)
        assert (refused.status_code, "Choose why you reject it" in refused.text) == (422, True)
    assert await _said(settings, lead) == []

    done = await desk.http.post(_link(settings, lead, "reject"), data={"reason": "not_mine"})

    assert (done.status_code, "You have rejected the lead" in done.text) == (200, True)
    assert await _said(settings, lead) == ["LeadRejected"]


async def test_an_ended_offer_an_expired_and_a_changed_link_say_so_in_a_sentence(
    desk: Served, write: Pens, settings: Settings
) -> None:
    lead = new_lead(write)
    await lead.assigned("anna")
    await lead.routed(0)  # void
    whole = _link(settings, lead)
    for wrong in (whole.replace("/answer/", "/answer/A"), whole[:60] + "/accept", "/answer/x/accept", "/answer/é%00/accept"):
        answer = await desk.http.get(wrong)
        assert (answer.status_code, "does not work" in answer.text) == (404, True), wrong
    late = _link(settings, lead, until=datetime.now(UTC) - timedelta(seconds=1))
    for expired in (await desk.http.get(late), await desk.http.post(late)):
        assert (expired.status_code, "This link has expired" in expired.text) == (410, True)

    await write.by("routing", _withdrawn(lead))
    for ended in (await desk.http.get(whole), await desk.http.post(whole)):
        assert (ended.status_code, "This offer has ended" in ended.text) == (409, True)
        assert "it was withdrawn" in ended.text
    assert await _said(settings, lead) == []


def _withdrawn(lead: Lead) -> AssignmentWithdrawn:
    return AssignmentWithdrawn.model_validate(
        {
            "lead_id": lead.lead_id,
            "assignment_id": lead.assignment_id,
            "cause": {"kind": "rep_gone", "rep_id": "anna"},
            "because": "anna has left",
        }
    )


async def test_what_a_crm_says_of_a_reps_lead_shows_that_he_is_at_work(
    settings: Settings, write: Pens
) -> None:
    async with served(SERVICE, settings) as desk:
        await desk.http.put("/v1/roster", json=ROSTER)
        lead, nobodys = new_lead(write), new_lead(write)
        await lead.assigned("anna")
        await nobodys.qualified()
        for one in (nobodys, lead):
            said = {"lead_id": one.lead_id, "type": "won", "amount": {"amount": "10.00", "currency": "EUR"}}
            assert (await desk.http.post("/v1/outcomes", json=said)).status_code == 202
    acted = [r for r in await everything_in(settings, TEAMS) if r["type"] == RepActed.__name__]
    assert [r["rep_id"] for r in acted] == ["anna"]


# ------------------------------------------------------------------ the notice


def _assigned(rep: str) -> NewsReleased:
    return NewsReleased(
        recipient=RecipientId(f"rep.{rep}"),
        tool=ToolKind.REP,
        alert_id=AlertId(f"msg_{rep}"),
        news=News(
            kind=NewsKind.ASSIGNED,
            happened_at=datetime.now(UTC),
            event_id=EventId("e1"),
            lead_id=LeadId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"),
            cycle=1,
            lead_status=LeadStatus.ASSIGNED,
            lifecycle_stage=LifecycleStage.MQL,
            rep_id=RepId(rep),
            assignment_id=AssignmentId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11.7"),
        ),
    )


async def test_a_rep_gets_one_mail_with_both_links_and_a_rep_without_an_address_delays_nobody(settings: Settings) -> None:
    with smtp_receiver(FAIL) as (address, inbox):
        tools = settings.data_dir / "tools.yaml"
        tools.write_text(f"reps:\n  anna: mailto://{address}?from=${{FROM}}&to=anna@example.com\n")
        given = replace(settings, tools_file=tools)
        async with alive(given) as running:
            for rep in ("ghost", "anna"):
                await running.appender.append(_assigned(rep))
            async with sending(given, running, {"FROM": "leads@example.com"}):
                found = {event.recipient: event for _, event in await answers(settings, 2)}

    failed, sent = found[RecipientId("rep.ghost")], found[RecipientId("rep.anna")]
    assert isinstance(failed, AlertFailed)
    assert "has no address of ghost" in failed.because
    assert isinstance(sent, AlertSent)
    assert sent.attempts == 2
    [mail] = inbox.taken
    assert (mail["To"], mail["Message-ID"]) == ("anna@example.com", "<msg_anna@leadloop>")
    text = mail.get_payload(decode=True).decode()
    assert re.findall(r"http://desk\.example/answer/[\w-]+/(accept|reject)", text) == ["accept", "reject"]


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("rep: {}", "line 1: rep: extra inputs"),
        ("reps: {anna: }", "reps.anna"),
        ("reps: [", "does not hold, line 1"),
    ],
)
async def test_a_tools_file_that_does_not_hold_is_named_with_its_line(tmp_path: Path, text: str | None, because: str) -> None:
    settings = Settings(bootstrap_servers="", secret=b"", token="", data_dir=tmp_path)
    if text is not None:
        (tmp_path / "tools.yaml").write_text(text)
    with pytest.raises(ChannelUnusable, match=re.escape(because)):
        ToolsFileReader(settings).now()
    (tmp_path / "tools.yaml").write_text("other_reps: mailto://h?to={rep}@example.com")
    assert ToolsFileReader(settings).now().address_of(RepId("anna")) == "mailto://h?to=anna@example.com"
