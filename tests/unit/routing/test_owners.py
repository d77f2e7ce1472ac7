"""An existing owner first: by the company's domain, by an open opportunity, by a name that is alike."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import routing
from schemas.events.routing import ChosenBy
from services.routing.team.companies import plain_name
from tests.unit.routing.house import SalesTeam, agreement


def team(*reps: str, fuzzy: bool = False) -> SalesTeam:
    known = agreement(calendars="owners: {names_alike_from: 85}\ncalendars:" if fuzzy else "calendars:")
    sales = SalesTeam(known)
    for rep in reps:
        sales.joins(rep)
    return sales


def chosen(sales: SalesTeam, number: int) -> tuple[str, ChosenBy | None]:
    said = [e for e in sales.said(number) if isinstance(e, routing.LeadAssigned)][-1]
    return str(said.rep_id), said.chosen_by


def test_a_lead_of_a_known_company_goes_to_its_owner_whoever_s_turn_it_is() -> None:
    sales = team("ana", "bob", "cem")
    sales.owns("acme", name="Acme", domains=("acme.example",), owners=("cem",))
    sales.asks(1, company_domain="acme.example")
    sales.asks(2, company_domain="mail.acme.example")
    sales.asks(3, company_domain="other.example")
    assert [chosen(sales, n) for n in (1, 2, 3)] == [
        ("cem", ChosenBy.ACCOUNT),
        ("cem", ChosenBy.ACCOUNT),
        ("ana", ChosenBy.TURN),
    ]
    said = sales.said(1)[-1]
    assert isinstance(said, routing.LeadAssigned)
    assert said.because == "cem owns the company Acme (by the domain acme.example)"
    assert said.account_id == "acme"


def test_who_has_an_open_opportunity_comes_before_who_owns_the_company() -> None:
    sales = team("ana", "bob")
    opportunity = {"opportunity_id": "o1", "owner": "bob"}
    sales.owns("acme", domains=("acme.example",), owners=("ana",), open_opportunities=(opportunity,))
    sales.asks(1, company_domain="acme.example")
    assert chosen(sales, 1) == ("bob", ChosenBy.OPPORTUNITY)


def test_an_owner_who_cannot_take_it_is_passed_over_and_the_reason_is_told() -> None:
    sales = team("ana", "bob")
    sales.owns("acme", name="Acme", domains=("acme.example",), owners=("bob",), customer=True)
    sales.is_away("bob")
    sales.asks(1, company_domain="acme.example")
    said = sales.said(1)[-1]
    assert isinstance(said, routing.LeadAssigned)
    assert said.rep_id == "ana"
    assert said.candidates[0].because == "looks after the customer Acme (by the domain acme.example), but is away"


def test_an_owner_who_rejected_it_does_not_get_it_again() -> None:
    sales = team("ana", "bob")
    sales.owns("acme", domains=("acme.example",), owners=("ana",))
    sales.asks(1, company_domain="acme.example", excluded=("ana",))
    assert sales.owner(1) == "bob"


def test_an_owner_s_lead_is_no_turn_of_his() -> None:
    sales = team("ana", "bob")
    sales.owns("acme", domains=("acme.example",), owners=("ana",))
    for n in range(1, 5):
        sales.asks(n, company_domain="acme.example")
    for n in (5, 6):
        sales.asks(n)
    assert {sales.owner(5), sales.owner(6)} == {"ana", "bob"}, "of what the pool dealt each has one"


def test_an_account_that_is_removed_is_nobody_s() -> None:
    sales = team("ana", "bob")
    sales.owns("acme", domains=("acme.example",), owners=("bob",))
    sales.disowns("acme")
    sales.asks(1, company_domain="acme.example")
    assert chosen(sales, 1) == ("ana", ChosenBy.TURN)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ACME Robotics GmbH", True),
        ("Acme Robotik", True),
        ("Robotics Acme Inc.", True),
        ("Acme Foods", False),
        ("Zenith Robotics", False),
    ],
)
def test_companies_are_found_by_a_name_that_is_alike_only_where_the_agreement_says_so(name: str, found: bool) -> None:
    for fuzzy in (True, False):
        sales = team("ana", "bob", fuzzy=fuzzy)
        sales.owns("acme", name="Acme Robotics Ltd", owners=("bob",))
        sales.asks(1, company=name)
        assert (sales.owner(1) == "bob") is (found and fuzzy)


def test_a_waiting_lead_goes_to_its_owner_when_he_comes_back() -> None:
    sales = team("ana", "bob")
    sales.owns("acme", domains=("acme.example",), owners=("bob",))
    for rep in ("ana", "bob"):
        sales.is_away(rep)
    sales.asks(1)
    sales.asks(2, company_domain="acme.example")
    sales.is_back("bob")
    assert (chosen(sales, 1), chosen(sales, 2)) == (("bob", ChosenBy.TURN), ("bob", ChosenBy.ACCOUNT))


def test_legal_forms_and_accents_do_not_tell_companies_apart() -> None:
    names: list[Any] = ["Müller & Söhne GmbH & Co. KG", "MULLER SOHNE", "The Muller, Sohne Group"]
    assert {plain_name(name) for name in names} == {"muller sohne"}
