"""One attempt at one message, and what it means: sent, to be tried again, given up, or nobody there any more."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog

from schemas.events.alerting import AlertFailed, AlertSent, DeliveryAttempted, RecipientDisabled
from schemas.ids import EventId
from schemas.vocabulary import Because
from services.alerting.backlog import Backlog, Line, Owed
from services.alerting.carriers import Carriers
from services.alerting.faults import ChannelUnusable, Gone, NotDelivered
from services.alerting.patience import RETRY_AFTER_AT_MOST
from services.runtime.appending import Appender, BrokerAway
from services.runtime.metrics import DELIVERIES

log = structlog.get_logger(__name__)

Answer = AlertSent | AlertFailed | DeliveryAttempted

_AFTER_A_FAULT_OF_OURS_MS = 10_000


def now_ms() -> int:
    """The time of this host's clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Courier:
    """Makes attempts and appends what came of them. One for the process."""

    def __init__(self, carriers: Carriers, appender: Appender) -> None:
        self._carriers, self._appender = carriers, appender

    async def attempt(self, backlog: Backlog, line: Line, owed: Owed) -> None:
        """Attempt `owed`, and settle it or have it wait. Whatever fails but the delivery itself is raised, and tried again later."""
        try:
            answer = await self._answer(line, owed)
            if isinstance(answer, DeliveryAttempted):
                await self._say(answer, owed)
                backlog.attempted(answer)
                return
            if isinstance(answer, AlertSent):
                line.succeeded()
            await self._say(answer, owed)
            backlog.settle(owed.alert_id, owed.replay)
        except Exception:
            owed.due_ms = now_ms() + _AFTER_A_FAULT_OF_OURS_MS
            raise
        finally:
            line.end(owed)

    async def _answer(self, line: Line, owed: Owed) -> Answer:
        attempt = owed.attempts + 1
        if line.disabled is not None:
            return self._failed(owed, owed.attempts, f"nothing is delivered there: {line.disabled}")
        try:
            await self._carriers.deliver(owed)
        except ChannelUnusable as error:
            return self._failed(owed, attempt, str(error))
        except Gone as error:
            await self._disable(line, owed, str(error))
            return self._failed(owed, attempt, str(error))
        except NotDelivered as error:
            return await self._not_delivered(line, owed, attempt, error)
        DELIVERIES.labels("sent").inc()
        log.info("delivered", alert_id=owed.alert_id, recipient=line.recipient, attempt=attempt)
        return AlertSent(
            recipient=line.recipient,
            alert_id=owed.alert_id,
            attempts=attempt,
            sent_at=datetime.now(UTC),
            replay=owed.replay,
        )

    async def _not_delivered(self, line: Line, owed: Owed, attempt: int, error: NotDelivered) -> Answer:
        now = datetime.now(UTC)
        DELIVERIES.labels("failed").inc()
        told = {"alert_id": owed.alert_id, "recipient": line.recipient, "attempt": attempt, "because": str(error)}
        log.warning("not_delivered", **told)
        if line.dead(now_ms()):
            await self._disable(line, owed, f"it has taken nothing for days; at last {error}")
            return self._failed(owed, attempt, str(error))
        if line.patience.gives_up_after(attempt):
            return self._failed(owed, attempt, f"{error}, {attempt} times")
        wait = min(error.retry_after or 0.0, RETRY_AFTER_AT_MOST)
        after = max(line.patience.after(attempt, owed.alert_id), wait)
        return DeliveryAttempted(
            recipient=line.recipient,
            alert_id=owed.alert_id,
            replay=owed.replay,
            attempt=attempt,
            attempted_at=now,
            status=error.status,
            because=Because(str(error)),
            next_at=now + timedelta(seconds=after),
            held_until=now + timedelta(seconds=wait) if wait else None,
        )

    async def _disable(self, line: Line, owed: Owed, because: str) -> None:
        log.error("recipient_disabled", recipient=line.recipient, because=because)
        disabled = RecipientDisabled(
            recipient=line.recipient, disabled_at=datetime.now(UTC), because=Because(because)
        )
        line.disabled = because
        await self._say(disabled, owed)

    def _failed(self, owed: Owed, attempts: int, because: str) -> AlertFailed:
        DELIVERIES.labels("given_up").inc()
        log.error("alert_given_up", alert_id=owed.alert_id, recipient=owed.recipient, because=because)
        return AlertFailed(
            recipient=owed.recipient,
            alert_id=owed.alert_id,
            attempts=attempts,
            failed_at=datetime.now(UTC),
            because=Because(because),
            replay=owed.replay,
        )

    async def _say(self, answer: Answer | RecipientDisabled, owed: Owed) -> None:
        """Append the answer, with an id that a repetition shares, until the broker has it."""
        number = f".{answer.attempt}" if isinstance(answer, DeliveryAttempted) else ""
        again = f".{owed.replay}" if owed.replay else ""
        event_id = EventId(f"alerting.sender.{owed.alert_id}{again}.{type(answer).__name__}{number}")
        pause = 1.0
        while True:
            try:
                await self._appender.append(answer, event_id=event_id, cause=owed.envelope)
            except BrokerAway:  # health says so; delivering again instead would tell the person twice
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)
            else:
                return
