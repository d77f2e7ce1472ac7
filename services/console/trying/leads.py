"""The leads of an export: rows of one person brought together, with what was done for them. Pure.

What cannot be read costs a cell or a row, never the file; it is kept as a sentence that names the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from operator import itemgetter
from typing import Any

from schemas.agreement import Agreement
from schemas.agreement.terms import Attribute
from schemas.personal import looks_personal
from services.console.trying.columns import Meanings
from services.console.trying.instants import Order, only_days, order_of, read_instant
from services.console.trying.words import (
    Activity,
    Standing,
    activity_of,
    attribute_value,
    happened,
    not_done,
    plain_word,
    standing_of,
)
from services.intake.imports.files import Cell, Row, Table

Did = Callable[[int], None]
PROBLEMS_KEPT = 20
_INSTANTS = ("submitted_at", "first_response_at", "last_activity_at", "at")
_COUNTRIES = {
    "germany": "DE", "deutschland": "DE", "austria": "AT", "switzerland": "CH", "united_states": "US", "usa": "US",
    "united_states_of_america": "US", "canada": "CA", "mexico": "MX", "united_kingdom": "GB", "uk": "GB", "great_britain": "GB",
    "france": "FR", "spain": "ES", "italy": "IT", "netherlands": "NL", "belgium": "BE", "poland": "PL", "sweden": "SE",
    "denmark": "DK", "norway": "NO", "finland": "FI", "ireland": "IE", "india": "IN", "australia": "AU", "brazil": "BR",
    "japan": "JP", "china": "CN", "portugal": "PT", "czech_republic": "CZ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Submission:
    """What one row of the export says of its lead."""

    line: int
    at: datetime | None
    source: str
    campaign: str
    country: str | None
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Lead:
    """One person, however often the export holds him."""

    submissions: list[Submission] = field(default_factory=list)
    engagements: list[tuple[datetime, str]] = field(default_factory=list)
    standing: Standing = Standing.UNKNOWN
    first_response_at: datetime | None = None
    touches: list[datetime] = field(default_factory=list)
    """What sales did, at or after the first submission once `Export.settle` has run."""
    touched: bool = False
    """Whether a column says that something was done, whenever it was."""

    @property
    def created_at(self) -> datetime | None:
        """When the person first came, if any row says so."""
        return min((s.at for s in self.submissions if s.at is not None), default=None)

    @property
    def source(self) -> str:
        """Where the person first came from, as far as a row says so."""
        return next((s.source for s in sorted(self.submissions, key=_age) if s.source), "")


def _age(one: Submission) -> tuple[bool, float, int]:
    return one.at is None, one.at.timestamp() if one.at is not None else 0.0, one.line


@dataclass(slots=True)
class Export:
    """Everything that was read."""

    leads: list[Lead] = field(default_factory=list)
    rows: int = 0
    days_only: bool = True
    """Whether no time of creation names an hour."""
    as_of: datetime | None = None
    """The latest instant that the files name."""
    statuses: Counter[tuple[str, Standing]] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind of activity as the file calls it, what it was read as)."""
    activities: Counter[str] = field(default_factory=Counter)
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(column, attribute) -> cells that could not be read as it."""
    problems: list[str] = field(default_factory=list)
    problems_in_all: int = 0
    notes: list[str] = field(default_factory=list)
    _by_name: dict[str, Lead] = field(default_factory=dict)

    def problem(self, sentence: str) -> None:
        """Keep a sentence about something that could not be read."""
        self.problems_in_all += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(sentence)

    def lead_of(self, names: Mapping[str, str]) -> Lead | None:
        """The lead that one of these names belongs to. names: kind of name -> name."""
        return next((lead for kind, name in names.items() if (lead := self._by_name.get(f"{kind}:{name}")) is not None), None)

    def taken_in(self, names: Mapping[str, str]) -> Lead:
        """The lead of a row: known by one of its names, or new."""
        lead = self.lead_of(names)
        if lead is None:
            lead = Lead()
            self.leads.append(lead)
        for kind, name in names.items():
            self._by_name.setdefault(f"{kind}:{name}", lead)
        return lead

    def settle(self) -> None:
        """When all is read: what was done before a lead came is no answer to it."""
        for lead in self.leads:
            created = lead.created_at
            if created is not None:
                after = [at for at in lead.touches if at >= created]
                self.activities["before_lead"] += len(lead.touches) - len(after)
                lead.touches = after
                if lead.first_response_at is not None and lead.first_response_at < created:
                    self.activities["before_lead"] += 1
                    lead.first_response_at = None
            lead.touches.sort()
            lead.engagements.sort(key=itemgetter(0))


@dataclass(frozen=True, slots=True)
class Reading:
    """How an export is read."""

    agreement: Agreement
    zone: tzinfo
    latest: datetime
    """Nothing has happened after this."""
    statuses: Mapping[str, Standing]
    """What the person says that statuses mean, by plain name."""
    kinds: Mapping[str, str]
    """The same of kinds of activities."""


class _Cells:
    """The cells of a table by meaning; its instants are read in the order that the column has."""

    def __init__(self, table: Table, meanings: Meanings, reading: Reading, export: Export, file: str) -> None:
        self._columns = {meaning: column for column, several in meanings.items() for meaning in several}
        self._reading, self._export, self._file = reading, export, file
        self._orders: dict[str, Order] = {}
        for meaning in _INSTANTS:
            column = self._columns.get(meaning)
            if column is not None:
                self._orders[meaning] = order_of(((r.line, str(r.cells[column])) for r in table.rows if column in r.cells), column)
                if self._orders[meaning].note:
                    export.notes.append(f"{file}: {self._orders[meaning].note}.")

    def text(self, row: Row, meaning: str) -> str:
        return str(row.cells.get(self._columns.get(meaning, ""), ""))

    def has(self, meaning: str) -> bool:
        return meaning in self._columns

    def attributes(self) -> Iterator[tuple[str, str]]:
        """Attribute, column."""
        for meaning, column in self._columns.items():
            if meaning.startswith("attributes."):
                yield meaning.removeprefix("attributes."), column

    def instant(self, row: Row, meaning: str) -> datetime | None:
        text = self.text(row, meaning)
        if not text:
            return None
        place = f"{self._file}, line {row.line}: the column {self._columns[meaning]!r}"
        try:
            at = read_instant(text, self._orders[meaning], self._reading.zone)
        except (ValueError, OverflowError):
            self._export.problem(f"{place} is no time; write it as 2026-03-01T09:30:00Z or 2026-03-01")
            return None
        if at > self._reading.latest:
            self._export.problem(f"{place} names a time that has not come yet and was left out; correct it")
            return None
        self._export.as_of = at if self._export.as_of is None else max(at, self._export.as_of)
        return at


def take_leads(export: Export, table: Table, meanings: Meanings, reading: Reading, file: str, did: Did) -> None:
    """Read the rows of a file of leads."""
    for bad in table.unreadable:
        export.problem(f"{file}, line {bad.line}: {bad.message}")
    cells = _Cells(table, meanings, reading, export, file)
    asked = [(name, column, reading.agreement.attributes[name]) for name, column in cells.attributes()]  # type: ignore[index]
    asked = [one for one in asked if not one[2].personal]
    read: dict[tuple[str, Cell], object] = {}
    for row in table.rows:
        export.rows += 1
        lead = export.taken_in(_names(cells, row) or {"line": f"{file}:{row.line}"})
        attributes = {}
        for name, column, attribute in asked:
            cell = row.cells.get(column)
            if cell is None:
                continue
            value = read.get((name, cell))
            if value is None:
                value = read[name, cell] = _read(name, attribute, str(cell))
            if value is _UNREADABLE:
                export.unread[column, name] += 1
            elif value is not _NOTHING:
                attributes[name] = value
        at = cells.instant(row, "submitted_at")
        if at is not None and not only_days(cells.text(row, "submitted_at")):
            export.days_only = False
        lead.submissions.append(
            Submission(
                row.line, at, cells.text(row, "source.channel"), cells.text(row, "source.campaign"),
                _country(cells.text(row, "country")), attributes,
            )
        )  # fmt: skip
        _take_standing(export, cells, row, lead, reading)
        response = cells.instant(row, "first_response_at")
        if response is not None:
            lead.first_response_at = min(response, lead.first_response_at or response)
        lead.touched |= cells.instant(row, "last_activity_at") is not None
        did(1)


def take_activities(export: Export, table: Table, meanings: Meanings, reading: Reading, file: str, did: Did) -> None:
    """Read the rows of a file of activities; the leads have been read before."""
    for bad in table.unreadable:
        export.problem(f"{file}, line {bad.line}: {bad.message}")
    cells = _Cells(table, meanings, reading, export, file)
    engagements = frozenset(map(str, reading.agreement.engagements))
    for row in table.rows:
        export.activities["rows"] += 1
        did(1)
        lead = export.lead_of(_names(cells, row))
        if lead is None:
            export.activities["of_no_lead"] += 1
            continue
        at = cells.instant(row, "at")
        if at is None:
            export.activities["without_time"] += 1
            continue
        kind = cells.text(row, "type")
        meant = reading.kinds.get(plain_word(kind)) or (activity_of(kind, engagements) if cells.has("type") else Activity.TOUCH)
        export.kinds[kind, meant] += 1
        if meant in engagements:
            export.activities["engagements"] += 1
            lead.engagements.append((at, meant))
        elif meant == Activity.NEITHER or not_done(cells.text(row, "status"), cells.text(row, "direction")):
            export.activities["neither"] += 1
        else:
            export.activities["touches"] += 1
            lead.touches.append(at)


_UNREADABLE, _NOTHING = object(), object()


def _read(name: str, attribute: Attribute, cell: str) -> object:
    try:
        value = attribute_value(name, attribute, cell)
    except ValueError:
        return _UNREADABLE
    return _NOTHING if value is None else value


def _names(cells: _Cells, row: Row) -> dict[str, str]:
    email, lead_id = cells.text(row, "email").lower(), cells.text(row, "lead_id")
    phone = "".join(c for c in cells.text(row, "phone") if c.isdigit())
    names = {}
    if "@" in email:
        names["email"] = email
    if lead_id:
        names["id"] = lead_id
    if len(phone) >= 7 and not names:
        names["phone"] = phone
    return names


def _take_standing(export: Export, cells: _Cells, row: Row, lead: Lead, reading: Reading) -> None:
    for meaning in ("status", "stage"):
        text = cells.text(row, meaning)
        if text:
            standing = reading.statuses.get(plain_word(text)) or standing_of(text)
            export.statuses[text, standing] += 1
            lead.standing = max(lead.standing, standing)
    for meaning, standing in (("converted", Standing.CONVERTED), ("won", Standing.WON)):
        text = cells.text(row, meaning)
        if happened(text):
            lead.standing = max(lead.standing, standing)
        elif happened(text) is None:
            export.problem(f"line {row.line}: the column for {meaning} says neither yes nor no and is no date")


def _country(text: str) -> str | None:
    if len(text) == 2 and text.isascii() and text.isalpha():
        return text.upper()
    return _COUNTRIES.get(plain_word(text))


def told(text: str) -> str:
    """A word of the file that may stand in a report: cut, and withheld if it looks like somebody's address or number."""
    return "(withheld: looks personal)" if "@" in text or looks_personal(text) else text[:60]


