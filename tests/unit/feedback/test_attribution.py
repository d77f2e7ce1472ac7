"""Who is credited with the revenue: each model by example, exact sums, and the learned ones against their definitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.vocabulary import Money
from services.feedback.attribution import weights
from services.feedback.attribution.crediting import Model, apportion, attribute
from services.feedback.attribution.data_driven import removal_effects
from services.feedback.attribution.journeys import Dimension, Journey, Touch, Win
from services.feedback.attribution.touch_file import TouchFileRefused, read

DAY = timedelta(days=1)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CAMPAIGN = Dimension.CAMPAIGN


def _journey(path: str, amount: str | None = "100.00", lead: str = "a", stages: Sequence[str | None] = ()) -> Journey:
    """A journey over campaigns of one letter, a day apart, won a day after the last touch."""
    touches = [
        Touch(BEGAN + i * DAY, campaign, stage=stages[i] if i < len(stages) else None) for i, campaign in enumerate(path)
    ]
    win = Win(BEGAN + len(path) * DAY, Money(amount=Decimal(amount), currency="EUR")) if amount is not None else None
    return Journey.of(lead, touches, win)


def _revenue(journeys: Sequence[Journey], model: Model) -> dict[str, str]:
    return {c.name: str(c.revenue.get("EUR", Decimal())) for c in attribute(journeys, model, CAMPAIGN).credits}


@pytest.mark.parametrize(
    ("model", "path", "stages", "expected"),
    [
        (Model.FIRST, "abc", (), {"a": "100.00", "b": "0", "c": "0"}),
        (Model.LAST, "abc", (), {"a": "0", "b": "0", "c": "100.00"}),
        (Model.LINEAR, "abcb", (), {"a": "25.00", "b": "50.00", "c": "25.00"}),
        (Model.LINEAR, "abc", (), {"a": "33.34", "b": "33.33", "c": "33.33"}),
        (Model.U, "abcd", (), {"a": "40.00", "b": "10.00", "c": "10.00", "d": "40.00"}),
        (Model.U, "abcd", (None, "mql"), {"a": "40.00", "b": "40.00", "c": "10.00", "d": "10.00"}),
        (Model.U, "ab", (), {"a": "50.00", "b": "50.00"}),
        (Model.U, "a", (), {"a": "100.00"}),
        (Model.W, "abcde", (None, "mql", None, "sql"), {"a": "30.00", "b": "30.00", "c": "5.00", "d": "30.00", "e": "5.00"}),
        (Model.W, "abc", (), {"a": "33.34", "b": "33.33", "c": "33.33"}),
        (Model.SHAPLEY, "aab", (), {"a": "50.00", "b": "50.00"}),
    ],
)
def test_a_win_is_shared_out_as_the_model_says(
    model: Model, path: str, stages: Sequence[str | None], expected: dict[str, str]
) -> None:
    got = {name: amount if amount != "0.00" else "0" for name, amount in _revenue([_journey(path, stages=stages)], model).items()}
    assert got == expected


def test_time_decay_halves_for_each_half_life() -> None:
    journey = _journey("ab")
    assert weights.time_decay(journey, DAY) == pytest.approx([1 / 3, 2 / 3])
    ages = Journey.of("a", [Touch(BEGAN - 9_000 * DAY, "old")], Win(BEGAN, Money(amount=Decimal(5), currency="EUR")))
    assert weights.time_decay(ages) == [1.0]


def test_what_came_after_the_win_did_not_bring_it() -> None:
    late = Journey.of("a", [Touch(BEGAN, "a"), Touch(BEGAN + 2 * DAY, "b")], Win(BEGAN + DAY, Money(amount=Decimal(9), currency="EUR")))
    found = attribute([late], Model.LAST, CAMPAIGN)
    assert [(c.name, c.revenue) for c in found.credits] == [("a", {"EUR": Decimal("9.00")})]
    assert found.touches_after_win == 1


paths = st.text("abcd", max_size=6)
amounts = st.decimals(0, 10**9, places=2).map(str)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(paths, st.none() | amounts), max_size=12), st.sampled_from(Model))
def test_credits_sum_exactly_to_what_was_won(journeys: list[tuple[str, str | None]], model: Model) -> None:
    found = attribute([_journey(p, a, f"lead{i}") for i, (p, a) in enumerate(journeys)], model, CAMPAIGN)
    credited = sum((c.revenue.get("EUR", Decimal()) for c in found.credits), Decimal())
    assert credited + found.unattributed.get("EUR", Decimal()) == sum(Decimal(a) for _, a in journeys if a is not None)
    assert sum(c.wins for c in found.credits) + found.unattributed_wins == found.wins
    assert all(c.revenue.get("EUR", Decimal()) >= 0 for c in found.credits)


@settings(deadline=None)
@given(st.decimals("-1000", "1000", places=4), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_parts_sum_to_the_amount_and_are_within_a_unit_of_their_share(amount: Decimal, raw: list[int]) -> None:
    shares = {str(i): share / sum(raw) for i, share in enumerate(raw)}
    parts = apportion(amount, shares)
    assert sum(parts.values()) == amount
    assert all(abs(float(parts[n]) - float(amount) * shares[n]) <= 0.0101 for n in shares)


def _wins_without(journeys: Sequence[tuple[str, bool]], removed: str | None) -> float:
    """The chance that a walk wins, by walking probabilities step by step until next to nothing is under way."""
    steps: dict[str, dict[str, int]] = {}
    for path, won in journeys:
        walk = ["start", *path, "won" if won else "lost"]
        for here, there in pairwise(walk):
            steps.setdefault(here, {}).setdefault(there, 0)
            steps[here][there] += 1
    under_way, won_share = {"start": 1.0}, 0.0
    while sum(under_way.values()) > 1e-13:
        after: dict[str, float] = {}
        for here, chance in under_way.items():
            for there, n in steps[here].items():
                part = chance * n / sum(steps[here].values())
                if there == "won":
                    won_share += part
                elif there not in ("lost", removed):
                    after[there] = after.get(there, 0.0) + part
        under_way = after
    return won_share


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text("abcd", min_size=1, max_size=5), st.booleans()), min_size=1, max_size=12))
def test_the_removal_effect_is_the_share_of_wins_lost_when_walks_end_there(journeys: list[tuple[str, bool]]) -> None:
    found = removal_effects([_journey(p, "1" if won else None) for p, won in journeys], CAMPAIGN)
    whole = _wins_without(journeys, None)
    if whole == 0:
        assert found == {}
        return
    for name in {c for path, _ in journeys for c in path}:
        assert found[name] == pytest.approx(1 - _wins_without(journeys, name) / whole, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=6))
def test_shapley_is_the_mean_of_what_each_adds_over_all_orders(journeys: list[str]) -> None:
    """With a coalition worth the wins whose touches are all its own."""
    names = sorted({c for path in journeys for c in path})

    def worth(coalition: Sequence[str]) -> int:
        return sum(set(path) <= set(coalition) for path in journeys)

    orders = list(permutations(names))
    expected = {
        n: sum(worth(o[: o.index(n) + 1]) - worth(o[: o.index(n)]) for o in orders) / len(orders) for n in names
    }
    found = attribute([_journey(p, "1", f"l{i}") for i, p in enumerate(journeys)], Model.SHAPLEY, CAMPAIGN)
    assert {c.name: float(c.wins) for c in found.credits} == pytest.approx(expected)


def test_campaigns_that_only_lost_leads_met_earn_nothing_by_removal_effect() -> None:
    """A third of the walks begin with a and win by b every second time, as the third that begins with b does: without b none
    is left, without a half."""
    revenue = _revenue([_journey("ab", "90"), _journey("c", None, "b"), _journey("b", None, "c")], Model.MARKOV)
    assert revenue == {"a": "30.00", "b": "60.00", "c": "0.00"}


def test_a_file_of_touches_is_read_with_wins_on_any_of_its_lines() -> None:
    journeys = read(
        [
            "\ufefflead;at;campaign;channel;stage;won_at;amount;currency\n",
            "jo;2026-03-02T09:30:00+01:00;spring;web;lead;;;\n",
            "\n",
            "jo;2026-03-05;;mail;SQL;2026-04-01;12.50;USD\n",
            "al;;;;;2026-04-01;;\n",
        ]
    )
    jo, al = journeys
    assert [t.at.hour for t in jo.touches] == [8, 0]
    assert [t.campaign for t in jo.touches] == ["spring", "(none)"]
    assert [t.stage for t in jo.touches] == ["lead", "sql"]
    assert jo.win == Win(datetime(2026, 4, 1, tzinfo=UTC), Money(amount=Decimal("12.50"), currency="USD"))
    assert al.touches == ()
    assert al.win == Win(datetime(2026, 4, 1, tzinfo=UTC), Money(amount=Decimal(0), currency="EUR"))


HEADER = "lead,at,campaign,channel,stage,won_at,amount"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["who,when"], "line 1: there is no column `lead` and none `at`"),
        ([HEADER, ",2026-01-01,x"], "line 2: the column `lead` is empty"),
        ([HEADER, "a,,x"], "line 2: the column `at` is empty"),
        ([HEADER, "a,soon,x"], "line 2: `at` is 'soon'"),
        ([HEADER, "a,2026-01-01,x,,,2026-02-01,much"], "line 2: `amount` is 'much'"),
        ([HEADER, "a,2026-01-01,x,,,2026-02-01,NaN"], "line 2: `amount` is 'NaN'"),
        ([HEADER, "a,2026-01-01,x,,,,5"], "line 2: `amount` without `won_at`"),
        ([HEADER, "a,2026-01-01,x,,,2026-02-01,5", "a,2026-01-02,x,,,2026-02-01,6"], "line 3: the lead a was won"),
        ([HEADER, "a,2026-01-01,x,y,z,2026-02-01,5,6"], "line 2: 8 cells, but line 1 names 7 columns"),
        ([HEADER, 'a,2026-01-01,"x'], "this is no CSV"),
        ([HEADER + ",currency", "a,2026-01-01,x,,,2026-02-01,5,euro"], "line 2: `currency` is 'euro'"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_line(lines: list[str], said: str) -> None:
    with pytest.raises(TouchFileRefused, match=said.replace("(", r"\(")):
        read(line + "\n" for line in lines)


def test_currencies_are_never_added() -> None:
    dollars = Journey.of("b", [Touch(BEGAN, "a")], Win(BEGAN + DAY, Money(amount=Decimal(7), currency="USD")))
    found = attribute([_journey("a", "5"), dollars], Model.MARKOV, CAMPAIGN)
    assert found.revenue == {"EUR": Decimal(5), "USD": Decimal(7)}
    assert found.credits[0].revenue == {"EUR": Decimal("5.00"), "USD": Decimal("7.00")}
