"""Alerting's doors: how each tool fares, what it was told, and delivering it once more."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import AwareDatetime, Field, model_validator

from schemas.agreement import Agreement
from schemas.events.alerting import DeliveryReplayed, News, RecipientEnabled, ToolKind
from schemas.ids import AlertId, RecipientId
from schemas.topics import ALERTS
from services.alerting import shelf
from services.alerting.by_lead.news import recipient_of
from services.alerting.mute_doors import mute_doors
from services.alerting.reading import AlertingProjection
from services.alerting.rows import milliseconds
from services.runtime import http
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender
from services.runtime.http import Problem, create_app, trace_of
from services.runtime.main import Running
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

REPLAYED_AT_ONCE = 10_000
"""A longer period is replayed by several calls."""
State = Literal["owed", "sent", "failed"]
AlertState = Literal["held", "released", "sent", "failed", "withdrawn"]


class ReplayIn(http.Request):
    """Which messages to deliver once more: these, or those first released in a period; of a period only those in `states`."""

    messages: Annotated[list[AlertId], Field(max_length=REPLAYED_AT_ONCE)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    states: tuple[Literal["sent", "failed"], ...] = ("sent", "failed")

    @model_validator(mode="after")
    def _either(self) -> ReplayIn:
        if (self.messages is None) == (self.since is None):
            raise ValueError("a replay needs either messages, or since (with until, if it is to end before now)")
        if self.until is not None and (self.since is None or self.until <= self.since):
            raise ValueError("until must come after since")
        return self


def alerting_doors(settings: Settings, running: Running) -> FastAPI:
    """The app of alerting."""
    app = create_app("leadloop alerting", settings, running.health, description="Who is told, and whether it arrived.")
    app.include_router(doors(running.appender, running.agreements, running.projection(AlertingProjection())))
    tables = running.projection(AlertingProjection())
    app.include_router(mute_doors(running.appender, lambda: running.agreements.in_force(datetime.now(UTC)), tables))
    return app


def doors(appender: Appender, agreements: AgreementReader, tables: ProjectionRunner) -> APIRouter:
    """Everything under /v1."""
    router = APIRouter(prefix="/v1", tags=["tools"])

    async def everybody() -> dict[str, dict[str, Any]]:
        """Every recipient that is or was told of leads, by id: those of the agreement in force also before their first message."""
        found = {r["id"]: r for r in await tables.read(shelf.recipients)}
        declared = _declared(agreements.in_force(datetime.now(UTC)))
        for recipient, row in declared.items():
            found[recipient] = {**_NOTHING_YET, "id": recipient, **found.get(recipient, {}), **row}
        for recipient, row in found.items():
            row.setdefault("name", recipient.partition(".")[2])
            row["declared"] = recipient in declared or row["tool"] == ToolKind.REP.value
        return found

    async def known(name: str) -> RecipientId:
        """The recipient of that id or name. Raises Problem 404."""
        found = await everybody()
        if name in found:
            return RecipientId(name)
        meant = [recipient for recipient, row in found.items() if row["name"] == name]
        if len(meant) != 1:
            detail = f"There is no tool {name[:64]!r}" if not meant else f"{name!r} may be any of {', '.join(meant)}"
            raise Problem(404, "No such tool", f"{detail}: GET /v1/webhooks lists them.")
        return RecipientId(meant[0])

    @router.get("/alerts", summary="What people were told, were not told, and why, the newest first")
    async def read_alerts(
        recipient: Annotated[str | None, Query(max_length=64, description="a channel, or rep.ID")] = None,
        lead: Annotated[str | None, Query(max_length=64, description="only of this lead")] = None,
        state: Annotated[AlertState | None, Query(description="only these")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """`state`: held (or on its way), handed_on, released, sent, failed, or withdrawn: then `because` says what settled it in time."""
        return await tables.read(
            partial(shelf.alerts, recipient=recipient, lead_id=lead, states=[state] if state else None, limit=limit)
        )

    @router.get("/webhooks", summary="How every endpoint, CRM and rep that is told of leads fares")
    async def read_all() -> list[dict[str, Any]]:
        """`state`: well, failing (since when, when it is tried next) or disabled (why)."""
        return [row for _, row in sorted((await everybody()).items())]

    @router.get("/webhooks/{name}", summary="One of them, and its messages")
    async def read_one(
        name: str,
        state: Annotated[State | None, Query(description="only these")] = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """The newest messages first."""
        recipient = await known(name)
        found = await tables.read(
            partial(
                shelf.messages,
                recipient=recipient,
                states=[state] if state else None,
                since_ms=_ms(since),
                until_ms=_ms(until),
                limit=limit,
            )
        )
        row = (await everybody())[recipient]
        if row["tool"] == ToolKind.CRM.value:
            row["refused"] = await tables.read(partial(shelf.refused, recipient=recipient))
        return {**row, "messages": [shelf.shown(one) for one in found]}

    @router.get("/webhooks/{name}/messages/{message_id}", summary="One message")
    async def read_message(name: str, message_id: str) -> dict[str, Any]:
        """Its news as the tool is told it; what is personal is added on the way out and kept nowhere."""
        found = await tables.read(partial(shelf.messages, recipient=await known(name), ids=[message_id]))
        if not found:
            raise Problem(404, "No such message", f"{name} was never sent {message_id[:64]!r}.")
        return shelf.shown(found[0])

    @router.post("/webhooks/{name}/replay", status_code=202, summary="Deliver messages once more")
    async def replay(request: Request, name: str, said: ReplayIn) -> dict[str, Any]:
        """With the same webhook-id, so that a receiver that has one already can tell. What is owed still is passed over."""
        recipient = await known(name)
        await tables.read_to_end(recipient, ALERTS)
        found = await tables.read(
            partial(
                shelf.messages,
                recipient=recipient,
                ids=said.messages,
                states=said.states if said.messages is None else None,
                since_ms=_ms(said.since),
                until_ms=_ms(said.until),
                limit=REPLAYED_AT_ONCE + 1,
                newest_first=False,
            )
        )
        unknown = sorted(set(said.messages or ()) - {row["message_id"] for row in found})
        if unknown:
            raise Problem(404, "No such message", f"{name} was never sent {unknown[0]!r}.", unknown=unknown)
        more = found[REPLAYED_AT_ONCE:]
        events = [_again(recipient, row) for row in found[:REPLAYED_AT_ONCE] if row["state"] != "owed"]
        done = await appender.append_all(events, traceparent=trace_of(request)) if events else []
        for one in done[-1:]:
            await tables.wait_for(one.topic, one.partition, one.offset)
        return {
            "replayed": [event.alert_id for event in events],
            "owed_already": sum(row["state"] == "owed" for row in found),
            "more_from": shelf.shown(more[0])["released_at"] if more else None,
        }

    @router.post("/webhooks/{name}/enable", status_code=202, summary="Take deliveries up again")
    async def enable(request: Request, name: str) -> dict[str, Any]:
        """What was given up meanwhile is not lost: replay the period."""
        recipient = await known(name)
        done = await appender.append(
            RecipientEnabled(recipient=recipient, enabled_at=datetime.now(UTC)), traceparent=trace_of(request)
        )
        await tables.wait_for(done.topic, done.partition, done.offset)
        return (await everybody())[recipient]

    return router


_NOTHING_YET = {
    "state": "well",
    "because": None,
    "failures": 0,
    "failing_since": None,
    "disabled_at": None,
    "last_sent_at": None,
    "next_attempt_at": None,
    "read_upto": None,
    "owed": 0,
    "sent": 0,
    "failed": 0,
}


def _declared(agreement: Agreement) -> dict[str, dict[str, Any]]:
    """What the agreement in force says of its tools. URLs and secrets are the environment's, and shown nowhere."""
    tools = agreement.tools
    return {
        recipient_of(kind, name): {
            "name": name,
            "tool": kind.value,
            "events": [e.value for e in hears.events],
            "teams": list(hears.teams),
            "personal": [f.value for f in hears.personal],
        }
        for kind, section in ((ToolKind.WEBHOOK, tools.webhooks), (ToolKind.CRM, tools.crms))
        for name, hears in section.items()
    }


def _again(recipient: RecipientId, row: dict[str, Any]) -> DeliveryReplayed:
    return DeliveryReplayed(
        recipient=recipient,
        tool=ToolKind(row["tool"]),
        alert_id=AlertId(row["message_id"]),
        news=News.model_validate_json(row["news"]),
        replay=row["replay"] + 1,
    )


def _ms(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)
