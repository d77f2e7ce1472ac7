"""Lengths of time as people write them in an agreement: `4h`, `90d`, `1h30m`, `250ms`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

UNITS: dict[str, timedelta] = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"(\d{1,9})(ms|w|d|h|m|s)")
_WHOLE = re.compile(r"(?:\d{1,9}(?:ms|w|d|h|m|s))+")
LONGEST = timedelta(days=3660)


def parse_duration(text: str) -> timedelta:
    """The length of time that `text` says, to the millisecond. Raises ValueError with a sentence."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time")
    length = sum((int(number) * UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    if length > LONGEST:
        raise ValueError(f"{text!r} is longer than ten years")
    return length


def say_duration(length: timedelta) -> str:
    """`length` as an agreement writes it, in days and less: `parse_duration` reads it back."""
    left, out = length, ""
    for unit, size in list(UNITS.items())[1:]:
        count, left = divmod(left, size)
        out += f"{count}{unit}" if count else ""
    return out or "0s"


def _read(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("bad_duration", "{value} has no unit", {"value": str(value)[:80]})
    try:
        return parse_duration(value.strip())
    except ValueError as error:
        raise PydanticCustomError("bad_duration", "{why}", {"why": str(error)[:200]}) from None


def _positive(value: Any) -> Any:
    length = _read(value)
    if length <= timedelta():
        raise PydanticCustomError("bad_duration", "{value} is no time at all", {"value": str(value)[:80]})
    return length


Length = Annotated[timedelta, BeforeValidator(_read)]
"""A length of time, zero included."""
PositiveLength = Annotated[timedelta, BeforeValidator(_positive)]
"""A length of time above zero."""
