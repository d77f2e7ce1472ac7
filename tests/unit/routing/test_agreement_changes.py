"""A new agreement under leads that wait: pools that are gone, that go by skills, that go by skills no more."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.agreement import Agreement, load
from schemas.base import Event
from schemas.events import desk, intake, routing, scoring
from schemas.ids import LeadId, SubmissionId, digest
from schemas.topics import LEADS, TEAMS
from services.routing.processors import LEAD, TEAM
from services.runtime.replay import AgreementsInMemory, Replay
from tests.unit.routing.house import HOUR, MONDAY, TEXT, agreement, lead

CHANGE = MONDAY + HOUR
SKILLS = "  inbound: {team: sales, mode: skill, skills_from: topic}"


class Office:
    """Both processors of routing, through a change of the agreement."""

    def __init__(self, before: Agreement, after: Agreement) -> None:
        versions = ((datetime.min.replace(tzinfo=UTC), before), (CHANGE, after))
        self.loop = Replay([LEAD, TEAM], AgreementsInMemory(versions), start=MONDAY)

    def says(self, event: type[Event], **fields: Any) -> None:
        self.loop.append(event.model_validate(fields))
        self.loop.run()

    def joins(self, rep: str, *skills: str, pool: str = "inbound") -> None:
        self.says(desk.RepJoined, team_id="sales", rep_id=rep, role="sdr", pools={pool: 1}, skills=skills)

    def wants(self, number: int, topic: str, grade: str = "B2") -> LeadId:
        one = lead(number)
        content = {"submission_id": SubmissionId(one), "content": digest(one.encode()), "submitted_at": MONDAY}
        self.says(intake.LeadSubmitted, lead_id=one, attributes={"topic": topic}, **content)
        verdict = {"rule": "demo", "because": "wants a demo", "score": Decimal(30), "grade": grade, "agreement": "tests"}
        judged_at = self.loop.life(one).start
        self.says(scoring.LeadQualified, lead_id=one, judged_at=judged_at, agreement_version=1, **verdict)
        return one

    def changes(self) -> None:
        self.loop.run_until(CHANGE + timedelta(minutes=1))

    def queued(self, one: LeadId) -> list[str]:
        return [e.reason.value for e in self.loop.events(LEADS, one, routing.LeadQueued)]

    def asked(self, one: LeadId) -> list[Any]:
        return [e for e in self.loop.events(TEAMS, "sales", routing.AssignmentRequested) if e.lead_id == one]


def without_inbound() -> Agreement:
    text = TEXT.replace("  inbound: {team: sales}\n", "").replace("pool: inbound", "pool: large")
    return load(text, 2)


def test_leads_that_wait_for_a_pool_that_is_gone_are_routed_anew_and_keep_their_turn() -> None:
    office = Office(agreement(), without_inbound())
    first, second = office.wants(1, "demo"), office.wants(2, "demo")
    office.joins("ana", pool="large")
    office.changes()
    assert office.queued(first) == ["nobody_available", "pool_gone"]
    assert [e.ask.pool_id for e in office.asked(first)] == ["inbound", "large"]
    assert len({e.arrived_at for e in office.asked(first)}) == 1
    assert {office.loop.life(one).rep for one in (first, second)} == {"ana"}


def test_who_holds_a_lead_of_a_pool_that_is_gone_keeps_it() -> None:
    office = Office(agreement(), without_inbound())
    office.joins("ana")
    one = office.wants(1, "demo")
    office.changes()
    assert office.loop.life(one).rep == "ana"


def test_a_lead_that_waits_when_its_pool_turns_to_skills_is_asked_what_it_needs() -> None:
    office = Office(agreement(), agreement(2, inbound=SKILLS))
    one, other = office.wants(1, "demo"), office.wants(2, "other")
    office.changes()
    assert [e.skills for e in office.asked(one)] == [(), ("demo",)]
    office.joins("bob", "other")
    assert (office.loop.life(one).rep, office.loop.life(other).rep) == (None, "bob")
    office.joins("ana", "demo")
    assert office.loop.life(one).rep == "ana"
    assert len(office.asked(one)) == 2, "once, and not at every look"


def test_many_leads_are_asked_anew_once_each_though_one_decision_takes_some_hundred() -> None:
    office = Office(agreement(), agreement(2, inbound=SKILLS))
    everybody = [office.wants(n, "demo") for n in range(1, 621)]
    office.changes()
    asked = Counter(e.lead_id for e in office.loop.events(TEAMS, "sales", routing.AssignmentRequested))
    assert asked == dict.fromkeys(everybody, 2)
    parts = office.loop.parts(TEAM.name, "sales")["wait"]
    assert len(parts) == 620
    assert {wait.skills for wait in parts.values()} == {("demo",)}


def test_a_request_that_was_on_its_way_when_the_pool_turned_to_skills_is_asked_anew() -> None:
    office = Office(agreement(), agreement(2, inbound=SKILLS))
    office.joins("bob", "other")
    office.loop.run_until(CHANGE - timedelta(milliseconds=8))
    one = office.wants(1, "demo")
    office.changes()
    assert office.asked(one)[-1].skills == ("demo",)
    assert office.loop.life(one).rep is None


def test_a_pool_that_goes_by_skills_no_more_gives_its_leads_to_anybody() -> None:
    office = Office(agreement(1, inbound=SKILLS), agreement(2))
    office.joins("bob", "other")
    one = office.wants(1, "demo")
    assert office.loop.life(one).rep is None
    office.changes()
    assert office.loop.life(one).rep == "bob"
