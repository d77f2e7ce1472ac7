"""The board: pages that show the loop as it runs, fed by the same commits as the status stream (NiceGUI on our FastAPI)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui

from services.feedback import agreement_page, board_view, lead_views, reports
from services.feedback.audit import Audit, audit
from services.feedback.board_view import Picture
from services.runtime.agreements import AgreementReader
from services.runtime.http import Problem
from services.runtime.login import turned_away
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

HOME = "/board"
_PAGES = Path(__file__).parent / "pages"
_AT_MOST_EVERY_SECONDS = 0.25
_AUDIT_EVERY_SECONDS = 10.0
_CHANGES_SHOWN = 25
_LEADS_SHOWN = 100

Draw = Callable[[], Awaitable[None]]


class Board:
    """What all open pages share: one reading of the database a change, however many look at it, and none if nobody does."""

    def __init__(self, settings: Settings, runner: ProjectionRunner) -> None:
        self._settings, self.runner = settings, runner
        self._pages: set[Draw] = set()
        self._news, self._somebody = asyncio.Event(), asyncio.Event()
        self.picture: Picture | None = None
        self.before: Picture | None = None
        self.audit: Audit | None = None
        self._audited_at = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the ledger and draw the open pages while the context lasts."""
        tasks = [
            asyncio.create_task(self._listen(), name="board listens"),
            asyncio.create_task(self._draw(), name="board draws"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def opened(self, draw: Draw) -> None:
        """A page is open and wants to be drawn."""
        self._pages.add(draw)
        self._somebody.set()
        self._news.set()

    def closed(self, draw: Draw) -> None:
        """A page was left."""
        self._pages.discard(draw)
        if not self._pages:
            self._somebody.clear()
            self.picture = None  # who comes next is not shown as news what happened while nobody looked

    async def _listen(self) -> None:
        async for _ in self.runner.changes():
            self._news.set()

    async def _draw(self) -> None:
        while True:
            await self._somebody.wait()
            try:
                async with asyncio.timeout(_AUDIT_EVERY_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass  # nothing moved: what is owed for too long shows in the audit all the same
            self._news.clear()
            try:
                await self._look()
            except TimeoutError as error:  # Behind: the database or the broker is away; the page stays as it is
                log.warning("board_waits", because=str(error))
            for draw in list(self._pages):
                await draw()
            await asyncio.sleep(_AT_MOST_EVERY_SECONDS)  # faster than this nobody reads

    async def _look(self) -> None:
        self.before, self.picture = self.picture, await self.runner.read(_picture)
        if time.monotonic() - self._audited_at > _AUDIT_EVERY_SECONDS:
            self.audit = await audit(self.runner, self._settings, deep=False)
            self._audited_at = time.monotonic()


def _picture(connection: sa.Connection) -> Picture:
    return Picture(
        by_status=lead_views.by_status(connection),
        changes=lead_views.latest_changes(connection, _CHANGES_SHOWN),
        rejections=reports.rejections(connection, reports.Window()),
        funnel=reports.funnel(connection, reports.Window()),
    )


def add_board(app: FastAPI, settings: Settings, runner: ProjectionRunner, agreements: AgreementReader) -> None:
    """Put the pages on the app at /board; / leads there. One board a process: NiceGUI keeps its pages in one place."""
    board = Board(settings, runner)
    styles, keys = (_PAGES / "board.css").read_text(), (_PAGES / "board.js").read_text()

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> RedirectResponse:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{HOME}/{query}", status_code=307)

    def dressed(what: str) -> None:
        ui.add_head_html(
            f"<style>{styles}</style><script>addEventListener('DOMContentLoaded', () => {{ {keys} }})</script>"
        )
        with ui.element("header").classes("bar-top"):
            ui.html(board_view.header(what, HOME), sanitize=False).style("display: contents")
            ui.html('<a href="/scorecard">Scorecard</a>', sanitize=False)
            ui.html('<a href="/audience">Whom to target</a>', sanitize=False)
            ui.html('<span class="live"><i class="dot"></i>live</span>', sanitize=False)
            ui.html('<button id="theme" type="button">Light or dark<kbd>t</kbd></button>', sanitize=False)

    @ui.page("/", title="leadloop – the loop, live", favicon="🔁", dark=None)
    async def overview(request: Request) -> Response | None:
        refusal = turned_away(request, settings)
        if refusal is not None:
            return refusal
        _overview(board, dressed)
        return None

    @ui.page("/leads", title="leadloop – leads", favicon="🔁", dark=None)
    async def listed(request: Request, status: str = "new") -> Response | None:
        refusal = turned_away(request, settings)
        if refusal is not None:
            return refusal
        _listed(board, dressed, status if status in board_view.TONES else "new")
        return None

    @ui.page("/leads/{lead_id}", title="leadloop – a lead", favicon="🔁", dark=None)
    async def told(request: Request, lead_id: str) -> Response | None:
        refusal = turned_away(request, settings)
        if refusal is not None:
            return refusal
        _told(board, dressed, lead_id)
        return None

    previews = agreement_page.Previews()

    @ui.page("/agreement", title="leadloop – the agreement", favicon="🔁", dark=None)
    async def agreed(request: Request) -> Response | None:
        refusal = turned_away(request, settings)
        if refusal is not None:
            return refusal
        agreement_page.show(settings, agreements, previews, request, dressed, lambda draw: _shown(board, draw))
        return None

    _follow_with_app(app, board)
    ui.run_with(
        app,
        mount_path=HOME,
        show_welcome_message=False,
        binding_refresh_interval=None,
        tailwind=False,
        reconnect_timeout=10,
    )


def _follow_with_app(app: FastAPI, board: Board) -> None:
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state, board.running():
            yield state

    app.router.lifespan_context = life


def _shown(board: Board, draw: Draw) -> None:
    """Draw now and at every change, until the visitor leaves."""
    client = ui.context.client
    client.on_connect(lambda: board.opened(draw))
    client.on_disconnect(lambda: board.closed(draw))
    client.on_delete(lambda: board.closed(draw))


def _put(element: ui.html, content: str) -> None:
    """Send only what has changed."""
    if element.content != content:
        element.set_content(content)


def _section(title: str) -> ui.html:
    with ui.element("section").props(f'aria-label="{title}"'):
        ui.html(f'<div class="head"><h2>{title}</h2></div>', sanitize=False)
        return ui.html("", sanitize=False)


def _overview(board: Board, dressed: Callable[[str], None]) -> None:
    held = False
    with ui.element("div").classes("ll"):
        dressed("The loop, live")
        with ui.element("main").props("id=content"):
            loop = _section("Where the leads are")
            with ui.element("div").classes("cols"):
                with ui.element("section").props('aria-label="Leads moving"'):
                    with ui.element("div").classes("head"):
                        ui.html("<h2>Leads moving</h2>", sanitize=False)
                        ui.element("span").classes("gap")
                        hold = ui.html("Hold still<kbd>p</kbd>", sanitize=False, tag="button").props(
                            "id=hold type=button aria-pressed=false"
                        )
                    moving = ui.html("", sanitize=False)
                with ui.element("div").classes("side"):
                    audited = _section("Is every lead accounted for?")
                    reasons = _section("Why leads are turned down")
                    funnel = _section("How far they come")

    def hold_still() -> None:
        nonlocal held
        held = not held
        hold.props(f"aria-pressed={str(held).lower()}")

    hold.on("click", hold_still)

    async def draw() -> None:
        picture = board.picture
        if picture is None or held:
            return
        _put(loop, board_view.loop(picture, board.before, HOME))
        _put(moving, board_view.moving(picture, board.before, HOME))
        _put(reasons, board_view.reasons(picture))
        _put(funnel, board_view.funnel(picture))
        _put(audited, board_view.audit_line(board.audit))

    _shown(board, draw)


def _listed(board: Board, dressed: Callable[[str], None], status: str) -> None:
    with ui.element("div").classes("ll"):
        dressed(f"Leads that are {status}")
        with ui.element("main").props("id=content"):
            rows = _section(f"{status.capitalize()}, the latest moved first")

    def page(connection: sa.Connection) -> dict[str, Any]:
        return lead_views.leads(
            connection, statuses=[status], owner=None, campaign=None, limit=_LEADS_SHOWN, after=None
        )

    async def draw() -> None:
        _put(rows, board_view.lead_list(await board.runner.read(page), HOME))

    _shown(board, draw)


def _told(board: Board, dressed: Callable[[str], None], lead_id: str) -> None:
    with ui.element("div").classes("ll"):
        dressed("One lead")
        with ui.element("main").props("id=content"):
            now = _section("Now")
            story = _section("What happened")

    async def draw() -> None:
        try:
            lead = await board.runner.read(lambda c: lead_views.lead(c, lead_id))
            timeline = await board.runner.read(lambda c: lead_views.timeline(c, lead_id))
        except Problem as problem:
            _put(now, f'<p class="empty"><b>{problem.title}</b></p>')
            return
        _put(now, board_view.facts(lead))
        _put(story, board_view.story(timeline))

    _shown(board, draw)
