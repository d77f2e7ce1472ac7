"""What the two departments promise each other besides rules: buying stages, content for them, goals."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from schemas.agreement.conditions import Condition, Part
from schemas.agreement.facts import as_number
from schemas.vocabulary import Because, CurrencyCode, Money, Slug


class Stage(Part):
    """A buying stage; a lead is in the first whose `when` holds. Without `when` it is every other lead's."""

    id: Slug
    title: Because = Because("")
    when: Condition | None = None


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        shown = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        shown = False
    if not shown:
        raise PydanticCustomError("bad_url", "{value} is no web address", {"value": repr(value)[:80]})
    return value


WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]


class Content(Part):
    """Something to read, watch or send, for prospects in these buying stages."""

    id: Slug
    title: Because
    url: WebAddress
    stages: Annotated[tuple[Slug, ...], Field(min_length=1)]


def _amount(value: Any) -> Any:
    number = as_number(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else None
    if number is None or not 0 < number < 10**12 or int(number.as_tuple().exponent) < -2:
        raise PydanticCustomError("bad_amount", "{value} is no amount of money", {"value": repr(value)[:80]})
    return number


class Amount(Part):
    """Money as an agreement writes it: above zero, to the cent."""

    amount: Annotated[Decimal, BeforeValidator(_amount, json_schema_input_type=int | float | str)]
    currency: CurrencyCode

    @property
    def money(self) -> Money:
        """The same in the published language."""
        return Money(amount=self.amount, currency=self.currency)


class Period(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class RevenueGoal(Amount):
    """What both departments are to bring in together."""

    per: Period = Period.YEAR


def _share(value: Any) -> Any:
    number = as_number(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
    if number is None or not 0 < number <= 1:
        raise PydanticCustomError("bad_share", "{value} is no share of the whole", {"value": repr(value)[:80]})
    return number


Share = Annotated[Decimal, BeforeValidator(_share, json_schema_input_type=float)]
"""Above 0 and at most 1."""


class MarketingGoals(Part):
    """What marketing promises: how many qualified leads, how many of them sales accepts, at what cost each."""

    qualified_per_month: Annotated[int, Field(ge=1)] | None = None
    acceptance_rate: Share | None = None
    cost_per_qualified: Amount | None = None


class SalesGoals(Part):
    """What sales promises: the share of first responses in time, attempts at each lead, by which channels, and a reason
    for every rejection."""

    response_in_time: Share | None = None
    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    channels: tuple[Slug, ...] = ()
    reason_for_every_rejection: bool = True


class Goals(Part):
    """The goals of both departments and the one that they share."""

    revenue: RevenueGoal
    marketing: MarketingGoals = MarketingGoals()
    sales: SalesGoals = SalesGoals()


__all__ = [
    "Amount",
    "Content",
    "Goals",
    "MarketingGoals",
    "Period",
    "RevenueGoal",
    "SalesGoals",
    "Share",
    "Stage",
]
