"""A lead's log written by hand into a real Kafka: each event by its own writer, positions and epochs as the log gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from schemas import topics
from schemas.base import Event
from schemas.events import desk, recycling, routing, scoring, sla
from schemas.ids import EventId, LeadId
from schemas.lifecycle import UNBORN, Effect, Life, fold
from schemas.vocabulary import ByRep
from services.runtime.appending import Appended, Appender
from services.runtime.health import Health
from services.runtime.settings import Settings
from tests.builders import submitted

_AGREED = {"agreement": "tests", "agreement_version": 1}


class Writers:
    """One pen per service."""

    def __init__(self, pens: dict[str, Appender]) -> None:
        self._pens = pens

    async def write(self, event: Event, event_id: str | None = None) -> Appended:
        pen = self._pens[topics.by_class()[type(event)].writer]
        return await pen.append(event, event_id=EventId(event_id) if event_id else None)


@asynccontextmanager
async def writers(settings: Settings) -> AsyncIterator[Writers]:
    names = ("intake", "scoring", "routing", "desk", "sla", "recycling", "alerting", "console", "runtime")
    pens = {name: Appender(settings, name, Health()) for name in names}
    try:
        for pen in pens.values():
            await pen.start()
        yield Writers(pens)
    finally:
        for pen in pens.values():
            await pen.stop()


class Story:
    """One lead. `says` appends an event and knows what it did, as the fold has it."""

    def __init__(self, writers: Writers, lead: LeadId) -> None:
        self.lead, self._writers = lead, writers
        self.life: Life = UNBORN
        self.last: Appended | None = None

    async def says(self, event: Event, event_id: str | None = None) -> Effect:
        self.last = await self._writers.write(event, event_id)
        now = datetime.now(UTC)
        self.life, effect = fold(self.life, event, position=self.last.offset, now=now, event_id=self.last.event_id)
        return effect

    async def submitted(self, **said: Any) -> Effect:
        return await self.says(submitted(lead=self.lead, at=datetime.now(UTC), **said))

    async def scored(self, score: str = "45", grade: str = "B2") -> Effect:
        return await self.says(
            scoring.LeadScored.model_validate(
                {
                    "lead_id": self.lead,
                    "score": score,
                    "fit": score,
                    "engagement": "0",
                    "grade": grade,
                    **_AGREED,
                    "contributions": [
                        {
                            "part": "fit",
                            "rule": "size",
                            "points": score,
                            "because": "the company has at least 50 people",
                        }
                    ],
                }
            )
        )

    async def judged(self, verdict: type[scoring.Verdict] = scoring.LeadQualified) -> Effect:
        return await self.says(
            verdict.model_validate(
                {
                    "lead_id": self.lead,
                    "judged_at": self.life.submitted,
                    "rule": "hand-raiser",
                    "because": "asked for a demo",
                    "score": "45",
                    "grade": "B2",
                    **_AGREED,
                }
            )
        )

    async def routed(self) -> Effect:
        return await self.says(
            routing.LeadRouted.model_validate(
                {
                    "lead_id": self.lead,
                    "epoch": self.life.epoch,
                    "request_id": f"{self.lead}.{self.life.epoch}",
                    "team_id": "sales",
                    "ask": {"kind": "pool", "pool_id": "inbound"},
                    "rule": "everyone",
                    "because": "every lead goes to inbound",
                    **_AGREED,
                }
            )
        )

    async def assigned(self, rep: str = "anna", request: str | None = None) -> Effect:
        return await self.says(
            routing.LeadAssigned.model_validate(
                {
                    "lead_id": self.lead,
                    "request_id": request or self.life.offer,
                    "team_id": "sales",
                    "pool_id": "inbound",
                    "rep_id": rep,
                    "number": 1,
                    "because": "the next in turn",
                    **_AGREED,
                }
            )
        )

    async def reaches(self, rep: str = "anna", **submission: Any) -> None:
        """From a submission, or from waiting, to a rep."""
        if self.life.cycle == 0:
            await self.submitted(**submission)
            await self.scored()
            await self.judged()
        await self.routed()
        await self.assigned(rep)

    async def acts(self, action: Callable[..., Event], event_id: str | None = None, **said: Any) -> Effect:
        return await self.says(
            action(
                lead_id=self.lead,
                assignment_id=said.pop("assignment_id", self.life.offer or self.life.last_offer),
                by=ByRep(rep_id=said.pop("rep", "anna")),
                occurred_at=datetime.now(UTC),
                **said,
            ),
            event_id,
        )

    async def accepts(self) -> Effect:
        return await self.acts(desk.LeadAccepted)

    async def rejects(self, reason: str, event_id: str | None = None) -> Effect:
        return await self.acts(desk.LeadRejected, event_id, reason=reason)

    async def returns(self, reason: str) -> Effect:
        return await self.acts(desk.LeadReturned, reason=reason, rejected=True)

    async def wins(self, amount: str) -> Effect:
        return await self.acts(desk.LeadWon, amount={"amount": amount, "currency": "EUR"})

    async def recycled(self, reason: str = "no_budget") -> Effect:
        return await self.says(
            recycling.LeadRecycled.model_validate(
                {
                    "lead_id": self.lead,
                    "epoch": self.life.epoch,
                    "reason": reason,
                    "stream": "budget",
                    "wakes_at": None,
                    "because": "no budget now",
                    **_AGREED,
                }
            )
        )

    async def clock(self, event: type[sla.ClockEvent], **said: Any) -> Effect:
        now = datetime.now(UTC)
        return await self.says(
            event.model_validate(
                {
                    "lead_id": self.lead,
                    "clock_id": f"first-response/{self.life.offer}",
                    "clock": "first-response",
                    "team_id": "sales",
                    "assignment_id": self.life.offer or self.life.last_offer,
                    "rep_id": "anna",
                    "started_at": now,
                    "deadline_at": now,
                    "met_at": now,
                    "met_by": "x",
                    "calendar": "always",
                    "because": "assigned",
                    **_AGREED,
                    **said,
                }
            )
        )
