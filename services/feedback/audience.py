"""Which segments convert and which do not, without reading more into few leads than is in them. Pure statistics.

Every segment is compared with all other leads by Fisher's exact test, and the p-values of all segments that were looked
at are corrected together by Holm's method, so that with leads that differ in nothing the whole report makes a claim at
most once in twenty times, however the segments overlap. Which segments are looked at depends on their size alone, never
on their outcomes. `docs/decisions/0420-audience.md` has the sources.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

LEVEL = 0.05
"""How probable a false claim may be in a report that has nothing to tell."""
LEADS_AT_LEAST = 20
"""Smaller segments are counted, and nothing is claimed of them."""
WINS_AT_LEAST = 10
"""With fewer wins in all, nothing is claimed at all."""
PAIRS_FROM_LEADS, PAIRS_FROM_WINS, PAIR_AT_LEAST, PAIRS_AT_MOST = 400, 100, 50, 200
STRENGTH_AT_LEAST = 2.0
"""So many leads of the average kind are added to a segment in any case."""
BANDS = 4
"""Numbers are put into so many bands with about as many leads in each."""
_Z = 1.959963984540054
"""Of a two-sided interval of 95 %."""

Key = tuple[tuple[str, str], ...]
"""What a segment's leads share: one (dimension, value), or two."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One lead as it first came, and whether it was won."""

    traits: Mapping[str, str]
    won: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """What is known of the leads that share something, beside all others."""

    key: Key
    leads: int
    won: int
    rate: float
    low: float
    high: float
    """Wilson's interval of 95 % for the rate."""
    likely_rate: float
    """The rate drawn towards that of all leads, the more the fewer leads there are."""
    rest_rate: float
    """Of all other leads; for a pair: the better one of what it is a part of."""
    lift: float | None
    """Rate over rest_rate; none if that is zero."""
    p: float | None
    """Of the comparison alone; none: too few leads to look."""
    p_corrected: float | None
    """With all that was looked at accounted for."""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `no difference shown` or `too few`."""
        if self.p_corrected is None:
            return "too few"
        if self.p_corrected > LEVEL:
            return "no difference shown"
        return "better" if self.rate > self.rest_rate else "worse"


@dataclass(frozen=True, slots=True)
class Audience:
    """The whole reading."""

    leads: int
    won: int
    looked_at: int
    segments: tuple[Segment, ...]

    @property
    def rate(self) -> float:
        return self.won / self.leads if self.leads else 0.0


def read_audience(seen: Sequence[Seen]) -> Audience:
    """Every segment with its verdict: claims first, then by size."""
    leads, won = len(seen), sum(s.won for s in seen)
    counts = _counted(seen, (tuple((item,) for item in s.traits.items()) for s in seen))
    found: list[tuple[Key, int, int, float, float | None]] = []
    for key, (n, k) in counts.items():
        others, others_won = leads - n, won - k
        looked = won >= WINS_AT_LEAST and n >= LEADS_AT_LEAST and others >= LEADS_AT_LEAST
        p = fisher(k, n, others_won, others) if looked else None
        found.append((key, n, k, others_won / others if others else 0.0, p))
    found += _pairs(seen, counts, leads, won)
    corrected = iter(holm([p for *_, p in found if p is not None]))
    strengths = _strengths(counts, won / leads if leads else 0.0)
    segments = [
        _segment(key, n, k, rest, p, next(corrected) if p is not None else None, won / leads, strengths)
        for key, n, k, rest, p in found
    ]
    order = {"better": 0, "worse": 1, "no difference shown": 2, "too few": 3}
    segments.sort(key=lambda s: (order[s.verdict], s.p_corrected or 0.0, -s.leads, s.key))
    return Audience(leads, won, sum(p is not None for *_, p in found), tuple(segments))


def _segment(
    key: Key, n: int, k: int, rest: float, p: float | None, corrected: float | None, overall: float, strengths: Mapping[str, float]
) -> Segment:
    low, high = wilson(k, n)
    strength = max(strengths.get(dimension, 0.0) for dimension, _ in key)
    likely = overall if math.isinf(strength) else (k + strength * overall) / (n + strength)
    lift = (k / n) / rest if rest else None
    return Segment(key, n, k, k / n, low, high, likely, rest, lift, p, corrected)


Counts = dict[Key, tuple[int, int]]


def _counted(seen: Sequence[Seen], keys: Iterable[Iterable[Key]]) -> Counts:
    counts: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0])
    for one, its in zip(seen, keys, strict=True):
        for key in its:
            count = counts[key]
            count[0] += 1
            count[1] += one.won
    return {key: (n, k) for key, (n, k) in sorted(counts.items())}


def _pairs(seen: Sequence[Seen], counts: Counts, leads: int, won: int) -> list[tuple[Key, int, int, float, float | None]]:
    """Two traits at once, if there is enough data: looked at beside each of the two without the other.

    The larger of the two p-values counts, for a pair is a finding only if it is more than either of its halves.
    """
    if leads < PAIRS_FROM_LEADS or won < PAIRS_FROM_WINS:
        return []
    large = {key[0] for key, (n, _) in counts.items() if PAIR_AT_LEAST <= n <= leads - PAIR_AT_LEAST}
    both = _counted(seen, ([*_pair_keys(s, large)] for s in seen))
    largest = sorted(both.items(), key=lambda item: (-item[1][0], item[0]))
    out: list[tuple[Key, int, int, float, float | None]] = []
    for key, (n, k) in largest:
        halves = [(counts[(half,)][0] - n, counts[(half,)][1] - k) for half in key]
        if n < PAIR_AT_LEAST or any(other < PAIR_AT_LEAST for other, _ in halves):
            continue
        rates = [k_other / n_other for n_other, k_other in halves]
        beyond = k / n > max(rates) or k / n < min(rates)
        p = max(fisher(k, n, k_other, n_other) for n_other, k_other in halves) if beyond else 1.0
        out.append((key, n, k, max(rates) if k / n >= max(rates) else min(rates), p))
        if len(out) == PAIRS_AT_MOST:
            break
    return out


def _pair_keys(seen: Seen, large: set[tuple[str, str]]) -> Iterable[Key]:
    return combinations(sorted(item for item in seen.traits.items() if item in large), 2)


# ------------------------------------------------------------------ the statistics


def wilson(won: int, leads: int) -> tuple[float, float]:
    """Wilson's score interval of 95 % for a share (Wilson 1927; recommended by Brown, Cai, DasGupta 2001)."""
    if leads == 0:
        return 0.0, 1.0
    share, z2 = won / leads, _Z * _Z
    middle = (share + z2 / (2 * leads)) / (1 + z2 / leads)
    half = _Z / (1 + z2 / leads) * math.sqrt(share * (1 - share) / leads + z2 / (4 * leads * leads))
    return (0.0 if won == 0 else max(0.0, middle - half)), (1.0 if won == leads else min(1.0, middle + half))


