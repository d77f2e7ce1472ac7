"""Who is it: e-mail addresses and telephone numbers in one normal form each, and the lead that they name."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from schemas import ids
from schemas.ids import LeadId


class NotAContact(ValueError):
    """A text that is no e-mail address or telephone number; the text of the error says why and what would be."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How a person can be reached, in normal form. At least one of both is there."""

    email: str | None
    phone: str | None

    @property
    def naming(self) -> str:
        """What names the lead: the e-mail address, else the telephone number."""
        name = self.email or self.phone
        if name is None:
            raise NotAContact("a lead needs an email or a phone")
        return name


def normalised_email(text: str) -> str:
    """The address in lower case, its domain in IDNA's Unicode form. Asks no name server. Raises NotAContact.

    Lower case also before the @: RFC 5321 would allow two mailboxes that differ only in case, no provider has them,
    and people write their own address both ways.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise NotAContact(f"this is no e-mail address: {error}") from error
    return found.normalized.lower()


def normalised_phone(text: str, country: str | None) -> str:
    """The number in E.164. `country` (ISO 3166) tells what a number without +country code means. Raises NotAContact."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        raise NotAContact(
            "this is no telephone number: write it with its country code, such as +49 30 901820, or say the country"
        ) from error
    if not phonenumbers.is_possible_number(number):
        raise NotAContact("this is no telephone number: it has too many or too few digits for its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def lead_of(namespace: uuid.UUID, contact: Contact) -> LeadId:
    """The lead that this contact names: one person, one lead, however often he writes."""
    return ids.lead_id(namespace, contact.naming)
