"""Pools and the rules that choose one: who deals how, until when an offer stands, where a lead goes that waits too long."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.conditions import Condition
from schemas.agreement.durations import PositiveLength
from schemas.agreement.facts import Held, as_number, say
from schemas.agreement.part import Part, as_list
from schemas.agreement.whereabouts import LANGUAGE, PRODUCT
from schemas.ids import CalendarId, PoolId, RoleId, RuleId, TeamId
from schemas.vocabulary import AttributeName, Because


class PoolMode(StrEnum):
    """How a pool gives its leads away.

    fair: to him who has the greatest shortfall against his weighted share. fewest_open: to him who holds the fewest.
    skill: fair among those who have every skill that the lead needs. claim: to the first who takes it.
    """

    FAIR = "fair"
    FEWEST_OPEN = "fewest_open"
    SKILL = "skill"
    CLAIM = "claim"


class Overflow(Part):
    """A lead that has waited so long goes to another pool, in the order of its first arrival."""

    after: PositiveLength
    to: PoolId


class Success(Part):
    """Weights may follow past success: each stays between these shares of the weight that the roster gives."""

    at_least: Annotated[int, Field(ge=10, le=100)] = 50
    """Per cent. Above zero, so that nobody starves."""
    at_most: Annotated[int, Field(ge=100, le=300)] = 150
    counted_from: Annotated[int, Field(ge=1, le=1000)] = 20
    """So many ended assignments before a rep's weight moves at all."""
    half_life: PositiveLength | None = None
    """How fast the past fades; none: it does not."""


class Pool(Part):
    """Reps of one team with one role, and how leads are given to them."""

    team: TeamId
    role: RoleId = RoleId("sdr")
    mode: PoolMode = PoolMode.FAIR
    title: Because = Because("")
    skills_from: Annotated[tuple[AttributeName, ...], BeforeValidator(as_list)] = (LANGUAGE, PRODUCT)
    """Mode skill: the attributes whose values a rep must have among his skills."""
    accept_within: PositiveLength | None = None
    """So long an offer stands; then it is withdrawn and the lead offered on. None: until a clock ends it."""
    accept_calendar: CalendarId | None = None
    """By which calendar that time runs; none: the rep's own hours."""
    claim_within: PositiveLength | None = None
    """Mode claim: so long a lead waits to be claimed; then it is dealt fairly."""
    idle_after: PositiveLength | None = None
    """Who has not acted for so long of his hours, though he was given a lead, gets no more until he acts."""
    overflow: Overflow | None = None
    success: Success | None = None

    @model_validator(mode="after")
    def _fits_mode(self) -> Pool:
        if self.claim_within is not None and self.mode is not PoolMode.CLAIM:
            raise PydanticCustomError("wrong_mode", "claim_within is only for pools of mode claim")
        return self


def _percent(value: Any) -> Any:
    number = as_number(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
    if number is None or not 0 < number < 100 or int(number.as_tuple().exponent) < -2:
        raise PydanticCustomError(
            "bad_number",
            "{value} is no percentage above 0 and below 100 (two decimal places)",
            {"value": repr(value)[:80]},
        )
    return number


Percent = Annotated[Decimal, BeforeValidator(_percent, json_schema_input_type=float)]


class RoutingRule(Part):
    """Where a lead goes. Without `role` it is asked for leads of every role.

    percent: of the leads for which `when` holds only so many, always the same ones: a lead's place between 0 and 100
    is a hash of the lead and the rule's id.
    """

    id: RuleId
    pool: PoolId
    role: RoleId | None = None
    when: Condition | None = None
    percent: Percent | None = None
    because: Because

    @property
    def always(self) -> bool:
        """Whether it holds of every lead."""
        return self.when is None and self.percent is None

    def takes(self, lead: str | None) -> Held:
        """Whether the lead is in the rule's part of the split; without an id it is not."""
        if self.percent is None:
            return Held(True, "there is no split")
        place = split_place(lead, self.id) if lead is not None else Decimal(100)
        if place < self.percent:
            return Held(True, f"the lead is among the {say(self.percent)} per cent of {self.id}")
        return Held(False, f"the lead is not among the {say(self.percent)} per cent of {self.id}")


def split_place(lead: str, rule: str) -> Decimal:
    """Where a lead stands in a rule's split, from 0.00 to 99.99: the same at every asking."""
    number = int.from_bytes(blake2b(f"{lead}/{rule}".encode(), digest_size=8).digest())
    return Decimal(number * 10_000 // (1 << 64)) / 100


class Owners(Part):
    """Who has a lead or its company already comes first, if he can take it: after the pool is chosen."""

    known_leads: bool = True
    """Who accepted the lead in an earlier cycle gets it again."""
    accounts: bool = True
    """The owner of the lead's company, by the domain of its mail."""
    names_alike_from: Annotated[int, Field(ge=70, le=100)] | None = None
    """Companies are also found by name, if the names are at least so alike (of 100); none: by domain only."""
