"""The door by which a manager decides about a rejection that marketing contests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from schemas.events.desk import ContestDecided, ContestVerdict
from schemas.ids import EventId, LeadId, RepId
from schemas.lifecycle import State
from schemas.topics import LEADS
from schemas.vocabulary import ByManager, NonPersonalText
from services.desk import inbox
from services.desk.foresight import A_MANAGER
from services.desk.rows import ACTIONS
from services.runtime.appending import Appender
from services.runtime.http import Problem, trace_of
from services.runtime.http import Request as Strict
from services.runtime.projection import ProjectionRunner
from services.runtime.turns import OneAtATime


class VerdictIn(Strict):
    """What a manager decides."""

    verdict: Annotated[
        ContestVerdict, Field(description="upheld: the rejection stands; overturned: sales gets the lead again if it still rests for it")
    ]
    by: Annotated[RepId, Field(description="the manager")] = A_MANAGER
    because: Annotated[NonPersonalText | None, Field(description="why, without naming the person")] = None


def contest_doors(appender: Appender, runner: ProjectionRunner) -> APIRouter:
    """The route under /v1."""
    router = APIRouter(prefix="/v1")
    turns = OneAtATime()

    @router.post(
        "/leads/{lead_id}/contests/{contest_id}", status_code=202, tags=["managers"], summary="Decide about a contested rejection"
    )
    async def decide(request: Request, lead_id: LeadId, contest_id: EventId, said: VerdictIn) -> Response:
        """202 means decided. The same verdict again answers 202, another one 409: a contest is decided once.

        A lead that still rests because of the rejection is routed anew, in the same cycle and not to the rep who turned it
        down; one that has moved on stays where it is.
        """
        event_id = EventId(f"contest.{contest_id}")
        async with turns.of(lead_id):
            await runner.read_to_end(lead_id)
            before = await runner.read(lambda connection: _decided(connection, event_id))
            if before is not None:
                return _answer(before, said, lead_id, contest_id, duplicate=True)
            life = (await runner.read(lambda connection: inbox.memory_of(connection, lead_id))).life
            if life.state in (State.NONE, State.ERASED):
                raise Problem(404, "Not known here", f"There is no lead {lead_id}.")
            if life.contest is None or life.contest.contest != contest_id:
                raise Problem(
                    404, "Nothing to decide", f"The lead has no open contest {contest_id[:80]}: GET /v1/contests of feedback lists them."
                )
            event = ContestDecided(
                lead_id=lead_id, contest_id=contest_id, verdict=said.verdict, by=ByManager(manager_id=said.by),
                occurred_at=datetime.now(UTC), because=said.because,
            )  # fmt: skip
            done = await appender.append(event, event_id=event_id, traceparent=trace_of(request))
            await runner.wait_for(LEADS, done.partition, done.offset)
            verdict = await runner.read(lambda connection: _decided(connection, event_id))
            if verdict is None:
                raise Problem(409, "Not possible now", "Something else happened to the lead first: it is out of reach now.")
            return _answer(verdict, said, lead_id, contest_id)

    return router


def _decided(connection: sa.Connection, event_id: EventId) -> str | None:
    """The verdict in effect."""
    kind = connection.execute(
        sa.select(ACTIONS.c.kind).where(ACTIONS.c.action_id == event_id, ACTIONS.c.effect == "effect")
    ).scalar_one_or_none()
    return None if kind is None else str(kind).rsplit(".", 1)[-1]


def _answer(verdict: str, said: VerdictIn, lead_id: str, contest_id: str, *, duplicate: bool = False) -> Response:
    if verdict != said.verdict.value:
        raise Problem(409, "Decided already", f"A manager has decided before: {verdict}.", verdict=verdict)
    return JSONResponse({"lead_id": lead_id, "contest_id": contest_id, "verdict": verdict, "duplicate": duplicate}, 202)
