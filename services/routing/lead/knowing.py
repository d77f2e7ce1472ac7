"""What routing by lead learns of a lead for its rules."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from schemas.agreement import Facts
from schemas.base import Event
from schemas.events.intake import LeadErased, LeadSubmitted
from schemas.events.scoring import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored
from schemas.lifecycle import Effect, State
from schemas.vocabulary import Source
from services.routing.lead.state import Known
from services.runtime.protocol import Context


def learn(known: Known, event: Event, context: Context) -> Known:
    """What is known after the event. What is void or a repeat is not learnt; an erasure forgets all."""
    if context.effect is not Effect.EFFECT:
        return known
    match event:
        case LeadErased():
            return Known()
        case LeadSubmitted():
            return _submitted(Known() if context.before.state in (State.NONE, State.ERASED) else known, event)
        case LeadScored():
            return replace(
                known,
                score=event.score,
                fit=event.fit,
                engagement=event.engagement,
                grade=event.grade,
                stage=_text(event.stage),
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
        score=known.score,
        fit=known.fit,
        engagement=known.engagement,
        grade=known.grade,
        stage=known.stage,
        lead=lead,
    )
