"""What is learned of how the values of one attribute are distributed: whether they recur, or are put into groups of equal size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.learning.cells import SLOTS, Value, is_missing, number_of, place_and_number, slot_of

__all__ = ["SLOTS", "CellReader", "Value", "is_missing", "number_of", "slot_of"]

EXACT_AT_MOST = 256
"""A numeric attribute with no more distinct values than this is learned value by value, too; others by quantiles."""
DISTINCT_SHARE = 0.05
"""... or with no more than this share of the values seen, up to DISTINCT_AT_MOST."""
DISTINCT_AT_MOST = 4096
BINS = 16
_CACHE_AT_MOST = 20_000


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
            found = place_and_number(self.attribute, value, self.edges)
            if len(self._cache) < _CACHE_AT_MOST:
                self._cache[value] = found
        return found

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
