"""What conditions say of a lead's facts, what an agreement answers, and the sentences that explain it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.agreement import Condition, Facts, Seen, evaluate, parse_duration, say_duration, sentence
from schemas.agreement.conditions import changes_at
from schemas.vocabulary import Because
from tests.builders import agreement

NOW = datetime(2026, 3, 31, tzinfo=UTC)
CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
BECAUSE = TypeAdapter(Because)


def days_ago(days: int) -> int:
    return round((NOW - timedelta(days=days)).timestamp() * 1000)


FACTS = Facts(
    now=NOW,
    attributes={
        "employees": 12,
        "topic": "pricing",
        "budget": "2500.50",
        "industry": "Machine tools",
        "student": False,
    },
    country="DE",
    source={"channel": "ads", "campaign": "spring"},
    campaigns=("spring",),
    engagements={
        "pricing_viewed": (Seen(days_ago(2), 9, 1), Seen(days_ago(20), 5, 2)),
        "mail_opened": (Seen(days_ago(40), 3, 1),),
    },
    score=Decimal(40),
    fit=Decimal(25),
    engagement=Decimal(15),
    grade="B2",
)


@pytest.mark.parametrize(
    ("condition", "holds", "because"),
    [
        ({"attribute": "employees", "at_least": 50}, False, "employees is 12, not at least 50"),
        (
            {"attribute": "employees", "at_least": 10, "at_most": 20},
            True,
            "employees is 12, at least 10 and at most 20",
        ),
        ({"attribute": "employees", "at_most": 10}, False, "employees is 12, not at most 10"),
        ({"attribute": "revenue", "at_least": 1}, False, "revenue is not known"),
        ({"attribute": "revenue", "present": False}, True, "revenue is not known"),
        ({"attribute": "employees", "present": True}, True, "employees is known"),
        ({"attribute": "topic", "equals": "demo"}, False, "topic is pricing, not demo"),
        ({"attribute": "topic", "in": ["demo", "other"]}, False, "topic is pricing, not one of demo, other"),
        ({"attribute": "topic", "in": ["demo", "pricing"]}, True, "topic is pricing"),
        ({"attribute": "budget", "at_least": 2500}, True, "budget is 2500.5, at least 2500"),
        ({"attribute": "budget", "equals": Decimal("2500.5")}, True, "budget is 2500.50"),
        ({"attribute": "student", "equals": True}, False, "student is no, not yes"),
        ({"attribute": "industry", "contains": "TOOLS"}, True, "industry contains TOOLS"),
        ({"attribute": "industry", "starts_with": "Tool"}, False, "industry does not start with Tool"),
        ({"attribute": "industry", "at_least": 1}, False, "industry is no number"),
        (
            {"engagement": "pricing_viewed", "at_least": 3, "within": "30d"},
            True,
            "pricing_viewed was seen 3 times within 30d",
        ),
        (
            {"engagement": "pricing_viewed", "at_least": 2, "within": "10d"},
            False,
            "pricing_viewed was seen 1 time within 10d, not at least 2",
        ),
        ({"engagement": "mail_opened"}, True, "mail_opened was seen 1 time"),
        ({"touched_by": "spring"}, True, "campaign spring has touched it"),
        ({"touched_by": ["a", "b"]}, False, "no campaign of a, b has touched it"),
        ({"score": {"at_least": 50}}, False, "the score is 40, not at least 50"),
        ({"fit": {"at_most": 25}}, True, "the fit is 25, at most 25"),
        ({"points_of_engagement": {"at_least": 20}}, False, "the engagement's points is 15, not at least 20"),
        ({"grade": {"in": ["A1", "A2"]}}, False, "the grade is B2, not one of A1, A2"),
        ({"source": "channel", "equals": "ads"}, True, "the source's channel is ads"),
        ({"source": "medium", "in": ["cpc"]}, False, "the source's medium is not known"),
        ({"country": {"in": ["AT", "CH"]}}, False, "the country is DE, not one of AT, CH"),
        ({"attribute": "country", "equals": "DE"}, True, "country is DE"),
        ("always", True, "always"),
        ({"not": {"attribute": "topic", "equals": "demo"}}, True, "topic is pricing, not demo"),
        (
            {"all": [{"fit": {"at_least": 1}}, {"attribute": "topic", "equals": "demo"}]},
            False,
            "topic is pricing, not demo",
        ),
        (
            {"any": [{"attribute": "topic", "equals": "demo"}, {"fit": {"at_least": 1}}]},
            True,
            "the fit is 25, at least 1",
        ),
    ],
)
def test_a_condition_holds_or_not_and_says_why(condition: Any, holds: bool, because: str) -> None:
    assert evaluate(CONDITION.validate_python(condition), FACTS) == (holds, because)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["employees", "topic", "industry"]),
        st.text(max_size=300) | st.integers() | st.decimals(allow_nan=False),
    )
)
def test_every_sentence_fits_whatever_the_attributes_hold(attributes: dict[str, Any]) -> None:
    facts = Facts(now=NOW, attributes=attributes, score=Decimal(0))
    for condition in (
        {"attribute": "topic", "in": ["a", "b"]},
        {"attribute": "employees", "at_least": 3},
        {"attribute": "industry", "equals": "x"},
    ):
        held = evaluate(CONDITION.validate_python(condition), facts)
        BECAUSE.validate_python(sentence(held.because))


@settings(deadline=None)
@given(st.text(max_size=2000))
def test_any_text_becomes_a_sentence(text: str) -> None:
    BECAUSE.validate_python(str(sentence(text)))


@pytest.mark.parametrize("text", ["call +49 170 1234567", "0170/1234567 or so", "a@b.c\nd", "(212) 555-1234" * 100])
def test_what_looks_personal_is_masked(text: str) -> None:
    BECAUSE.validate_python(str(sentence(text)))


@pytest.mark.parametrize("number", ["1E+999999999", "-1e9999999", Decimal("1E+999999"), 10**4000, "NaN", "Infinity"])
def test_an_absurd_number_is_no_number_and_costs_nothing(number: Any) -> None:
    facts = Facts(now=NOW, attributes={"employees": number})
    held = evaluate(CONDITION.validate_python({"attribute": "employees", "at_least": 50}), facts)
    assert held == (False, "employees is no number")
    assert not evaluate(CONDITION.validate_python({"attribute": "employees", "equals": 50}), facts).holds


def test_a_window_ends_when_its_last_needed_engagement_leaves_it() -> None:
    twice, thrice = (
        CONDITION.validate_python({"engagement": "pricing_viewed", "at_least": n, "within": "30d"}) for n in (1, 3)
    )
    assert changes_at((twice,), FACTS) == NOW + timedelta(days=28)
    assert changes_at((twice, thrice), FACTS) == NOW + timedelta(days=10)
    assert (
        changes_at(
            (CONDITION.validate_python({"engagement": "pricing_viewed", "at_least": 9, "within": "30d"}),), FACTS
        )
        is None
    )


def test_the_pool_is_that_of_the_first_rule_that_holds_and_the_others_are_explained() -> None:
    routing = [
        {
            "id": "big",
            "pool": "closing",
            "when": {"attribute": "employees", "at_least": 1000},
            "because": "large accounts",
        },
        {"id": "rest", "pool": "inbound", "because": "every other lead"},
    ]
    chosen = agreement(routing=routing).choose_pool("sdr", FACTS)
    assert (chosen.pool, chosen.rule, chosen.because) == ("inbound", "rest", "every other lead")
    assert [(p.rule, p.because) for p in chosen.passed_over] == [("big", "employees is 12, not at least 1000")]


def test_a_role_that_no_rule_serves_is_served_as_the_first_role() -> None:
    routing = [
        {"id": "sdrs", "role": "sdr", "pool": "inbound", "because": "sdrs"},
        {"id": "aes", "role": "ae", "pool": "closing", "because": "aes"},
    ]
    assert agreement(routing=routing).choose_pool("ae", FACTS).pool == "closing"
    assert agreement(routing=routing).choose_pool("csm", FACTS).pool == "inbound"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("4h", timedelta(hours=4)),
        ("90d", timedelta(days=90)),
        ("1h30m", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**11))
def test_a_said_duration_is_read_back(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)
    assert parse_duration(say_duration(length)) == length


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("integer", "50", 50),
        ("integer", 50.0, 50),
        ("decimal", "2.50", Decimal("2.50")),
        ("boolean", "yes", True),
        ("text", " a  b ", "a b"),
    ],
)
def test_a_forms_text_is_read_as_the_attributes_type(kind: str, value: object, read: object) -> None:
    assert (
        agreement(
            attributes={"x": {"type": kind}},
            scoring={},
            definition=[{"id": "a", "verdict": "nurtured", "because": "b"}],
        )
        .attributes[
            "x"  # type: ignore[index]
        ]
        .read(value)
        == read
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "2.5"),
        ("integer", "many"),
        ("integer", "NaN"),
        ("boolean", "maybe"),
        ("text", "me@x.org"),
        ("text", "+49 170 1234567"),
    ],
)
def test_what_is_not_of_the_attributes_type_is_refused(kind: str, value: object) -> None:
    terms = agreement(
        attributes={"x": {"type": kind}}, scoring={}, definition=[{"id": "a", "verdict": "nurtured", "because": "b"}]
    )
    with pytest.raises(ValueError, match="this"):
        terms.attributes["x"].read(value)  # type: ignore[index]
