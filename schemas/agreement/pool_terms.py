"""What the terms of pools must be to each other: overflows that end, calendars and skills that exist."""

from __future__ import annotations

from typing import Any

from schemas.agreement.reading import at
from schemas.agreement.sheet import Sheet


class PoolTerms:
    """The check of the section pools, beyond its shapes."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def check(self) -> None:
        """Say everything that is wrong."""
        for path, pool in self.sheet.entries("pools"):
            self.sheet.refer("calendars", "calendar", (*path, "accept_calendar"), pool.get("accept_calendar"))
            overflow = pool.get("overflow")
            if isinstance(overflow, dict):
                self.sheet.refer("pools", "pool", (*path, "overflow", "to"), overflow.get("to"))
                self._overflow(str(path[-1]), overflow)
            elif pool.get("accept_within") is not None:
                self.sheet.say(
                    "no_way_out",
                    path,
                    f"a lead that everybody of {path[-1]} has let pass waits there for a newcomer or a manager.",
                    "Name a pool that takes what overflows.",
                    "overflow: {after: 1h, to: backup}",
                    severity="warning",
                )
            if pool.get("mode") == "skill":
                self._skills(str(path[-1]), pool)

    def overflow_targets(self) -> set[str]:
        """The pools that others overflow into."""
        return {to for name in self.sheet.names("pools") if (to := self._overflows_to(name)) is not None}

    def _overflows_to(self, pool: str) -> str | None:
        to = at(self.sheet.data, ("pools", pool, "overflow", "to"))
        return to if isinstance(to, str) else None

    def _overflow(self, name: str, overflow: dict[str, Any]) -> None:
        path = ("pools", name, "overflow", "to")
        chain, at_pool = [name], self._overflows_to(name)
        while at_pool is not None and at_pool not in chain:
            chain.append(at_pool)
            at_pool = self._overflows_to(at_pool)
        if at_pool == name:
            self.sheet.say(
                "overflow_in_a_circle",
                path,
                f"leads would go round: {' to '.join([*chain, name])}.",
                "Let the last pool of the chain have no overflow.",
            )
        role, other = (at(self.sheet.data, ("pools", p, "role")) or "sdr" for p in (name, str(overflow.get("to"))))
        if role != other and str(overflow.get("to")) in self.sheet.names("pools"):
            self.sheet.say(
                "role_mismatch",
                path,
                f"leads for role {role} would overflow into a pool of role {other}.",
                "Name a pool of the same role.",
                severity="warning",
            )

    def _skills(self, name: str, pool: dict[str, Any]) -> None:
        asked = pool.get("skills_from", ["language", "product"])
        asked = asked if isinstance(asked, list) else [asked]
        declared = self.sheet.names("attributes")
        if not any(str(a) in declared for a in asked):
            self.sheet.say(
                "no_skills",
                ("pools", name),
                f"the pool {name} goes by skills, but the agreement declares none of {', '.join(map(str, asked))}.",
                "Declare one of them among the attributes, or name others in skills_from.",
                "skills_from: [language]",
            )
