"""A ledger in memory, filled by hand: rows as feedback writes them, without a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import orjson
import sqlalchemy as sa

from schemas.events.intake import LeadSubmitted
from schemas.lifecycle import Effect
from services.feedback import tables


@contextmanager
def empty() -> Iterator[ByHand]:
    """A new ledger for as long as the block lasts."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        tables.METADATA.create_all(connection)
        yield ByHand(connection)
    engine.dispose()


@dataclass
class ByHand:
    """Leads by number; times are instants."""

    connection: sa.Connection
    _numbers: Iterator[int] = field(default_factory=count)

    def _add(self, table: sa.Table, **row: Any) -> None:
        self.connection.execute(sa.insert(table), row)

    def lead(
        self,
        at: datetime,
        *,
        after: tuple[timedelta | None, ...] = (),
        status: str = "new",
        campaign: str | None = None,
        **said: Any,
    ) -> str:
        """One that came at an instant and reached MQL, SAL, SQL, customer so long after it. said: of its submission."""
        number = next(self._numbers)
        name, ms = f"lead-{number}", _ms(at)
        reached = [ms + int(d.total_seconds() * 1000) if d is not None else None for d in (*after, *[None] * 4)][:4]
        stages = dict(zip(("mql_ms", "sal_ms", "sql_ms", "customer_ms"), reached, strict=True))
        self._add(
            tables.LEADS,
            lead_id=name, partition=0, status=status, stage="lead", cycle=1, cycle_ms=ms, memory=b"", position=number,
            at_ms=ms, status_ms=ms, submissions=1, submitted_ms=ms, campaign=campaign, channel=said.get("channel"), **stages,
        )  # fmt: skip
        source = {"campaign": campaign, "channel": said.get("channel")}
        body = {"source": source, "country": said.get("country"), "attributes": said.get("attributes", {})}
        self._add(
            tables.TIMELINE,
            partition=0, position=number, lead_id=name, at_ms=ms, event_id=name, type=LeadSubmitted.type_name(),
            effect=Effect.EFFECT.value, body=orjson.dumps(body),
        )  # fmt: skip
        self._add(tables.TOUCHES, event_id=name, lead_id=name, at_ms=ms, campaign=campaign, channel=said.get("channel"))
        return name

    def rejected(self, lead: str, at: datetime, reason: str, *, kind: str = "rejected", campaign: str | None = None) -> None:
        self._add(
            tables.REJECTIONS,
            event_id=self._id(), lead_id=lead, at_ms=_ms(at), kind=kind, reason=reason, campaign=campaign, undone=False,
        )  # fmt: skip

    def won(self, lead: str, at: datetime, amount: str | None, currency: str | None = "EUR", campaign: str | None = None) -> None:
        self._add(
            tables.WINS,
            event_id=self._id(), lead_id=lead, at_ms=_ms(at), campaign=campaign, amount=amount,
            currency=currency if amount is not None else None, undone=False,
        )  # fmt: skip

    def clock(self, lead: str, at: datetime, state: str, campaign: str | None = None) -> None:
        self._add(
            tables.CLOCKS,
            clock_id=self._id(), lead_id=lead, clock="first-response", team_id="sales", rep_id="anna", started_ms=_ms(at),
            campaign=campaign, deadline_ms=_ms(at), ended_ms=_ms(at), state=state, late=False, grace=False, calendar="always",
        )  # fmt: skip

    def tried(self, lead: str, at: datetime, channel: str = "phone") -> None:
        self._add(
            tables.ATTEMPTS,
            event_id=self._id(), lead_id=lead, at_ms=_ms(at), channel=channel, reached=False, undone=False,
        )  # fmt: skip

    def cost(self, lead: str, amount: str, currency: str, campaign: str | None = None) -> None:
        self._add(tables.COSTS, event_id=lead, campaign=campaign, amount=amount, currency=currency)

    def _id(self) -> str:
        return f"event-{next(self._numbers)}"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
