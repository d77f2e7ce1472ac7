"""Intake's doors over HTTP, as the house plan promises them."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Header
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse

from schemas.agreement import ReasonUse
from schemas.ids import LeadId
from services.intake.identity import Contact, NotAContact, lead_of, normalised_email, normalised_phone
from services.intake.reception import KeyUsedForAnotherBody, Receipt, Reception
from services.intake.requests import ConsentIn, EngagementIn, LeadIn, MergeIn, SuppressIn, WhoIn
from services.intake.stewardship import NoSuchLead, NotNow, Stewardship
from services.runtime.agreements import AgreementReader
from services.runtime.http import Problem, trace_of
from services.runtime.settings import Settings

CLOCKS_DIFFER_BY = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""
MOST_AT_ONCE = 1000
T = TypeVar("T")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="the same key and body again are the same submission",
    ),
]


def json_of(receipt: Receipt) -> dict[str, Any]:
    """The answer's body."""
    body: dict[str, Any] = {
        "lead_id": receipt.lead_id,
        "submission_id": receipt.submission_id,
        "duplicate": receipt.duplicate,
    }
    return body | {"warnings": list(receipt.warnings)} if receipt.warnings else body


def contact_of(said: WhoIn, place: str = "") -> Contact:
    """How the person is reached, normalised. Raises Problem 422 naming the field."""
    found: dict[str, str | None] = {"email": None, "phone": None}
    for field, read in (("email", normalised_email), ("phone", lambda text: normalised_phone(text, said.country))):
        text = getattr(said, field)
        if text is None:
            continue
        try:
            found[field] = read(text)
        except NotAContact as error:
            raise refused(f"{place}{field}", str(error)) from error
    return Contact(found["email"], found["phone"])


def refused(field: str, message: str) -> Problem:
    """The problem of one field that pydantic cannot judge."""
    sentence = f"The field `{field}` is refused: {message.rstrip('.')}."
    return Problem(
        422, "The request does not hold what it must", sentence, errors=[{"field": field, "message": sentence}]
    )


def not_from_the_future(at: datetime | None, field: str) -> None:
    """Raises Problem 422 if `at` has not come yet."""
    if at is not None and at > datetime.now(UTC) + CLOCKS_DIFFER_BY:
        raise refused(field, f"{at.isoformat()} has not come yet; say when it happened, with its time zone")


async def submitting(
    reception: Reception, said: LeadIn, key: str | None, traceparent: str
) -> tuple[int, dict[str, Any]]:
    """Take one submission in; gives the answer's status and body. Raises Problem, BrokerAway, TimeoutError."""
    not_from_the_future(said.submitted_at, "submitted_at")
    try:
        receipt = await reception.submit(said, contact_of(said), key=key, traceparent=traceparent)
    except KeyUsedForAnotherBody as error:
        raise Problem(
            422,
            "The key was used before",
            "This Idempotency-Key came with another body before: use a new key for a new submission.",
        ) from error
    return 202, json_of(receipt)


