"""The desk service: its projection in the background, its doors and pages in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from fastapi import FastAPI

from services.desk.account_doors import account_doors
from services.desk.answer_doors import answer_doors
from services.desk.contest_doors import contest_doors
from services.desk.doing import Doing
from services.desk.doors import doors
from services.desk.fairness_doors import fairness_doors
from services.desk.page_doors import page_doors
from services.desk.reading import DeskProjection
from services.runtime.appending import BrokerAway
from services.runtime.http import create_app
from services.runtime.main import Running, Service
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_DESCRIPTION = """Reps find their leads here and say what they did.

| here | the field also says |
|---|---|
| assignment | owner |
| accept | sales-accepted lead (SAL) |
| reject | sales-rejected |
| open opportunity | sales-qualified lead (SQL) |
| win, lose | closed-won, closed-lost |
| recycle | back to nurture |
| SLA clock | SLA timer, speed to lead |
"""


def desk_doors(settings: Settings, running: Running) -> FastAPI:
    """The app of the desk."""
    runner = running.projection(DeskProjection())
    doing = Doing(settings, running.appender, running.agreements, runner)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with burying_notes(doing, runner):
            yield

    app = create_app("leadloop desk", settings, running.health, description=_DESCRIPTION)
    app.router.lifespan_context = life
    app.include_router(doors(running.appender, running.agreements, runner, doing))
    app.include_router(account_doors(running.appender, runner))
    app.include_router(contest_doors(running.appender, runner))
    app.include_router(fairness_doors(settings, running.agreements, runner))
    app.include_router(page_doors(settings, running.agreements, runner))
    app.include_router(answer_doors(settings, running.agreements, runner, doing))
    return app


@asynccontextmanager
async def burying_notes(doing: Doing, runner: ProjectionRunner) -> AsyncIterator[None]:
    """Write the tombstones of the notes of erased leads, whenever some are to be written."""
    projection = runner.projection
    assert isinstance(projection, DeskProjection)

    async def bury() -> None:
        seen = -1
        async for _ in runner.changes():
            while seen != projection.erasures:
                marked = projection.erasures
                try:
                    number = await doing.bury_notes()
                except (TimeoutError, BrokerAway):
                    await asyncio.sleep(1.0)
                    continue
                seen = marked
                if number:
                    log.info("notes_deleted", notes=number)

    task = asyncio.create_task(bury(), name="burying notes")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def desk_projection(settings: Settings, running: Running) -> AbstractAsyncContextManager[ProjectionRunner]:
    """Reads leads, teams and profiles."""
    return running.projection(DeskProjection())


SERVICE = Service(name="desk", http=desk_doors, background=(desk_projection,))
