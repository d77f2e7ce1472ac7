"""What is released and neither sent nor given up, derived from the log alone, and what of it is due next. Pure.

Each recipient has his own line, and in it each lead its own lane: messages about one lead go out in the log's order, and
one that its receiver does not take waits for its next attempt without holding up the other leads. What goes to a channel
of people is one lane. Times are ms since 1970.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from schemas.base import Event
from schemas.events.alerting import (
    AlertFailed,
    AlertReleased,
    AlertSent,
    DeliveryAttempted,
    DeliveryReplayed,
    NewsReleased,
    RecipientDisabled,
    RecipientEnabled,
)
from schemas.ids import AlertId, RecipientId
from schemas.wire import Envelope
from services.alerting.patience import Patience
from services.alerting.rows import milliseconds

Released = AlertReleased | NewsReleased | DeliveryReplayed

REPEATED_WITHIN = 5_000
"""A release that a stale or restarted owner repeats stands within so many records of the first."""


def begin_at(committed: int, beginning: int) -> int:
    """Where a new owner begins: far enough back to know the answers to what is repeated after the commit."""
    return max(committed - REPEATED_WITHIN, beginning)


@dataclass(slots=True)
class Owed:
    """One message that somebody waits for."""

    offset: int
    released: Released
    envelope: Envelope
    attempts: int = 0
    due_ms: int = 0
    under_way: bool = False

    @property
    def recipient(self) -> RecipientId:
        return self.released.recipient

    @property
    def alert_id(self) -> AlertId:
        return self.released.alert_id

    @property
    def replay(self) -> int:
        return self.released.replay if isinstance(self.released, DeliveryReplayed) else 0

    @property
    def lane(self) -> str:
        return "" if isinstance(self.released, AlertReleased) else self.released.news.lead_id


@dataclass(slots=True)
class Line:
    """What one recipient is owed, and how his receiver has answered lately."""

    recipient: RecipientId
    patience: Patience
    disabled: str | None = None
    """Why nothing is delivered; none: it is."""
    failures: int = 0
    """In a row, whatever the message."""
    failing_since_ms: int | None = None
    resume_ms: int = 0
    """The receiver is left alone until then."""
    under_way: int = 0
    _lanes: dict[str, deque[Owed]] = field(default_factory=dict)
    _heads: list[tuple[int, int, str]] = field(default_factory=list)
    """(due, offset, lane) of lanes' first messages; entries that are no longer so are passed over."""

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def __iter__(self) -> Iterator[Owed]:
        return (owed for lane in self._lanes.values() for owed in lane)

    def add(self, owed: Owed) -> None:
        lane = self._lanes.setdefault(owed.lane, deque())
        lane.append(owed)
        if len(lane) == 1:
            self._stand(owed)

    def remove(self, owed: Owed) -> None:
        lane = self._lanes[owed.lane]
        first = lane[0] is owed
        lane.remove(owed)
        if not lane:
            del self._lanes[owed.lane]
        elif first:
            self._stand(lane[0])

    def begin(self, now_ms: int) -> Owed | None:
        """What to attempt now, marked as under way; none: nothing is due, or the receiver is to be left alone."""
        held = self.patience.hold_after is not None and self.failures >= self.patience.hold_after
        if self.disabled is None and (now_ms < self.resume_ms or self.under_way >= (1 if held else self.patience.at_once)):
            return None
        while self._heads:
            due_ms, offset, name = self._heads[0]
            lane = self._lanes.get(name)
            if not lane or (lane[0].offset, lane[0].due_ms) != (offset, due_ms) or lane[0].under_way:
                heapq.heappop(self._heads)
                continue
            if due_ms > now_ms and self.disabled is None:
                return None
            heapq.heappop(self._heads)
            lane[0].under_way = True
            self.under_way += 1
            return lane[0]
        return None

    def end(self, owed: Owed) -> None:
        """The attempt is over, whatever came of it."""
        if owed.under_way:
            owed.under_way = False
            self.under_way -= 1
        self._stand(owed)

    def succeeded(self) -> None:
        """The receiver took something: it is not failing."""
        self.failures, self.failing_since_ms, self.resume_ms = 0, None, 0

    def failed(self, at_ms: int, held_until_ms: int | None) -> None:
        """The receiver did not take something. held_until_ms: until when it asked to be left alone."""
        self.failures += 1
        self.failing_since_ms = self.failing_since_ms or at_ms
        hold_ms = round(self.patience.hold(self.failures, self.recipient) * 1000)
        self.resume_ms = max(at_ms + hold_ms if hold_ms else 0, held_until_ms or 0)

    def dead(self, now_ms: int) -> bool:
        """Whether it has failed for so long that it is left alone."""
        dead_after = self.patience.dead_after
        return (
            dead_after is not None
            and self.failing_since_ms is not None
            and now_ms - self.failing_since_ms >= dead_after * 1000
        )

    def _stand(self, owed: Owed) -> None:
        heapq.heappush(self._heads, (owed.due_ms, owed.offset, owed.lane))


