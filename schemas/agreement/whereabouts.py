"""Conditions about where a lead belongs: territory, language, named accounts, buying stage.

They read attributes of well-known names, which the agreement must declare: `region`, `postcode`, `language` and
`company_domain`; `product` and the size of a company are attributes like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.facts import Facts, Held, listed, say
from schemas.agreement.part import Part, as_list
from schemas.ids import DomainName
from schemas.vocabulary import AttributeName, CountryCode, NonPersonalText, Slug

REGION, POSTCODE = AttributeName("region"), AttributeName("postcode")
LANGUAGE, PRODUCT = AttributeName("language"), AttributeName("product")
COMPANY_DOMAIN, COMPANY = AttributeName("company_domain"), AttributeName("company")
_COUNTRY_BEFORE = re.compile(r"^[A-Z]{1,3}-(?=\d)")
_NOISE = re.compile(r"[\s.-]+")


def plain_postcode(value: object) -> str:
    """A postcode as it is compared: capitals, without a country before a dash (D-80331), blanks, dots and dashes."""
    return _NOISE.sub("", _COUNTRY_BEFORE.sub("", str(value).strip().upper()))


class Postcodes(NamedTuple):
    """All postcodes that begin with something between two beginnings of one length, both included."""

    first: str
    last: str

    def in_words(self) -> str:
        """Them, in a sentence; not as one row of digits, which could be a telephone number."""
        return self.first if self.first == self.last else f"{self.first} to {self.last}"

    def hold(self, postcode: str) -> bool:
        """Whether a plain postcode is among them."""
        beginning = postcode[: len(self.first)]
        return len(beginning) == len(self.first) and self.first <= beginning <= self.last


def read_postcodes(text: str) -> Postcodes:
    """`80000-87999`, `SW1A` (a beginning) or `10115`. Raises ValueError with a sentence."""
    ends = [plain_postcode(end) for end in re.split(r"\s*(?:-|–|\.\.)\s*", text.strip())]
    if len(ends) == 2 and all(ends):
        if len(ends[0]) != len(ends[1]) or ends[0] > ends[1]:
            raise ValueError(f"{text!r} does not go from a lower to a higher postcode of the same length")
        return Postcodes(ends[0], ends[1])
    whole = plain_postcode(text.rstrip("*"))
    if not whole.isalnum() or not whole.isascii():
        raise ValueError(f"{text!r} is neither a postcode, nor the beginning of one, nor a range of them")
    return Postcodes(whole, whole)


PostcodeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .*–-]{0,31}$")]


def _postcodes(value: Any) -> Any:
    texts = [str(v).zfill(5) if isinstance(v, int) and v < 10_000 else str(v) for v in as_list(value)]
    for text in texts:
        try:
            read_postcodes(text)
        except ValueError as error:
            raise PydanticCustomError("bad_postcode", "{sentence}", {"sentence": str(error)}) from error
    return texts


class Territory(Part):
    """Where a lead is. What is given must all hold; each is a list of which one must hold."""

    countries: Annotated[tuple[CountryCode, ...], BeforeValidator(as_list)] = ()
    regions: Annotated[tuple[NonPersonalText, ...], BeforeValidator(as_list)] = ()
    postcodes: Annotated[tuple[PostcodeText, ...], BeforeValidator(_postcodes)] = ()

    @model_validator(mode="after")
    def _something(self) -> Territory:
        if not (self.countries or self.regions or self.postcodes):
            raise PydanticCustomError("no_test", "neither countries nor regions nor postcodes are given")
        return self

    @cached_property
    def ranges(self) -> tuple[Postcodes, ...]:
        """The postcodes, read."""
        return tuple(read_postcodes(text) for text in self.postcodes)

    @cached_property
    def regions_folded(self) -> frozenset[str]:
        """The regions, whatever their capitals."""
        return frozenset(str(region).casefold() for region in self.regions)

    def in_words(self) -> str:
        """Where it is."""
        parts = [listed(list(names)) for names in (self.countries, self.regions) if names]
        if self.postcodes:
            parts.append(f"postcode {listed([codes.in_words() for codes in self.ranges])}")
        return ", ".join(parts)


class TerritoryIs(Part):
    territory: Territory

    def held(self, facts: Facts) -> Held:
        last = Held(True, "anywhere")
        for test in self._tests(facts):
            if not test.holds:
                return test
            last = test
        return last

    def _tests(self, facts: Facts) -> Iterator[Held]:
        territory = self.territory
        if territory.countries:
            country = facts.country or facts.attributes.get("country")
            yield _one_of("the country", country, country in territory.countries, territory.countries)
        if territory.regions:
            region = facts.attributes.get(REGION)
            known = str(region).casefold() in territory.regions_folded
            yield _one_of("the region", region, known, territory.regions)
        if territory.postcodes:
            postcode = facts.attributes.get(POSTCODE)
            plain = plain_postcode(postcode)
            held = any(postcodes.hold(plain) for postcodes in territory.ranges)
            wanted = tuple(codes.in_words() for codes in territory.ranges)
            yield _one_of("the postcode", postcode, held, wanted)


def _one_of(what: str, value: object, held: bool, wanted: tuple[object, ...]) -> Held:
    if value is None:
        return Held(False, f"{what} is not known")
    if held:
        return Held(True, f"{what} is {say(value)}")
    return Held(False, f"{what} is {say(value)}, not {'one of ' if len(wanted) > 1 else ''}{listed(list(wanted))}")


class LanguageIs(Part):
    """The attribute `language` is one of these; `de` also means de-AT."""

    language: Annotated[tuple[Slug, ...], BeforeValidator(as_list), Field(min_length=1)]

    def held(self, facts: Facts) -> Held:
        value = facts.attributes.get(LANGUAGE)
        return _one_of("the language", value, self.among(value), self.language)

    def among(self, value: object) -> bool:
        """Whether a language is one of them."""
        said = str(value).casefold().replace("_", "-")
        return any(said == (one := str(w).casefold()) or said.startswith(f"{one}-") for w in self.language)


def _domain(value: str) -> str:
    return value.removeprefix("www.")


class NamedAccountIs(Part):
    """The lead's company is one of these, by the domain of its mail; subdomains count."""

    named_account: Annotated[
        tuple[Annotated[DomainName, AfterValidator(_domain)], ...],
        BeforeValidator(as_list),
        Field(min_length=1, max_length=10_000),
    ]

    @cached_property
    def domains(self) -> frozenset[str]:
        """The domains as a set."""
        return frozenset(str(domain) for domain in self.named_account)

    def account_of(self, facts: Facts) -> str | None:
        """The named account's domain that the lead belongs to."""
        domain = facts.attributes.get(COMPANY_DOMAIN)
        if domain is None:
            return None
        return next((d for d in with_parents(str(domain).lower()) if d in self.domains), None)

    def held(self, facts: Facts) -> Held:
        domain = facts.attributes.get(COMPANY_DOMAIN)
        found = self.account_of(facts)
        if found is not None:
            return Held(True, f"{say(found)} is a named account")
        if domain is None:
            return Held(False, "the company's domain is not known")
        return Held(False, f"{say(domain)} is no named account")


def with_parents(domain: str) -> Iterator[str]:
    """The domain and those that it is part of: `eu.mail.example.com`, `mail.example.com`, `example.com`."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        yield ".".join(labels[start:])


class StageIs(Part):
    """The lead's buying stage is one of these."""

    stage: Annotated[tuple[Slug, ...], BeforeValidator(as_list), Field(min_length=1)]

    def held(self, facts: Facts) -> Held:
        return _one_of("the buying stage", facts.stage, facts.stage in self.stage, self.stage)
