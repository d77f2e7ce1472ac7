"""The door and the page that say whom to target: segments with intervals, sentences, and a chart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated, Any, Protocol

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime

from schemas.agreement import Agreement
from services.feedback.audience_report import audience, name_of
from services.feedback.campaigns import Campaigns
from services.feedback.reports import Window
from services.runtime.login import turned_away
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

Since = Annotated[AwareDatetime | None, Query(alias="from", description="leads first submitted from this instant on")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="leads first submitted before this instant")]
_SHOWN = 40
_STYLES = Path(__file__).parent / "pages" / "audience.css"
_TONES = {"better": "better", "worse": "worse"}


class Agreements(Protocol):
    """The agreements as far as they are published."""

    def in_force(self, at: datetime) -> Agreement: ...


def audience_doors(
    settings: Settings, runner: ProjectionRunner, campaigns: Campaigns, agreements: Agreements | None
) -> APIRouter:
    """The report under /v1 and the page at /audience."""
    router = APIRouter()

    async def answer(window: Window) -> dict[str, Any]:
        now, known = datetime.now(UTC), await campaigns.all()
        agreement = in_force(agreements, now)

        def query(connection: sa.Connection) -> dict[str, Any]:
            return audience(connection, agreement, known, window, int(now.timestamp() * 1000))

        return await runner.read(query)

    @router.get("/v1/reports/audience", tags=["reports"], summary="Which segments convert: whom to target next")
    async def report(
        since: Since = None,
        until: Until = None,
    ) -> dict[str, Any]:
        """Rates with 95 % intervals (Wilson), compared with all other leads by Fisher's test, corrected by Holm's method."""
        return await answer(Window(since, until))

    @router.get("/audience", include_in_schema=False)
    async def page(request: Request) -> Response:
        refusal = turned_away(request, settings)
        return refusal if refusal is not None else HTMLResponse(shown(await answer(Window())))

    return router


def in_force(agreements: Agreements | None, at: datetime) -> Agreement | None:
    """The agreement in force; None before the first, and where none is read."""
    try:
        return agreements.in_force(at) if agreements is not None else None
    except LookupError:
        return None


def shown(answer: Mapping[str, Any]) -> str:
    """The report as a page that needs nothing else; every text from outside is escaped here, once."""
    claims = "".join(
        f'<section class="{tone}"><h2>{title}</h2>{_list(answer[key]) or f"<p>{nothing}</p>"}</section>'
        for key, title, tone, nothing in (
            ("target_next", "Target next", "better", "No segment is shown to convert better than the others."),
            ("stop_paying_for", "Stop paying for", "worse", "No segment is shown to convert worse than the others."),
        )
    )
    segments = answer["segments"][:_SHOWN]
    most = max((s["interval"][1] for s in segments if s["verdict"] != "too few"), default=0.0) or 1.0
    rows = "".join(_row(s, most, answer["rate"]) for s in segments)
    body = (
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Segment</th><th scope="col">Won</th>'
        '<th scope="col">Rate with its 95 % interval; the line is the rate of all</th><th scope="col">Lift</th>'
        f'<th scope="col">Verdict</th></tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else "<p>No lead is old enough to be judged yet.</p>"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>leadloop – whom to target</title><style>{_STYLES.read_text()}</style></head><body>'
        '<a class="skip" href="#content">To the content</a><header><a href="/board/">leadloop</a> <span>Whom to target</span></header>'
        f'<main id="content"><h1>{answer["won"]:,} of {answer["leads"]:,} leads were won ({answer["rate"]:.1%})</h1>'
        f'<div class="claims">{claims}</div>{body}<h2>How to read this</h2>{_list(answer["remarks"])}</main></body></html>'
    )


def _list(sentences: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(s)}</li>' for s in sentences)}</ul>" if sentences else ""


def _row(s: Mapping[str, Any], most: float, rate: float) -> str:
    low, high = s["interval"]

    def x(share: float) -> float:
        return 300 * min(share / most, 1.0)

    chart = (
        f'<svg viewBox="0 0 300 18" role="img" aria-label="{s["rate"]:.1%}, between {low:.1%} and {high:.1%}">'
        f'<line class="all" x1="{x(rate):.1f}" x2="{x(rate):.1f}" y1="0" y2="18"/>'
        f'<line class="span" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="9" y2="9"/><circle cx="{x(s["rate"]):.1f}" cy="9" r="5"/></svg>'
    )
    lift = f"{s['lift']:.2f}" if s["lift"] is not None else "–"
    return (
        f'<tr class="{_TONES.get(s["verdict"], "")}"><td>{escape(name_of(s["segment"]))}</td><td>{s["won"]:,} of {s["leads"]:,}</td>'
        f"<td>{chart}<span>{s['rate']:.1%}</span></td><td>{lift}</td><td>{s['verdict']}</td></tr>"
    )
