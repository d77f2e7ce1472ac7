"""A history of leads and outcomes from a CSV file, in the order of time."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from services.scoring.learning.cells import Value, is_missing, number_of

_SEPARATORS = ";,\t|"
_DATE = re.compile(
    r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?$|^\d{1,2}\.\d{1,2}\.\d{4}( \d{2}:\d{2}(:\d{2})?)?$|^\d{1,2}/\d{1,2}/\d{4}( \d{2}:\d{2}(:\d{2})?)?$"
)
_LOOKED_AT = 500


class HistoryRefused(ValueError):
    """The history cannot be used; the message is one sentence with the place and the remedy."""


@dataclass(frozen=True, slots=True)
class History:
    """Leads in the order of time: their attributes, whether each was won, and the rules' score where a column holds one."""

    attributes: tuple[str, ...]
    rows: list[list[Value]]
    won: list[bool]
    champion: list[float] | None = None

    def without(self, attributes: Sequence[str]) -> History:
        """The same history without some attributes. Raises HistoryRefused if none is left."""
        keep = [i for i, a in enumerate(self.attributes) if a not in set(attributes)]
        if not keep:
            raise HistoryRefused("no attribute is left to learn from; exclude fewer of them")
        return replace(
            self, attributes=tuple(self.attributes[i] for i in keep), rows=[[row[i] for i in keep] for row in self.rows]
        )


def read_history(
    file: Path,
    target: str,
    positive: str,
    *,
    exclude: Sequence[str] = (),
    time: str | None = None,
    champion: str | None = None,
    shift: Sequence[tuple[str, float]] = (),
) -> History:
    """Read a CSV file (also .gz; comma, semicolon, tab or bar). Raises HistoryRefused.

    `time` names the column to sort by (stable; without it the file's order is the order of time), `champion` one with the rules'
    score; neither is an attribute. `shift` adds a constant to a numeric attribute. Dates become days, a weekday and a month.
    """
    header, rows = _read(file)
    for wanted in (
        target,
        *exclude,
        *([time] if time else []),
        *([champion] if champion else []),
        *(name for name, _ in shift),
    ):
        if wanted not in header:
            raise HistoryRefused(f"{file.name} has no column {wanted!r}; it has {_listed(header)}")
    at = header.index(target)
    rows = [row for row in rows if not is_missing(row[at])]
    if not any(row[at].strip() == positive for row in rows):
        seen = [value for value, _ in Counter(row[at].strip() for row in rows).most_common(6)]
        raise HistoryRefused(
            f"the value {positive!r} never occurs in the column {target!r} of {file.name}; it holds {_listed(seen)}"
        )
    if time is not None:
        rows = _in_order(file, header, rows, time)
    won = [row[at].strip() == positive for row in rows]
    rules = [_number(row[header.index(champion)]) for row in rows] if champion else None
    left = [i for i, name in enumerate(header) if name not in {target, time, champion, *exclude}]
    if not left:
        raise HistoryRefused(f"{file.name} has no attribute left beside the target; exclude fewer columns")
    names, columns = _columns(header, rows, left, dict(shift))
    return History(tuple(names), [list(cells) for cells in zip(*columns, strict=True)], won, rules)


def _read(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        data = file.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError) as fault:
        raise HistoryRefused(
            f"{file} cannot be read ({getattr(fault, 'strerror', None) or fault}); name a CSV file, plain or gzipped"
        ) from fault
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    first = text.lstrip().partition("\n")[0]
    if not first.strip():
        raise HistoryRefused(f"{file} is empty; it needs a line of column names and one line per lead")
    separator = max(_SEPARATORS, key=first.count)
    try:
        lines = csv.reader(
            io.StringIO(text.replace("\x00", ""), newline=""), delimiter=separator, skipinitialspace=True
        )
        header = [name.strip() for name in next(line for line in lines if line)]
        rows = [line for line in lines if line]
    except csv.Error as fault:
        raise HistoryRefused(f"{file} is no CSV that can be read ({fault}); check its quotes") from fault
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise HistoryRefused(f"{file.name} has the column {twice[0]!r} more than once; give each its own name")
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if wrong is not None:
        raise HistoryRefused(
            f"lead {wrong + 1} of {file.name} has {len(rows[wrong])} cells, the header has {len(header)}; check quotes and separators there"
        )
    if not rows:
        raise HistoryRefused(f"{file} has column names but no leads; it needs one line per lead")
    return header, rows


def _in_order(file: Path, header: list[str], rows: list[list[str]], time: str) -> list[list[str]]:
    at = header.index(time)
    instants = []
    for number, row in enumerate(rows, 1):
        instant = _instant(row[at])
        if math.isnan(instant):
            raise HistoryRefused(
                f"lead {number} of {file.name} has {row[at]!r} in the column {time!r}, which is neither a date nor a number; "
                "correct it or leave --time out"
            )
        instants.append(instant)
    return [row for _, row in sorted(zip(instants, rows, strict=True), key=lambda pair: pair[0])]


def _instant(cell: str) -> float:
    number = number_of(cell)
    return _days(cell) if math.isnan(number) else number


def _days(cell: str) -> float:
    """Days since the year 1 of a date in ISO, German or American writing; NaN for anything else."""
    found = _moment(cell.strip())
    if found is None:
        return math.nan
    return found.toordinal() + (found.hour * 3600 + found.minute * 60 + found.second) / 86400


def _moment(text: str) -> datetime | None:
    if not _DATE.match(text):
        return None
    try:
        if text[4] == "-":
            return datetime.fromisoformat(text).replace(tzinfo=None)
        day, _, clock = text.partition(" ")
        one, two, year = (int(part) for part in re.split(r"[./]", day))
        plain = date(year, two, one) if "." in day or one > 12 else date(year, one, two)
        return datetime.fromisoformat(f"{plain.isoformat()} {clock or '00:00'}")
    except ValueError:
        return None


def _columns(
    header: list[str], rows: list[list[str]], left: list[int], shift: dict[str, float]
) -> tuple[list[str], list[list[Value]]]:
    names: list[str] = []
    columns: list[list[Value]] = []
    for i in left:
        cells = [row[i].strip() for row in rows]
        name = header[i]
        if _is_dates(cells):
            moments = [_moment(cell) for cell in cells]
            names += [name, f"{name} (weekday)", f"{name} (month)"]
            columns += [
                [_days(cell) if m else cell for cell, m in zip(cells, moments, strict=True)],
                [m.strftime("%a") if m else "" for m in moments],
                [m.strftime("%b") if m else "" for m in moments],
            ]
            continue
        names.append(name)
        columns.append([_shifted(cell, shift[name]) for cell in cells] if name in shift else list(cells))
    return names, columns


def _is_dates(cells: list[str]) -> bool:
    said = [cell for cell in cells[:_LOOKED_AT] if not is_missing(cell)]
    return bool(said) and sum(_moment(cell) is not None for cell in said) > 0.9 * len(said)


def _shifted(cell: str, by: float) -> Value:
    number = number_of(cell)
    return cell if math.isnan(number) else number + by


def _number(cell: str) -> float:
    number = number_of(cell)
    return 0.0 if math.isnan(number) else number


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
