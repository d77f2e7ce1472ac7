"""What the runtime says: a deadline has come, a record could not be processed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Base64Bytes, StringConstraints

from schemas.base import Event, Instant
from schemas.ids import ProcessorName

ErrorText = Annotated[str, StringConstraints(max_length=20_000)]


class TimerDue(Event):
    """A deadline that `processor` keeps for `key` has come; its state says whether it still counts."""

    key: Annotated[str, StringConstraints(max_length=200)]
    processor: ProcessorName
    due_at: Instant
    agreement_version: int | None = None
    """Set when what has come is a new agreement."""


class DeadLettered(Event):
    """A record that could not be processed, whole. Key, value, headers and error are encrypted (`sealed`)."""

    processor: ProcessorName
    topic: Annotated[str, StringConstraints(max_length=249)]
    partition: int
    offset: int
    event_type: Annotated[str, StringConstraints(max_length=200)] | None
    error: Annotated[str, StringConstraints(max_length=200)]
    """The error's class name: its text may quote the record and is sealed."""
    sealed: Base64Bytes
