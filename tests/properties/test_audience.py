"""The statistics of segments: without signal no claims at more than the stated rate, and a planted segment is found."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.audience import LEVEL, Seen, bands, fisher, holm, read_audience, wilson

COUNTRIES, CHANNELS, SIZES = ("DE", "FR", "US", "BR", "IN"), ("web", "fair", "mail"), ("small", "middle", "large")


def leads(chance: random.Random, number: int, rate: float, planted: dict[tuple[str, ...], float] | None = None) -> list[Seen]:
    """Leads of chance; `planted`: the rate of those that have all of these values."""
    out = []
    for _ in range(number):
        traits = {"country": chance.choice(COUNTRIES), "channel": chance.choice(CHANNELS), "employees": chance.choice(SIZES)}
        mine = next((r for values, r in (planted or {}).items() if set(values) <= set(traits.values())), rate)
        out.append(Seen(traits, chance.random() < mine))
    return out


@pytest.mark.parametrize("number", [200, 800])
def test_leads_that_differ_in_nothing_lead_to_a_claim_at_most_as_often_as_stated(number: int) -> None:
    runs = 400 if number < 400 else 150
    wrong = 0
    for seed in range(runs):
        audience = read_audience(leads(random.Random(seed), number, 0.2))
        assert audience.looked_at >= 9
        wrong += any(s.verdict in ("better", "worse") for s in audience.segments)

    allowed = runs * LEVEL + 3 * math.sqrt(runs * LEVEL * (1 - LEVEL))
    assert wrong <= allowed


@pytest.mark.parametrize("seed", range(20))
def test_a_planted_segment_is_found_and_is_the_first(seed: int) -> None:
    audience = read_audience(leads(random.Random(seed), 1500, 0.1, {("FR",): 0.3, ("BR",): 0.0}))

    first = audience.segments[0]
    assert (first.key, first.verdict) == ((("country", "FR"),), "better")
    assert first.low < 0.3 < first.high or abs(first.rate - 0.3) < 0.1
    worse = [s.key for s in audience.segments if s.verdict == "worse"]
    assert (("country", "BR"),) in worse


def test_a_pair_is_claimed_only_if_it_is_more_than_its_halves() -> None:
    found, echoes = 0, 0
    for seed in range(20):
        crossed = read_audience(leads(random.Random(seed), 4000, 0.1, {("FR", "fair"): 0.5}))
        found += any(
            s.verdict == "better" and s.key == (("channel", "fair"), ("country", "FR")) for s in crossed.segments
        )
        alone = read_audience(leads(random.Random(seed), 4000, 0.1, {("FR",): 0.4}))
        echoes += any(len(s.key) == 2 and s.verdict in ("better", "worse") for s in alone.segments)

    assert found == 20
    assert echoes <= 3


def test_of_few_leads_nothing_is_claimed_however_well_they_do() -> None:
    seen = [Seen({"country": "FR"}, won=True)] * 12 + [Seen({"country": "DE"}, won=i % 20 == 0) for i in range(400)]

    (france,) = (s for s in read_audience(seen).segments if s.key == (("country", "FR"),))

    assert (france.rate, france.verdict) == (1.0, "too few")
    assert france.likely_rate < france.rate


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_fishers_test_is_what_counting_every_table_gives(won: int, lost: int, others_won: int, others_lost: int) -> None:
    n, m, k = won + lost, others_won + others_lost, won + others_won
    p = fisher(won, n, others_won, m)
    if not 0 < k < n + m or not n or not m:
        assert p == 1.0
        return

    def chance(x: int) -> Fraction:
        return Fraction(comb(n, x) * comb(m, k - x), comb(n + m, k))

    support = range(max(0, k - m), min(n, k) + 1)
    tails = (sum(chance(x) for x in support if x >= won), sum(chance(x) for x in support if x <= won))
    assert p == pytest.approx(float(min(1, 2 * min(tails))), abs=1e-9)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_makes_a_p_value_smaller_and_keeps_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)

    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [corrected[i] for i in order] == sorted(corrected)
    if p_values:
        assert min(corrected) == pytest.approx(min(1.0, len(p_values) * min(p_values)))


@given(st.integers(1, 10_000), st.data())
def test_wilsons_interval_holds_the_share_and_stays_between_zero_and_one(number: int, data: st.DataObject) -> None:
    won = data.draw(st.integers(0, number))
    low, high = wilson(won, number)

    assert 0 <= low <= won / number <= high <= 1
    mirrored = wilson(number - won, number)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_wilsons_interval_holds_the_true_rate_about_as_often_as_it_says() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(2000):
        won = sum(chance.random() < 0.08 for _ in range(60))
        low, high = wilson(won, 60)
        held += low <= 0.08 <= high

    assert 0.93 <= held / 2000 <= 0.98


@settings(max_examples=60)
@given(st.lists(st.integers(0, 300), min_size=2, max_size=80), st.randoms())
def test_a_likely_rate_lies_between_the_segments_own_and_that_of_all(wins: list[int], chance: random.Random) -> None:
    seen = [Seen({"country": chance.choice(COUNTRIES)}, won=w % 4 == 0) for w in wins]
    audience = read_audience(seen)

    for s in audience.segments:
        low, high = sorted((s.rate, audience.rate))
        assert low - 1e-12 <= s.likely_rate <= high + 1e-12


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_every_number_falls_into_one_band_and_bands_are_in_order(values: list[int]) -> None:
    band = bands(values, lambda v: f"{v:g}")
    names = [band(v) for v in sorted(values)]

    assert len(dict.fromkeys(names)) == len([n for i, n in enumerate(names) if i == 0 or names[i - 1] != n])
    assert len(set(names)) <= 4
