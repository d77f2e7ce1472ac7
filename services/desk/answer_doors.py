"""The pages behind a notice's links: a rep answers an offer out of his mail, without a login.

GET never changes anything, for scanners of mail and previews of chats open every link; only the button's POST acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jinja2
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from schemas.agreement import ReasonUse
from schemas.vocabulary import Reason
from services.desk import inbox
from services.desk.doing import Doing, KeyUsedForAnotherBody
from services.desk.foresight import Refused, Why
from services.desk.requests import ActionIn, ActionKind
from services.runtime.agreements import AgreementReader
from services.runtime.answer_links import PATH, Choice, NoLink, Offered, read_token
from services.runtime.http import trace_of
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings

_PAGES = Path(__file__).with_name("pages")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}
_DONE = {"LeadAccepted": "accepted", "LeadRejected": "rejected", "LeadReturned": "rejected"}


def answer_doors(
    settings: Settings, agreements: AgreementReader, runner: ProjectionRunner, doing: Doing
) -> APIRouter:
    """`/answer/{token}/accept` and `/answer/{token}/reject`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def told(title: str, sentence: str, status: int = 200, *, rep: str | None = None, good: bool = False) -> HTMLResponse:
        html = pages.get_template("answered.html").render(title=title, sentence=sentence, rep=rep, good=good)
        return HTMLResponse(html, status, _HEADERS)

    def offered_by(token: str) -> Offered | HTMLResponse:
        """The offer, or the page that says why the link does not lead to one."""
        try:
            offered = read_token(settings, token)
        except NoLink:
            return told(
                "This link does not work",
                "It is not whole, or none of ours. Open it from the message once more, or answer in your inbox.",
                404,
            )
        if datetime.now(UTC) > offered.until:
            sentence = f"It was good until {offered.until:%Y-%m-%d %H:%M} UTC. Answer in your inbox instead."
            return told("This link has expired", sentence, 410, rep=offered.rep_id)
        return offered

    def refusal(refused: Refused, offered: Offered) -> HTMLResponse:
        sentence = f"{refused.because[:1].upper()}{refused.because[1:]}."
        title = "This offer has ended" if refused.why in (Why.ENDED, Why.UNKNOWN) else "This is not possible now"
        return told(title, sentence, 409, rep=offered.rep_id)

    def answered(kind: str, offered: Offered, *, now: bool) -> HTMLResponse:
        done = _DONE.get(kind, "answered")
        if now:
            title = "The lead is yours" if done == "accepted" else "You have rejected the lead"
            after = "It waits in your inbox." if done == "accepted" else "It goes on by the rules."
            return told(title, f"You have {done} it. {after}", rep=offered.rep_id, good=True)
        return told(
            "You have answered already",
            f"This notice was used before: you have {done} the lead. A notice answers once; what comes after is done in the inbox.",
            rep=offered.rep_id,
        )

    async def ask(choice: Choice, token: str, offered: Offered, problem: str | None = None) -> HTMLResponse:
        """The page with the button. Raises Refused."""
        agreement = agreements.in_force(datetime.now(UTC))
        reasons = [r for r in agreement.reasons.values() if r.allows(ReasonUse.REJECT)]
        said = _said(choice, offered, reasons[0].id if reasons else None)
        before = await doing.would(offered.lead_id, said, key=offered.key)
        if before is not None:
            return answered(before, offered, now=False)
        row = await runner.read(lambda c: inbox.one_of(c, offered.rep_id, offered.assignment_id))
        html = pages.get_template("answer.html").render(
            choice=choice.value, token=token, path=PATH, lead=row, rep=offered.rep_id, reasons=reasons, problem=problem
        )
        return HTMLResponse(html, 422 if problem else 200, _HEADERS)

    @router.get("/{token}/{choice}")
    async def look(token: str, choice: Choice) -> HTMLResponse:
        offered = offered_by(token)
        if isinstance(offered, HTMLResponse):
            return offered
        try:
            return await ask(choice, token, offered)
        except Refused as refused:
            return refusal(refused, offered)

    @router.post("/{token}/{choice}")
    async def act(request: Request, token: str, choice: Choice) -> HTMLResponse:
        offered = offered_by(token)
        if isinstance(offered, HTMLResponse):
            return offered
        fields = parse_qs((await request.body()).decode(errors="replace"))
        reason = fields.get("reason", [""])[0]
        allowed = agreements.in_force(datetime.now(UTC)).reason(reason)
        try:
            if choice is Choice.REJECT and (allowed is None or not allowed.allows(ReasonUse.REJECT)):
                return await ask(choice, token, offered, "Choose why you reject it.")
            done = await doing.act(
                offered.lead_id,
                _said(choice, offered, reason or None),
                key=offered.key,
                body=choice.value.encode(),
                traceparent=trace_of(request),
            )
        except KeyUsedForAnotherBody:
            other = "LeadRejected" if choice is Choice.ACCEPT else "LeadAccepted"
            return answered(other, offered, now=False)
        except Refused as refused:
            return refusal(refused, offered)
        return answered("LeadAccepted" if choice is Choice.ACCEPT else "LeadRejected", offered, now=not done.duplicate)

    return router


def _said(choice: Choice, offered: Offered, reason: str | None) -> ActionIn:
    kind = ActionKind.ACCEPT if choice is Choice.ACCEPT else ActionKind.REJECT
    asked: Mapping[str, Any] = {"type": kind, "assignment_id": offered.assignment_id, "by": offered.rep_id}
    return ActionIn(**asked, reason=Reason(reason) if choice is Choice.REJECT and reason else None)
