"""An example lead: what it says and what it was seen doing, as rules see it and as a lead file tells it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.agreement.facts import Facts, Seen

Value = bool | int | Decimal | str
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Lead:
    """One possible lead, apart from the instant at which it is judged."""

    attributes: Mapping[str, Value] = field(default_factory=dict)
    country: str | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    campaigns: tuple[str, ...] = ()
    """Those that touched it besides its source's."""
    customer: bool = False
    """Whether it was won before."""
    engagements: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By kind: how long ago each time was, in ms, newest first."""
    id: str | None = None
    """Where a split by percentage is asked."""

    def facts(self, now: datetime) -> Facts:
        """What the rules may ask for, without a score; decimals as text, as a lead's log tells them."""
        now_ms = round(now.timestamp() * 1000)
        touched = dict.fromkeys((*self.campaigns, *((c,) if (c := self.source.get("campaign")) else ())))
        return Facts(
            now=now,
            attributes={n: plain(v) for n, v in self.attributes.items()},
            country=self.country,
            source=self.source,
            campaigns=tuple(touched),
            engagements={
                kind: tuple(Seen(now_ms - age, 0, number) for age, number in _counted(ages))
                for kind, ages in self.engagements.items()
                if ages
            },
            customer=self.customer,
            lead=self.id,
        )

    def document(self, now: datetime, *, dated: bool = False) -> dict[str, Any]:
        """As a lead file of `leadloop score`; `at` is the instant at which it is to be judged, where that matters."""
        seen = [
            {"kind": kind, "at": _iso(now - age * _MS), **({} if number == 1 else {"quantity": number})}
            for kind, ages in self.engagements.items()
            for age, number in _counted(ages)
        ]
        said = {
            "attributes": {n: plain(v) for n, v in self.attributes.items()},
            "country": self.country,
            "source": dict(self.source),
            "campaigns": list(self.campaigns),
            "existing_customer": self.customer,
            "engagements": seen,
            "lead_id": self.id,
        }
        return {k: v for k, v in said.items() if v} | ({"at": _iso(now)} if seen or dated else {})

    def text(self, now: datetime, *, dated: bool = False) -> str:
        """The lead file on one line."""
        return json.dumps(self.document(now, dated=dated), ensure_ascii=False)

    def poorer(self) -> list[Lead]:
        """The same lead with one thing less known of it, each."""
        out = [replace(self, attributes=_without(self.attributes, name)) for name in self.attributes]
        out += [replace(self, source=_without(self.source, name)) for name in self.source]
        out += [replace(self, engagements=_without(self.engagements, kind)) for kind in self.engagements]
        out += [replace(self, campaigns=tuple(c for c in self.campaigns if c != name)) for name in self.campaigns]
        out += [replace(self, country=None)] if self.country is not None else []
        out += [replace(self, id=None)] if self.id is not None else []
        return out + ([replace(self, customer=False)] if self.customer else [])


def plain(value: Value) -> bool | int | str:
    """A value as a log tells it: decimals as text."""
    return format(value, "f") if isinstance(value, Decimal) else value


def _counted(ages: tuple[int, ...]) -> list[tuple[int, int]]:
    """Equal ages as one engagement of that quantity; one holds a thousand at most."""
    out: list[tuple[int, int]] = []
    for age, number in sorted(Counter(ages).items()):
        out += [(age, min(1000, number - done)) for done in range(0, number, 1000)]
    return out


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


def _without(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in said.items() if k != name}
