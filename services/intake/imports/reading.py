"""One row as a submission, or the sentence that says why it is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any

from pydantic import ValidationError

from services.intake.identity import Contact, NotAContact, normalised_email, normalised_phone
from services.intake.imports.columns import OPEN, Meaning
from services.intake.imports.files import Cell, Row
from services.intake.requests import LeadIn
from services.runtime.problems import of_validation

_YES, _NO = frozenset({"1", "yes", "y", "true", "on", "x", "ja"}), frozenset({"0", "no", "n", "false", "off", "nein"})


class RowRefused(ValueError):
    """The row is no submission; the text names the column and the remedy."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read."""

    meaning: Meaning
    fixed: Mapping[str, str]
    """What holds for every row that says nothing of it: field -> value."""
    zone: tzinfo
    """Of times that name none."""
    latest: datetime
    """No row can have been submitted later."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A row that was understood."""

    line: int
    said: LeadIn
    contact: Contact


def submission_of(row: Row, reading: Reading) -> Submission:
    """The submission that a row is. Raises RowRefused."""
    said: dict[str, Cell] = dict(reading.fixed)
    columns: dict[str, str] = {}
    for column, cell in row.cells.items():
        field = reading.meaning.fields.get(column)
        if field is not None:
            said[field], columns[field] = cell, column
    places = {field: f"the column {column!r}" for field, column in columns.items()}
    document = _nested(said, reading, places)
    try:
        lead = LeadIn.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        sentence = of_validation([{**first, "loc": ("body", *first["loc"])}]).detail.rstrip(".")
        raise RowRefused(f"{places.get(field, 'this row')}: {_lower(sentence)}") from error
    return Submission(row.line, lead, _contact(lead, places))


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _contact(lead: LeadIn, places: Mapping[str, str]) -> Contact:
    email = phone = None
    try:
        field = "email"
        email = None if lead.email is None else normalised_email(lead.email)
        field = "phone"
        phone = None if lead.phone is None else normalised_phone(lead.phone, lead.country)
    except NotAContact as error:
        raise RowRefused(f"{places.get(field, field)}: {str(error).rstrip('.')}; correct it or leave it empty") from error
    return Contact(email, phone)


def _nested(said: Mapping[str, Cell], reading: Reading, places: Mapping[str, str]) -> dict[str, Any]:
    """`source.channel` is `{"source": {"channel": …}}`; texts are read as what their fields are."""
    document: dict[str, Any] = {}
    for field, cell in said.items():
        head = field.partition(".")[0]
        *outer, last = field.split(".", 1) if head in OPEN else field.split(".")
        into = document
        for part in outer:
            into = into.setdefault(part, {})
        if head == "consent":
            into[last] = _truth(cell, places.get(field, field))
        elif head == "submitted_at":
            into[last] = _instant(cell, reading, places.get(field, field))
        else:
            into[last] = cell if head == "attributes" else str(cell)
    names = [str(document.pop(part)) for part in ("first_name", "last_name") if part in document]
    if names:
        document.setdefault("name", " ".join(names))
    return document


def _truth(cell: Cell, place: str) -> bool:
    text = str(cell).strip().lower()
    if text not in _YES | _NO:
        raise RowRefused(f"{place} must say yes or no")
    return text in _YES


def _instant(cell: Cell, reading: Reading, place: str) -> str:
    try:
        text = str(cell).strip()
        at = datetime.fromisoformat(text) if len(text) > 10 else datetime.combine(date.fromisoformat(text), time())
    except ValueError:
        raise RowRefused(f"{place} is no time: write it as 2026-03-01T09:30:00Z or 2026-03-01") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=reading.zone)
    if at > reading.latest:
        raise RowRefused(f"{place}: {at.isoformat()} has not come yet; say when it was, and check the clock that wrote it")
    return at.isoformat()
