"""What is known of a lead besides its engagements: from its submissions and its score. For routing and for clocks."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from schemas.agreement.facts import Facts
from schemas.base import Event
from schemas.events.intake import LeadErased, LeadSubmitted
from schemas.events.scoring import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored
from schemas.lifecycle import Effect, Life, State
from schemas.vocabulary import Source


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rules may ask about the lead, from its submissions and its score."""

    attributes: dict[str, bool | int | str] = {}
    country: str | None = None
    source: dict[str, str] = {}
    score: Decimal = Decimal(0)
    fit: Decimal | None = None
    engagement: Decimal | None = None
    grade: str = "D4"
    stage: str | None = None
    """The buying stage."""
    campaigns: tuple[str, ...] = ()
    """Those that have touched it and that the agreement's routing or clocks ask for, as scoring said."""


def learn(known: Known, event: Event, before: Life, effect: Effect) -> Known:
    """What is known after the event. What is void or a repeat is not learnt; an erasure forgets all.

    before: the lead before the event; effect: what the event did to it.
    """
    if effect is not Effect.EFFECT:
        return known
    match event:
        case LeadErased():
            return Known()
        case LeadSubmitted():
            return _submitted(Known() if before.state in (State.NONE, State.ERASED) else known, event)
        case LeadScored():
            return replace(
                known,
                score=event.score,
                fit=event.fit,
                engagement=event.engagement,
                grade=event.grade,
                stage=_text(event.stage),
                campaigns=tuple(str(name) for name in event.campaigns),
            )
        case LeadQualified() | LeadNurtured() | LeadDisqualified():
            return replace(known, score=event.score, grade=event.grade, stage=_text(event.stage))
    return known


def _submitted(known: Known, e: LeadSubmitted) -> Known:
    return replace(
        known,
        attributes={**known.attributes, **{str(name): _plain(value) for name, value in e.attributes.items()}},
        country=e.country or known.country,
        source=_source(e.source) or known.source,
    )


def _plain(value: object) -> bool | int | str:
    """A value as the state keeps it: decimals as text, as they travel."""
    return value if isinstance(value, bool | int) else str(value)


def _source(source: Source) -> dict[str, str]:
    return {
        name: str(value)
        for name in ("channel", "campaign", "medium", "term", "content", "utm_source")
        if (value := getattr(source, name)) is not None
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def facts(known: Known, now: datetime, lead: str) -> Facts:
    """What the rules are asked about."""
    return Facts(
        now=now,
        attributes=known.attributes,
        country=known.country,
        source=known.source,
        campaigns=known.campaigns,
        score=known.score,
        fit=known.fit,
        engagement=known.engagement,
        grade=known.grade,
        stage=known.stage,
        lead=lead,
    )
