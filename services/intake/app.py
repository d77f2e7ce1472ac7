"""The intake service: its projection in the background, its doors in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI

from services.intake.doors import doors, submitting
from services.intake.form_doors import form_doors
from services.intake.imports import doors as imports
from services.intake.imports.queue import ImportQueue
from services.intake.imports.worker import ImportWorker
from services.intake.memory import IntakeMemory, IntakeProjection
from services.intake.reception import Reception
from services.intake.requests import LeadIn
from services.intake.stewardship import Stewardship
from services.runtime.appending import BrokerAway
from services.runtime.http import HotDoor, add_hot_door, create_app
from services.runtime.main import Running, Service
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_DESCRIPTION = """Leads come in here: by form, by API, with what prospects were seen doing.

| here | the field also says |
|---|---|
| lead | contact: one person's interest, one lead however often he writes |
| submission | form fill, inquiry |
| engagement | activity |
| suppress | unsubscribe, do not contact |
"""


def intake_doors(settings: Settings, running: Running) -> FastAPI:
    """The app of intake."""
    memory = IntakeMemory(running.projection(IntakeProjection()))
    reception = Reception(settings, running.appender, running.agreements, memory)
    queue = ImportQueue(settings)
    stewardship = Stewardship(settings, running.appender, memory, reception.turns, queue)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with finishing_erasures(stewardship, memory), working(queue, ImportWorker(settings, queue, reception)):
            yield

    app = create_app(
        "leadloop intake",
        settings,
        running.health,
        open_paths=("/v1/forms/",),
        large_bodies={imports.PATH: imports.LARGEST_FILE},
        description=_DESCRIPTION,
    )
    app.router.lifespan_context = life
    app.include_router(doors(settings, running.agreements, reception, stewardship))
    app.include_router(form_doors(running.agreements, reception))
    app.include_router(imports.import_doors(settings, running.agreements, queue))
    add_hot_door(app, "POST", "/v1/leads", HotDoor(LeadIn, partial(submitting, reception)))
    return app


@asynccontextmanager
async def working(queue: ImportQueue, worker: ImportWorker) -> AsyncIterator[None]:
    """Take in what imports have queued, for as long as the context lasts."""
    task = asyncio.create_task(worker.run(), name="imports")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await queue.close()


@asynccontextmanager
async def finishing_erasures(stewardship: Stewardship, memory: IntakeMemory) -> AsyncIterator[None]:
    """Delete, once after the start, the profiles that a process left behind which died after its LeadErased."""

    async def finish() -> None:
        while True:
            try:
                await memory.caught_up()
                number = await stewardship.finish_erasures()
            except (TimeoutError, BrokerAway):
                await asyncio.sleep(1.0)
            else:
                if number:
                    log.info("erasures_finished", leads=number)
                return

    task = asyncio.create_task(finish(), name="finishing erasures")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def intake_projection(settings: Settings, running: Running) -> AbstractAsyncContextManager[ProjectionRunner]:
    """Reads intake's own log."""
    return running.projection(IntakeProjection())


SERVICE = Service(name="intake", http=intake_doors, background=(intake_projection,))
