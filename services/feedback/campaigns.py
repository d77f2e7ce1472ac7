"""What marketing says about its campaigns: not in the log, so it is kept in a database of its own that nothing rebuilds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

import sqlalchemy as sa
from pydantic import Field, model_validator

from schemas.vocabulary import Money
from services.runtime.http import Request
from services.runtime.own_records import OwnRecords
from services.runtime.settings import Settings

_METADATA = sa.MetaData()
_CAMPAIGNS = sa.Table(
    "campaigns", _METADATA, sa.Column("campaign", sa.Text, primary_key=True), sa.Column("body", sa.Text, nullable=False)
)


class Amount(Request):
    """Money as it comes in."""

    amount: Annotated[Decimal, Field(max_digits=18, decimal_places=4, ge=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    def money(self) -> Money:
        return Money(amount=self.amount, currency=self.currency)


class Spend(Request):
    """What was spent in one month."""

    month: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-03"])]
    amount: Amount


class Campaign(Request):
    """A campaign: when it ran, what it was to reach, what it cost."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    from_: Annotated[date, Field(alias="from")]
    to: date | None = None
    channel: Annotated[str, Field(max_length=200)] | None = None
    target: dict[Annotated[str, Field(max_length=64)], int | str] = Field(default_factory=dict)
    spend: Annotated[list[Spend], Field(max_length=240)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _in_order(self) -> Campaign:
        if self.to is not None and self.to < self.from_:
            raise ValueError("a campaign ends after it begins: set `to` to a day on or after `from`")
        return self


class Campaigns:
    """The campaigns by id."""

    def __init__(self, settings: Settings) -> None:
        self._records = OwnRecords(settings, "campaigns", _METADATA)

    async def put(self, campaign_id: str, campaign: Campaign) -> None:
        """Keep it, in the place of what was said before. Raises Behind if the database is away."""
        body = campaign.model_dump_json(by_alias=True)

        def replace(connection: sa.Connection) -> None:
            connection.execute(sa.delete(_CAMPAIGNS).where(_CAMPAIGNS.c.campaign == campaign_id))
            connection.execute(sa.insert(_CAMPAIGNS), {"campaign": campaign_id, "body": body})

        await self._records.write(replace)

    async def all(self) -> dict[str, Campaign]:
        """Every campaign that was put. Raises Behind if the database is away."""
        rows = await self._records.read(lambda c: list(c.execute(sa.select(_CAMPAIGNS))))
        return {row.campaign: Campaign.model_validate_json(row.body) for row in rows}

    async def close(self) -> None:
        await self._records.close()
