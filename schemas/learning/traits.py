"""What a model may look at: the attributes that rules may ask for, where the lead came from, what it was seen doing, its points."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from schemas.agreement import Agreement, Facts
from schemas.learning.cells import Value

SOURCE_FIELDS = ("channel", "campaign", "medium", "term", "content", "utm_source")
_SOURCE, _SEEN, _RULES = "source.", "seen.", "rules."


def traits_of(agreement: Agreement) -> tuple[str, ...]:
    """Their names under this agreement, in a fixed order, without those that it leaves out. None of them is personal."""
    names = [
        *sorted(name for name, attribute in agreement.attributes.items() if not attribute.personal),
        "country",
        *(f"{_SOURCE}{field}" for field in SOURCE_FIELDS),
        *(f"{_SEEN}{kind}" for kind in sorted(agreement.engagements)),
        f"{_RULES}fit",
        f"{_RULES}engagement",
    ]
    left_out = frozenset(agreement.terms.learning.leave_out)
    return tuple(dict.fromkeys(name for name in map(str, names) if name not in left_out))


def reader_of(trait: str) -> Callable[[Facts], Value]:
    """How the trait of this name is read from what is known of a lead."""
    if trait == "country":
        return lambda facts: facts.country
    if trait.startswith(_SOURCE):
        field = trait.removeprefix(_SOURCE)
        return lambda facts: facts.source.get(field)
    if trait.startswith(_SEEN):
        kind = trait.removeprefix(_SEEN)
        return lambda facts: sum(seen.quantity for seen in facts.engagements.get(kind, ()))
    if trait == f"{_RULES}fit":
        return lambda facts: _points(facts.fit)
    if trait == f"{_RULES}engagement":
        return lambda facts: _points(facts.engagement)
    return lambda facts: _plain(facts.attributes.get(trait))


def _points(points: Decimal | None) -> Value:
    return None if points is None else float(points) + 0.0  # a negative zero becomes none


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, bool | int | str) else str(value)
