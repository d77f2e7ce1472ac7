"""What alerting remembers of a lead: which alerts it has asked for."""

from __future__ import annotations

import msgspec

KEPT = 64
"""A lead has few alerts open at a time; only a dead letter replayed after so many more could ask for one again."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest alerts of one lead."""

    alerts: tuple[str, ...] = ()

    def having(self, alert_id: str) -> Told:
        """The memory with one more alert."""
        return Told((*self.alerts, alert_id)[-KEPT:])
