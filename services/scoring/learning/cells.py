"""How one cell of a history, or one attribute of a lead, is read: a number, a token with a place in the tables, or both."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

SLOTS = 1 << 18
"""Places in the learner's tables. Values are hashed into them, so no value of a person is kept in the state."""
EXACT_AT_MOST = 256
"""A numeric attribute with no more distinct values than this is learned value by value, too; others by quantiles."""
DISTINCT_SHARE = 0.05
"""... or with no more than this share of the values seen, up to DISTINCT_AT_MOST."""
DISTINCT_AT_MOST = 4096
BINS = 16
LARGEST = 1e18
"""What lies beyond counts as this much: squares must stay finite."""
_CACHE_AT_MOST = 20_000
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})

Value = str | int | float | bool | None


def slot_of(attribute: str, token: str) -> int:
    """The place of one attribute's token. The same on every machine and in every run (CRC-32)."""
    return zlib.crc32(f"{attribute}\x00{token}".encode()) & (SLOTS - 1)


def number_of(value: Value) -> float:
    """The value as a number within LARGEST; NaN where it is none."""
    if value is None:
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return max(-LARGEST, min(LARGEST, number)) if math.isfinite(number) else math.nan


def is_missing(value: Value) -> bool:
    """Whether nothing was said: an empty cell, NA and the like. `unknown` is a word like others."""
    return (
        value is None
        or (isinstance(value, str) and value.strip().lower() in _MISSING)
        or (isinstance(value, float) and math.isnan(value))
    )


@dataclass(slots=True)
class CellReader:
    """Reads the values of one attribute. What it has learned of their distribution is `counts` or, from then on, `edges`."""

    attribute: str
    counts: dict[float, int] = field(default_factory=dict)
    edges: tuple[float, ...] | None = None
    seen: int = 0
    _cache: dict[Value, tuple[int, float]] = field(default_factory=dict, repr=False)

    def read(self, value: Value) -> tuple[int, float]:
        """The slot of the value's token, and the number it is (NaN otherwise). Changes nothing that is kept."""
        found = self._cache.get(value)
        if found is None or isinstance(value, (bool, int, float)):
            found = self._read(value)
            if len(self._cache) < _CACHE_AT_MOST:
                self._cache[value] = found
        return found

    def _read(self, value: Value) -> tuple[int, float]:
        if is_missing(value):
            return slot_of(self.attribute, "missing"), math.nan
        number = number_of(value)
        if math.isnan(number):
            return slot_of(self.attribute, f"={value}"), number
        token = f"#{number!r}" if self.edges is None else f"[{bisect_right(self.edges, number)}"
        return slot_of(self.attribute, token), number

    def remember(self, number: float) -> None:
        """Take note of a number, until it is clear whether the attribute's values recur or need quantiles."""
        if self.edges is not None or number != number:
            return
        self.seen += 1
        self.counts[number] = self.counts.get(number, 0) + 1
        distinct = len(self.counts)
        if distinct > EXACT_AT_MOST and distinct > min(DISTINCT_SHARE * self.seen, DISTINCT_AT_MOST):
            self.edges = _quantiles(self.counts)
            self.counts = {}
            self._cache.clear()


def _quantiles(counts: Mapping[float, int]) -> tuple[float, ...]:
    """The inner edges of BINS groups of about equal size."""
    total, running = sum(counts.values()), 0
    edges: list[float] = []
    for value in sorted(counts):
        if running >= total * (len(edges) + 1) / BINS:
            edges.append(value)
        running += counts[value]
        if len(edges) == BINS - 1:
            break
    return tuple(edges)
