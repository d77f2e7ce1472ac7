"""How one value of a lead is read: a number, and a token with a place in a table. The same for whoever learns and whoever scores."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Sequence

SLOTS = 1 << 18
"""Places in the tables. Values are hashed into them, so no value of a person is kept in the state."""
LARGEST = 1e18
"""What lies beyond counts as this much: squares must stay finite."""
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


def place_and_number(attribute: str, value: Value, edges: Sequence[float] | None) -> tuple[int, float]:
    """The place of the value's token, and the number that it is (NaN otherwise). edges: those of the groups of numbers, if any."""
    if is_missing(value):
        return slot_of(attribute, "missing"), math.nan
    number = number_of(value)
    if math.isnan(number):
        return slot_of(attribute, f"={value}"), number
    token = f"#{number!r}" if edges is None else f"[{bisect_right(edges, number)}"
    return slot_of(attribute, token), number
