"""A document that may be broken anywhere, walked with care: its entries, its names, and the findings about it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from schemas.agreement.explaining import suggestion
from schemas.agreement.facts import as_number
from schemas.agreement.findings import Finding
from schemas.agreement.reading import Document, Path, at, spell


class Sheet:
    """What has the wrong shape is somebody else's finding and is passed over."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data = document.data
        self.found: list[Finding] = []

    def say(self, code: str, path: Path, message: str, remedy: str, example: str = "", severity: Any = "error") -> None:
        self.found.append(Finding(severity, code, spell(path), self.document.line(path), message, remedy, example))

    def entries(self, *path: str | int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The entries of a section that are sections themselves, with their paths."""
        section = at(self.data, path)
        pairs = (
            section.items() if isinstance(section, dict) else enumerate(section) if isinstance(section, list) else ()
        )
        for key, entry in pairs:
            if isinstance(entry, dict):
                yield (*path, key), entry

    def names(self, section: str) -> list[str]:
        """What a section defines: its keys, or the ids of its entries, or its words."""
        value = self.data.get(section)
        if isinstance(value, dict):
            return [str(k) for k in value]
        if isinstance(value, list):
            return [str(e.get("id")) if isinstance(e, dict) else str(e) for e in value]
        return []

    def refer(self, section: str, what: str, path: Path, name: Any) -> None:
        """`name` must be one that `section` defines."""
        known = self.names(section)
        if not isinstance(name, str) or name in known:
            return
        meant = suggestion(name, known)
        remedy = (
            f"Did you mean {meant}?"
            if meant
            else f"Define it in {section}" + (f", or use one of {', '.join(known[:12])}." if known else ".")
        )
        self.say(f"unknown_{what}", path, f"there is no {what} {name!r}.", remedy, meant or (known[0] if known else ""))

    def refer_all(self, section: str, what: str, path: Path, names: Any) -> None:
        for i, name in enumerate(names if isinstance(names, list) else []):
            self.refer(section, what, (*path, i), name)

    def unique(self, ids: list[tuple[Path, Any]]) -> None:
        first: dict[str, Path] = {}
        for path, name in ids:
            if not isinstance(name, str):
                continue
            if name in first:
                line = self.document.line(first[name])
                self.say(
                    "duplicate_id",
                    path,
                    f"the id {name!r} is there twice, first on line {line}.",
                    "Give each its own id.",
                    f"{name}-2",
                )
            first.setdefault(name, path)

    def most(self, parts: tuple[str, ...]) -> Decimal:
        """The most points that the rules of these parts can give together, no group more than its cap."""
        return sum((self._extreme(part, 1) for part in parts), Decimal(0))

    def least(self, parts: tuple[str, ...]) -> Decimal:
        """The fewest points that the rules of these parts can give together."""
        return sum((self._extreme(part, -1) for part in parts), Decimal(0))

    def _extreme(self, part: str, sign: int) -> Decimal:
        """The sum of the rules' points of one sign. A cap lowers the most, and the least if it is below zero itself."""
        caps: dict[str, Decimal] = {}
        for _, group in self.entries("scoring", "groups"):
            cap = as_number(group.get("at_most"))
            if cap is not None and isinstance(group.get("id"), str):
                caps[group["id"]] = cap
        total, by_group = Decimal(0), dict.fromkeys(caps, Decimal(0))
        for _, rule in self.entries("scoring", part):
            points = as_number(rule.get("points"))
            if points is None or points * sign <= 0:
                continue
            points *= self._times(rule)
            name = rule.get("group")
            if isinstance(name, str) and name in by_group:
                by_group[name] += points
            else:
                total += points
        in_part = {str(g.get("id")) for _, g in self.entries("scoring", "groups") if g.get("part") == part}
        return total + sum((min(by_group[g], caps[g]) for g in by_group if g in in_part), Decimal(0))

    @staticmethod
    def _times(rule: dict[str, Any]) -> Decimal:
        """How often a rule's whole points count at most, further times counting less."""
        if "each" not in rule:
            return Decimal(1)
        said, further = rule.get("times_at_most", 10), as_number(rule.get("each_further", 1))
        times = said if isinstance(said, int) and 1 <= said <= 100 else 1
        factor = further if further is not None and 0 < further <= 1 else Decimal(1)
        return sum((factor**i for i in range(times)), Decimal(0))
