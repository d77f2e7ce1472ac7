"""The doors that show recycling: a lead's cycles, what recycling yields, who rests in which stream, and reversals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse

from schemas.agreement import Agreement
from services.feedback import nurture
from services.feedback.audience_doors import Agreements, in_force
from services.feedback.doors import LeadIdText, OfCampaign
from services.feedback.lineage import cycles, recycling
from services.feedback.people import FIELDS, profiles
from services.feedback.reports import Window
from services.feedback.reversals import contests, reversals
from services.feedback.spreadsheet import as_csv
from services.runtime.http import Problem
from services.runtime.projection import ProjectionRunner

Format = Annotated[Literal["json", "csv"], Query(alias="format", description="csv: a file for a spreadsheet or a tool")]
Ended = Annotated[datetime | None, Query(alias="from", description="from this instant on (with its time zone)")]
Before = Annotated[datetime | None, Query(alias="to", description="before this instant")]
_Report = Callable[[sa.Connection, Agreement | None, Window], dict[str, Any]]
_Reported = Callable[[_Report, datetime | None, datetime | None, str | None], Awaitable[dict[str, Any]]]
"""A report of a window, under the agreement that is in force now."""
_BY_REASON = (
    "reason", "title", "about", "cycle", "streams", "rested", "retired", "suppressed", "came_back", "mean_days_of_rest",
    "qualified", "accepted", "opportunities", "won", "won_share",
)  # fmt: skip
_BY_REP = (
    "rep", "turned_down", "other", "other_share", "contested", "open", "upheld", "overturned", "overturned_share",
)  # fmt: skip


def recycling_doors(
    runner: ProjectionRunner, agreements: Agreements | None, people: ProjectionRunner | None = None
) -> APIRouter:
    """The routes under /v1. people: whose addresses audiences hold; without it they hold ids alone."""
    router = APIRouter(prefix="/v1")

    async def reported(report: _Report, since: datetime | None, until: datetime | None, campaign: str | None) -> dict[str, Any]:
        window, agreement = window_of(since, until, campaign), in_force(agreements, datetime.now(UTC))
        return await runner.read(lambda connection: report(connection, agreement, window))

    _add_lineage(router, runner, reported)
    _add_reversals(router, runner, reported)
    _add_streams(router, runner, people)
    return router


def _add_lineage(router: APIRouter, runner: ProjectionRunner, reported: _Reported) -> None:
    @router.get("/leads/{lead_id}/cycles", tags=["leads"], summary="Every pass of a lead, with the first touch of each")
    async def of_lead(lead_id: LeadIdText) -> dict[str, Any]:
        return await runner.read(lambda connection: cycles(connection, lead_id))

    @router.get("/reports/recycling", tags=["reports"], summary="What recycling yields, and where later wins came from")
    async def report(
        since: Ended = None, until: Before = None, campaign: OfCampaign = None, shape: Format = "json"
    ) -> Response:
        """`by_reason`: leads that went to rest in the window; `wins`: what was won in it in later cycles. csv: `by_reason`."""
        found = await reported(recycling, since, until, campaign)
        return as_csv("recycling", _BY_REASON, found["by_reason"]) if shape == "csv" else JSONResponse(found)


def _add_reversals(router: APIRouter, runner: ProjectionRunner, reported: _Reported) -> None:
    @router.get("/contests", tags=["contests"], summary="Rejections that marketing contests")
    async def listed(state: Annotated[Literal["open", "all"], Query()] = "open") -> dict[str, Any]:
        found = await runner.read(lambda connection: contests(connection, only_open=state == "open"))
        return {"contests": found}

    @router.get("/reports/reversals", tags=["reports"], summary="Contested rejections, and who says other, by rep")
    async def report(
        since: Ended = None, until: Before = None, campaign: OfCampaign = None, shape: Format = "json"
    ) -> Response:
        found = await reported(reversals, since, until, campaign)
        return as_csv("reversals", _BY_REP, found["reps"]) if shape == "csv" else JSONResponse(found)


def _add_streams(router: APIRouter, runner: ProjectionRunner, people: ProjectionRunner | None) -> None:
    @router.get("/streams", tags=["nurture"], summary="Nurture streams: how many rest in each, and who is due")
    async def listed() -> dict[str, Any]:
        now = datetime.now(UTC)
        return {"streams": await runner.read(lambda connection: nurture.streams(connection, now))}

    @router.get("/streams/{stream}/audience", tags=["nurture"], summary="Who rests in a stream, for a tool")
    async def audience(
        stream: Annotated[str, Path(max_length=64)],
        buying_stage: Annotated[str | None, Query(max_length=64)] = None,
        consent: Annotated[str | None, Query(max_length=64, description="only who has allowed this, such as newsletter")] = None,
        personal: Annotated[
            list[Literal["email", "phone", "name", "company", "country", "external_ids"]],
            Query(description="what of the person goes with it; without it nothing"),
        ] = [],  # noqa: B006 - FastAPI copies it
        shape: Format = "csv",
    ) -> Response:
        """A stream that nobody rests in is empty, and no mistake: its last lead may just have woken."""
        rows = await runner.read(
            lambda connection: nurture.audience(connection, stream, buying_stage=buying_stage, consent=consent)
        )
        asked = [name for name in FIELDS if name in personal]
        if asked:
            rows = await _with_people(rows, asked, people)
        columns = ("lead_id", *asked, *(name for name in nurture.COLUMNS if name != "lead_id"))
        if shape == "json":
            return JSONResponse({"stream": stream, "leads": rows}, headers={"Cache-Control": "no-store"})
        return as_csv(f"stream-{''.join(c for c in stream if c.isalnum() or c in '-_')}", columns, rows)


async def _with_people(
    rows: list[dict[str, Any]], asked: Sequence[str], people: ProjectionRunner | None
) -> list[dict[str, Any]]:
    if people is None:
        raise Problem(503, "Nobody is known here", "This process does not follow profiles, so it has no addresses.")
    known = await people.read(lambda connection: profiles(connection, [row["lead_id"] for row in rows]))
    return [row | {name: _plain(known.get(row["lead_id"], {}).get(name)) for name in asked} for row in rows]


def _plain(value: Any) -> Any:
    """Ids in other systems as `system:id`."""
    return [f"{system}:{known}" for system, known in sorted(value.items())] if isinstance(value, dict) else value


def window_of(since: datetime | None, until: datetime | None, campaign: str | None) -> Window:
    """The window of a report. Raises Problem 422 for an instant without its time zone."""
    for name, at in (("from", since), ("to", until)):
        if at is not None and at.tzinfo is None:
            raise Problem(422, "The request does not hold what it must", f"`{name}` needs its time zone, such as Z.")
    return Window(since, until, campaign)
