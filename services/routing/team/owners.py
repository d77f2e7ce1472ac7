"""An existing owner first: who accepted the lead before, has an open opportunity with its company, or owns the company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rapidfuzz import fuzz

from schemas.agreement.whereabouts import with_parents
from schemas.events.routing import ChosenBy
from schemas.ids import AccountId, RepId
from services.routing.team.ability import fits, why_not
from services.routing.team.companies import name_words, plain_name
from services.routing.team.sitting import Sitting
from services.routing.team.state import ACCOUNT, DOMAIN, WORD, Account, Wait

LOOKED_AT = 500
"""So many companies are compared by name at most."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who has the lead or its company already."""

    rep_id: RepId
    chosen_by: ChosenBy
    because: str
    account_id: AccountId | None = None


def owners(s: Sitting, wait: Wait) -> Iterator[Owner]:
    """All owners, the nearest first; some may not be able to take it."""
    terms = s.agreement.owners
    if terms.known_leads and wait.owner is not None:
        yield Owner(wait.owner, ChosenBy.KNOWN_LEAD, "accepted this lead in an earlier cycle")
    if not terms.accounts:
        return
    for account_id, account, how in _accounts(s, wait):
        called = account.name or account_id
        for rep_id in account.opportunities:
            yield Owner(rep_id, ChosenBy.OPPORTUNITY, f"has an open opportunity with {called} ({how})", account_id)
        owns = "looks after the customer" if account.customer else "owns the company"
        for rep_id in account.owners:
            yield Owner(rep_id, ChosenBy.ACCOUNT, f"{owns} {called} ({how})", account_id)


def able_owner(s: Sitting, wait: Wait) -> tuple[Owner | None, list[tuple[RepId, str]]]:
    """The first owner who can take the lead, and why those before him cannot."""
    passed: dict[RepId, str] = {}
    for owner in owners(s, wait):
        rep = s.rep(owner.rep_id)
        if owner.rep_id in passed or rep is None or rep.left or rep.role != wait.role:
            continue
        if rep.able and fits(owner.rep_id, rep, s.hours, wait.excluded, wait.grade, ()):
            return owner, list(passed.items())
        why = why_not(owner.rep_id, rep, s.hours, wait.excluded, wait.grade)
        passed[owner.rep_id] = f"{owner.because}, but {why or 'cannot take it now'}"
    return None, list(passed.items())


def _accounts(s: Sitting, wait: Wait) -> Iterator[tuple[AccountId, Account, str]]:
    """The lead's company, by its domain or a part of it; by name if nothing is found."""
    if wait.domain is not None:
        for domain in with_parents(wait.domain.lower()):
            for _, name in s.parts.in_order(DOMAIN, f"{domain}/"):
                account: Account | None = s.parts.get(ACCOUNT, name)
                if account is not None:
                    yield AccountId(name), account, f"by the domain {domain}"
                    return
    alike = s.agreement.owners.names_alike_from
    if alike is not None and wait.company is not None:
        found = _by_name(s, wait.company, alike)
        if found is not None:
            yield found


def _by_name(s: Sitting, company: str, alike: int) -> tuple[AccountId, Account, str] | None:
    """The company whose name is most alike, at least so much (of 100)."""
    wanted = plain_name(company)
    best: tuple[float, str] | None = None
    for word in name_words(company):
        for _, name in islice(s.parts.in_order(WORD, f"{word}/"), LOOKED_AT):
            account: Account | None = s.parts.get(ACCOUNT, name)
            if account is None or account.name is None:
                continue
            score = fuzz.token_sort_ratio(wanted, plain_name(account.name), score_cutoff=alike)
            if score >= alike and (best is None or (-score, name) < (-best[0], best[1])):
                best = score, name
    if best is None:
        return None
    account = s.parts.get(ACCOUNT, best[1])
    return None if account is None else (AccountId(best[1]), account, f"by its name, {best[0]:.0f} of 100 alike")
