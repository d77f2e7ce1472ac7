"""The door and the page of the scorecard that both departments read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from services.feedback.audience_doors import Agreements, in_force
from services.feedback.campaigns import Campaigns
from services.feedback.clock_doors import zone_named
from services.feedback.doors import OfCampaign, Since, Until
from services.feedback.reports import Window
from services.feedback.scorecard import scorecard, zone_of
from services.feedback.scorecard_page import shown
from services.runtime.login import turned_away
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

_WEEKS_SHOWN = 13
"""A quarter, and the week that runs."""
Zone = Annotated[
    str | None,
    Query(max_length=64, description="whose weeks are meant; by default those of the agreement's first calendar with a zone"),
]


def scorecard_doors(
    settings: Settings, runner: ProjectionRunner, campaigns: Campaigns, agreements: Agreements | None
) -> APIRouter:
    """The report under /v1 and the page at /scorecard. Without agreements nothing is compared with goals."""
    router = APIRouter()

    async def answer(window: Window | None, zone: str | None) -> dict[str, Any]:
        """Without a window: the last quarter."""
        now, known = datetime.now(UTC), await campaigns.all()
        agreement = in_force(agreements, now)
        hours = zone_named(zone) if zone is not None else zone_of(agreement)
        goals = agreement.terms.goals if agreement is not None else None
        of = window if window is not None else Window(since=_weeks_ago(now, hours))
        return await runner.read(lambda connection: scorecard(connection, of, hours, goals, known, now))

    @router.get("/v1/reports/scorecard", tags=["reports"], summary="What marketing and sales owe each other")
    async def report(
        since: Since = None, until: Until = None, campaign: OfCampaign = None, zone: Zone = None
    ) -> dict[str, Any]:
        """`revenue` is of the goal's current period, whatever `from` and `to` say; `owes` are sentences as of now."""
        return await answer(Window(since, until, campaign), zone)

    @router.get("/scorecard", include_in_schema=False)
    async def page(request: Request, zone: Zone = None) -> Response:
        refusal = turned_away(request, settings)
        return refusal if refusal is not None else HTMLResponse(shown(await answer(None, zone)))

    return router


def _weeks_ago(now: datetime, zone: ZoneInfo) -> datetime:
    day = now.astimezone(zone).date()
    monday = day - timedelta(days=day.weekday() + 7 * _WEEKS_SHOWN)
    return datetime.combine(monday, datetime.min.time(), zone)
