"""The desk's door for a rep who asks whether he gets his share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Response

from schemas.ids import RepId, TeamId
from schemas.topics import TEAMS
from services.desk import inbox
from services.runtime.agreements import AgreementReader
from services.runtime.http import Problem
from services.runtime.looking import Looker
from services.runtime.main import find
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

_LOOKS, _PAUSE_SECONDS = 6, 0.5
"""Who has just joined is known to routing within a moment."""


def fairness_doors(settings: Settings, agreements: AgreementReader, runner: ProjectionRunner) -> APIRouter:
    """Shares, as routing itself reckons them."""
    router = APIRouter(prefix="/v1")
    looker: Looker | None = None

    async def look(team: TeamId, rep: RepId) -> Mapping[str, Any] | None:
        nonlocal looker
        if looker is None:
            looker = Looker(next(p for p in find("routing").processors if p.log is TEAMS), settings)
        for attempt in range(_LOOKS):
            if attempt:
                await asyncio.sleep(_PAUSE_SECONDS)
            now = datetime.now(UTC)
            found = await looker.look(team, rep, agreements.in_force(now), now)
            if found is not None:
                return found
        return None

    @router.get("/reps/{rep}/fairness", tags=["reps"], summary="What a rep's share is, what he was assigned, and why")
    async def fairness(rep: str) -> Response:
        """By pool: weight, share, assigned, shortfall, since when, why; and whether he can take a lead now, or why not."""
        await runner.read_to_end(topic=TEAMS)
        place = (await runner.read(inbox.roster)).get(RepId(rep))
        if place is None:
            raise Problem(404, "No such rep", f"The roster has no rep {rep[:64]!r}: GET /v1/roster lists everybody.")
        try:
            found = await look(place.team_id, place.rep_id)
        except (KafkaError, TimeoutError, OSError) as away:
            raise Problem(503, "Not now", "The shares cannot be read: the broker does not answer; ask again.") from away
        if found is None:
            raise Problem(503, "Not now", f"Routing has not seen {rep[:64]} join yet; ask again in a moment.")
        return Response(orjson.dumps({**found, "team": place.team_id}), 200, media_type="application/json")

    return router
