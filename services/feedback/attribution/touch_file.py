"""Anybody's CSV of touches: one line per touch, the win repeated on its lead's lines or on a line of its own."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from schemas.vocabulary import Money
from services.feedback.attribution.journeys import NAMELESS, Journey, Touch, Win

COLUMNS = ("lead", "at", "campaign", "channel", "stage", "won_at", "amount")
_ALSO = ("collateral", "currency")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LONGEST_AMOUNT = Decimal(10) ** 14


class TouchFileRefused(ValueError):
    """What the file is refused for: a sentence with the line and the remedy."""


def read(lines: Iterable[str], currency: str = "EUR") -> list[Journey]:
    """The journeys of a CSV file's lines, in the order in which leads first appear.

    Separated by comma, semicolon or tab. Times are ISO 8601; one without an offset counts as UTC. currency: of amounts
    whose line has no `currency` column. Raises TouchFileRefused.
    """
    if not _CURRENCY.fullmatch(currency):
        raise TouchFileRefused(f"{currency!r} is no currency: write its ISO 4217 code in capitals, such as EUR")
    touches: dict[str, list[Touch]] = defaultdict(list)
    wins: dict[str, dict[datetime, Money]] = defaultdict(dict)
    for number, row in _rows(lines):
        lead = row["lead"]
        if not lead:
            raise TouchFileRefused(f"line {number}: the column `lead` is empty: write whose touch it was")
        if row["at"] or not row["won_at"]:
            touches[lead].append(_touch(number, row))
        elif row["campaign"] or row["channel"]:
            raise TouchFileRefused(f"line {number}: the column `at` is empty: write when the touch was")
        touches.setdefault(lead, [])
        _take_win(number, row, wins[lead], currency)
    won: dict[str, list[Win]] = {lead: [Win(at, amount) for at, amount in sorted(wins[lead].items())] for lead in wins}
    return [Journey.of(lead, touched, win) for lead, touched in touches.items() for win in won[lead] or (None,)]


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    whole = iter(lines)
    header = next(whole, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(_again(header, whole), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in ("lead", "at") if name not in names]
        if "campaign" not in names and "channel" not in names:
            missing.append("campaign")
        if missing:
            raise TouchFileRefused(
                f"line 1: there is no column {' and none '.join(f'`{m}`' for m in missing)}; the first line names the columns: "
                f"{', '.join(COLUMNS)} (also {' and '.join(_ALSO)}, if there are any)"
            )
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) > len(names):
                raise TouchFileRefused(
                    f"line {reader.line_num}: {len(row)} cells, but line 1 names {len(names)} columns: put cells that "
                    f"contain the separator {delimiter!r} into double quotes"
                )
            cells = dict(zip(names, (cell.strip() for cell in row), strict=False))
            yield reader.line_num, {name: cells.get(name, "") for name in (*COLUMNS, *_ALSO)}
    except csv.Error as error:
        raise TouchFileRefused(
            f"line {reader.line_num}: this is no CSV ({error}): close every quote, and double those inside"
        ) from None


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


def _touch(number: int, row: Mapping[str, str]) -> Touch:
    if not row["at"]:
        raise TouchFileRefused(f"line {number}: the column `at` is empty: write when the touch was")
    return Touch(
        at=_time(number, "at", row["at"]),
        campaign=row["campaign"] or NAMELESS,
        channel=row["channel"] or NAMELESS,
        collateral=row["collateral"] or NAMELESS,
        stage=row["stage"].lower() or None,
    )


def _take_win(number: int, row: Mapping[str, str], wins: dict[datetime, Money], currency: str) -> None:
    if not row["won_at"]:
        if row["amount"]:
            raise TouchFileRefused(
                f"line {number}: `amount` without `won_at`: write when the lead was won, or leave both empty"
            )
        return
    at = _time(number, "won_at", row["won_at"])
    amount = _money(number, row["amount"] or "0", row["currency"] or currency)
    if wins.setdefault(at, amount) != amount:
        raise TouchFileRefused(
            f"line {number}: the lead {row['lead']} was won at {row['won_at']} for {wins[at].amount} {wins[at].currency} by "
            f"an earlier line and for {amount.amount} {amount.currency} by this one: correct one of them"
        )


def _time(number: int, column: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TouchFileRefused(
            f"line {number}: `{column}` is {text!r}: write a time in ISO 8601, such as 2026-03-02T09:30:00+01:00"
        ) from None


def _money(number: int, text: str, currency: str) -> Money:
    try:
        amount = Decimal(text)
        if not amount.is_finite() or abs(amount) >= _LONGEST_AMOUNT:
            raise InvalidOperation
        if not _CURRENCY.fullmatch(currency):
            raise TouchFileRefused(
                f"line {number}: `currency` is {currency!r}: write its ISO 4217 code in capitals, such as EUR"
            )
        return Money(amount=amount, currency=currency)
    except (InvalidOperation, ValueError) as error:
        if isinstance(error, TouchFileRefused):
            raise
        raise TouchFileRefused(
            f"line {number}: `amount` is {text!r}: write a decimal number with a point and at most four places, such as 12000.00"
        ) from None
