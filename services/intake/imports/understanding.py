"""A file as an import: which rows are submissions, in which order, which repeat each other, which are refused. Pure."""

from __future__ import annotations

import hmac
import itertools
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from schemas.ids import LeadId
from services.intake.identity import lead_of
from services.intake.imports.columns import meaning_of
from services.intake.imports.files import Kind, Table, read_table
from services.intake.imports.queue import NewImport, NewRow
from services.intake.imports.reading import Reading, RowRefused, Submission, submission_of
from services.intake.reception import content_digest


@dataclass(frozen=True, slots=True)
class Order:
    """How a file is to be read."""

    kind: Kind
    charset: str | None
    columns: Mapping[str, str]
    fixed: Mapping[str, str]
    zone: tzinfo
    latest: datetime

    def digest(self, raw: bytes, secret: bytes) -> str:
        """The same file under the same order is the same import. Keyed: a digest of few rows can be guessed."""
        how = repr((self.kind, self.charset, sorted(self.columns.items()), sorted(self.fixed.items()), str(self.zone)))
        return hmac.digest(secret, b"import\x00" + how.encode() + b"\x00" + raw, "sha256").hex()


@dataclass(frozen=True, slots=True)
class Understood:
    """What a file means."""

    digest: str
    meaning: Mapping[str, str | None]
    notes: Sequence[str]
    rows: Sequence[NewRow]
    repeated: Mapping[int, LeadId]
    refused: Mapping[int, str]

    def as_import(self, name: str, received_ms: int) -> NewImport:
        """As it enters the queue."""
        return NewImport(
            self.digest, name, self.meaning, self.notes, self.rows, self.repeated, self.refused, received_ms
        )


def understand(
    raw: bytes, order: Order, attributes: Collection[str], secret: bytes, namespace: uuid.UUID
) -> Understood:
    """What the file means under an agreement with these attributes. Raises FileRefused."""
    table = read_table(raw, order.kind, order.charset)
    meaning = meaning_of(table, attributes, order.columns)
    reading = Reading(meaning, order.fixed, order.zone, order.latest)
    refused = {one.line: one.message for one in table.unreadable}
    submissions: list[Submission] = []
    for row in table.rows:
        try:
            submissions.append(submission_of(row, reading))
        except RowRefused as error:
            refused[row.line] = str(error)
    rows: dict[str, NewRow] = {}
    repeated: dict[int, LeadId] = {}
    for one in in_order(submissions):
        digest = content_digest(secret, one.said, one.contact, None)
        lead = lead_of(namespace, one.contact)
        if digest in rows:
            repeated[one.line] = lead
        else:
            rows[digest] = NewRow(one.line, digest, lead, one.said.model_dump_json(exclude_unset=True))
    notes = [*_left_out(table, meaning.fields), *_backwards(submissions)]
    return Understood(order.digest(raw, secret), meaning.fields, notes, list(rows.values()), repeated, refused)


def in_order(submissions: Sequence[Submission]) -> list[Submission]:
    """Oldest first, for what a person said later counts; what names no time is as of now, and so comes last."""
    timed = sorted((s for s in submissions if s.said.submitted_at is not None), key=_submitted_at)
    return [*timed, *(s for s in submissions if s.said.submitted_at is None)]


def _submitted_at(one: Submission) -> datetime:
    assert one.said.submitted_at is not None
    return one.said.submitted_at


def _left_out(table: Table, fields: Mapping[str, str | None]) -> list[str]:
    columns = [column for column in table.columns if fields[column] is None]
    if not columns:
        return []
    return [
        f"not imported: {', '.join(columns[:40])}; map a column to take it in, as in map={columns[0]}=attributes.NAME"
    ]


def _backwards(submissions: Sequence[Submission]) -> list[str]:
    """Files are often newest first; then their order is not the order of what happened."""
    for before, after in itertools.pairwise(submissions):
        earlier, later = before.said.submitted_at, after.said.submitted_at
        if earlier is not None and later is not None and later < earlier:
            return [
                f"times run backwards in line {after.line}: the rows are taken in by submitted_at, oldest first; map that "
                "column to - to keep the order of the file"
            ]
    return []
