"""Who is it: the normal forms of addresses and numbers."""

import uuid

import pytest

from services.intake.identity import Contact, NotAContact, lead_of, normalised_email, normalised_phone

NAMESPACE = uuid.UUID(int=7)


@pytest.mark.parametrize("text", ["Ana@Example.com", " ana@example.com ", "ANA@EXAMPLE.COM"])
def test_one_mailbox_has_one_normal_form(text: str) -> None:
    assert normalised_email(text) == "ana@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "ana@",
        "@example.com",
        "ana@@example.com",
        "ana@exa mple.com",
        "ana@localhost",
        "a" * 260 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(NotAContact, match="no e-mail address"):
        normalised_email(text)


@pytest.mark.parametrize(
    ("text", "country"),
    [("+49 30 901820", None), ("030 901820", "DE"), ("0049 30 90 18 20", "DE"), ("(030) 90-18-20", "DE")],
)
def test_one_number_has_one_normal_form(text: str, country: str | None) -> None:
    assert normalised_phone(text, country) == "+4930901820"


@pytest.mark.parametrize("text", ["", "call me", "030 901820", "+49", "+49 1", "+" + "1" * 40])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NotAContact, match="no telephone number"):
        normalised_phone(text, None)


def test_the_address_names_the_lead_and_the_number_only_without_one() -> None:
    assert lead_of(NAMESPACE, Contact("a@example.com", "+4930901820")) == lead_of(
        NAMESPACE, Contact("a@example.com", None)
    )
    assert lead_of(NAMESPACE, Contact(None, "+4930901820")) != lead_of(
        NAMESPACE, Contact("a@example.com", "+4930901820")
    )
    assert lead_of(uuid.UUID(int=8), Contact("a@example.com", None)) != lead_of(
        NAMESPACE, Contact("a@example.com", None)
    )
