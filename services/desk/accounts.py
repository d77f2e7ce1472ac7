"""Companies, their owners and open opportunities: what a list of them changes in the teams' logs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from schemas.base import Event
from schemas.companies import is_free_mail
from schemas.events.desk import AccountRemoved, AccountSet, Opportunity
from schemas.ids import AccountId, DomainName, OpportunityId, RepId, TeamId
from schemas.vocabulary import NonPersonalText
from services.desk.foresight import Place
from services.runtime.http import Request


def _domain(value: Any) -> Any:
    """A domain as people write it: with https://, www. or a path."""
    if not isinstance(value, str):
        return value
    bare = value.strip().lower().split("://")[-1].split("/")[0].removeprefix("www.").rstrip(".")
    try:
        return bare.encode("idna").decode() if bare else bare
    except UnicodeError:
        return bare


class OpportunityIn(Request):
    """An open opportunity."""

    id: OpportunityId
    owner: RepId


class AccountIn(Request):
    """A company: how it is recognised, and whose it is."""

    id: AccountId
    name: NonPersonalText | None = None
    domains: Annotated[tuple[Annotated[DomainName, BeforeValidator(_domain)], ...], Field(max_length=50)] = ()
    owners: Annotated[tuple[RepId, ...], Field(max_length=20, description="reps, the first one first")] = ()
    customer: bool = False
    open_opportunities: Annotated[tuple[OpportunityIn, ...], Field(max_length=50)] = ()

    @field_validator("domains")
    @classmethod
    def _a_company_s(cls, domains: tuple[DomainName, ...]) -> tuple[DomainName, ...]:
        for domain in domains:
            if is_free_mail(domain):
                raise ValueError(f"anybody can have a mailbox at {domain}: no company is known by it; leave it out")
        return domains


class AccountsIn(Request):
    """Companies to be set. `remove_others`: those that are not named are nobody's any more."""

    accounts: Annotated[list[AccountIn], Field(max_length=5000)]
    remove_others: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with one company, and where."""

    field: str
    message: str


Known = Mapping[AccountId, Mapping[TeamId, Mapping[str, Any]]]
"""What each team was told of each company: the body of its AccountSet."""


def objections(accounts: Sequence[AccountIn], roster: Mapping[RepId, Place]) -> list[Wrong]:
    """Owners whom the roster does not know, companies named twice, and companies that nobody could be found by."""
    found: list[Wrong] = []
    seen: set[AccountId] = set()
    for i, account in enumerate(accounts):
        if account.id in seen:
            found.append(Wrong(f"accounts[{i}].id", f"{account.id} is there twice: keep one entry"))
        seen.add(account.id)
        for rep in _reps(account):
            if rep not in roster:
                found.append(Wrong(f"accounts[{i}].owners", f"the roster has no rep {rep}: GET /v1/roster lists all"))
        if not account.domains and account.name is None:
            found.append(Wrong(f"accounts[{i}]", f"{account.id} has neither domains nor a name to be found by"))
    return found


def changes(accounts: Sequence[AccountIn], known: Known, roster: Mapping[RepId, Place], remove_others: bool) -> list[Event]:
    """The events that make the teams know these companies; none for what they know already."""
    events: list[Event] = []
    for account in accounts:
        before = known.get(account.id, {})
        teams = {roster[rep].team_id: None for rep in _reps(account)}
        for team in teams:
            said = _said(account, TeamId(team), roster)
            if before.get(TeamId(team)) != said.model_dump(mode="json", exclude={"team_id", "account_id"}):
                events.append(said)
        events += [AccountRemoved(team_id=team, account_id=account.id) for team in before if team not in teams]
    if remove_others:
        named = {account.id for account in accounts}
        events += [
            AccountRemoved(team_id=team, account_id=account_id)
            for account_id, teams_before in known.items()
            if account_id not in named
            for team in teams_before
        ]
    return events


def _reps(account: AccountIn) -> Iterable[RepId]:
    return dict.fromkeys((*account.owners, *(o.owner for o in account.open_opportunities)))


def _said(account: AccountIn, team: TeamId, roster: Mapping[RepId, Place]) -> AccountSet:
    return AccountSet(
        team_id=team,
        account_id=account.id,
        name=account.name,
        domains=account.domains,
        owners=tuple(rep for rep in account.owners if roster[rep].team_id == team),
        customer=account.customer,
        open_opportunities=tuple(
            Opportunity(opportunity_id=o.id, owner=o.owner)
            for o in account.open_opportunities
            if roster[o.owner].team_id == team
        ),
    )
