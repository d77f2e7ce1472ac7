"""The root of every published model: frozen, strict about meaning, tolerant of fields a newer writer has added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer


class Model(BaseModel):
    """A frozen value of the published language.

    Unknown fields are ignored, because a running older reader must live with what a newer writer adds; what a person
    sends in over HTTP is checked by stricter models at the edge.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=False, ser_json_timedelta="iso8601")


class Event(Model):
    """A fact, in the past tense. Its type on the wire is the class name and `version`."""

    version: ClassVar[int] = 1

    @classmethod
    def type_name(cls) -> str:
        """The value of the `ce_type` header, such as `leadloop.LeadScored.v1`."""
        return f"leadloop.{cls.__name__}.v{cls.version}"


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _iso(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc), PlainSerializer(_iso, return_type=str, when_used="json")]
"""A point in time: aware on input, UTC ever after."""

Duration = timedelta
"""A length of time; ISO 8601 in JSON."""


class PersonalMark:
    """Marks a type that may hold personal data; only the models of the `profiles` topic may use such a type."""

    def __repr__(self) -> str:
        return "Personal"


Personal: Any = PersonalMark()


class ExplanationMark:
    """Marks a field that only tells people why: what it explains is in other fields, and nothing is decided by it."""

    def __repr__(self) -> str:
        return "Explanation"


Explanation: Any = ExplanationMark()
"""Whoever decides, and whoever follows the log, reads events without such fields (`schemas.wire.decode`)."""
