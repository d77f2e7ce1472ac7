"""Which code, time zone data and holidays a record was decided with: the same log gives the same bytes under the same three."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def writer_version(processor: str) -> str:
    """The `ce_writer` header: `scoring/0.1.0 tzdata/2026.1 holidays/0.80`."""
    return f"{processor}/{version('leadloop')} tzdata/{version('tzdata')} holidays/{version('holidays')}"
