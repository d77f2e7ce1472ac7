"""What scoring remembers of one lead: what it has told, what it was seen doing, and what was last said of it."""

from __future__ import annotations

from schemas.agreement.knowledge import Knowledge


class Known(Knowledge, frozen=True, omit_defaults=True):
    """What is known of the lead, and what scoring last said of it."""

    scored: str = ""
    """Digest of the score last said."""
    verdict: str = ""
    """The verdict last said, and the lead's epoch at which it was said."""
    epoch: int = -1
    due_ms: int = 0
    """When a window of a rule ends or fading points cross a threshold; 0: never."""
