"""What leads and reps are called in a history, and by which ids the product knows them."""

from __future__ import annotations

import re
from uuid import NAMESPACE_OID, uuid5

from schemas.ids import LeadId, RepId

_NOT_OF_AN_ID = re.compile(r"[^a-z0-9._-]+")


class Names:
    """Two ways between names and ids. A UUID is a lead's id as it is; whatever is a rep's id is his."""

    def __init__(self) -> None:
        self._leads: dict[str, LeadId] = {}
        self._reps: dict[str, RepId] = {}
        self._names: dict[str, str] = {}

    def lead(self, name: str) -> LeadId:
        """The id of a lead: itself if it is a UUID, else made of its name and therefore always the same."""
        known = self._leads.get(name)
        if known is None:
            own = re.fullmatch(LeadId.PATTERN, name)
            known = LeadId(name if own else str(uuid5(NAMESPACE_OID, f"leadloop simulated lead {name}")))
            self._leads[name] = known
            self._names[known] = name
        return known

    def rep(self, name: str) -> RepId:
        """The id of a rep: his name, if need be in lower case and without what an id cannot hold."""
        known = self._reps.get(name)
        if known is None:
            plain = _NOT_OF_AN_ID.sub("-", name.lower()).strip("._-")[:56] or "rep"
            unique, number = plain if not re.fullmatch(RepId.PATTERN, name) else name, 1
            while unique in self._names:
                number += 1
                unique = f"{plain}-{number}"
            known = self._reps[name] = RepId(unique)
            self._names[known] = name
        return known

    def known_rep(self, name: str) -> RepId | None:
        """The id of a rep who was named before."""
        return self._reps.get(name)

    def of(self, identifier: str) -> str:
        """What the history calls a lead or a rep."""
        return self._names.get(identifier, identifier)
