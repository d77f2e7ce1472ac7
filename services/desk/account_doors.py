"""The desk's doors for companies and for a rep who leaves."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest

from schemas.events.desk import AccountRemoved, AccountSet, RepLeft
from schemas.ids import RepId
from schemas.topics import TEAMS
from schemas.vocabulary import Reason
from services.desk import inbox
from services.desk.accounts import AccountsIn, changes, objections
from services.runtime.appending import Appender
from services.runtime.http import Problem, Request, trace_of
from services.runtime.projection import ProjectionRunner
from services.runtime.turns import OneAtATime


class RetireIn(Request):
    """Why a rep leaves; it stands in what becomes of his leads."""

    reason: Reason | None = None


def account_doors(appender: Appender, runner: ProjectionRunner) -> APIRouter:
    """Companies, and a rep who leaves."""
    router = APIRouter(prefix="/v1")
    turns = OneAtATime()

    @router.get("/accounts", tags=["managers"], summary="Companies, their owners and open opportunities")
    async def read_accounts(
        after: Annotated[str, Query(max_length=200, description="the id after which to go on")] = "",
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    ) -> Response:
        found = await runner.read(lambda connection: inbox.accounts(connection, after, limit))
        rows = [{"id": i, "team": team, **said} for i, teams in found.items() for team, said in teams.items()]
        return _json({"accounts": rows, "next": list(found)[-1] if len(found) == limit else None})

    @router.put("/accounts", tags=["managers"], summary="Set companies, their owners and open opportunities")
    async def put_accounts(request: HttpRequest, said: AccountsIn) -> Response:
        """What is not named stays, unless `remove_others`. Answers what changed."""
        async with turns.of("accounts"):
            await runner.read_to_end(topic=TEAMS)
            roster = await runner.read(inbox.roster)
            wrong = objections(said.accounts, roster)
            if wrong:
                errors = [{"field": w.field, "message": w.message} for w in wrong[:100]]
                raise Problem(422, "The companies do not fit the roster", wrong[0].message, errors=errors)
            named = None if said.remove_others else [account.id for account in said.accounts]
            known = await runner.read(lambda connection: inbox.accounts_named(connection, named))
            events = changes(said.accounts, known, roster, said.remove_others)
            if events:
                done = await appender.append_all(events, traceparent=trace_of(request))
                for one in {(d.topic, d.partition): d for d in done}.values():
                    await runner.wait_for(one.topic, one.partition, one.offset)
        changed = {e.account_id for e in events if isinstance(e, AccountSet)}
        removed = {e.account_id for e in events if isinstance(e, AccountRemoved)} - changed
        return _json({"received": len(said.accounts), "changed": len(changed), "removed": len(removed)})

    @router.post("/reps/{rep}/retire", tags=["managers"], summary="A rep leaves: his open leads go on by the rules")
    async def retire(request: HttpRequest, rep: str, said: RetireIn) -> Response:
        """He is in the roster no more; each of his leads is withdrawn with the reason and routed anew."""
        await runner.read_to_end(topic=TEAMS)
        place = (await runner.read(inbox.roster)).get(RepId(rep))
        if place is None:
            raise Problem(404, "No such rep", f"The roster has no rep {rep[:64]!r}: GET /v1/roster lists everybody.")
        held = await runner.read(lambda connection: inbox.held_by(connection, RepId(rep)))
        left = RepLeft(team_id=place.team_id, rep_id=place.rep_id, reason=said.reason)
        done = await appender.append(left, traceparent=trace_of(request))
        await runner.wait_for(done.topic, done.partition, done.offset)
        return _json({"rep": rep, "team": place.team_id, "open_leads": held})

    return router


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), 200, media_type="application/json")
