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
        """The most points that the rules of these parts can give together."""
        numbers = (as_number(rule.get("points")) for part in parts for _, rule in self.entries("scoring", part))
        return sum((n for n in numbers if n is not None and n > 0), Decimal(0))

    def least(self, parts: tuple[str, ...]) -> Decimal:
        numbers = (as_number(rule.get("points")) for part in parts for _, rule in self.entries("scoring", part))
        return sum((n for n in numbers if n is not None and n < 0), Decimal(0))
