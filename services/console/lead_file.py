"""A lead as a file (JSON), for scoring off line: read with care, and known as scoring would know it from its log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from msgspec.structs import replace
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas.agreement import Agreement, Facts
from schemas.agreement.knowledge import Knowledge, facts, learn
from schemas.base import Event
from schemas.events.intake import EngagementObserved, LeadSubmitted
from schemas.ids import CampaignId, EventId, LeadId, SubmissionId, digest
from schemas.lifecycle import UNBORN, Life, fold
from schemas.vocabulary import CountryCode, LifecycleStage, NonPersonalText, Slug, Source
from services.console.terminal import Refused

BYTES_AT_MOST = 5_000_000
_LEAD = LeadId("00000000-0000-5000-8000-000000000000")
_SUBMISSION = SubmissionId("00000000-0000-4000-8000-000000000000")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _From(_Strict):
    channel: NonPersonalText | None = None
    campaign: CampaignId | None = None
    medium: NonPersonalText | None = None
    term: NonPersonalText | None = None
    content: NonPersonalText | None = None
    utm_source: NonPersonalText | None = None
    cost: Any = None

    def source(self) -> Source:
        return Source.model_validate(self.model_dump(exclude={"cost"}))


class _Engagement(_Strict):
    kind: Slug
    at: Annotated[AwareDatetime, Field(validation_alias=AliasChoices("at", "occurred_at"))]
    source: _From = _From()
    asset: Slug | None = None
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class LeadFile(_Strict):
    """What a lead has told and done. What intake takes and no rule may ask for is accepted, and not looked at."""

    attributes: dict[str, Any] = {}
    country: CountryCode | None = None
    source: _From = _From()
    engagements: list[_Engagement] = []
    submitted_at: AwareDatetime | None = None
    at: AwareDatetime | None = None
    """The instant at which it is to be judged, if nobody names another."""
    campaigns: list[CampaignId] = []
    """Campaigns that touched it, besides its source's."""
    existing_customer: bool = False
    lead_id: Any = None
    email: Any = None
    phone: Any = None
    name: Any = None
    company: Any = None
    consent: Any = None
    external_ids: Any = None
    message: Any = None


class _Happened(NamedTuple):
    at: datetime
    order: Literal[0, 1]
    event: Event


def read_lead_file(path: Path) -> LeadFile:
    """The lead in a file. Raises Refused with the place and the remedy of the first thing that is wrong."""
    try:
        content = path.read_bytes()
        if len(content) > BYTES_AT_MOST:
            raise Refused(f"{path} has {len(content)} bytes, and a lead has at most {BYTES_AT_MOST}")
        return LeadFile.model_validate(json.loads(content))
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}): name a JSON file that holds a lead") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise Refused(f'{path} is no JSON ({line}): write {{"attributes": {{…}}, "engagements": […]}}') from error
    except ValidationError as error:
        raise Refused(f"{path}: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        known = ", ".join(LeadFile.model_fields) if len(fault["loc"]) == 1 else "kind, at, source, quantity"
        return f"nobody knows {place} here; there are {known}"
    if fault["type"].startswith("timezone"):
        return f"{place} names no time zone: end it with Z or +01:00, such as 2026-03-01T09:00:00Z"
    return f"{place}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def known_at(lead: LeadFile, agreement: Agreement, at: datetime) -> Facts:
    """What scoring would know of this lead at `at`: by the same fold over the same events. Raises Refused."""
    if lead.submitted_at is not None and lead.submitted_at > at:
        raise Refused(f"submitted_at is {lead.submitted_at.isoformat()}, after {at.isoformat()}: ask for a later --at")
    known, life = Knowledge(), UNBORN
    for position, happened in enumerate(sorted(_events(lead, agreement, at), key=lambda h: (h.at, h.order))):
        event, now = happened.event, happened.at
        life, effect = fold(life, event, position=position, now=now, event_id=EventId(f"file.{position}"))
        known = learn(known, event, agreement, life=life, effect=effect, position=position, now=now)
    return facts(known, _as_customer(life) if lead.existing_customer else life, at)


def _as_customer(life: Life) -> Life:
    return replace(life, stage=LifecycleStage.CUSTOMER)


def _events(lead: LeadFile, agreement: Agreement, at: datetime) -> Iterator[_Happened]:
    submitted = lead.submitted_at or at
    told = LeadSubmitted.model_validate(
        {
            "lead_id": _LEAD,
            "submission_id": _SUBMISSION,
            "content": digest(b"file"),
            "submitted_at": submitted,
            "source": lead.source.source(),
            "country": lead.country,
            "attributes": dict(_attributes(lead.attributes, agreement)),
        }
    )
    yield _Happened(submitted, 0, told)
    for campaign in lead.campaigns:
        yield _Happened(submitted, 1, _touch(campaign, submitted, agreement))
    for seen in lead.engagements:
        if seen.kind not in agreement.engagements:
            raise Refused(f"the agreement knows no engagement {seen.kind!r}{_meant(seen.kind, agreement.engagements)}")
        if seen.at <= at:
            observed = EngagementObserved(
                lead_id=_LEAD,
                kind=seen.kind,
                occurred_at=seen.at,
                source=seen.source.source(),
                asset=seen.asset,
                quantity=seen.quantity,
            )
            yield _Happened(seen.at, 1, observed)


def _touch(campaign: CampaignId, at: datetime, agreement: Agreement) -> EngagementObserved:
    """An engagement of a kind that the agreement does not know: it leaves only its campaign."""
    kind = "touched"
    while kind in agreement.engagements:
        kind += "-else"
    return EngagementObserved(lead_id=_LEAD, kind=Slug(kind), occurred_at=at, source=Source(campaign=campaign))


def _attributes(told: Mapping[str, Any], agreement: Agreement) -> Iterator[tuple[str, Any]]:
    """The attributes that rules may ask for, read as intake reads them."""
    for name, value in told.items():
        attribute = next((a for n, a in agreement.attributes.items() if n == name), None)
        if attribute is None:
            raise Refused(f"the agreement knows no attribute {name!r}{_meant(name, agreement.attributes)}")
        if attribute.personal or value is None:
            continue
        if isinstance(value, list | dict):
            raise Refused(f"attributes.{name} is a {'list' if isinstance(value, list) else 'section'}: write one value")
        try:
            yield name, attribute.read(value)
        except ValueError as error:
            raise Refused(f"attributes.{name} is {str(value)[:60]!r}: {error}") from error


def _meant(word: str, known: Any) -> str:
    names = sorted(str(name) for name in known)
    close = get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; it knows {', '.join(names[:20]) or 'none'}"
