"""Which of a submission's attributes may be said to everybody, and which stay with the person's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from schemas.agreement import Agreement
from schemas.agreement.whereabouts import COMPANY, COMPANY_DOMAIN
from schemas.companies import company_domain
from schemas.personal import looks_personal
from schemas.vocabulary import AttributeName, AttributeValue, NonPersonalText

LARGEST = 2**53
"""Beyond it numbers are no longer exact in everybody's JSON."""
_COUNTRY = AttributeName("country")


@dataclass(frozen=True, slots=True)
class SortedAttributes:
    """`spoken` goes into LeadSubmitted, `personal` into the profile."""

    spoken: dict[AttributeName, AttributeValue]
    personal: dict[AttributeName, bool | int | float | str]
    warnings: tuple[str, ...]


def sorted_out(
    agreement: Agreement,
    attributes: Mapping[AttributeName, bool | int | float | str | None],
    country: str | None = None,
    email: str | None = None,
    company: str | None = None,
) -> SortedAttributes:
    """Spoken is what the agreement declares as not personal and of the declared type; the profile keeps the rest.

    The attributes `country`, `company` and `company_domain`, where the agreement has them, are filled from the
    submission's country and company and from the domain of its mail (never a free mail provider's).
    """
    known = ((_COUNTRY, country), (COMPANY, company), (COMPANY_DOMAIN, company_domain(email)))
    filled = {name: str(value) for name, value in known if value is not None and name in agreement.attributes}
    attributes = {**filled, **attributes}
    spoken: dict[AttributeName, AttributeValue] = {}
    personal: dict[AttributeName, bool | int | float | str] = {}
    warnings: list[str] = []
    for name, value in attributes.items():
        if value is None or value == "":
            continue
        declared = agreement.attributes.get(name)
        if declared is None:
            warnings.append(f"attributes.{name} is not in the agreement: it is kept in the profile and no rule sees it")
        elif not declared.personal:
            try:
                read = declared.read(value)
            except ValueError as error:
                warnings.append(f"attributes.{name} is kept in the profile and no rule sees it: {error}")
            else:
                why_not = _unspeakable(read)
                if why_not is None:
                    spoken[name] = NonPersonalText(read) if isinstance(read, str) else read
                    continue
                warnings.append(f"attributes.{name} {why_not}: it is kept in the profile and no rule sees it")
        personal[name] = value
    return SortedAttributes(spoken, personal, tuple(warnings))


def _unspeakable(value: bool | int | Decimal | str) -> str | None:
    """Why a value of the declared type stays in the profile all the same."""
    if isinstance(value, str):
        return "looks like a person's address or number" if looks_personal(value) else None
    too_large = not -LARGEST <= value <= LARGEST
    return "is larger than any number that counts something" if too_large else None
