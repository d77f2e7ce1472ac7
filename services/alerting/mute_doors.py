"""The door by which a channel, or a rep, is muted for a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime

from schemas.agreement import Agreement
from schemas.events.alerting import RecipientMuted, ToolKind
from schemas.ids import RecipientId
from services.runtime import http
from services.runtime.appending import Appender
from services.runtime.http import Problem, trace_of

AT_MOST = timedelta(days=31)
"""A channel that nobody wants to hear any more belongs out of the agreement."""


class MuteIn(http.Request):
    """Until when nothing is delivered; a time that has passed ends the silence."""

    until: AwareDatetime


def mute_doors(appender: Appender, in_force: Callable[[], Agreement]) -> APIRouter:
    """`POST /v1/channels/{name}/mute`."""
    router = APIRouter(prefix="/v1", tags=["alerts"])

    @router.post("/channels/{name}/mute", status_code=202, summary="Mute a channel, or a rep, until a time")
    async def mute(request: Request, name: str, said: MuteIn) -> dict[str, Any]:
        """`name`: a channel of the agreement, or rep.ID for a rep's alerts. Nothing is lost: what comes waits, and is one message then."""
        now = datetime.now(UTC)
        channels = in_force().channels
        if name not in channels and not (name.startswith(f"{ToolKind.REP.value}.") and 4 < len(name) <= 64):
            known = ", ".join(channels) or "none"
            raise Problem(404, "No such channel", f"The agreement in force has no channel {name[:64]!r}; it has {known}.")
        if said.until > now + AT_MOST:
            raise Problem(422, "Too long", f"A mute ends within {AT_MOST.days} days: take the channel out of the agreement instead.")
        try:
            recipient = RecipientId.parse(name)
        except ValueError as error:
            raise Problem(404, "No such channel", str(error)) from error
        await appender.append(
            RecipientMuted(recipient=recipient, muted_at=now, until=said.until), traceparent=trace_of(request)
        )
        return {"channel": name, "muted_until": said.until if said.until > now else None}

    return router
