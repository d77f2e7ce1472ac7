"""The doors that say what is owed, what is late and whether both sides kept their promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from schemas.agreement import Goals
from services.feedback import clocks, lead_views
from services.feedback.audience_doors import Agreements, in_force
from services.feedback.doors import LeadIdText, OfCampaign, Since, Until
from services.feedback.efforts import efforts
from services.feedback.forecast.oracle import Oracle
from services.feedback.reports import Window
from services.feedback.sla_report import sla
from services.feedback.unworked import unworked
from services.runtime.http import Problem
from services.runtime.projection import ProjectionRunner

Zone = Annotated[str, Query(max_length=64, description="whose wall clock hours and weeks are read from, such as Europe/Berlin")]
Limit = Annotated[int, Query(ge=1, le=1000)]


def clock_doors(runner: ProjectionRunner, agreements: Agreements | None) -> APIRouter:
    """The routes under /v1. Without agreements nothing is compared with goals."""
    router = APIRouter(prefix="/v1")

    def goals_now() -> Goals | None:
        agreement = in_force(agreements, datetime.now(UTC))
        return agreement.terms.goals if agreement is not None else None

    @router.get("/unworked", tags=["leads"], summary="Leads that nobody has worked, the oldest first, and why")
    async def not_worked(
        team: Annotated[str | None, Query(max_length=64)] = None, limit: Limit = 100
    ) -> dict[str, Any]:
        return await runner.read(lambda c: unworked(c, datetime.now(UTC), team=team, limit=limit))

    @router.get("/due", tags=["leads"], summary="Clocks that are due soon or were missed just now, the nearest first")
    async def due_soon(
        within: Annotated[float, Query(gt=0, le=7 * 24 * 60, description="minutes from now")] = 120, limit: Limit = 200
    ) -> dict[str, Any]:
        return await runner.read(lambda c: clocks.due(c, datetime.now(UTC), timedelta(minutes=within), limit))

    oracle = Oracle()

    @router.get("/forecast", tags=["leads"], summary="Which running clocks will be breached, the likeliest first")
    async def forecast(
        within: Annotated[float, Query(gt=0, le=7 * 24 * 60, description="minutes from now")] = 480, limit: Limit = 200
    ) -> dict[str, Any]:
        now = datetime.now(UTC)
        agreement = in_force(agreements, now)
        return await runner.read(lambda c: oracle.forecast(c, agreement, now, timedelta(minutes=within), limit))

    @router.get("/leads/{lead_id}/clocks", tags=["leads"], summary="Every clock of a lead, in sentences")
    async def of_lead(lead_id: LeadIdText) -> list[dict[str, Any]]:
        def query(connection: Any) -> list[dict[str, Any]]:
            lead_views.lead(connection, lead_id)  # there is no such lead: 404
            return clocks.of_lead(connection, lead_id, datetime.now(UTC))

        return await runner.read(query)

    @router.get("/reports/sla", tags=["reports"], summary="Clocks kept and broken, and how long the first response took")
    async def sla_report(
        since: Since = None, until: Until = None, campaign: OfCampaign = None, zone: Zone = "UTC"
    ) -> dict[str, Any]:
        goals, hours = goals_now(), zone_named(zone)
        agreed = goals.sales.response_in_time if goals is not None else None
        share = None if agreed is None else float(agreed)
        return await runner.read(lambda c: sla(c, Window(since, until, campaign), hours, share))

    @router.get("/reports/efforts", tags=["reports"], summary="Whether both sides did what they promised, week by week")
    async def efforts_report(
        since: Since = None, until: Until = None, campaign: OfCampaign = None, zone: Zone = "UTC"
    ) -> dict[str, Any]:
        goals, hours = goals_now(), zone_named(zone)
        return await runner.read(lambda c: efforts(c, Window(since, until, campaign), hours, goals, datetime.now(UTC)))

    return router


def zone_named(name: str) -> ZoneInfo:
    """A time zone by its name. Raises Problem (422)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Problem(
            422, "Not a time zone", f"`zone` is {name!r}: write the name of a time zone, such as Europe/Berlin."
        ) from None
