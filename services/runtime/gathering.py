"""How long records may gather before the next are taken: under load fewer and larger groups, which cost much less a record."""

from __future__ import annotations

LONGEST_SECONDS = 0.04
"""What load may add to a hop; who asks for more gets that."""


def resting(least: float, last_took: float) -> float:
    """Seconds to rest after work that took `last_took` seconds: as long as the work, but `least` at least.

    Work that takes long is a sign of load, and then a larger group costs hardly more than a small one.
    """
    return max(least, min(last_took, LONGEST_SECONDS))
