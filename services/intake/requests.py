"""What may be asked of intake: strict models, so that a misspelt field is named and not silently lost."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from schemas.ids import LeadId
from schemas.vocabulary import AttributeName, CountryCode, Money, Reason, Slug
from services.runtime.http import Request


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Fraction = Annotated[float, Field(allow_inf_nan=False)]
Attributes = dict[AttributeName, bool | Whole | Fraction | Text | None]
MaybeLine = Annotated[Line | None, BeforeValidator(_blank_is_none)]
Country = Annotated[CountryCode | None, BeforeValidator(_upper), BeforeValidator(_blank_is_none)]
"""Two letters, ISO 3166, in either case."""


class SourceIn(Request):
    """Where it came from, as the sender says."""

    channel: MaybeLine = None
    campaign: MaybeLine = None
    medium: MaybeLine = None
    term: MaybeLine = None
    content: MaybeLine = None
    utm_source: MaybeLine = None
    cost: Money | None = None


class WhoIn(Request):
    """How the person can be reached: an e-mail address, a telephone number or both."""

    email: Annotated[MaybeLine, Field(description="normalised to lower case; it names the lead")] = None
    phone: Annotated[MaybeLine, Field(description="normalised to E.164; it names the lead where there is no email")] = (
        None
    )
    country: Annotated[
        Country, Field(description="ISO 3166, such as DE; also tells what a phone number without +country code means")
    ] = None


class LeadIn(WhoIn):
    """One submission."""

    name: MaybeLine = None
    company: MaybeLine = None
    message: Annotated[Text | None, BeforeValidator(_blank_is_none)] = None
    attributes: Annotated[Attributes, Field(max_length=200)] = Field(default_factory=dict)
    source: SourceIn = SourceIn()
    consent: Annotated[dict[Slug, bool], Field(max_length=50)] = Field(default_factory=dict)
    external_ids: Annotated[
        dict[Slug, Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=50)
    ] = Field(default_factory=dict)
    submitted_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _reachable(self) -> LeadIn:
        if self.email is None and self.phone is None:
            raise ValueError("a lead needs an email or a phone")
        return self


class EngagementIn(WhoIn):
    """Something that a prospect was seen doing. Says whose it is by lead_id, email or phone."""

    lead_id: LeadId | None = None
    kind: Slug
    occurred_at: AwareDatetime | None = None
    source: SourceIn = SourceIn()
    asset: Slug | None = None
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1

    @model_validator(mode="after")
    def _somebodys(self) -> EngagementIn:
        if self.lead_id is None and self.email is None and self.phone is None:
            raise ValueError("an engagement needs a lead_id, an email or a phone")
        return self


class ConsentIn(WhoIn):
    """Somebody allows or forbids a use of his data."""

    lead_id: LeadId | None = None
    purpose: Slug
    granted: bool
    occurred_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _somebodys(self) -> ConsentIn:
        if self.lead_id is None and self.email is None and self.phone is None:
            raise ValueError("a consent needs a lead_id, an email or a phone")
        return self


class SuppressIn(Request):
    """Nobody may work this lead any more."""

    reason: Reason = Reason("suppressed")


class MergeIn(Request):
    """The lead of the address turned out to be this one."""

    survivor: LeadId


class UnmergeIn(Request):
    """The lead was not that other one after all."""
