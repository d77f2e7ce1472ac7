"""Which of a form's fields mean what. A lead is worth more than a tidy field, so forms forgive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.agreement import Form
from services.intake.identity import Contact, NotAContact, normalised_email, normalised_phone
from services.intake.requests import LeadIn, SourceIn

HONEYPOT = "fax_number_2"
"""A field that people do not see. Who fills it in is a machine."""

_FIELDS = {
    "email": "email",
    "e_mail": "email",
    "mail": "email",
    "email_address": "email",
    "work_email": "email",
    "phone": "phone",
    "tel": "phone",
    "telephone": "phone",
    "phone_number": "phone",
    "mobile": "phone",
    "name": "name",
    "full_name": "name",
    "company": "company",
    "organization": "company",
    "organisation": "company",
    "company_name": "company",
    "country": "country",
    "message": "message",
    "comment": "message",
    "comments": "message",
    "question": "message",
}
_SOURCE = {
    "channel": "channel",
    "utm_campaign": "campaign",
    "campaign": "campaign",
    "utm_medium": "medium",
    "medium": "medium",
    "utm_term": "term",
    "utm_content": "content",
    "utm_source": "utm_source",
}
_FIRST, _LAST = (
    frozenset({"first_name", "firstname", "given_name"}),
    frozenset({"last_name", "lastname", "family_name", "surname"}),
)
_YES = frozenset({"1", "on", "true", "yes", "y"})
_COUNTRY = re.compile(r"^[A-Za-z]{2}$")


WEB = "web"
"""The source's channel where the form does not say one."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that was filled in by somebody who can be reached."""

    said: LeadIn
    contact: Contact


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A form that names nobody: what to tell him, by field, and what he had written."""

    messages: dict[str, str]
    written: dict[str, str] = field(default_factory=dict)


def is_a_machine(fields: Iterable[tuple[str, str]]) -> bool:
    """Whether the field that nobody sees was filled in."""
    return any(name == HONEYPOT and value.strip() for name, value in fields)


def understood(form: Form | None, fields: Iterable[tuple[str, str]]) -> Filled | Unreachable:
    """The submission that these fields mean.

    What is not known becomes an attribute; what is known and cannot be read (a telephone number beside a good e-mail
    address, a country's name) is kept as it was typed. `form`: what the agreement says of the form, if anything.
    """
    written: dict[str, str] = {}
    known: dict[str, str] = {}
    source: dict[str, Any] = {}
    renamed = {name: str(attribute) for name, attribute in form.fields.items()} if form else {}
    attributes: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    first = last = ""
    for raw_name, raw_value in fields:
        value, name = raw_value.strip(), renamed.get(raw_name) or _plain(raw_name)
        written[raw_name] = raw_value[:1000]
        if not value or not name or raw_name == HONEYPOT:
            continue
        if raw_name in renamed:
            attributes[name] = value[:10_000]
        elif name in _FIELDS:
            known.setdefault(_FIELDS[name], value)
        elif name in _SOURCE:
            source.setdefault(_SOURCE[name], value[:500])
        elif name in _FIRST:
            first = value
        elif name in _LAST:
            last = value
        elif name.startswith("consent_"):
            consent[name.removeprefix("consent_")] = value.lower() in _YES
        else:
            attributes[name] = f"{attributes[name]}, {value}"[:10_000] if name in attributes else value[:10_000]
    if first or last:
        known.setdefault("name", f"{first} {last}".strip())
    source.setdefault("channel", WEB)
    attributes |= {name: _value(value) for name, value in form.attributes.items()} if form else {}
    country = known.pop("country", "")
    if country and not _COUNTRY.match(country):
        attributes["country_as_typed"] = country
        country = ""
    contact = _contact(known, country, attributes)
    if isinstance(contact, dict):
        return Unreachable(contact, written)
    said = LeadIn(
        email=contact.email,
        phone=contact.phone,
        country=country or None,
        name=known.get("name", "")[:500] or None,
        company=known.get("company", "")[:500] or None,
        message=known.get("message", "")[:10_000] or None,
        source=SourceIn(**source),
        attributes=dict(list(attributes.items())[:200]),
        consent=consent,
    )
    return Filled(said, contact)


def _contact(known: dict[str, str], country: str, attributes: dict[str, Any]) -> Contact | dict[str, str]:
    messages: dict[str, str] = {}
    email = phone = None
    if "email" in known:
        try:
            email = normalised_email(known["email"])
        except NotAContact as error:
            messages["email"] = str(error)
    if "phone" in known:
        try:
            phone = normalised_phone(known["phone"], country.upper() or None)
        except NotAContact as error:
            messages["phone"] = str(error)
    if email is None and phone is None:
        return messages or {"email": "please leave an e-mail address or a telephone number, so that we can answer"}
    if "email" in messages:
        attributes["email_as_typed"] = known["email"][:500]
    if "phone" in messages:
        attributes["phone_as_typed"] = known["phone"][:500]
    return Contact(email, phone)


def _plain(name: str) -> str:
    """`Company-Size ` and `company_size` are one attribute."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")[:64]
    return plain if plain[:1].isalpha() else (f"f_{plain}"[:64] if plain else "")


def _value(value: object) -> bool | int | float | str:
    return value if isinstance(value, bool | int | str) else str(value)
