"""A campaign's review: what it cost and brought, whom it reached, and what its rules keep, stop and try."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.agreement import Agreement, Attribute
from services.feedback.campaigns import Campaign
from services.feedback.reach import reach
from services.feedback.review import review
from services.feedback.review_page import shown
from services.feedback.review_pdf import as_pdf
from services.runtime.http import Problem
from tests.builders import agreement
from tests.unit.feedback.ledger_by_hand import ByHand, empty

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NUMBERS = {"leads": 3, "qualified": 2, "accepted": 1, "opportunities": 0, "won": 0, "submissions": 3}
ATTRIBUTES: Any = {
    "employees": Attribute.model_validate({"type": "integer"}),
    "motive": Attribute.model_validate({"type": "text", "personal": True}),
}


def _campaign(**said: Any) -> Campaign:
    return Campaign.model_validate({"name": "Spring <fair>", "from": "2026-03-01", **said})


def _spend(amount: str, currency: str = "EUR") -> dict[str, Any]:
    return {"month": "2026-03", "amount": {"amount": amount, "currency": currency}}


def _read(ledger: ByHand, known: dict[str, Campaign] | None = None, agreement: Agreement | None = None) -> dict[str, Any]:
    answer = review(ledger.connection, "spring", agreement, known or {}, NOW)
    assert as_pdf(answer) == as_pdf(answer)
    assert as_pdf(answer).startswith(b"%PDF-")
    assert "<fair>" not in shown(answer)
    return answer


def _sentences(answer: dict[str, Any], what: str) -> str:
    return "\n".join(one["sentence"] for one in answer[what])


def test_a_campaign_of_which_nobody_knows_is_not_found() -> None:
    with empty() as ledger, pytest.raises(Problem) as refused:
        _read(ledger)
    assert (refused.value.status, refused.value.title) == (404, "No such campaign")


def test_what_is_missing_is_said_in_sentences() -> None:
    with empty() as ledger:
        ledger.lead(NOW - DAY, campaign="spring")
        undescribed = _read(ledger)
        described = _read(ledger, {"spring": _campaign()})
    said = "\n".join(undescribed["remarks"])
    for sentence in ("Nobody has described", "Nobody has said what it cost", "Nothing was won yet", "No goals are agreed", "too few to say"):
        assert sentence in said
    assert (undescribed["cost"], undescribed["cost_per"]["lead"], undescribed["described"]) == ([], [], False)
    assert "its target is empty" in "\n".join(described["remarks"])
    assert (undescribed["keep"], undescribed["stop"], undescribed["try"]) == ([], [], [])


def test_cost_and_revenue_stay_in_their_currencies() -> None:
    with empty() as ledger:
        for amount, currency in (("900.00", "EUR"), ("50.00", "CHF"), (None, None)):
            lead = ledger.lead(NOW - 9 * DAY, after=(DAY, 2 * DAY, None, 5 * DAY), campaign="spring")
            ledger.won(lead, NOW - DAY, amount, currency, "spring")
        ledger.cost(lead, "10.00", "EUR", "spring")
        answer = _read(ledger, {"spring": _campaign(spend=[_spend("80"), _spend("30", "USD")])})
    assert answer["cost"] == [{"amount": "90.00", "currency": "EUR"}, {"amount": "30.00", "currency": "USD"}]
    assert answer["revenue"] == [{"amount": "50.00", "currency": "CHF"}, {"amount": "900.00", "currency": "EUR"}]
    assert answer["cost_per"]["win"] == [{"amount": "30.00", "currency": "EUR"}, {"amount": "10.00", "currency": "USD"}]
    assert [(s["leads"], s["median_days"]) for s in answer["stages"]] == [(3, None), (3, 1.0), (3, 1.0), (3, None), (3, 3.0)]
    said = "\n".join(answer["remarks"])
    assert "several currencies (CHF, EUR, USD)" in said
    assert "1 wins came without an amount" in said


def test_what_converts_is_kept_and_what_does_not_is_stopped() -> None:
    """Leads from DE are won, those from FR are not; the rules say so, and an even campaign makes them say nothing."""
    dice = random.Random(7)
    with empty() as ledger:
        for i in range(240):
            country = "DE" if i % 2 else "FR"
            won = dice.random() < (0.5 if country == "DE" else 0.02)
            times = (DAY, DAY, DAY, DAY) if won else (DAY,)
            ledger.lead(NOW - 30 * DAY, after=times, campaign="spring", country=country)
        answer = _read(ledger, {"spring": _campaign(target={"country": "de, at", "leads": 400})})
    assert "Keep seeking country DE" in _sentences(answer, "keep")
    assert "Stop seeking country FR" in _sentences(answer, "stop")
    assert answer["reach"]["numbers"] == [{"of": "leads", "wanted": 400, "reached": 240}]
    (country,) = answer["reach"]["dimensions"]
    assert (country["reached"], country["of"], country["unknown"]) == (120, 240, 0)
    assert all(one["rule"] for what in ("keep", "stop", "try") for one in answer[what])


@pytest.mark.parametrize(("about", "what"), [("fit", "stop"), ("timing", "try"), ("other", "try")])
def test_a_reason_that_weighs_is_told_in_the_words_of_the_agreement(about: str, what: str) -> None:
    reason = {"id": "no_fit", "title": "Far too small", "about": about, "for": ["reject"], "then": "retire"}
    goals = {
        "revenue": {"amount": 1000, "currency": "EUR"},
        "marketing": {"acceptance_rate": Decimal("0.75"), "cost_per_qualified": {"amount": 20, "currency": "EUR"}},
        "sales": {"response_in_time": Decimal("0.9")},
    }
    with empty() as ledger:
        for _ in range(30):
            lead = ledger.lead(NOW - 9 * DAY, after=(DAY,), campaign="spring")
            ledger.rejected(lead, NOW - DAY, "no_fit", campaign="spring")
            ledger.clock(lead, NOW - DAY, "breached", campaign="spring")
        known = {"spring": _campaign(spend=[_spend("900")])}
        answer = _read(ledger, known, agreement(reasons=[reason], goals=goals))
    assert answer["turned_down"][0]["title"] == "Far too small"
    assert "“Far too small”" in _sentences(answer, what)
    assert "Stop passing on its leads" in _sentences(answer, "stop")
    assert "Stop paying this price: 30.00 EUR a qualified lead" in _sentences(answer, "stop")
    assert "in time" in _sentences(answer, "try")


@pytest.mark.parametrize(
    ("target", "reached", "of", "unknown"),
    [
        ({"employees": 50}, 2, 3, 1),
        ({"employees": "50-200"}, 1, 3, 1),
        ({"employees": "200+"}, 1, 3, 1),
        ({"country": "DE,AT"}, 2, 4, 0),
        ({"country": "DE", "employees": 50}, 1, 4, 0),
    ],
)
def test_a_target_is_compared_with_the_leads(target: dict[str, int | str], reached: int, of: int, unknown: int) -> None:
    leads = [
        {"country": "DE", "employees": 50},
        {"country": "AT", "employees": "7"},
        {"country": "FR", "employees": "201.5"},
        {"country": "fr"},
    ]
    everybody = reach(target, leads, ATTRIBUTES, NUMBERS)["all"]
    assert (everybody["reached"], everybody["of"], everybody["unknown"]) == (reached, of, unknown)


def test_what_cannot_be_compared_is_said() -> None:
    found = reach({"motive": "x", "shoe size!": 44}, [{}], ATTRIBUTES, NUMBERS)
    assert found["all"] is None
    assert [r.split(" is ")[0] for r in found["remarks"]] == ["motive", "shoe size!"]


@given(st.lists(st.tuples(st.sampled_from(["DE", "FR", "", None]), st.none() | st.integers(0, 99)), max_size=40))
@settings(max_examples=40, deadline=None)
def test_every_lead_is_reached_missed_or_unknown(leads: list[tuple[str | None, int | None]]) -> None:
    came = [{"country": country, "employees": employees} for country, employees in leads]
    found = reach({"country": "DE", "employees": 50}, came, ATTRIBUTES, NUMBERS)
    for one in (*found["dimensions"], found["all"]):
        assert one["of"] + one["unknown"] == len(leads)
        assert 0 <= one["reached"] <= one["of"]
    for one in found["dimensions"]:
        assert sum(v["leads"] for v in one["values"]) == len(leads)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25))
@settings(max_examples=15, deadline=None)
def test_stages_never_grow_and_reasons_sum(leads: list[tuple[int, int]]) -> None:
    with empty() as ledger:
        for stages, refusals in leads:
            lead = ledger.lead(NOW - 9 * DAY, after=(DAY,) * stages, campaign="spring")
            for i in range(refusals):
                ledger.rejected(lead, NOW - DAY, f"reason-{i}", kind="disqualified" if i == 2 else "rejected", campaign="spring")
        answer = review(ledger.connection, "spring", None, {}, NOW)
    counts = [s["leads"] for s in answer["stages"]]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == len(leads)
    assert answer["numbers"]["turned_down"] == sum(refusals for _, refusals in leads)
    by_sales = [r for r in answer["turned_down"] if r["by_sales"]]
    assert all(r["of"] == sum(one["count"] for one in by_sales) for r in by_sales)
