"""What a list of companies changes in the teams' logs, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.companies import company_domain
from schemas.events.desk import AccountRemoved, AccountSet
from schemas.ids import AccountId, PoolId, RepId, RoleId, TeamId
from services.console.account_commands import read_accounts
from services.console.terminal import Refused
from services.desk.accounts import AccountIn, Known, changes, objections
from services.desk.foresight import Place

ROSTER = {
    RepId(rep): Place(RepId(rep), TeamId(team), RoleId("sdr"), frozenset({PoolId("inbound")}))
    for rep, team in (("ana", "sales"), ("bob", "sales"), ("kim", "closers"))
}


def account(**said: Any) -> AccountIn:
    return AccountIn.model_validate({"id": "acme", "domains": ["acme.example"], "owners": ["ana"], **said})


def known(events: list[Any]) -> Known:
    out: dict[AccountId, dict[TeamId, dict[str, Any]]] = {}
    for event in events:
        if isinstance(event, AccountSet):
            body = event.model_dump(mode="json", exclude={"team_id", "account_id"})
            out.setdefault(event.account_id, {})[event.team_id] = body
    return out


def test_each_team_is_told_of_its_own_owners_and_opportunities() -> None:
    opportunity = {"id": "o1", "owner": "kim"}
    events = changes([account(owners=["ana", "kim"], open_opportunities=[opportunity])], {}, ROSTER, False)
    told = {e.team_id: (e.owners, [o.owner for o in e.open_opportunities]) for e in events if isinstance(e, AccountSet)}
    assert told == {"sales": (("ana",), []), "closers": (("kim",), ["kim"])}


def test_the_same_list_again_says_nothing() -> None:
    before = known(changes([account()], {}, ROSTER, False))
    assert changes([account()], before, ROSTER, False) == []


def test_a_company_that_changes_teams_is_removed_from_the_first() -> None:
    before = known(changes([account()], {}, ROSTER, False))
    events = changes([account(owners=["kim"])], before, ROSTER, False)
    assert [(type(e), e.team_id) for e in events if isinstance(e, AccountSet | AccountRemoved)] == [
        (AccountSet, "closers"),
        (AccountRemoved, "sales"),
    ]


def test_what_is_not_named_stays_unless_the_others_are_to_be_removed() -> None:
    before = known(changes([account()], {}, ROSTER, False))
    other = account(id="zenith", domains=["zenith.example"])
    assert [type(e) for e in changes([other], before, ROSTER, False)] == [AccountSet]
    assert [type(e) for e in changes([other], before, ROSTER, True)] == [AccountSet, AccountRemoved]


def test_owners_whom_nobody_knows_and_companies_that_cannot_be_found_are_named() -> None:
    wrong = objections([account(owners=["nobody"]), account(), AccountIn(id=AccountId("empty"))], ROSTER)
    assert [(w.field, w.message) for w in wrong] == [
        ("accounts[0].owners", "the roster has no rep nobody: GET /v1/roster lists all"),
        ("accounts[1].id", "acme is there twice: keep one entry"),
        ("accounts[2]", "empty has neither domains nor a name to be found by"),
    ]


def test_nobody_s_company_is_known_by_a_free_mail_domain() -> None:
    with pytest.raises(ValidationError, match=r"anybody can have a mailbox at gmail\.com"):
        account(domains=["gmail.com"])
    assert company_domain("ann@gmail.com") is None
    assert company_domain("ann@mail.acme.example") == "mail.acme.example"
    assert company_domain("ann@bücher.example") == "xn--bcher-kva.example"


def test_domains_are_taken_as_people_write_them() -> None:
    assert account(domains=["https://www.Acme.example/about", "acme.test."]).domains == ("acme.example", "acme.test")


def test_a_file_says_several_values_in_one_cell(tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("Account;Name;website;owner;customer;open_opportunities\nacme;Acme;acme.example|acme.test;ana;yes;o1:bob\n")
    assert list(read_accounts(file)) == [
        {
            "id": "acme",
            "name": "Acme",
            "domains": ["acme.example", "acme.test"],
            "owners": ["ana"],
            "customer": True,
            "open_opportunities": [{"id": "o1", "owner": "bob"}],
        }
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nAcme\n", "line 1: the column account is missing"),
        ("account,colour\nacme,red\n", "line 1: it has 'colour'"),
        ("account,customer\nacme,maybe\n", "line 2: customer is 'maybe'; write yes or no"),
        ("account,name\n,Acme\n", "line 2: the column account is empty"),
        ("account,open_opportunities\nacme,o1\n", "line 2: 'o1' is no open opportunity; write id:owner"),
    ],
)
def test_a_wrong_line_is_named_with_its_remedy(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(text)
    with pytest.raises(Refused) as refused:
        list(read_accounts(file))
    assert said in str(refused.value)
