"""Which attributes everybody may hear of, and which stay with the person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from schemas.vocabulary import AttributeName
from services.intake.attributes import SortedAttributes, sorted_out
from services.intake.requests import SourceIn
from services.intake.source import cleaned
from tests.builders import agreement

TERMS = agreement(
    attributes={
        "employees": {"type": "integer", "minimum": 0},
        "budget": {"type": "decimal"},
        "industry": {"type": "text"},
        "student": {"type": "boolean"},
        "topic": {"type": "choice", "choices": ["demo", "other"]},
        "nickname": {"type": "text", "personal": True},
        "country": {"type": "text"},
    },
    definition=[{"id": "rest", "verdict": "qualified", "because": "b"}],
    scoring={},
)


def of(from_country: str | None = None, **said: Any) -> SortedAttributes:
    return sorted_out(TERMS, {AttributeName(name): value for name, value in said.items()}, from_country)


def test_declared_values_are_read_as_their_type() -> None:
    sorted_attributes = of(employees="120", budget="10.50", student="yes", topic="demo", industry=" steel  works ")
    assert sorted_attributes.spoken == {
        "employees": 120,
        "budget": Decimal("10.50"),
        "student": True,
        "topic": "demo",
        "industry": "steel works",
    }
    assert (sorted_attributes.personal, sorted_attributes.warnings) == ({}, ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("employees", "many"),
        ("employees", -1),
        ("employees", 10**30),
        ("topic", "weather"),
        ("industry", "ask ana@example.com"),
        ("industry", "+49 170 1234567"),
        ("unheard_of", "x"),
    ],
)
def test_what_does_not_fit_is_kept_in_the_profile_with_a_warning(name: str, value: Any) -> None:
    answer = of(**{name: value})
    assert (answer.spoken, answer.personal) == ({}, {name: value})
    assert name in answer.warnings[0]


def test_what_the_agreement_calls_personal_stays_in_the_profile_without_a_warning() -> None:
    assert of(nickname="Annie") == SortedAttributes({}, {AttributeName("nickname"): "Annie"}, ())


def test_the_country_fills_the_attribute_of_its_name() -> None:
    assert of("DE").spoken == {"country": "DE"}
    assert of("DE", country="AT").spoken == {"country": "AT"}


def test_a_campaign_that_looks_like_a_number_of_somebody_counts_under_a_token() -> None:
    one, warned = cleaned(SourceIn(campaign="4917012345678", term="ana@example.com", medium="cpc"), b"secret")
    two, _ = cleaned(SourceIn(campaign="4917012345678"), b"secret")
    assert one.campaign == two.campaign
    assert "4917" not in str(one.campaign)
    assert (one.term, one.medium) == (None, "cpc")
    assert len(warned) == 2
