"""What a browser's fields mean, and that a form forgives what an API does not."""

import pytest

from schemas.agreement import Form
from services.intake.forms import Filled, Unreachable, understood


def filled(*fields: tuple[str, str], form: Form | None = None) -> Filled:
    answer = understood(form, fields)
    assert isinstance(answer, Filled), answer
    return answer


def test_known_fields_are_found_under_their_usual_names() -> None:
    answer = filled(
        ("Work-Email", "Ana@Example.com"),
        ("First Name", "Ana"),
        ("Last Name", "Alvarez"),
        ("organisation", "Acme"),
        ("utm_campaign", "x"),
    )
    assert (answer.contact.email, answer.said.name, answer.said.company) == ("ana@example.com", "Ana Alvarez", "Acme")
    assert (answer.said.source.campaign, answer.said.source.channel) == ("x", "web")


def test_what_is_not_known_becomes_an_attribute_and_repeated_fields_are_joined() -> None:
    answer = filled(("email", "a@example.com"), ("Interest", "a"), ("Interest", "b"), ("7 days", "x"))
    assert answer.said.attributes == {"interest": "a, b", "f_7_days": "x"}


def test_a_bad_number_beside_a_good_address_is_kept_as_it_was_typed() -> None:
    answer = filled(("email", "a@example.com"), ("phone", "ask Maria"), ("country", "Germany"))
    assert answer.contact.phone is None
    assert answer.said.attributes == {"phone_as_typed": "ask Maria", "country_as_typed": "Germany"}


@pytest.mark.parametrize("fields", [[], [("name", "Ana")], [("email", "no"), ("phone", "no")]])
def test_somebody_who_cannot_be_reached_is_asked_again(fields: list[tuple[str, str]]) -> None:
    assert isinstance(understood(None, fields), Unreachable)


def test_the_agreement_renames_fields_and_adds_what_the_form_itself_says() -> None:
    form = Form.model_validate({"fields": {"size": "employees"}, "attributes": {"topic": "demo"}})
    answer = filled(("email", "a@example.com"), ("size", "120"), ("topic", "other"), form=form)
    assert answer.said.attributes == {"employees": "120", "topic": "demo"}
