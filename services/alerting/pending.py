"""What is released and neither sent nor given up, derived from the log alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.base import Event
from schemas.events.alerting import AlertFailed, AlertReleased, AlertSent
from schemas.ids import AlertId, RecipientId
from schemas.wire import Envelope


@dataclass(frozen=True, slots=True)
class Owed:
    """One message that somebody waits for."""

    offset: int
    released: AlertReleased
    envelope: Envelope


REPEATED_WITHIN = 5_000
"""A release that a stale or restarted owner repeats stands within so many records of the first."""


def begin_at(committed: int, beginning: int) -> int:
    """Where a new owner begins: far enough back to know the answers to what is repeated after the commit."""
    return max(committed - REPEATED_WITHIN, beginning)


class Pending:
    """What one partition of `alerts` owes, in the order of its log."""

    def __init__(self, position: int) -> None:
        self.position = position
        """The next offset to be read."""
        self.owned = True
        """False once the partition goes to another process: then nothing new is begun."""
        self._owed: dict[AlertId, Owed] = {}
        self._settled: dict[AlertId, None] = {}

    def read(self, offset: int, event: Event | None, envelope: Envelope | None) -> None:
        """Take one record in; `event` none: it is nothing that matters here."""
        self.position = offset + 1
        if isinstance(event, AlertReleased) and envelope is not None:
            if event.alert_id not in self._settled:
                self._owed.setdefault(event.alert_id, Owed(offset, event, envelope))
        elif isinstance(event, AlertSent | AlertFailed):
            self.settle(event.alert_id)

    def settle(self, alert_id: AlertId) -> None:
        """It was sent, or given up."""
        self._owed.pop(alert_id, None)
        self._settled[alert_id] = None
        while len(self._settled) > REPEATED_WITHIN:
            del self._settled[next(iter(self._settled))]

    def first(self, recipient: RecipientId) -> Owed | None:
        """What this recipient is owed first."""
        return next((o for o in self._owed.values() if o.released.recipient == recipient), None)

    def recipients(self) -> Iterator[RecipientId]:
        """Everybody who is owed something, each once."""
        return iter(dict.fromkeys(o.released.recipient for o in self._owed.values()))

    @property
    def committable(self) -> int:
        """From here on a next owner must read: the oldest release that is still owed."""
        return min((o.offset for o in self._owed.values()), default=self.position)
