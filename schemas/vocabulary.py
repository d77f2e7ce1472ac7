"""The words of the house as types: statuses, money, grades, reasons, sources, actors."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainSerializer, StringConstraints, field_validator

from schemas.base import Model, Personal
from schemas.ids import CampaignId, Identifier, RepId
from schemas.personal import looks_personal, refuse_personal, spells_phone_number


class LeadStatus(StrEnum):
    """Where a lead is: exactly one at any position of its log."""

    NEW = "new"
    NURTURED = "nurtured"
    DISQUALIFIED = "disqualified"
    WAITING = "waiting"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    WORKING = "working"
    WON = "won"
    LOST = "lost"
    RECYCLED = "recycled"
    RETIRED = "retired"
    SUPPRESSED = "suppressed"
    MERGED = "merged"
    ERASED = "erased"


class LifecycleStage(StrEnum):
    """What the field calls lead, MQL, SAL, SQL and customer."""

    LEAD = "lead"
    MQL = "mql"
    SAL = "sal"
    SQL = "sql"
    CUSTOMER = "customer"


class Slug(Identifier):
    """A word that the agreement or a sender uses: a channel, a kind, a stream."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$"
    SHAPE: ClassVar[str] = "letters, digits, dots, dashes, underscores and blanks, at most 64, and no telephone number"

    @classmethod
    def _vetted(cls, text: str) -> Self:
        return cls(refuse_personal(text, cls.__name__, spells_phone_number))


class Reason(Slug):
    """Why an action was taken: one of the agreement's reasons."""

    __slots__ = ()


class AttributeName(Identifier):
    """An attribute that the agreement declares."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[a-z][a-z0-9_]{0,63}$"
    SHAPE: ClassVar[str] = "a lower-case letter, then letters, digits and underscores, at most 64"


class Because(Identifier):
    """A sentence that the product wrote about a decision; never a person's text."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[^@\x00-\x1f]{0,600}$"
    SHAPE: ClassVar[str] = "one line of at most 600 characters without @ and without a telephone number"

    @classmethod
    def _vetted(cls, text: str) -> Self:
        return cls(refuse_personal(text, cls.__name__, spells_phone_number))


class NonPersonalText(Identifier):
    """A sender's text that names no person: no address, no telephone number, no line breaks."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[^@\x00-\x1f]{0,200}$"
    SHAPE: ClassVar[str] = "one line of at most 200 characters without @ and without a telephone number"

    @classmethod
    def _vetted(cls, text: str) -> Self:
        return cls(refuse_personal(text, cls.__name__, looks_personal))


AttributeValue = bool | int | Decimal | NonPersonalText
"""The value of an attribute that the agreement declares non-personal."""

Points = Annotated[
    Decimal,
    Field(max_digits=12, decimal_places=6),
    PlainSerializer(lambda d: format(d, "f"), return_type=str, when_used="json"),
]
"""Points of a score: exact decimals."""


def as_number(points: Decimal) -> int | float:
    """Points as every HTTP answer gives them: a JSON number, whole where they are. (On Kafka: an exact decimal string.)"""
    return int(points) if points == int(points) else float(points)


Grade = Annotated[
    Literal["A1", "A2", "A3", "A4", "B1", "B2", "B3", "B4", "C1", "C2", "C3", "C4", "D1", "D2", "D3", "D4"],
    Field(description="letter: fit; number: engagement"),
]

LogOffset = Annotated[int, Field(ge=-1)]
"""A position in the log of the partition that the event itself is in."""

CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class Money(Model):
    """An amount with its ISO 4217 currency; amounts travel as decimal strings."""

    amount: Annotated[Decimal, Field(max_digits=18, decimal_places=4)]
    currency: CurrencyCode

    @field_validator("amount", mode="before")
    @classmethod
    def _no_floats(cls, value: Any) -> Any:
        if isinstance(value, float):
            raise ValueError('an amount is a decimal string such as "12.00", not a binary fraction')
        return value


class Source(Model):
    """Where a submission came from."""

    channel: NonPersonalText | None = None
    campaign: CampaignId | None = None
    medium: NonPersonalText | None = None
    term: NonPersonalText | None = None
    content: NonPersonalText | None = None
    utm_source: NonPersonalText | None = None
    cost: Money | None = None


class ByRep(Model):
    kind: Literal["rep"] = "rep"
    rep_id: RepId


class ByManager(Model):
    kind: Literal["manager"] = "manager"
    manager_id: RepId


class BySystem(Model):
    kind: Literal["system"] = "system"
    system: Slug


Actor = Annotated[ByRep | ByManager | BySystem, Field(discriminator="kind")]
"""Who did it."""


class Contribution(Model):
    """One entry of a score; the entries add up to it exactly."""

    part: Literal["fit", "engagement"]
    rule: Slug
    points: Points
    because: Because


class Candidate(Model):
    """A rep who was looked at, and why he was or was not taken."""

    rep_id: RepId
    taken: bool
    because: Because


class PassedOver(Model):
    """A rule that was asked before the one that fired, and why it did not hold."""

    rule: Slug
    because: Because


PersonalText = Annotated[str, StringConstraints(max_length=10_000), Personal]
Email = Annotated[str, StringConstraints(max_length=320), Personal]
Phone = Annotated[str, StringConstraints(max_length=20), Personal]
