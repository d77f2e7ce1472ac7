"""The door by which marketing contests a rejection."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from schemas.events.feedback import RejectionContested
from schemas.ids import EventId, LeadId
from schemas.lifecycle import Effect, Life, fold
from schemas.topics import LEADS
from schemas.vocabulary import NonPersonalText, Slug
from services.feedback import tables
from services.feedback.doors import LeadIdText
from services.runtime.appending import Appender, fresh_id
from services.runtime.http import Problem, trace_of
from services.runtime.http import Request as Strict
from services.runtime.lead_log import decode_memory
from services.runtime.projection import ProjectionRunner

_BY_REPS = ("rejected", "recycled")


class ContestIn(Strict):
    """What marketing says."""

    action_id: Annotated[EventId | None, Field(description="the rejection, by its event_id of the timeline; without it the newest")] = (
        None
    )
    by: Annotated[Slug, Field(description="who contests it: a short word, no name or address")] = Slug("marketing")
    because: Annotated[NonPersonalText | None, Field(description="why, without naming the person")] = None


def contest_doors(appender: Appender, runner: ProjectionRunner) -> APIRouter:
    """The route under /v1."""
    router = APIRouter(prefix="/v1")

    @router.post("/leads/{lead_id}/contests", status_code=202, tags=["contests"], summary="Contest a rejection")
    async def contest(request: Request, lead_id: LeadIdText, said: ContestIn) -> Response:
        """202: it is in the log, and a manager decides at the desk's `POST /v1/leads/{lead_id}/contests/{contest_id}`.

        Each rejection is contested once; one contest of a lead is open at a time. The same again answers the open one.
        """
        await runner.read_to_end(lead_id)
        life, event, position = await runner.read(lambda connection: _prepared(connection, lead_id, said))
        if life.contest is not None and life.contest.action == event.action_id:
            return _answer(lead_id, event.action_id, life.contest.contest, duplicate=True)
        now = datetime.now(UTC)
        _, effect = fold(life, event, position=position + 1, now=now, event_id=fresh_id())
        if effect is Effect.VOID:
            raise Problem(409, "Not possible now", _why_not(life, event))
        done = await appender.append(event, traceparent=trace_of(request))
        await runner.wait_for(LEADS, done.partition, done.offset)
        if not await runner.read(lambda connection: _in_effect(connection, done.event_id)):
            raise Problem(409, "Not possible now", "Something else happened to the lead first: read its timeline.")
        return _answer(lead_id, event.action_id, done.event_id)

    return router


def _answer(lead_id: str, action_id: str, contest_id: str, *, duplicate: bool = False) -> Response:
    answer = {"contest_id": contest_id, "lead_id": lead_id, "action_id": action_id, "duplicate": duplicate}
    return JSONResponse(answer, 202)


def _prepared(connection: sa.Connection, lead_id: str, said: ContestIn) -> tuple[Life, RejectionContested, int]:
    """The lead as it is, the event that contests its rejection, and how far its log was read. Raises Problem."""
    row = connection.execute(
        sa.select(tables.LEADS.c.memory).where(tables.LEADS.c.lead_id == lead_id)
    ).one_or_none()
    if row is None:
        raise Problem(404, "No such lead", f"The ledger knows no lead {lead_id[:80]!r}.")
    memory = decode_memory(row.memory)
    found = _rejection(connection, lead_id, said.action_id)
    event = RejectionContested(
        lead_id=LeadId(lead_id),
        action_id=EventId(found.event_id),
        position=found.position,
        cycle=memory.life.cycle if found.position >= memory.life.start else 0,
        returned=not found.type.startswith("leadloop.LeadRejected."),
        rep_id=found.rep_id,
        reason=found.reason,
        contested_by=said.by,
        because=said.because,
    )
    return memory.life, event, memory.position


def _rejection(connection: sa.Connection, lead_id: str, action_id: EventId | None) -> Any:
    """The rejection that is meant. Raises Problem 404."""
    turned, happened = tables.REJECTIONS.c, tables.TIMELINE.c
    wanted: list[sa.ColumnElement[bool]] = [
        turned.lead_id == lead_id, turned.undone.is_(sa.false()), turned.kind.in_(_BY_REPS),
    ]  # fmt: skip
    if action_id is not None:
        wanted.append(turned.event_id == action_id)
    found = connection.execute(
        sa.select(turned.event_id, turned.rep_id, turned.reason, happened.position, happened.type)
        .select_from(
            tables.REJECTIONS.join(
                tables.TIMELINE, sa.and_(happened.event_id == turned.event_id, happened.lead_id == turned.lead_id)
            )
        )
        .where(*wanted)
        .order_by(happened.position.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        which = "no rep has turned this lead down" if action_id is None else f"{action_id} is no rejection of this lead"
        raise Problem(404, "Nothing to contest", f"{which[:1].upper()}{which[1:]}, or it was taken back.")
    return found


def _why_not(life: Life, event: RejectionContested) -> str:
    if event.action_id in life.contested:
        return "This rejection was contested before: a manager has decided about it."
    if life.contest is not None:
        return f"Another rejection of this lead is contested already: a manager is to decide about {life.contest.contest}."
    if event.cycle != life.cycle:
        return f"That was in an earlier cycle, and the lead has come back since: it is {life.lead_status}."
    return f"The lead has moved on since: it is {life.lead_status}, so there is nothing to overturn."


def _in_effect(connection: sa.Connection, event_id: EventId) -> bool:
    found = connection.execute(
        sa.select(tables.CONTESTS.c.contest_id).where(tables.CONTESTS.c.contest_id == event_id)
    ).one_or_none()
    return found is not None
