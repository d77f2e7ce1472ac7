"""A submission's source, cleaned: what looks like a person's address or number must not get into the leads' log."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from schemas.ids import CampaignId
from schemas.personal import looks_personal
from schemas.vocabulary import NonPersonalText, Source
from services.intake.requests import SourceIn

_LONGEST = 120
_AS_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
"""A token that can never be taken for a number."""


def cleaned(source: SourceIn, secret: bytes) -> tuple[Source, tuple[str, ...]]:
    """The source as it may be published, and a warning for each field that was left out or hidden.

    A campaign that looks personal (a bare number of eleven digits is a telephone number as well as an advertiser's
    campaign id) is replaced by a token of it, so that its leads still count together.
    """
    warnings: list[str] = []

    def text(name: str, hide: Callable[[str], str] | None = None) -> str | None:
        raw = getattr(source, name)
        if raw is None:
            return None
        line = " ".join(raw.split())[:_LONGEST].strip()
        if not line or not line.isprintable():
            line = "".join(c for c in line if c.isprintable())
        if not line:
            return None
        if looks_personal(line):
            done = "hidden behind a token" if hide else "left out"
            warnings.append(f"source.{name} looks like a person's address or number and was {done}")
            return hide(line) if hide else None
        return line

    def token(line: str) -> str:
        return "hidden-" + hmac.digest(secret, b"campaign" + line.encode(), "sha256").hex()[:12].translate(_AS_LETTERS)

    def non_personal(name: str) -> NonPersonalText | None:
        line = text(name)
        return None if line is None else NonPersonalText(line)

    campaign = text("campaign", hide=token)
    return (
        Source(
            channel=non_personal("channel"),
            campaign=None if campaign is None else CampaignId(campaign),
            medium=non_personal("medium"),
            term=non_personal("term"),
            content=non_personal("content"),
            utm_source=non_personal("utm_source"),
            cost=source.cost,
        ),
        tuple(warnings),
    )
