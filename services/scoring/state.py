"""What scoring remembers of one lead: what it has told, what it was seen doing, and what was last said of it."""

from __future__ import annotations

import msgspec

from schemas.agreement import Seen


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that the rules may ask for. Begins anew with every life of the lead."""

    life: int = 0
    attributes: dict[str, bool | int | str] = {}
    """The latest value of each; decimals as text."""
    country: str | None = None
    source: dict[str, str] = {}
    """Of the latest submission that named one, by field."""
    campaigns: dict[str, int] = {}
    """Every campaign that touched the lead, with the last time in ms."""
    engagements: dict[str, tuple[Seen, ...]] = {}
    """By kind, newest first, without what no rule can count any more."""
    scored: str = ""
    """Digest of the score last said."""
    verdict: str = ""
    """The verdict last said, and the lead's epoch at which it was said."""
    epoch: int = -1
    due_ms: int = 0
    """When a window of a rule ends; 0: never."""
