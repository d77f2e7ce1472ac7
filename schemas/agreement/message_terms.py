"""How people are told: the words of their messages, how much of the person is in them, and how many come in a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.durations import Length
from schemas.agreement.part import Part
from schemas.agreement.tools import PersonalField
from schemas.vocabulary import Slug

SUBJECT_AT_MOST, BODY_AT_MOST = 500, 8_000
"""Characters of a template."""


class Template(Part):
    """The words of a message, as jinja2 templates. `personal`: what of the person they may say, and nothing else."""

    subject: Annotated[str, Field(min_length=1, max_length=SUBJECT_AT_MOST)]
    body: Annotated[str, Field(min_length=1, max_length=BODY_AT_MOST)]
    personal: tuple[PersonalField, ...] = ()


class AtMost(Part):
    """So many messages in any hour, and in any 24 hours. What is over waits, and comes as one message as soon as one may come."""

    per_hour: Annotated[int, Field(ge=1, le=1_000)] | None = None
    per_day: Annotated[int, Field(ge=1, le=1_000)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> AtMost:
        if self.per_hour is None and self.per_day is None:
            raise PydanticCustomError("bad_limit", "a limit needs per_hour or per_day")
        return self


class Manner(Part):
    """How a recipient is told. gather: what comes within that long is one message. template: one of `templates`; none: the
    built-in words. at_most: of messages; none: no limit but that of a storm."""

    gather: Length = timedelta()
    template: Slug | None = None
    at_most: AtMost | None = None
