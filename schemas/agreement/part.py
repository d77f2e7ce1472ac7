"""The root of what people write: a piece of an agreement or of a roster."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A piece of an agreement. Unlike an event it refuses unknown keys: they are mistakes of its author."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def as_list(value: Any) -> Any:
    """One value as a list of one, so that people need no brackets."""
    return value if isinstance(value, list | tuple) else [value]
