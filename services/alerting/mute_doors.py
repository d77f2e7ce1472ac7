"""The doors by which a channel, or a rep, is muted for a time, and heard again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime

from schemas.agreement import Agreement
from schemas.events.alerting import RecipientMuted, ToolKind
from schemas.ids import RecipientId
from schemas.vocabulary import Because, NonPersonalText
from services.alerting import shelf
from services.alerting.rows import milliseconds
from services.runtime import http
from services.runtime.appending import Appender
from services.runtime.http import Problem, trace_of
from services.runtime.projection import ProjectionRunner

AT_MOST = timedelta(days=31)
"""A channel that nobody wants to hear any more belongs out of the agreement."""


class MuteIn(http.Request):
    """Until when nothing is delivered; a time that has passed ends the silence. Who wants it, and why, is shown to all."""

    until: AwareDatetime
    by: NonPersonalText | None = None
    because: Because = Because("")


def mute_doors(appender: Appender, in_force: Callable[[], Agreement], tables: ProjectionRunner) -> APIRouter:
    """`POST` and `DELETE /v1/channels/{name}/mute`, and `GET /v1/mutes`."""
    router = APIRouter(prefix="/v1", tags=["alerts"])

    @router.post("/channels/{name}/mute", status_code=202, summary="Mute a channel, or a rep, until a time")
    async def mute(request: Request, name: str, said: MuteIn) -> dict[str, Any]:
        """`name`: a channel of the agreement, or rep.ID for a rep's alerts. Nothing is lost: what comes waits, and is one message then."""
        now, recipient = datetime.now(UTC), _recipient(name, in_force())
        if said.until > now + AT_MOST:
            raise Problem(422, "Too long", f"A mute ends within {AT_MOST.days} days: take the channel out of the agreement instead.")
        await say(request, RecipientMuted(recipient=recipient, muted_at=now, until=said.until, by=said.by, because=said.because))
        return {"channel": name, "muted_until": said.until if said.until > now else None}

    @router.delete("/channels/{name}/mute", summary="Hear a channel, or a rep, again")
    async def unmute(request: Request, name: str) -> dict[str, Any]:
        """What was held back meanwhile comes at once, as one message. One that is not muted stays so."""
        now, recipient = datetime.now(UTC), _recipient(name, in_force())
        await say(request, RecipientMuted(recipient=recipient, muted_at=now, until=now))
        return {"channel": name, "muted_until": None}

    @router.get("/mutes", summary="Who is muted now: by whom, until when and why")
    async def mutes() -> list[dict[str, Any]]:
        """Those that end first come first; `held` counts the alerts that wait."""
        return await tables.read(partial(shelf.mutes, now_ms=milliseconds(datetime.now(UTC))))

    async def say(request: Request, muted: RecipientMuted) -> None:
        done = await appender.append(muted, traceparent=trace_of(request))
        await tables.wait_for(done.topic, done.partition, done.offset)

    return router


def _recipient(name: str, agreement: Agreement) -> RecipientId:
    """The channel, or rep, of that name. Raises Problem 404."""
    if name not in agreement.channels and not (name.startswith(f"{ToolKind.REP.value}.") and 4 < len(name) <= 64):
        known = ", ".join(agreement.channels) or "none"
        raise Problem(404, "No such channel", f"The agreement in force has no channel {name[:64]!r}; it has {known}.")
    try:
        return RecipientId.parse(name)
    except ValueError as error:
        raise Problem(404, "No such channel", str(error)) from error
