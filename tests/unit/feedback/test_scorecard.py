"""The scorecard: the shared goal, what each department owes the other, and sums that agree, by example and property."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.agreement import Goals
from schemas.agreement.promises import Period
from services.feedback.campaigns import Campaign
from services.feedback.promises import period_of, revenue
from services.feedback.reports import Window
from services.feedback.scorecard import scorecard
from services.feedback.scorecard_page import shown
from tests.unit.feedback.ledger_by_hand import ByHand, empty

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GOALS = Goals.model_validate(
    {
        "revenue": {"amount": "1000.00", "currency": "EUR", "per": "year"},
        "marketing": {"qualified_per_month": 5, "acceptance_rate": Decimal("0.75"), "cost_per_qualified": {"amount": "20.00", "currency": "EUR"}},
        "sales": {"response_in_time": Decimal("0.9"), "attempts": 2, "channels": ["phone", "email"]},
    }
)


def _read(ledger: ByHand, goals: Goals | None = GOALS, known: dict[str, Campaign] | None = None, window: Window | None = None) -> dict[str, Any]:
    return scorecard(ledger.connection, window or Window(), BERLIN, goals, known or {}, NOW)


def _said(answer: dict[str, Any], side: str) -> dict[str, tuple[bool | None, str]]:
    return {one["about"]: (one["ok"], one["sentence"]) for one in answer["owes"][side]}


@pytest.mark.parametrize(
    ("day", "per", "expected"),
    [
        (date(2026, 12, 31), Period.MONTH, (date(2026, 12, 1), date(2027, 1, 1))),
        (date(2026, 11, 27), Period.QUARTER, (date(2026, 10, 1), date(2027, 1, 1))),
        (date(2028, 2, 29), Period.YEAR, (date(2028, 1, 1), date(2029, 1, 1))),
        (date(2026, 3, 31), Period.QUARTER, (date(2026, 1, 1), date(2026, 4, 1))),
    ],
)
def test_a_period_is_that_of_the_calendar(day: date, per: Period, expected: tuple[date, date]) -> None:
    assert period_of(day, per) == expected


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from(Period))
@settings(max_examples=50)
def test_a_day_is_in_its_period_and_the_next_one_follows_without_a_gap(day: date, per: Period) -> None:
    first, after = period_of(day, per)
    assert first <= day < after
    assert period_of(after, per)[0] == after


def test_currencies_are_never_added_towards_the_goal() -> None:
    said = revenue(GOALS, {"EUR": Decimal("250"), "USD": Decimal("9000")}, BERLIN, NOW)
    assert said is not None
    assert (said["share"], said["won"], said["other_currencies"]) == (
        0.25,
        {"amount": "250.00", "currency": "EUR"},
        [{"amount": "9000.00", "currency": "USD"}],
    )
    assert said["sentence"].endswith("not counted towards the goal: 9,000.00 USD.")


def test_each_department_is_told_what_it_owes_the_other() -> None:
    with empty() as ledger:
        last_week = NOW - 7 * DAY
        for i in range(4):
            lead = ledger.lead(last_week, after=(DAY, DAY if i < 3 else None), status="working" if i < 3 else "waiting")
            ledger.clock(lead, last_week, "met" if i else "breached")
            ledger.cost(lead, "30.00", "EUR")
            if i < 2:
                ledger.tried(lead, last_week + DAY)
                ledger.tried(lead, last_week + DAY, "email" if i else "pigeon")
        ledger.rejected(lead, last_week + DAY, "not said")
        ledger.lead(NOW - DAY, status="assigned")
        ledger.won("lead-0", NOW - DAY, "100.00")
        ledger.won("lead-0", datetime(2025, 12, 31, 22, 59, tzinfo=UTC), "500.00")  # still last year in Berlin
        answer = _read(ledger)
    marketing, sales = _said(answer, "marketing"), _said(answer, "sales")
    assert answer["revenue"]["won"]["amount"] == "100.00"
    assert marketing["qualified_per_month"] == (
        None,
        "4 of the 5 qualified leads of November 2026 are there; marketing owes 1 more, and 4 days are left.",
    )
    assert marketing["acceptance_rate"][0] is True
    assert marketing["cost_per_qualified"] == (
        False,
        "A qualified lead has cost 30.00 EUR this year; agreed are at most 20.00 EUR.",
    )
    assert sales["response_in_time"][0] is None  # 3 of 4 is below 90 %, and chance explains it
    assert "by no more than chance explains. 1 lead waits for a first response now." in sales["response_in_time"][1]
    assert sales["attempts"] == (
        False,
        "1 of 3 leads accepted in whole weeks have had the agreed 2 attempts by phone or email; sales owes 2 that are still worked the rest.",
    )
    assert sales["reasons"] == (
        False,
        "0 of 1 leads turned down in the whole weeks came back with a reason; sales owes 1.",
    )


def test_a_share_is_broken_only_where_its_interval_is() -> None:
    with empty() as ledger:
        for i in range(60):
            ledger.clock(f"lead-{i}", NOW - 9 * DAY, "met" if i % 2 else "breached")
        answer = _read(ledger)
    assert _said(answer, "sales")["response_in_time"][0] is False


def test_without_an_agreement_the_numbers_are_there_and_nobody_owes_anything() -> None:
    with empty() as ledger:
        ledger.lead(NOW - DAY, after=(DAY / 2,))
        answer = _read(ledger, None)
    assert (answer["revenue"], answer["goals"], answer["owes"]) == (None, None, {"marketing": [], "sales": []})
    assert answer["marketing"]["qualified"] == 1
    assert "No goals are agreed" in shown(answer)


def test_an_empty_ledger_says_that_nothing_can_be_said() -> None:
    with empty() as ledger:
        answer = _read(ledger)
    assert {one["ok"] for side in answer["owes"].values() for one in side} == {None}
    assert "Nothing has happened yet." in shown(answer)
    assert "nan" not in shown(answer).lower().replace("finance", "")


def test_spend_counts_in_its_own_period_and_campaign() -> None:
    def spends(*months: str) -> Campaign:
        return Campaign.model_validate(
            {"name": "c", "from": "2025-01-01", "spend": [{"month": m, "amount": {"amount": "40", "currency": "EUR"}} for m in months]}
        )

    known = {"spring": spends("2025-12", "2026-01", "2026-12", "2027-01"), "autumn": spends("2026-05")}
    with empty() as ledger:
        for campaign in ("spring", "spring", "autumn", None):
            ledger.lead(NOW - 9 * DAY, after=(DAY,), campaign=campaign)
        costs = {
            campaign: _said(_read(ledger, known=known, window=Window(campaign=campaign)), "marketing")["cost_per_qualified"][1]
            for campaign in (None, "spring", "autumn", "(none)")
        }
    assert "cost 30.00 EUR" in costs[None]
    assert "cost 40.00 EUR" in costs["spring"]
    assert "cost 40.00 EUR" in costs["autumn"]
    assert costs["(none)"].startswith("Nobody has said")


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2), st.booleans()), max_size=25))
@settings(max_examples=25, deadline=None)
def test_the_weeks_sum_to_the_totals(leads: list[tuple[int, int, bool]]) -> None:
    with empty() as ledger:
        for days, stages, kept in leads:
            name = ledger.lead(NOW - days * DAY, after=(timedelta(hours=1),) * stages, status="accepted")
            ledger.clock(name, NOW - days * DAY, "met" if kept else "breached")
        answer = _read(ledger)
    weeks = answer["weeks"]
    assert sum(w["marketing"]["received"] for w in weeks) == answer["marketing"]["received"] == len(leads)
    assert sum(w["marketing"]["qualified"]["value"] for w in weeks) == answer["marketing"]["qualified"]
    assert sum(w["marketing"]["accepted"] for w in weeks) == answer["sales"]["accepted"]
    assert sum(w["sales"]["clocks"]["kept"] for w in weeks) == answer["sales"]["clocks"]["met"]
    shown(answer)
