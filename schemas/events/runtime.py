"""What the runtime says: a deadline has come, a record could not be processed."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Base64Bytes, field_validator

from schemas.base import Event, Instant
from schemas.ids import ErrorName, LogKey, ProcessorName, TopicName, TypeName


class TimerDue(Event):
    """A deadline that `processor` keeps for `key` has come; its state says whether it still counts."""

    key: LogKey
    processor: ProcessorName
    due_at: Instant
    agreement_version: int | None = None
    """Set when what has come is a new agreement."""


class DeadLettered(Event):
    """A record that could not be processed, whole. Key, value, headers and error are encrypted (`sealed`)."""

    processor: ProcessorName
    topic: TopicName
    partition: int
    offset: int
    event_type: TypeName | None
    """None also where the header held something that is no type name; the header itself is sealed."""
    error: ErrorName
    """The error's class name: its text may quote the record and is sealed."""
    sealed: Base64Bytes

    @field_validator("event_type", mode="before")
    @classmethod
    def _only_a_type_name(cls, value: Any) -> Any:
        return value if isinstance(value, str) and re.fullmatch(TypeName.PATTERN, value) else None
