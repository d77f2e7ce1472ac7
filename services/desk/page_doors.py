"""The pages of reps and managers: rendered here once, kept live by the same doors that other people's tools use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from schemas.agreement import ReasonUse
from services.desk import inbox
from services.runtime.agreements import AgreementReader
from services.runtime.login import turned_away
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

_PAGES = Path(__file__).with_name("pages")
_SCRIPTS = {
    "rep.js": "text/javascript",
    "manager.js": "text/javascript",
    "shared.js": "text/javascript",
    "style.css": "text/css",
}


def _rep_now(connection: sa.Connection, rep: str, pools: Iterable[str]) -> dict[str, Any]:
    """What the page shows before it has asked the doors for the first time."""
    told = inbox.notices(connection, rep, pools)
    return {
        "inbox": inbox.inbox(connection, rep),
        "notices": [{"type": t.kind, **t.body} for t in told],
        "claimable": inbox.waiting(connection, pools),
    }


def _everything_now(connection: sa.Connection) -> dict[str, Any]:
    return {"waiting": inbox.waiting(connection), "held": inbox.held(connection), "reps": inbox.reps(connection)}


def page_doors(settings: Settings, agreements: AgreementReader, runner: ProjectionRunner) -> APIRouter:
    """`/rep/{rep}` and `/manager`. A visitor shows the token once (`?token=`), then has a cookie."""
    router = APIRouter(include_in_schema=False)
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(**values), status, {"Cache-Control": "no-store"})

    @router.get("/")
    async def start(request: Request) -> Response:
        return RedirectResponse(f"/manager?{request.url.query}" if request.url.query else "/manager", 303)

    @router.get("/rep/{rep}")
    async def rep_page(request: Request, rep: str) -> Response:
        refused = turned_away(request, settings)
        if refused is not None:
            return refused
        everybody = await runner.read(inbox.reps)
        me = next((r for r in everybody if r["id"] == rep), None)
        if me is None:
            return page("nobody.html", 404, rep=rep, reps=everybody)
        now = await runner.read(lambda connection: _rep_now(connection, rep, me["pools"]))
        agreement = agreements.in_force(datetime.now(UTC))
        reasons = {
            use.value: [{"id": str(r.id), "title": str(r.title)} for r in agreement.reasons.values() if r.allows(use)]
            for use in (ReasonUse.REJECT, ReasonUse.RECYCLE, ReasonUse.LOSE)
        }
        roles = sorted({str(p.role) for p in agreement.pools.values()} - {me["role"]})
        return page(
            "rep.html", me=me, reps=everybody, data={"rep": rep, "reasons": reasons, "roles": roles, "now": now}
        )

    @router.get("/manager")
    async def manager_page(request: Request) -> Response:
        refused = turned_away(request, settings)
        if refused is not None:
            return refused
        now = await runner.read(_everything_now)
        return page("manager.html", reps=now["reps"], data=now)

    @router.get("/desk-pages/{name}")
    async def asset(name: str) -> Response:
        if name not in _SCRIPTS:
            return Response(status_code=404)
        return FileResponse(_PAGES / name, media_type=_SCRIPTS[name], headers={"Cache-Control": "no-cache"})

    return router
