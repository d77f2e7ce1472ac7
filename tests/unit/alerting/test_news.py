"""By lead: what tools hear of, and what not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from schemas.agreement import check
from schemas.base import Event
from schemas.events.alerting import NewsReleased, ToolKind
from schemas.events.desk import LeadAccepted, LeadReturned, ReassignmentOrdered
from schemas.events.recycling import LeadRecycled
from schemas.events.scoring import LeadScored
from schemas.ids import AgreementName, RepId
from schemas.vocabulary import Because, ByManager, ByRep, Reason, Slug
from services.alerting.by_lead.news import recipient_of
from services.alerting.processors import LEAD
from tests.unit.alerting.test_whom import _LEAD, _REQUEST, _assigned, _breached, _until_offered
from tests.unit.alerting.world import DEFAULT, T0, Log, agreement

_TOOLS = """
tools:
  webhooks:
    all:
      url: ${HOOK}
      secret: ${SECRET}
      events: [qualified, assigned, accepted, returned, reassigned, withdrawn, ended, recycled, clock_breached, status_changed]
    elsewhere: {url: "${HOOK}", secret: "${SECRET}", events: [assigned], teams: [sales]}
    quiet: {url: "${HOOK}", secret: "${SECRET}", events: [won]}
  notices: {answer_within: 2h}

channels:
"""
_BY = {"lead_id": _LEAD, "assignment_id": _REQUEST, "by": ByRep(rep_id=RepId("mira")), "occurred_at": T0}
_SAID = {"agreement": AgreementName("default"), "agreement_version": 1}
_WITH_TOOLS = {"\nchannels:\n": _TOOLS}


def _heard(*events: Event, **replacements: str) -> list[NewsReleased]:
    log = Log(LEAD, agreement(**(_WITH_TOOLS | replacements)))
    return [said for event in (*_until_offered(), *events) for said in log.append(event) if isinstance(said, NewsReleased)]


def _brief(heard: list[NewsReleased]) -> Iterator[tuple[str, str]]:
    return ((said.recipient, said.news.kind.value) for said in heard)


def test_an_assignment_is_told_to_who_hears_of_it_and_to_the_rep() -> None:
    heard = [said for said in _heard(_assigned()) if said.news.event_id == "e3"]

    assert sorted(_brief(heard)) == [
        ("rep.mira", "assigned"),
        ("webhook.all", "assigned"),
        ("webhook.all", "status_changed"),
        ("webhook.elsewhere", "assigned"),
    ]
    told = heard[0].news
    assert (told.rep_id, told.assignment_id, told.team_id, told.pool_id) == ("mira", _REQUEST, "sales", "inbound")
    assert (told.lead_status, told.previous_status) == ("assigned", "waiting")
    assert (told.grade, told.score) == ("A1", Decimal(60))
    assert told.because == "mira is next"


def test_a_lead_that_goes_back_to_marketing_is_told_with_its_stream_and_the_newest_buying_stage() -> None:
    scored = LeadScored(
        lead_id=_LEAD,
        score=Decimal(70),
        fit=Decimal(40),
        engagement=Decimal(30),
        grade="A2",
        stage=Slug("decision"),
        contributions=(),
        **_SAID,
    )
    returned = LeadReturned(**_BY, reason=Reason("no_budget"))
    recycled = LeadRecycled(
        lead_id=_LEAD,
        epoch=5,
        reason=Reason("no_budget"),
        stream=Slug("budget"),
        wakes_at=T0,
        because=Because("it waits for money"),
        **_SAID,
    )

    [told] = [s.news for s in _heard(_assigned(), scored, returned, recycled) if s.news.kind == "recycled"]

    assert (told.stream, told.buying_stage, told.reason, told.grade) == ("budget", "decision", "no_budget", "A2")
    assert told.wakes_at == T0
    assert told.rep_id is None


def test_the_end_of_an_assignment_names_who_had_it() -> None:
    order = {**_BY, "by": ByManager(manager_id=RepId("tom"))}
    taken = _heard(_assigned(), ReassignmentOrdered(**order, reason=Reason("by_order")))

    ended = {said.news.kind.value: said.news for said in taken if said.news.event_id == "e4"}

    assert set(ended) == {"reassigned", "withdrawn", "ended", "status_changed"}
    assert {news.rep_id for news in ended.values()} == {"mira"}
    assert {news.assignment_id for news in ended.values()} == {_REQUEST}


def test_what_is_void_is_told_to_nobody() -> None:
    late = LeadAccepted(**_BY)

    assert _heard(_assigned(), late, LeadReturned(**_BY, reason=Reason("no_budget")))[-1].news.event_id == "e5"
    again = _heard(_assigned(), LeadReturned(**_BY, reason=Reason("no_budget")), late)
    assert again[-1].news.event_id == "e4"
    assert not [s for s in _heard(_breached()) if s.news.kind == "clock_breached"]


def test_without_tools_nothing_is_told_and_nothing_remembered() -> None:
    log = Log(LEAD, agreement())
    for event in (*_until_offered(), _assigned()):
        assert log.append(event) == []
    assert log.before is not None
    assert log.before.own.score is None


def test_a_messages_id_is_the_same_at_every_reading_and_another_for_every_recipient_and_kind() -> None:
    once, again = _heard(_assigned()), _heard(_assigned())

    assert [said.alert_id for said in once] == [said.alert_id for said in again]
    assert len({said.alert_id for said in once}) == len(once)


def test_a_rep_with_the_longest_id_has_an_address_in_the_log_too() -> None:
    assert recipient_of(ToolKind.REP, "anna") == "rep.anna"
    long = recipient_of(ToolKind.REP, "a" * 64)
    assert len(long) <= 64
    assert long != recipient_of(ToolKind.REP, "a" * 63 + "b")


@pytest.mark.parametrize(
    ("tools", "code", "path"),
    [
        ("webhooks: {a: {url: u, secret: whsec_c2VjcmV0, events: [assigned]}}", "secret_written_down", "tools.webhooks.a.secret"),
        ("webhooks: {a: {url: u, secret: '${S}', events: [asigned]}}", None, "tools.webhooks.a.events[0]"),
        ("webhooks: {a: {url: u, secret: '${S}', events: []}}", None, "tools.webhooks.a.events"),
        ("webhooks: {a: {url: u, secret: '${S}', events: [won], teams: [salse]}}", "unknown_team", "tools.webhooks.a.teams[0]"),
        ("webhooks: {a: {url: u, secret: '${S}', events: [won], personal: [iban]}}", None, "tools.webhooks.a.personal[0]"),
        ("notices: {teams: [nobody]}", "unknown_team", "tools.notices.teams[0]"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_tools_is_found_with_its_place(tools: str, code: str | None, path: str) -> None:
    findings = check(f"{DEFAULT.read_text()}\ntools: {{{tools}}}\n")
    found = [(f.code, f.path) for f in findings if f.severity == "error"]

    assert path in [p for _, p in found]
    assert code is None or (code, path) in found