def fisher(won: int, leads: int, others_won: int, others: int) -> float:
    """Fisher's exact test, two-sided by doubling the smaller tail: the p-value that two groups have the same rate."""
    total, all_won = leads + others, won + others_won
    if not 0 < all_won < total or not 0 < leads < total:
        return 1.0
    low, high = max(0, all_won - others), min(leads, all_won)
    up = won * total >= leads * all_won
    chance = math.exp(_log_choose(leads, won) + _log_choose(others, others_won) - _log_choose(total, all_won))
    tail, k = chance, won
    while chance > tail * 1e-17 and (k < high if up else k > low):
        if up:
            chance *= (leads - k) * (all_won - k) / ((k + 1) * (others - all_won + k + 1))
            k += 1
        else:
            chance *= k * (others - all_won + k) / ((leads - k + 1) * (all_won - k + 1))
            k -= 1
        tail += chance
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): the chance of any false claim stays at the level, whatever depends on what."""
    number = len(p_values)
    out, largest = [1.0] * number, 0.0
    for rank, i in enumerate(sorted(range(number), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (number - rank) * p_values[i]))
        out[i] = largest
    return out


def _strengths(counts: Counts, rate: float) -> dict[str, float]:
    """For each dimension: so many leads of the average kind are added to each of its segments.

    From how much its rates differ beyond chance (moments of a beta-binomial, Kleinman 1973); infinite where they do not.
    """
    by_dimension: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for ((dimension, _),), count in ((key, count) for key, count in counts.items()):
        by_dimension[dimension].append(count)
    return {dimension: _strength(groups, rate) for dimension, groups in by_dimension.items()}


def _strength(groups: Sequence[tuple[int, int]], rate: float) -> float:
    number = sum(n for n, _ in groups)
    spread = rate * (1 - rate)
    if len(groups) < 2 or not spread:
        return math.inf
    between = sum(n * (k / n - rate) ** 2 for n, k in groups)
    expected = spread * (len(groups) - 1)
    effective = number - sum(n * n for n, _ in groups) / number
    variance = (between - expected) / effective if effective > 0 else 0.0
    if variance <= 0:
        return math.inf
    return max(spread / variance - 1, STRENGTH_AT_LEAST)


def bands(values: Sequence[float], said: Callable[[float], str], number: int = BANDS) -> Callable[[float], str]:
    """A function that puts a number into its band: by quantiles, named by their ends. Equal numbers are never parted."""
    ordered = sorted(values)
    cuts = sorted({ordered[len(ordered) * i // number] for i in range(1, number)} - {ordered[0]}) if ordered else []
    if not cuts:
        return lambda value: "any"
    names = [f"below {said(cuts[0])}"]
    names += [f"{said(a)} to below {said(b)}" for a, b in pairwise(cuts)]
    names.append(f"{said(cuts[-1])} or more")
    return lambda value: names[bisect_right(cuts, value)]
