"""A file as rows of cells: CSV or JSON Lines, however spreadsheets write them. Pure.

What is wrong with one row is kept beside the others, with its line; what is wrong with the whole file is raised.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

Cell = str | int | float | bool
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DEEPEST = 3


class Kind(StrEnum):
    """What a file is."""

    CSV = "csv"
    JSONL = "jsonl"


class FileRefused(ValueError):
    """Nothing of the file can be used; the text names the line and the remedy."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its first line, counted from 1, and what stands in it by column. Blank cells are not there."""

    line: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no row, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was read."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unreadable: tuple[Unreadable, ...]


def read_table(raw: bytes, kind: Kind, charset: str | None = None) -> Table:
    """The rows of a file. charset: its encoding, if it is not UTF-8 and has no byte order mark. Raises FileRefused."""
    text = _text(raw, charset)
    columns, read = _csv(text) if kind is Kind.CSV else ((), _json_lines(text))
    rows: list[Row] = []
    unreadable: list[Unreadable] = []
    for one in read:
        if isinstance(one, Unreadable):
            unreadable.append(one)
        elif one.cells:
            rows.append(one)
    if not rows and not unreadable:
        raise FileRefused("the file holds no rows: give it one line a lead, below the names of its columns")
    if kind is Kind.JSONL:
        columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    return Table(columns, tuple(rows), tuple(unreadable))


def _text(raw: bytes, charset: str | None) -> str:
    found = next((encoding for bom, encoding in _BOMS if raw.startswith(bom)), None)
    encoding = found or charset or "utf-8"
    try:
        return raw.decode(encoding)
    except LookupError:
        raise FileRefused(f"there is no encoding {encoding!r}: name one such as utf-8 or windows-1252") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FileRefused(
            f"line {line} is no {encoding} text: save the file as CSV UTF-8, or name its encoding, such as windows-1252"
        ) from None


# ------------------------------------------------------------------ CSV


def _csv(text: str) -> tuple[tuple[str, ...], Iterator[Row | Unreadable]]:
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = next((cells for cells in reader if any(cell.strip() for cell in cells)), None)
    except csv.Error as error:
        raise FileRefused(f"line {reader.line_num} is no CSV ({error}): save the file as CSV once more") from None
    if names is None:
        raise FileRefused("the file is empty: its first line names its columns")
    columns = tuple(name.strip() or f"column {number}" for number, name in enumerate(names, 1))
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise FileRefused(f"line {reader.line_num}: two columns are called {twice!r}; rename one of them")
    if any("@" in name for name in columns):
        raise FileRefused(
            f"line {reader.line_num} holds an e-mail address where the names of the columns belong: put a line with "
            "names above it, such as email,name,company"
        )
    return columns, _csv_rows(reader, columns, delimiter)


def _csv_rows(reader: Any, columns: tuple[str, ...], delimiter: str) -> Iterator[Row | Unreadable]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Unreadable(line, f"this is no CSV ({error}): look for a quotation mark that is not closed")
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            yield Unreadable(
                line,
                f"this row has {len(cells)} cells and the file {len(columns)} columns: put cells that hold "
                f"{'a tab' if delimiter == chr(9) else delimiter} or a line break into quotation marks",
            )
            continue
        stripped = ((name, cell.strip()) for name, cell in zip(columns, cells, strict=True))
        yield Row(line, {name: cell for name, cell in stripped if cell})


# ------------------------------------------------------------------ JSON Lines


def _json_lines(text: str) -> Iterator[Row | Unreadable]:
    if text.lstrip()[:1] == "[":
        raise FileRefused("line 1 begins a JSON list: write one object a line, without commas between them")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Unreadable(number, f"this is no JSON ({error.msg} at character {error.colno}): write one object a line")
            continue
        if not isinstance(said, dict):
            yield Unreadable(number, "this is no JSON object: write one such as {\"email\": \"jo@example.com\"}")
            continue
        cells = dict(_flat(said))
        listed = next((name for name, value in cells.items() if isinstance(value, list | dict)), None)
        if listed is not None:
            yield Unreadable(number, f"the field {listed!r} holds a list or is nested too deeply: write one value there")
            continue
        yield Row(number, cells)


def _flat(said: Mapping[str, Any], before: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """`{"source": {"channel": "fair"}}` is the column `source.channel`."""
    for name, value in said.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _flat(value, f"{before}{name}.", depth + 1)
        elif isinstance(value, str):
            if value.strip():
                yield before + name, value.strip()
        elif value is not None:
            yield before + name, value
