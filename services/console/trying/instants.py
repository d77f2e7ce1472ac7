"""Instants as CRMs write them. A column of days and months that could be either is read with the day first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_NUMBERS = re.compile(
    r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp]\.?[Mm]\.?)?)?$"
)
_ISO_WITH_HALVES = re.compile(r"^(\d{4}-\d{2}-\d{2})[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp]\.?[Mm]\.?)?$")
_SLASHED = re.compile(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)$")
_EPOCH = re.compile(r"^\d{10}(\d{3})?$")


@dataclass(frozen=True, slots=True)
class Order:
    """How a column writes day and month."""

    day_first: bool
    note: str
    """What the reader of the report must know of it; empty if nothing was guessed."""


def order_of(values: Iterable[tuple[int, str]], column: str) -> Order:
    """Day or month first: by what cannot be a month; the day, if nothing tells or both are found.

    values: line and text of each cell of the column.
    """
    day_line = month_line = seen = 0
    for line, text in values:
        match = _NUMBERS.match(text)
        if match is None:
            continue
        seen = seen or line
        if int(match[1]) > 12:
            day_line = day_line or line
        elif int(match[2]) > 12:
            month_line = month_line or line
    if day_line and month_line:
        return Order(
            True,
            f"The column {column!r} mixes date formats (day first in line {day_line}, month first in line {month_line}); where "
            "both are possible the day was taken first: export dates as 2026-03-01 to be sure",
        )
    if seen and not day_line and not month_line:
        return Order(
            True,
            f"Dates in the column {column!r} could be read either way (first in line {seen}) and were read with the day first: "
            "export them as 2026-03-01 to be sure",
        )
    return Order(not month_line, "")


def read_instant(text: str, order: Order, zone: tzinfo) -> datetime:
    """The instant (UTC) that a cell names; zone: of texts that name none. Raises ValueError."""
    return _naive_or_aware(text, order, zone).astimezone(UTC)


def only_days(text: str) -> bool:
    """Whether it names a day and no time of it."""
    return ":" not in text and _EPOCH.match(text) is None and "T" not in text


def _naive_or_aware(text: str, order: Order, zone: tzinfo) -> datetime:
    if _EPOCH.match(text):
        return datetime.fromtimestamp(int(text) / (1000 if len(text) == 13 else 1), UTC)
    if slashed := _SLASHED.match(text):
        text = f"{slashed[1]}-{int(slashed[2]):02}-{int(slashed[3]):02}{slashed[4]}"
    try:
        at = datetime.fromisoformat(text.removesuffix(" UTC"))
        if text.endswith(" UTC"):
            at = at.replace(tzinfo=UTC)
    except ValueError:
        at = _by_numbers(text, order)
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    if not 1971 <= at.year <= 9000:
        raise ValueError(text)
    return at


def _by_numbers(text: str, order: Order) -> datetime:
    if match := _ISO_WITH_HALVES.match(text):
        day = datetime.fromisoformat(match[1])
        clock = match.groups()[1:]
    elif match := _NUMBERS.match(text):
        first, second, year = int(match[1]), int(match[2]), int(match[3])
        swap = second <= 12 and (order.day_first or first > 12)
        month, of_month = (second, first) if swap else (first, second)
        day = datetime(year + 2000 if year < 100 else year, month, of_month)  # noqa: DTZ001 - the caller gives the zone
        clock = match.groups()[3:]
    else:
        raise ValueError(text)
    hour, minute, second_, half = int(clock[0] or 0), int(clock[1] or 0), int(clock[2] or 0), (clock[3] or "")[:1].lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59 or second_ > 59:
        raise ValueError(text)
    return day + timedelta(hours=hour, minutes=minute, seconds=second_)
