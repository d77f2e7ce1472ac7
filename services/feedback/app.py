"""The feedback service: the ledger in the background, its doors and the board in front."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from services.feedback.audience_doors import Agreements, audience_doors
from services.feedback.auditing import Auditor, auditing
from services.feedback.board import add_board
from services.feedback.campaigns import Campaigns
from services.feedback.clock_doors import clock_doors
from services.feedback.contest_doors import contest_doors
from services.feedback.doors import doors
from services.feedback.foreseeing import foreseeing
from services.feedback.learning import learning_doors
from services.feedback.ledger import Ledger
from services.feedback.people import people, people_of
from services.feedback.recycling_doors import recycling_doors
from services.feedback.review_doors import review_doors
from services.feedback.scorecard_doors import scorecard_doors
from services.feedback.scores import score_doors
from services.runtime.http import create_app
from services.runtime.main import Running, Service
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

_DESCRIPTION = """Where every lead is and what became of it, within two seconds.

| here | the field also says |
|---|---|
| lead | contact |
| qualified, nurtured, disqualified | MQL, nurture, DQ |
| accepted; rejected | SAL; sales-rejected |
| opportunity opened | SQL |
| won, lost | closed-won, closed-lost |
| recycled | nurture stream |
"""


def feedback_doors(settings: Settings, running: Running) -> FastAPI:
    """The app of feedback."""
    app = create_app("leadloop feedback", settings, running.health, description=_DESCRIPTION)
    add_doors(app, settings, ledger_of(settings, running), running.agreements)
    app.include_router(score_doors(ledger_of(settings, running), running.agreements))
    app.include_router(learning_doors(running.agreements))
    app.include_router(contest_doors(running.appender, ledger_of(settings, running)))
    app.include_router(
        recycling_doors(ledger_of(settings, running), running.agreements, people_of(settings, running))
    )
    add_board(app, settings, ledger_of(settings, running), running.agreements)
    return app


def add_doors(
    app: FastAPI, settings: Settings, runner: ProjectionRunner, agreements: Agreements | None = None
) -> None:
    """Put the doors on an app; what they keep open is closed with it. Without agreements no attribute is a segment."""
    campaigns = Campaigns(settings)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await campaigns.close()

    app.router.lifespan_context = life
    app.include_router(doors(settings, runner, campaigns, agreements))
    app.include_router(audience_doors(settings, runner, campaigns, agreements))
    app.include_router(clock_doors(runner, agreements))
    app.include_router(review_doors(settings, runner, campaigns, agreements))
    app.include_router(scorecard_doors(settings, runner, campaigns, agreements))


def ledger_of(settings: Settings, running: Running) -> ProjectionRunner:
    """The runner of the ledger: the same for the background and the doors."""
    return running.projection(Ledger(settings.dead_letter_key), gather=timedelta(milliseconds=20))


def ledger(settings: Settings, running: Running) -> AbstractAsyncContextManager[ProjectionRunner]:
    """Follows the log while the service runs."""
    return ledger_of(settings, running)


def likely_breaches(settings: Settings, running: Running) -> AbstractAsyncContextManager[None]:
    """Says what will probably go wrong while the service runs."""
    return foreseeing(running, ledger_of(settings, running))


def audits(settings: Settings, running: Running) -> AbstractAsyncContextManager[Auditor]:
    """Audits by itself while the service runs."""
    return auditing(Auditor(settings, ledger_of(settings, running)))


SERVICE = Service(name="feedback", http=feedback_doors, background=(ledger, people, likely_breaches, audits))
