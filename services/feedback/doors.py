"""The doors of feedback: where every lead is, what happened to it, the live stream, the audit, reports, campaigns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime

from schemas.ids import CampaignId
from schemas.vocabulary import LeadStatus
from services.feedback import lead_views, reports
from services.feedback.attribution.crediting import Model
from services.feedback.attribution.journeys import Dimension
from services.feedback.audience_doors import Agreements, in_force
from services.feedback.audit import audit
from services.feedback.campaigns import Campaign, Campaigns
from services.feedback.processes import living
from services.feedback.streams import status_changes, whence
from services.feedback.touches import attribution
from services.runtime.http import Problem, event_stream, last_event_id
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

T = TypeVar("T")

LeadIdText = Annotated[str, Path(max_length=100, description="the lead, as the answer to its submission named it")]
Since = Annotated[AwareDatetime | None, Query(alias="from", description="leads first submitted from this instant on")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="leads first submitted before this instant")]
OfCampaign = Annotated[
    str | None, Query(max_length=120, description="only leads of this campaign; (none): of no campaign")
]


def doors(
    settings: Settings, runner: ProjectionRunner, campaigns: Campaigns, agreements: Agreements | None = None
) -> APIRouter:
    """The routes under /v1."""
    router = APIRouter(prefix="/v1")
    _add_leads(router, runner)
    _add_status(router, settings, runner)
    _add_operation(router, settings, runner)
    _add_campaigns(router, runner, campaigns, agreements)
    return router


def _add_leads(router: APIRouter, runner: ProjectionRunner) -> None:
    @router.get("/leads", tags=["leads"], summary="Leads, the latest moved first")
    async def list_leads(
        status: Annotated[list[LeadStatus], Query(description="only these statuses")] = [],  # noqa: B006 - FastAPI copies it
        owner: Annotated[str | None, Query(max_length=64)] = None,
        campaign: Annotated[str | None, Query(max_length=120)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        after: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    ) -> dict[str, Any]:
        statuses = [s.value for s in status]

        def query(connection: sa.Connection) -> dict[str, Any]:
            return lead_views.leads(
                connection, statuses=statuses, owner=owner, campaign=campaign, limit=limit, after=after
            )

        return await runner.read(query)

    @router.get("/leads/{lead_id}", tags=["leads"], summary="One lead (contact): status, stage, score, owner")
    async def one_lead(lead_id: LeadIdText) -> dict[str, Any]:
        return await runner.read(lambda connection: lead_views.lead(connection, lead_id))

    @router.get("/leads/{lead_id}/timeline", tags=["leads"], summary="Every event of a lead, void ones marked")
    async def timeline(lead_id: LeadIdText) -> dict[str, Any]:
        """`event` is the event as it stands in the log (docs/asyncapi.yaml): points are exact decimal strings there."""
        return await runner.read(lambda connection: lead_views.timeline(connection, lead_id))


def _add_status(router: APIRouter, settings: Settings, runner: ProjectionRunner) -> None:
    @router.get("/status/stream", tags=["status"], summary="Every status change, live (server-sent events)")
    async def stream(
        request: Request, begin: Annotated[Literal["now", "beginning"], Query(alias="from")] = "now"
    ) -> Response:
        since = whence(last_event_id(request), begin == "beginning")
        return event_stream(request, status_changes(runner, settings, since))


def _add_operation(router: APIRouter, settings: Settings, runner: ProjectionRunner) -> None:
    @router.get("/processes", tags=["operation"], summary="The pids now alive, by service")
    async def processes() -> dict[str, list[int]]:
        return await runner.database.reading(lambda: living(settings.data_dir / "run"))

    @router.get("/audit", tags=["operation"], summary="Whether every lead is accounted for")
    async def audited(
        deep: Annotated[
            bool | None, Query(description="fold the whole log anew and compare; by default if it is short")
        ] = None,
    ) -> dict[str, Any]:
        return (await audit(runner, settings, deep=deep)).answer()


def _add_campaigns(
    router: APIRouter, runner: ProjectionRunner, campaigns: Campaigns, agreements: Agreements | None
) -> None:
    @router.put("/campaigns/{campaign_id}", tags=["reports"], summary="Describe a campaign and what it cost")
    async def put_campaign(campaign_id: Annotated[str, Path(max_length=500)], campaign: Campaign) -> dict[str, Any]:
        try:
            CampaignId.parse(campaign_id)
        except ValueError as error:
            raise Problem(422, "Not a campaign", f"The campaign's id in the address is refused: {error}.") from error
        await campaigns.put(campaign_id, campaign)
        return {"campaign": campaign_id, **campaign.model_dump(mode="json", by_alias=True)}

    async def windowed(
        report: Callable[[sa.Connection, reports.Window], T], since: Any, until: Any, campaign: str | None
    ) -> T:
        window = reports.Window(since, until, campaign)
        return await runner.read(lambda connection: report(connection, window))

    @router.get("/reports/funnel", tags=["reports"], summary="How far leads come: lead, MQL, SAL, SQL, customer")
    async def funnel(since: Since = None, until: Until = None, campaign: OfCampaign = None) -> dict[str, Any]:
        return await windowed(reports.funnel, since, until, campaign)

    @router.get("/reports/rejections", tags=["reports"], summary="Why leads are turned down, by reason and campaign")
    async def rejections(since: Since = None, until: Until = None, campaign: OfCampaign = None) -> dict[str, Any]:
        agreement = in_force(agreements, datetime.now(UTC))
        return await windowed(lambda c, window: reports.rejections(c, window, agreement), since, until, campaign)

    @router.get("/reports/attribution", tags=["reports"], summary="Which touches the won revenue is credited to")
    async def attributed(
        model: Annotated[str, Query(description=f"how a win is shared out: {', '.join(Model)}")] = Model.LINEAR.value,
        by: Annotated[Dimension | None, Query(description="what is credited; without it all three")] = None,
        since: Since = None,
        until: Until = None,
        campaign: OfCampaign = None,
    ) -> dict[str, Any]:
        try:
            chosen = Model.parse(model)
        except ValueError as error:
            raise Problem(422, "Not a model", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        window = reports.Window(since, until, campaign)
        return await runner.read(lambda connection: attribution(connection, window, chosen, by))

    @router.get("/reports/campaigns", tags=["reports"], summary="What each campaign brought and cost")
    async def by_campaign() -> dict[str, Any]:
        known = await campaigns.all()
        return await runner.read(lambda connection: reports.campaigns(connection, known))
