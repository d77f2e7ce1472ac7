"""The doors that a browser uses: the form, what it posts, and the thank-you page. They need no token."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from schemas.agreement import Agreement, AttributeType, Form
from schemas.ids import FormId
from services.intake.doors import json_of
from services.intake.forms import HONEYPOT, Unreachable, is_a_machine, understood
from services.intake.reception import Reception
from services.runtime.agreements import AgreementReader
from services.runtime.http import Problem, trace_of

log = structlog.get_logger(__name__)

_MOST_FIELDS = 300
_PASSED_ON = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "campaign")
_COUNTRIES = (
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("CA", "Canada"),
    ("DK", "Denmark"),
    ("FI", "Finland"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("PL", "Poland"),
    ("PT", "Portugal"),
    ("ES", "Spain"),
    ("SE", "Sweden"),
    ("CH", "Switzerland"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
)
_ASKED_AT_MOST = 4


def form_doors(agreements: AgreementReader, reception: Reception) -> APIRouter:
    """`/v1/forms/{form}`, `/forms/{form}`, `/forms/{form}/thanks`. Every form is welcome."""
    router = APIRouter()
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(**values), status, {"Cache-Control": "no-store"})

    def form_page(
        form: FormId, agreement: Agreement, unreachable: Unreachable | None, hidden: list[tuple[str, str]], status: int
    ) -> HTMLResponse:
        written = defaultdict(str, unreachable.written if unreachable else {})
        messages = defaultdict(str, unreachable.messages if unreachable else {})
        terms = agreement.forms.get(form)
        title = str(terms.title) if terms and terms.title else "Let us show you around"
        return page(
            "form.html",
            status,
            form=form,
            title=title,
            written=written,
            messages=messages,
            countries=_COUNTRIES,
            honeypot=HONEYPOT,
            hidden=hidden,
            asked=_asked(agreement, terms),
        )

    @router.post("/v1/forms/{form}", tags=["forms"], summary="What a browser posts", status_code=303)
    async def post(request: Request, form: str) -> Response:
        """urlencoded or multipart. 303 to the thank-you page; JSON for `Accept: application/json`."""
        form_id = _form_id(form)
        agreement = agreements.in_force(datetime.now(UTC))
        fields = await _fields(request)
        terms = agreement.forms.get(form_id)
        wants_json = _wants_json(request)
        thanks = terms.thanks if terms and terms.thanks else f"/forms/{form_id}/thanks"
        if is_a_machine(fields):
            log.info("form_filled_in_by_a_machine", form=form_id)
            return RedirectResponse(thanks, 303)
        filled = understood(terms, fields)
        if isinstance(filled, Unreachable):
            if not wants_json:
                hidden = [(name, value) for name, value in fields if name in _PASSED_ON]
                return form_page(form_id, agreement, filled, hidden, 422)
            errors = [{"field": field, "message": message} for field, message in filled.messages.items()]
            raise Problem(
                422,
                "Nobody to answer",
                f"The field `{errors[0]['field']}` is refused: {errors[0]['message']}.",
                errors=errors,
            )
        receipt = await reception.submit(filled.said, filled.contact, form=form_id, traceparent=trace_of(request))
        if wants_json:
            answer = json_of(receipt)
            answer.pop("warnings", None)  # they are for whoever built the form, not for a stranger who fills it in
            return JSONResponse(answer, 202)
        return RedirectResponse(thanks, 303)

    @router.get("/forms/{form}", include_in_schema=False)
    async def show(request: Request, form: str) -> Response:
        hidden = [(name, request.query_params[name]) for name in _PASSED_ON if name in request.query_params]
        return form_page(_form_id(form), agreements.in_force(datetime.now(UTC)), None, hidden, 200)

    @router.get("/forms/{form}/thanks", include_in_schema=False)
    async def thanks(form: str) -> Response:
        return page("thanks.html", form=_form_id(form))

    return router


def _form_id(form: str) -> FormId:
    try:
        return FormId.parse(form)
    except ValueError as error:
        raise Problem(404, "No such form", f"A form's name takes {FormId.SHAPE}.") from error


async def _fields(request: Request) -> list[tuple[str, str]]:
    """The fields in order, files left out. Raises Problem."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise Problem(
            415,
            "Not a form",
            "A form is application/x-www-form-urlencoded or multipart/form-data; JSON goes to POST /v1/leads.",
        )
    try:
        data: FormData = await request.form(max_files=10, max_fields=_MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise Problem(
            400, "The body is no UTF-8", 'The form is no UTF-8 text: say accept-charset="utf-8" in the form.'
        ) from error
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise Problem(
            400, "The form cannot be read", f"The form cannot be read: {error.detail}; post it as a browser does."
        ) from error
    fields = [(name, value) for name, value in data.multi_items() if not isinstance(value, UploadFile)]
    if any("\ufffd" in name or "\ufffd" in value for name, value in fields):
        raise Problem(400, "The body is no UTF-8", 'The form is no UTF-8 text: say accept-charset="utf-8" in the form.')
    return fields


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _asked(agreement: Agreement, form: Form | None) -> list[dict[str, Any]]:
    """What our own form asks besides the contact: the agreement's attributes that the form does not say by itself."""
    said = set(form.attributes) if form else set()
    return [
        {
            "name": name,
            "title": str(a.title) or str(name).replace("_", " ").capitalize(),
            "choices": [str(c) for c in a.choices],
            "number": a.type in (AttributeType.INTEGER, AttributeType.DECIMAL),
        }
        for name, a in agreement.attributes.items()
        if name not in said and name != "country" and a.type is not AttributeType.BOOLEAN
    ][:_ASKED_AT_MOST]
