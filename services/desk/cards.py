"""What a rep is shown of a lead besides its life and the person: kept up to date event by event. Pure."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from schemas.base import Event
from schemas.events import desk, intake, routing, scoring
from schemas.lifecycle import Life, State
from services.desk import telling
from services.desk.attempts import attempts_after, milliseconds
from services.desk.rows import NEW_CARD, Card, Line

LINES_KEPT = 40
ENGAGEMENTS_KEPT = 6
_LARGEST_WHOLE = 2**53


def card_after(card: Card, event: Event, event_id: str, before: Life, after: Life, now_ms: int) -> Card:
    """The card after an event in effect. Ids, rule texts and non-personal attributes only."""
    attempts = attempts_after(card.attempts, event, event_id, before, after)
    if attempts != card.attempts:
        card = replace(card, attempts=attempts)
    match event:
        case intake.LeadSubmitted():
            card = NEW_CARD if before.state in (State.NONE, State.ERASED) else card
            source = {k: str(v) for k, v in event.source.model_dump(exclude={"cost"}, exclude_none=True).items()}
            attributes = {**card.attributes, **{str(k): _plain(v) for k, v in event.attributes.items()}}
            card = replace(
                card,
                submitted_ms=now_ms,
                began_ms=min(card.began_ms or now_ms, milliseconds(event.submitted_at)),
                submissions=card.submissions + 1,
                source=source or card.source,
                form=str(event.form) if event.form else card.form,
                country=event.country or card.country,
                attributes=attributes,
            )
            return _told(card, now_ms, telling.arrived(event))
        case scoring.LeadScored():
            contributions = tuple(c.model_dump(mode="json") for c in event.contributions)
            return replace(card, score=format(event.score, "f"), grade=event.grade, contributions=contributions)
        case intake.EngagementObserved():
            line = Line(int(event.occurred_at.timestamp() * 1000), telling.words(event.kind))
            return replace(card, engagements=(*card.engagements, line)[-ENGAGEMENTS_KEPT:])
        case routing.LeadQueued() if after.state is State.OPEN:
            return replace(card, queued=str(event.because), waiting_ms=card.waiting_ms or now_ms)
        case routing.LeadRouted():
            card = replace(card, routed=str(event.because), queued=None, waiting_ms=card.waiting_ms or now_ms)
        case routing.LeadAssigned():
            card = replace(card, assigned=str(event.because), queued=None, waiting_ms=0, held_ms=now_ms, next_step=None)
        case desk.NextStepSet():
            return replace(card, next_step=event.model_dump(mode="json")["due_at"])
        case scoring.LeadQualified() | scoring.LeadNurtured() | scoring.LeadDisqualified():
            card = replace(card, verdict=str(event.because))
        case _:
            pass
    text = telling.line_of(event)
    return card if text is None else _told(card, now_ms, text)


def _told(card: Card, now_ms: int, text: str) -> Card:
    return replace(card, story=(*card.story, Line(now_ms, text))[-LINES_KEPT:])


def _plain(value: object) -> str | int | float | bool:
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
        return str(value)
    return value if isinstance(value, bool | int) else format(value, "f") if isinstance(value, Decimal) else str(value)