def doors(settings: Settings, agreements: AgreementReader, reception: Reception, stewardship: Stewardship) -> APIRouter:
    """Everything under /v1 but the forms."""
    router = APIRouter(prefix="/v1")

    def lead_named(said: EngagementIn | ConsentIn, place: str = "") -> LeadId:
        contact = contact_of(said, place)
        return said.lead_id or lead_of(settings.lead_namespace, contact)

    @router.post("/leads", status_code=202, tags=["leads"], summary="Send a lead in")
    async def submit(request: HttpRequest, said: LeadIn, key: IdempotencyKey = None) -> JSONResponse:
        """202 means: the submission is in the log, acknowledged by every replica and read back.

        The same Idempotency-Key and body give the same ids with `duplicate: true`; the same key with another body is
        refused. Without a key an equal body within the agreement's window is the same submission.
        """
        status, content = await submitting(reception, said, key, trace_of(request))
        return JSONResponse(content, status)

    @router.post("/engagements", status_code=202, tags=["engagements"], summary="Say what prospects were seen doing")
    async def observe(
        request: HttpRequest,
        said: Annotated[list[EngagementIn], Body(max_length=MOST_AT_ONCE)],
        key: IdempotencyKey = None,
    ) -> JSONResponse:
        """All of the list is recorded, or none of it is confirmed.

        A kind that the agreement does not know is recorded with a warning.
        """
        named: list[tuple[LeadId, EngagementIn]] = []
        known = agreements.in_force(datetime.now(UTC)).engagements
        for index, one in enumerate(said):
            not_from_the_future(one.occurred_at, f"[{index}].occurred_at")
            named.append((lead_named(one, f"[{index}]."), one))
        observed, warnings = await stewardship.observe(named, key=key, traceparent=trace_of(request))
        warnings += [
            f"[{i}].kind {e.kind!s} is not in the agreement: it is recorded and no rule sees it"
            for i, e in enumerate(said)
            if e.kind not in known
        ]
        body: dict[str, Any] = {
            "accepted": len(observed),
            "engagements": [{"lead_id": o.lead_id, "event_id": o.event_id} for o in observed],
        }
        return JSONResponse(body | {"warnings": warnings} if warnings else body, 202)

    @router.post("/consents", status_code=202, tags=["leads"], summary="Record what a person allows or forbids")
    async def consent(request: HttpRequest, said: ConsentIn, key: IdempotencyKey = None) -> JSONResponse:
        not_from_the_future(said.occurred_at, "occurred_at")
        done = await stewardship.consent(lead_named(said), said, key=key, traceparent=trace_of(request))
        return JSONResponse({"lead_id": done.lead_id, "event_id": done.event_id}, 202)

    @router.delete("/leads/{lead_id}", tags=["leads"], summary="Erase a person")
    async def erase(request: HttpRequest, lead_id: LeadId) -> JSONResponse:
        """The profile is gone from every service within seconds, from the log's files within a day."""
        await _stewarded(stewardship.erase(lead_id, traceparent=trace_of(request)))
        return JSONResponse({"lead_id": lead_id, "lead_status": "erased"})

    @router.post("/leads/{lead_id}/suppress", tags=["leads"], summary="Nobody works this lead any more")
    async def suppress(request: HttpRequest, lead_id: LeadId, said: SuppressIn | None = None) -> JSONResponse:
        said = said or SuppressIn()
        reasons = agreements.in_force(datetime.now(UTC)).reasons.values()
        allowed = [str(r.id) for r in reasons if r.allows(ReasonUse.SUPPRESS)]
        if "reason" in said.model_fields_set and allowed and said.reason not in allowed:
            raise refused(
                "reason", f"the agreement has no reason {said.reason!s} for suppressing; it has {', '.join(allowed)}"
            )
        await _stewarded(stewardship.suppress(lead_id, said.reason, traceparent=trace_of(request)))
        return JSONResponse({"lead_id": lead_id, "lead_status": "suppressed"})

    @router.post("/leads/{lead_id}/merge", tags=["leads"], summary="This lead turned out to be another one")
    async def merge(request: HttpRequest, lead_id: LeadId, said: MergeIn) -> JSONResponse:
        survivor = await _stewarded(stewardship.merge(lead_id, said.survivor, traceparent=trace_of(request)))
        return JSONResponse({"lead_id": lead_id, "lead_status": "merged", "survivor": survivor})

    @router.post("/leads/{lead_id}/unmerge", tags=["leads"], summary="It was not that other one after all")
    async def unmerge(request: HttpRequest, lead_id: LeadId) -> JSONResponse:
        await _stewarded(stewardship.unmerge(lead_id, traceparent=trace_of(request)))
        return JSONResponse({"lead_id": lead_id, "lead_status": "new"})

    @router.api_route("/hooks/{connection}", methods=["GET", "POST"], tags=["hooks"], summary="Vendors' webhooks")
    async def hook(connection: str) -> JSONResponse:
        raise Problem(
            404,
            "No such connection",
            f"There is no connection {connection[:80]!r}: none is set up in this installation.",
        )

    return router


async def _stewarded(doing: Awaitable[T]) -> T:
    try:
        return await doing
    except NoSuchLead as error:
        raise Problem(
            404, "No such lead", f"{_capital(str(error))}: check the id; POST /v1/leads answers it."
        ) from error
    except NotNow as error:
        raise Problem(409, "Not in this state", f"{_capital(str(error))}.") from error


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