class Backlog:
    """What one partition of `alerts` owes, in the order of its log."""

    def __init__(
        self, position: int, patience: Callable[[Released | None], Patience], disabled: Mapping[str, str] | None = None
    ) -> None:
        """disabled: recipients that nothing is delivered to, with why, as far as it was said before `position`."""
        self.position = position
        """The next offset to be read."""
        self.owned = True
        """False once the partition goes to another process: then nothing new is begun."""
        self.lines: dict[RecipientId, Line] = {}
        self._patience, self._disabled = patience, disabled or {}
        self._owed: dict[AlertId, Owed] = {}
        self._settled: dict[AlertId, int] = {}

    def read(self, offset: int, event: Event | None, envelope: Envelope | None) -> None:
        """Take one record in; `event` none: it is nothing that matters here."""
        self.position = offset + 1
        match event:
            case AlertReleased() | NewsReleased() | DeliveryReplayed() if envelope is not None:
                self._release(Owed(offset, event, envelope))
            case AlertSent():
                self.settle(event.alert_id, event.replay)
                if (line := self.lines.get(event.recipient)) is not None:
                    line.succeeded()
            case AlertFailed():
                self.settle(event.alert_id, event.replay)
            case DeliveryAttempted():
                self.attempted(event)
            case RecipientDisabled():
                self.line(event.recipient, None).disabled = event.because
            case RecipientEnabled():
                line = self.line(event.recipient, None)
                line.disabled = None
                line.succeeded()

    def line(self, recipient: RecipientId, released: Released | None) -> Line:
        """The recipient's line."""
        known = self.lines.get(recipient)
        if known is None:
            known = self.lines[recipient] = Line(recipient, self._patience(released), self._disabled.get(recipient))
        elif released is not None:
            known.patience = self._patience(released)
        return known

    def attempted(self, event: DeliveryAttempted) -> None:
        """An attempt failed; known already if it was ours."""
        owed = self._owed.get(event.alert_id)
        if owed is None or owed.replay != event.replay or event.attempt <= owed.attempts:
            return
        line = self.lines[event.recipient]
        owed.attempts, owed.due_ms = event.attempt, milliseconds(event.next_at)
        line.failed(milliseconds(event.attempted_at), milliseconds(event.held_until) if event.held_until is not None else None)
        line.end(owed)

    def settle(self, alert_id: AlertId, replay: int) -> None:
        """It was sent, or given up."""
        owed = self._owed.get(alert_id)
        if owed is not None and owed.replay <= replay:
            line = self.lines[owed.recipient]
            line.end(owed)
            line.remove(owed)
            del self._owed[alert_id]
        self._settled[alert_id] = max(replay, self._settled.pop(alert_id, replay))
        while len(self._settled) > REPEATED_WITHIN:
            del self._settled[next(iter(self._settled))]

    def forget(self, line: Line) -> None:
        """Drop the line of a recipient who is owed nothing, unless there is something to remember of him."""
        if not line and not line.failures and line.disabled is None and line.recipient not in self._disabled:
            self.lines.pop(line.recipient, None)

    @property
    def committable(self) -> int:
        """From here on a next owner must read: the oldest release that is still owed."""
        return min((o.offset for o in self._owed.values()), default=self.position)

    def _release(self, owed: Owed) -> None:
        known = self._owed.get(owed.alert_id)
        done = self._settled.get(owed.alert_id)
        if (known is not None and known.replay >= owed.replay) or (done is not None and done >= owed.replay):
            return  # a repetition
        if known is not None:
            self.settle(known.alert_id, known.replay)
        self._owed[owed.alert_id] = owed
        self.line(owed.recipient, owed.released).add(owed)
