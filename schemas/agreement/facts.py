"""What the rules of an agreement may know of a lead, and how a decision is put into a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from schemas.personal import spells_phone_number
from schemas.vocabulary import Because

BECAUSE_AT_MOST = 600
_SAID_AT_MOST = 60
_DIGITS_AT_MOST = 40
"""Beyond that many digits before or after the point it is no number that anybody meant."""
_CONTROL = re.compile(r"[\x00-\x1f]")


class Held(NamedTuple):
    """Whether a condition holds, and the sentence that explains it."""

    holds: bool
    because: str


class Seen(NamedTuple):
    """One engagement as the rules count it."""

    at_ms: int
    """When it happened, in ms since 1970."""
    position: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a lead at `now`. A service fills in what it knows; the check refuses rules that ask for more."""

    now: datetime
    attributes: Mapping[str, bool | int | Decimal | str] = field(default_factory=dict)
    country: str | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    """The latest submission's source, by field name."""
    campaigns: frozenset[str] | tuple[str, ...] = ()
    """Every campaign that has touched the lead."""
    engagements: Mapping[str, Sequence[Seen]] = field(default_factory=dict)
    """By kind, newest first."""
    customer: bool = False
    """Whether the lead was won before, by its log."""
    score: Decimal | None = None
    fit: Decimal | None = None
    engagement: Decimal | None = None
    grade: str | None = None
    stage: str | None = None
    """The buying stage, by its id."""
    lead: str | None = None
    """The lead's id: splits by percentage go by it."""


def sentence(text: str) -> Because:
    """`text` as a Because, whatever it holds: one line of at most 600 characters, without @ and telephone number."""
    clean = " ".join(_CONTROL.sub(" ", text.replace("@", "(at)")).split())
    if len(clean) > BECAUSE_AT_MOST:
        clean = clean[: BECAUSE_AT_MOST - 1] + "…"
    if spells_phone_number(clean):
        clean = re.sub(r"\d{3,}", "…", clean)
        clean = re.sub(r"\d", "…", clean) if spells_phone_number(clean) else clean
    return Because(clean)


def say(value: object) -> str:
    """A value in a sentence, shortened."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    small = isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= _DIGITS_AT_MOST
    text = format(value.normalize(), "f") if isinstance(value, Decimal) and small else str(value)
    return text if len(text) <= _SAID_AT_MOST else text[: _SAID_AT_MOST - 1] + "…"


def listed(values: Sequence[object]) -> str:
    shown = ", ".join(say(v) for v in values[:6])
    return shown if len(values) <= 6 else f"{shown} and {len(values) - 6} more"


def as_number(value: object) -> Decimal | None:
    """`value` as a number, or None if it is none. Decimals travel as strings in JSON."""
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(value) if isinstance(value, int | Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _DIGITS_AT_MOST else None
