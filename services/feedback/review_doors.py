"""The doors and the page of a campaign's review."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from services.feedback.audience_doors import Agreements, in_force
from services.feedback.campaigns import Campaigns
from services.feedback.review import review
from services.feedback.review_page import shown
from services.feedback.review_pdf import as_pdf
from services.runtime.login import turned_away
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

OfCampaign = Annotated[str, Path(max_length=500, description="the campaign, as leads name it")]


def review_doors(
    settings: Settings, runner: ProjectionRunner, campaigns: Campaigns, agreements: Agreements | None
) -> APIRouter:
    """The review under /v1, as JSON and PDF, and the page at /campaigns/{id}."""
    router = APIRouter()

    async def answer(campaign_id: str) -> dict[str, Any]:
        now, known = datetime.now(UTC), await campaigns.all()
        agreement = in_force(agreements, now)
        return await runner.read(lambda connection: review(connection, campaign_id, agreement, known, now))

    @router.get("/v1/campaigns/{campaign_id}/review", tags=["reports"], summary="What to know before the next campaign")
    async def as_json(campaign_id: OfCampaign) -> dict[str, Any]:
        """Cost, leads by stage, reasons, reach against the target, and what to keep, stop and try, each with its rule."""
        return await answer(campaign_id)

    @router.get("/v1/campaigns/{campaign_id}/review.pdf", tags=["reports"], summary="The same to print (PDF)", response_class=Response)
    async def printed(campaign_id: OfCampaign) -> Response:
        content = await asyncio.to_thread(as_pdf, await answer(campaign_id))
        return Response(content, media_type="application/pdf")

    @router.get("/campaigns/{campaign_id}", include_in_schema=False)
    async def page(request: Request, campaign_id: OfCampaign) -> Response:
        refusal = turned_away(request, settings)
        return refusal if refusal is not None else HTMLResponse(shown(await answer(campaign_id)))

    return router
