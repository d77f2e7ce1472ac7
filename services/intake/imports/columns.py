"""Which column of a file means what: guessed from names and values, shown, and mappable by whoever imports. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.intake.imports.files import FileRefused, Row, Table

PLAIN = (
    "email", "phone", "name", "first_name", "last_name", "company", "country", "message", "submitted_at",
    "source.channel", "source.campaign", "source.medium", "source.term", "source.content", "source.utm_source",
    "source.cost.amount", "source.cost.currency",
)  # fmt: skip
OPEN = ("attributes", "consent", "external_ids")
"""Fields that take any name after a dot."""
LEFT_OUT = "-"
_NAME = re.compile(r"^[a-z][a-z0-9_.-]{0,63}$")
_CALLED: Mapping[str, str] = {
    **{name: name for name in PLAIN},
    **{
        alias: field
        for field, aliases in {
            "email": "e_mail mail email_address e_mail_address work_email business_email e_mail_adresse emailadresse",
            "phone": "tel telephone phone_number mobile mobile_phone work_phone telefon telefonnummer mobil",
            "name": "full_name contact contact_name lead_name",
            "first_name": "firstname given_name vorname",
            "last_name": "lastname family_name surname nachname",
            "company": "company_name organization organisation account account_name firma unternehmen",
            "country": "country_code land",
            "message": "comment comments question notes note description nachricht",
            "submitted_at": "created_at created created_date create_date date_added submitted timestamp datum",
            "source.channel": "channel lead_source source",
            "source.campaign": "campaign utm_campaign campaign_name kampagne",
            "source.medium": "medium utm_medium",
            "source.term": "utm_term",
            "source.content": "utm_content",
            "source.utm_source": "utm_source",
        }.items()
        for alias in aliases.split()
    },
}
_LOOKS_LIKE_AN_ADDRESS = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_LOOKED_AT = 50
_MOST_OF_THEM = 0.8


@dataclass(frozen=True, slots=True)
class Meaning:
    """By column: the field that it fills, or None if it is left out."""

    fields: Mapping[str, str | None]

    def of(self, field: str) -> str | None:
        """The column that fills a field."""
        return next((column for column, filled in self.fields.items() if filled == field), None)


def meaning_of(table: Table, attributes: Collection[str], wished: Mapping[str, str]) -> Meaning:
    """What the columns mean: as wished, else by their names, else (the address) by what stands in them.

    attributes: those of the agreement. wished: column -> field, or `-` to leave it out. Raises FileRefused.
    """
    for column, field in wished.items():
        if column not in table.columns:
            raise FileRefused(f"the file has no column {column!r} to be mapped: it has {', '.join(table.columns[:40])}")
        if field != LEFT_OUT and not is_field(field):
            raise FileRefused(
                f"the column {column!r} is mapped to {field!r}, which is no field: fields are {', '.join(PLAIN)}, and "
                "attributes.NAME, consent.PURPOSE, external_ids.SYSTEM; - leaves a column out"
            )
    fields: dict[str, str | None] = {c: None if f == LEFT_OUT else f for c, f in wished.items()}
    taken = [field for field in fields.values() if field is not None]
    twice = next((field for field in taken if taken.count(field) > 1), None)
    if twice is not None:
        raise FileRefused(f"two columns are mapped to {twice}: leave one of them out with COLUMN=-")
    for column in table.columns:
        if column not in fields:
            guess = field_called(column, attributes)
            fields[column] = guess if guess not in fields.values() else None
    if not {"email", "phone"} & set(fields.values()):
        fields.update(dict.fromkeys(_addresses(table, fields, wished)[:1], "email"))
    if not {"email", "phone"} & set(fields.values()):
        raise FileRefused(
            f"none of the columns {', '.join(table.columns[:40])} looks like an e-mail address or telephone number: "
            "say which one is, as in --map 'Contact address=email'"
        )
    return Meaning({column: fields[column] for column in table.columns})


def is_field(field: str) -> bool:
    """Whether a submission has a field of that name."""
    part, dot, rest = field.partition(".")
    return field in PLAIN or (part in OPEN and bool(dot) and _NAME.match(rest) is not None)


def field_called(column: str, attributes: Collection[str]) -> str | None:
    """The field that a column's name says it fills, or None."""
    if is_field(column):
        return column
    plain = plain_name(column)
    if plain in attributes and plain not in PLAIN:
        return f"attributes.{plain}"
    if plain.startswith("consent_") and is_field(f"consent.{plain[8:]}"):
        return f"consent.{plain[8:]}"
    return _CALLED.get(plain)


def plain_name(column: str) -> str:
    """`E-Mail Adresse` and `e_mail_adresse` are one name; so are `Größe` and `grosse`."""
    letters = unicodedata.normalize("NFKD", column.casefold())
    return re.sub(r"[^a-z0-9]+", "_", "".join(c for c in letters if not unicodedata.combining(c))).strip("_")


def _addresses(table: Table, fields: Mapping[str, str | None], wished: Mapping[str, str]) -> Sequence[str]:
    """Columns that mean nothing yet and hold e-mail addresses."""
    looked_at: Sequence[Row] = table.rows[:_LOOKED_AT]
    found = []
    for column in table.columns:
        cells = [str(row.cells[column]) for row in looked_at if column in row.cells]
        alike = sum(_LOOKS_LIKE_AN_ADDRESS.match(cell) is not None for cell in cells)
        if fields[column] is None and column not in wished and cells and alike >= _MOST_OF_THEM * len(cells):
            found.append(column)
    return found
