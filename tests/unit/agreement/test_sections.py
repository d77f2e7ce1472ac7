"""Stages, content, goals, groups, counting rules, customers: their mistakes are named, and bad input is refused at once."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.agreement import Facts, Seen, check, check_roster, load
from schemas.vocabulary import Money

SAMPLES = Path(__file__).parents[3] / "deploy" / "agreements"
SOFTWARE = (SAMPLES / "software.yaml").read_text()
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("name", ["default", "software", "school"])
def test_a_sample_and_its_roster_have_no_mistake(name: str) -> None:
    text = (SAMPLES / f"{name}.yaml").read_text()
    assert [f for f in check(text) if f.severity == "error"] == []
    assert check_roster((SAMPLES / f"{name}-roster.yaml").read_text(), load(text, 1)) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("stages: [awareness]}", "stages: [awarenes]}", "unknown_stage", "Did you mean awareness?"),
        (
            "group: background, when: {attribute: uses",
            "group: backgrund, when: {attribute: uses",
            "unknown_group",
            "background?",
        ),
        ("group: reading, because: read pages", "group: background, because: read pages", "wrong_group", "of fit"),
        ("each: pricing_viewed", "each: price_viewed", "unknown_engagement", "Did you mean pricing_viewed?"),
        ("half_life: 14d, each_further: 0.5", "half_life: 14, each_further: 0.5", "bad_duration", "unit"),
        ("half_life: 14d, each_further: 0.5", "half_life: 14d, each_further: 1.5", "bad_number", "at most 1"),
        (
            "half_life: 14d, each_further: 0.5",
            "halflife: 14d, each_further: 0.5",
            "unknown_key",
            "Did you mean half_life?",
        ),
        ("id: prices, points: 12", "id: pages, points: 12", "duplicate_id", "first on line"),
        ("id: reading, part", "id: pages, part", "duplicate_id", "first on line"),
        (
            "points: 12, each: pricing_viewed, half_life: 14d, each_further: 0.5, times_at_most: 4",
            "points: 100000, each: pricing_viewed, times_at_most: 40",
            "too_many_points",
            "no score can hold",
        ),
        ("score: {at_least: 60}", "score: {at_least: 600}", "out_of_reach", "at most"),
        ('url: "https://www.example.com/overview"', "url: www.example.com", "bad_url", "https://"),
        ('url: "https://www.example.com/overview"', 'url: "https://me:pw@example.com/"', "bad_url", "password"),
        ('amount: "2400000.00"', "amount: much", "bad_amount", "two decimals"),
        ("acceptance_rate: 0.75", "acceptance_rate: 75", "bad_share", "at most 1"),
        ("qualified_per_month: 120", "qualified_per_month: -1", "bad_value", "greater"),
        ("existing_customer: {type: boolean", "existing_customer: {type: text", "wrong_type", "boolean"),
        (
            "{existing_customer: true}, because: customers are",
            "{existing_customer: 3}, because: customers are",
            "wrong_type",
            "true or false",
        ),
        ("because: is a student", "because: call +49 170 1234567", "personal_text", "names no person"),
        ("because: is a student", "because: write to a@example.com", "bad_text", "without @"),
        ("title: Sales Europe", "title: 0170/1234567", "personal_text", "names no person"),
        ("title: The Berlin office", "title: Berlin +49 30 901820-11", "personal_text", "names no person"),
        ('closed: ["2026-12-24", "2026-12-31"]', 'closed: ["2026-12-24T10:00:00"]', "wrong_type", "2026-12-24"),
        (
            "  - {id: awareness, title: Awareness}",
            "  - {id: awareness}\n  - {id: after, title: After}",
            "never_reached",
            "give it a when",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_remedy(old: str, new: str, code: str, says: str) -> None:
    assert old in SOFTWARE
    text = SOFTWARE.replace(old, new, 1)
    wrong = [f for f in check(text) if f.code == code and says in f"{f.message} {f.remedy}"]
    assert wrong, [str(f) for f in check(text)]
    lines = zip(SOFTWARE.splitlines(), text.splitlines(), strict=False)
    place = next(i for i, (a, b) in enumerate(lines, 1) if a != b)
    assert wrong[0].line in range(place - 16, place + 25)
    assert wrong[0].remedy


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (SOFTWARE + "# " + "x" * 5_000_000 + "\n", "too_large"),
        ("name: x\nattributes:\n" + "".join(f"  a{i}: {{type: text}}\n" for i in range(300_000)), "too_large"),
        (BOMB, "too_large"),
        ("definition: &d\n  - {id: a, verdict: qualified, because: b, when: {all: *d}}\n", "too_large"),
        ("name: " + "{a: " * 5000, "yaml_syntax"),
    ],
)
def test_what_is_meant_to_choke_the_check_is_refused_within_seconds(text: str, code: str) -> None:
    begin = time.process_time()
    assert [f.code for f in check(text)].count(code) == 1
    assert time.process_time() - begin < 8


def test_a_newer_lead_is_in_the_first_stage_that_holds() -> None:
    agreement = load(SOFTWARE, 1)
    facts = Facts(now=NOW)
    assert agreement.standing(facts).stage == "awareness"
    seen = {"pricing_viewed": (Seen(round(NOW.timestamp() * 1000), 0, 1),)}
    assert agreement.standing(replace(facts, engagements=seen)).stage == "consideration"
    assert agreement.standing(replace(facts, attributes={"topic": "demo"})).stage == "decision"
    assert agreement.standing(replace(facts, attributes={"existing_customer": True})).stage == "customer"


@pytest.mark.parametrize("name", ["software", "school"])
def test_a_hand_raiser_qualifies_past_the_score_and_a_customer_is_a_case_of_its_own(name: str) -> None:
    agreement = load((SAMPLES / f"{name}.yaml").read_text(), 1)
    raised = {"software": {"topic": "demo"}, "school": {"enquiry": "advice"}}[name]
    standing = agreement.standing(Facts(now=NOW, attributes=raised))
    assert (standing.rule.id, standing.rule.verdict, standing.score) == ("hand-raiser", "qualified", 0)
    asking = {**raised, "existing_customer": True, "course": "languages"}
    customer = Facts(now=NOW, attributes={**asking, "enquiry": "prospectus", "start": "next_term"}, country="DE")
    rule = agreement.standing(customer).rule
    assert rule.id == {"software": "customer-asks", "school": "returns"}[name]
    assert agreement.choose_pool("sdr", customer).pool == {"software": "customers", "school": "returning"}[name]
    won = Facts(now=NOW, attributes=raised, customer=True)
    assert agreement.standing(won).rule.id == {"software": "customer-asks", "school": "hand-raiser"}[name]


def test_both_departments_share_one_goal_of_revenue() -> None:
    goals = load(SOFTWARE, 1).terms.goals
    assert goals is not None
    assert goals.revenue.money == Money(amount=Decimal("2400000.00"), currency="EUR")
    assert goals.marketing.acceptance_rate == Decimal("0.75")
    assert goals.sales.reason_for_every_rejection
