"""What alerting remembers of a lead: which alerts it has asked for."""

from __future__ import annotations

import msgspec

KEPT = 64
"""A lead has few alerts open at a time; older ones cannot be asked for again but by replaying a dead letter of long ago."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest alerts of one lead."""

    alerts: tuple[str, ...] = ()

    def having(self, alert_id: str) -> Told:
        """The memory with one more alert."""
        return Told((*self.alerts, alert_id)[-KEPT:])
