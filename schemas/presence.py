"""How much a rep may be given and when he is there, as the roster and the events of a team say it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Model
from schemas.ids import CalendarId, ZoneName
from schemas.vocabulary import Grade

_SPELLED = r"^\d{4}-\d{2}-\d{2}$"


def _a_date(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _exists(value: str) -> str:
    date.fromisoformat(value)
    return value


Day = Annotated[
    str,
    Field(pattern=_SPELLED),
    BeforeValidator(_a_date),
    AfterValidator(_exists),
    PlainSerializer(str, return_type=str),
]
"""A calendar day, YYYY-MM-DD, in the rep's zone."""

Weekday = Annotated[int, Field(ge=0, le=6)]
"""0 is Monday."""

Minute = Annotated[int, Field(ge=0, le=1440)]
"""Minutes since midnight on the wall clock of the rep's zone."""


class CapPer(StrEnum):
    """What a cap counts: leads held at once (`open`), or leads given in a length of time."""

    OPEN = "open"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Cap(Model):
    """At most so many leads. rolling: in the last 60 minutes, 24 hours, 7 or 30 days; else since the hour, day, week
    (Monday) or month of the rep's zone began. grades: only leads of these grades count and are held back; none: all.
    """

    at_most: Annotated[int, Field(ge=0, le=100_000)]
    per: CapPer
    rolling: bool = False
    grades: tuple[Grade, ...] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Cap:
        if self.rolling and self.per is CapPer.OPEN:
            raise PydanticCustomError("bad_cap", "leads held at once have no rolling window")
        if self.rolling and self.at_most > ROLLING_AT_MOST:
            raise PydanticCustomError(
                "bad_cap", "a rolling cap is at most {most}; use a calendar one", {"most": ROLLING_AT_MOST}
            )
        return self


ROLLING_AT_MOST = 1000
"""A rolling cap remembers when each of its leads was given, so it is bounded."""


class Leave(Model):
    """Days off, both included."""

    first: Day
    last: Day

    @model_validator(mode="after")
    def _in_order(self) -> Leave:
        if self.last < self.first:
            raise PydanticCustomError("bad_leave", "the leave ends before it begins")
        return self


class Break(Model):
    """A time of these weekdays at which the rep takes nothing, such as lunch."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    start: Minute
    end: Minute

    @model_validator(mode="after")
    def _in_order(self) -> Break:
        if self.end <= self.start:
            raise PydanticCustomError("bad_break", "the break ends before it begins")
        return self


class WorkingHours(Model):
    """When a rep works, as far as others need it: his calendar, where his days begin, breaks, and days off to come."""

    calendar: CalendarId | None = None
    zone: ZoneName | None = None
    breaks: Annotated[tuple[Break, ...], Field(max_length=20)] = ()
    leave: Annotated[tuple[Leave, ...], Field(max_length=100)] = ()
