"""Whom a campaign reached against whom it should have reached. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.agreement import Attribute, AttributeType
from services.feedback.audience import wilson

COUNTS = {
    "leads": "leads", "submissions": "submissions", "mql": "qualified", "qualified": "qualified", "sal": "accepted",
    "accepted": "accepted", "sql": "opportunities", "opportunities": "opportunities", "customers": "won", "won": "won",
}  # fmt: skip
"""A target's name -> which of the campaign's numbers it is a goal for."""
_OF_A_LEAD = ("country", "channel")
_NUMBERS = frozenset({AttributeType.INTEGER, AttributeType.DECIMAL})
_RANGE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:(\+)|(?:-|–|to)\s*(\d+(?:\.\d+)?))\s*$")
_SHOWN = 8
_UNKNOWN = "(unknown)"


def reach(
    target: Mapping[str, int | str],
    leads: Sequence[Mapping[str, Any]],
    attributes: Mapping[str, Attribute],
    numbers: Mapping[str, int],
) -> dict[str, Any]:
    """A campaign's `target` against its leads as they came: `country`, `channel` and the attributes of each.

    A text is one of several values (`DE, AT`) or of a number a range (`50-500`, `200+`); a number of a number attribute is
    the least. `leads`, `qualified`, `won` and the like are numbers to reach.
    """
    counts, dimensions, remarks = [], [], []
    meets: list[list[bool | None]] = [[] for _ in leads]
    for name, wanted in target.items():
        attribute = attributes.get(name)
        if name in COUNTS and isinstance(wanted, int):
            counts.append({"of": COUNTS[name], "wanted": wanted, "reached": numbers[COUNTS[name]]})
        elif attribute is not None and attribute.personal:
            remarks.append(f"{name} is personal in the agreement, so leads are not counted by it.")
        elif attribute is None and name not in _OF_A_LEAD:
            remarks.append(f"{name} is no attribute of the agreement, nor country, channel or a number of leads: it cannot be compared.")
        else:
            values = [lead.get(name) for lead in leads]
            is_number = attribute is not None and attribute.type in _NUMBERS
            fits = [_fits(value, wanted, is_number) for value in values]
            for one, fit in zip(meets, fits, strict=True):
                one.append(fit)
            dimensions.append({"dimension": name, "wanted": _said(wanted, is_number), **_counted(fits), "values": _values(values, fits)})
    everything = [None if not all(f is not None for f in one) and False not in one else False not in one for one in meets]
    return {
        "numbers": counts,
        "dimensions": dimensions,
        "all": _counted(everything) if dimensions else None,
        "remarks": remarks,
    }


def _fits(value: Any, wanted: int | str, is_number: bool) -> bool | None:
    """None: it is not known of this lead."""
    if value is None or value == "":
        return None
    if is_number:
        least, most = _range(wanted)
        try:
            number = float(str(value))
        except ValueError:
            return None
        if least is not None:
            return least <= number and (most is None or number <= most)
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return text.casefold() in {one.strip().casefold() for one in str(wanted).split(",")}


def _range(wanted: int | str) -> tuple[float | None, float | None]:
    if isinstance(wanted, int):
        return float(wanted), None
    found = _RANGE.match(wanted)
    if found is None:
        return None, None
    return float(found[1]), float(found[3]) if found[3] else None


def _said(wanted: int | str, is_number: bool) -> str:
    return f"{wanted:,} or more" if is_number and isinstance(wanted, int) else str(wanted)


def _counted(fits: Sequence[bool | None]) -> dict[str, Any]:
    """share: of those of whom it is known, with its interval of 95 % (Wilson)."""
    known = [fit for fit in fits if fit is not None]
    reached = sum(known)
    low, high = wilson(reached, len(known))
    return {
        "reached": reached,
        "of": len(known),
        "unknown": len(fits) - len(known),
        "share": round(reached / len(known), 4) if known else None,
        "interval": [round(low, 4), round(high, 4)] if known else None,
    }


def _values(values: Sequence[Any], fits: Sequence[bool | None]) -> list[dict[str, Any]]:
    """The commonest values, whether they are wanted, and all others together."""
    counted = Counter((_UNKNOWN if value in (None, "") else str(value), fit) for value, fit in zip(values, fits, strict=True))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0][0]))
    shown = [{"value": value, "wanted": fit, "leads": n} for (value, fit), n in ordered[:_SHOWN]]
    rest = sum(n for _, n in ordered[_SHOWN:])
    return [*shown, {"value": "(others)", "wanted": None, "leads": rest}] if rest else shown
