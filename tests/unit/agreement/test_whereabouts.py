"""Territories, languages, named accounts, buying stages and splits."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pydantic import TypeAdapter

from schemas.agreement import Agreement, Condition, Facts, check, load
from schemas.agreement.pools import split_place
from schemas.agreement.whereabouts import read_postcodes
from tests.unit.routing.house import MONDAY, TEXT

READ = TypeAdapter(Condition)


def holds(condition: dict[str, Any], country: str | None = None, stage: str | None = None, **attributes: str) -> bool:
    facts = Facts(now=MONDAY, attributes=attributes, country=country, stage=stage)
    return bool(READ.validate_python(condition).held(facts).holds)


@pytest.mark.parametrize(
    ("postcode", "wanted", "is_there"),
    [
        ("80331", "80000-87999", True),
        ("87999", "80000-87999", True),
        ("88000", "80000-87999", False),
        ("D-80331", "80000-87999", True),
        ("SW1A 1AA", "SW1", True),
        ("sw1a1aa", "SW1A", True),
        ("SE1 2AA", "SW1", False),
        ("10115-1234", "10115", True),
        ("94103-1234", "94000-94199", True),
        ("941", "94000-94199", False),
    ],
)
def test_a_postcode_is_in_a_range_or_begins_alike(postcode: str, wanted: str, is_there: bool) -> None:
    assert holds({"territory": {"postcodes": wanted}}, postcode=postcode) is is_there


def test_a_territory_holds_if_all_of_its_parts_do() -> None:
    south = {"territory": {"countries": ["DE", "AT"], "regions": ["Bayern"], "postcodes": ["80000-87999"]}}
    assert holds(south, country="DE", region="BAYERN", postcode="80331")
    assert not holds(south, country="CH", region="Bayern", postcode="80331")
    assert not holds(south, country="DE", postcode="80331")


@pytest.mark.parametrize("text", ["87999-80000", "8000-87999", "-", "??"])
def test_postcodes_that_are_no_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="postcode"):
        read_postcodes(text)


def test_why_a_territory_does_not_hold_is_said() -> None:
    facts = Facts(now=MONDAY, attributes={"postcode": "10115"})
    told = READ.validate_python({"territory": {"postcodes": ["80000-87999", "SW1"]}}).held(facts)
    assert told.because == "the postcode is 10115, not one of 80000 to 87999, SW1"


def test_a_language_also_means_its_countries() -> None:
    assert holds({"language": "de"}, language="de-AT")
    assert holds({"language": ["fr", "de"]}, language="DE")
    assert not holds({"language": "de"}, language="den")


def test_a_named_account_is_known_by_its_domain_and_what_lies_below() -> None:
    named = {"named_account": ["acme.example", "www.zenith.example"]}
    assert holds(named, company_domain="acme.example")
    assert holds(named, company_domain="eu.mail.zenith.example")
    assert not holds(named, company_domain="notacme.example")
    assert not holds(named)


def test_the_buying_stage_decides() -> None:
    assert holds({"stage": "decision"}, stage="decision")
    assert not holds({"stage": "decision"}, stage="awareness")


def test_a_condition_on_what_is_not_declared_is_found_with_its_line() -> None:
    text = TEXT.replace("{attribute: employees, at_least: 1000}", '{territory: {postcodes: ["80000-87999"]}}')
    [found] = [f for f in check(text) if f.code == "unknown_attribute"]
    assert found.message == "this asks for the attribute postcode, which the agreement does not declare."
    assert found.example == "postcode: {type: text}"


SPLIT = "  - {id: big, pool: large, percent: 30, because: a trial}"


def test_a_split_is_stable_for_each_lead_and_as_large_as_it_says() -> None:
    known = _with_split()
    leads = [str(uuid.UUID(int=n)) for n in range(5000)]
    pools = [known.choose_pool("sdr", Facts(now=MONDAY, lead=lead)).pool for lead in leads]
    assert pools == [known.choose_pool("sdr", Facts(now=MONDAY, lead=lead)).pool for lead in leads]
    assert abs(sum(pool == "large" for pool in pools) / len(leads) - 0.3) < 0.03


def test_two_splits_do_not_go_together() -> None:
    leads = [str(uuid.UUID(int=n)) for n in range(5000)]
    both = sum(split_place(lead, "one") < 50 and split_place(lead, "other") < 50 for lead in leads)
    assert abs(both / len(leads) - 0.25) < 0.03


def test_why_a_lead_is_not_in_a_split_is_said() -> None:
    known = _with_split()
    lead = next(x for n in range(100) if split_place(x := str(uuid.UUID(int=n)), "big") >= 30)
    chosen = known.choose_pool("sdr", Facts(now=MONDAY, lead=lead))
    assert (chosen.pool, [p.because for p in chosen.passed_over]) == (
        "inbound",
        ["the lead is not among the 30 per cent of big"],
    )


def test_a_last_rule_with_a_split_is_no_last_rule() -> None:
    text = TEXT.replace("{id: everyone, pool: inbound, because", "{id: everyone, pool: inbound, percent: 50, because")
    assert "missing_last_rule" in {f.code for f in check(text)}


def test_overflow_that_goes_round_is_refused() -> None:
    text = TEXT.replace("inbound: {team: sales}", "inbound: {team: sales, overflow: {after: 1h, to: large}}")
    text = text.replace("large: {team: sales}", "large: {team: sales, overflow: {after: 1h, to: inbound}}")
    found = [f.message for f in check(text) if f.code == "overflow_in_a_circle"]
    assert found == ["leads would go round: inbound to large to inbound.", "leads would go round: large to inbound to large."]


def _with_split() -> Agreement:
    line = next(x for x in TEXT.splitlines() if "id: big" in x)
    return load(TEXT.replace(line, SPLIT), 1)
