"""Says which promises will probably be broken, while there is time: by the forecast's own reckoning, as the agreement asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import structlog

from schemas.agreement import Agreement
from schemas.agreement.alert_terms import Forecasting
from schemas.events.feedback import BreachForeseen
from schemas.ids import EventId
from schemas.vocabulary import Because
from services.feedback.audience_doors import Agreements, in_force
from services.feedback.forecast.oracle import Oracle, in_words
from services.feedback.forecast.pace import Forecast
from services.runtime.appending import Appender, BrokerAway
from services.runtime.main import Running
from services.runtime.projection import Behind, ProjectionRunner

log = structlog.get_logger(__name__)

EVERY_SECONDS = 30.0
"""A forecast that is half a minute old still leaves time; learning again is the oracle's own business."""


class Foreseer:
    """Says each likely breach once for a clock, deadline and threshold. What is said again after a restart has the same id."""

    def __init__(self, runner: ProjectionRunner, agreements: Agreements, appender: Appender) -> None:
        self._runner, self._agreements, self._appender = runner, agreements, appender
        self._oracle = Oracle()
        self._said: set[EventId] = set()

    async def look(self, now: datetime) -> list[BreachForeseen]:
        """Look once, and say what is new. Raises Behind while the ledger is, and BrokerAway."""
        agreement = in_force(self._agreements, now)
        if agreement is None or not agreement.forecasts:
            return []
        await self._runner.read_to_end(timeout=20)  # a clock that was met meanwhile is no news
        found = await self._runner.read(lambda connection: likely(connection, self._oracle, agreement, now))
        new = {event_id: event for event_id, event in found.items() if event_id not in self._said}
        if new:
            await self._appender.append_all(list(new.values()), event_ids=list(new))
        self._said = set(found)
        return list(new.values())

    async def keep_looking(self) -> None:
        """Look again and again. What could not be said is said the next time, if it is still likely."""
        while True:
            try:
                await self.look(datetime.now(UTC))
            except (Behind, BrokerAway) as away:
                log.info("forecast_put_off", because=type(away).__name__)
            await asyncio.sleep(EVERY_SECONDS)


def likely(connection: sa.Connection, oracle: Oracle, agreement: Agreement, now: datetime) -> dict[EventId, BreachForeseen]:
    """What the agreement wants to be told of now, by the id under which it is said."""
    longest = max(forecast.within for forecast in agreement.forecasts)
    return {
        event_id: event
        for row, forecast, load in oracle.near(connection, agreement, now, longest)
        for event_id, event in _wanted(agreement.forecasts, row, forecast, load, now)
    }


def _wanted(
    terms: tuple[Forecasting, ...], row: Any, forecast: Forecast, load: int, now: datetime
) -> Iterator[tuple[EventId, BreachForeseen]]:
    deadline = datetime.fromtimestamp(row.deadline_ms / 1000, UTC)
    for term in terms:
        if term.concerns(row.clock, row.team_id) and deadline - now <= term.within and forecast.probability >= term.at_least:
            because = f"the clock {row.clock} will probably run out at {deadline:%Y-%m-%d %H:%M} UTC ({forecast.probability:.0%})"
            event = BreachForeseen(
                lead_id=row.lead_id,
                clock_id=row.clock_id,
                clock=row.clock,
                team_id=row.team_id,
                rep_id=row.rep_id,
                deadline_at=deadline,
                probability=round(forecast.probability, 4),
                because=Because(f"{because}: {in_words(row.rep_id, forecast, load)}"),
            )
            yield EventId(f"feedback.foreseen.{row.clock_id}.{row.deadline_ms}.{term.at_least:g}"), event


@asynccontextmanager
async def foreseeing(running: Running, runner: ProjectionRunner) -> AsyncIterator[None]:
    """Keep looking for as long as the block lasts."""
    task = asyncio.create_task(Foreseer(runner, running.agreements, running.appender).keep_looking(), name="foreseeing")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

