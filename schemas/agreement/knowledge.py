"""What is known of a lead, and how it grows: submissions override, engagements add up in whatever order they come.

One pure fold over a lead's log, the same for scoring, for whoever asks what a score was at some instant, and off line.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from schemas.agreement.agreement import Agreement
from schemas.agreement.facts import Facts, Seen
from schemas.base import Event
from schemas.events.intake import EngagementObserved, LeadSubmitted
from schemas.lifecycle import Effect, Life, State
from schemas.vocabulary import LifecycleStage, Source

ENGAGEMENTS_KEPT = 10
"""Newest engagements kept of each kind even if today's rules count fewer: tomorrow's agreement may count more."""
KEPT_FOR_MS = 400 * 24 * 3600 * 1000
CAMPAIGNS_KEPT = 20
_SOURCE_FIELDS = ("channel", "campaign", "medium", "term", "content", "utm_source")


class Knowledge(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that the rules may ask for. Begins anew with every life of the lead."""

    life: int = 0
    attributes: dict[str, bool | int | str] = {}
    """The latest value of each; decimals as text."""
    country: str | None = None
    source: dict[str, str] = {}
    """Of the latest submission that named one, by field."""
    campaigns: dict[str, int] = {}
    """Every campaign that touched the lead, with the last time in ms."""
    engagements: dict[str, tuple[Seen, ...]] = {}
    """By kind, newest first, without what no rule can count any more."""


K = TypeVar("K", bound=Knowledge)


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def learn(
    known: K, event: Event, agreement: Agreement, *, life: Life, effect: Effect, position: int, now: datetime
) -> K:
    """What is known after `event`. life: the lead after it; effect: what it did to it; now: of its record."""
    if life.state is State.ERASED:
        return type(known)(life=life.life)
    if known.life != life.life:
        known = replace(known, life=life.life) if known.life == 0 and life.life == 1 else type(known)(life=life.life)
    if isinstance(event, LeadSubmitted):
        if effect is not Effect.EFFECT:
            return known
        return with_submission(known, event, agreement, milliseconds(now))
    if isinstance(event, EngagementObserved):
        return with_engagement(known, event, agreement, position, milliseconds(now))
    return known


def with_submission(known: K, event: LeadSubmitted, agreement: Agreement, now_ms: int) -> K:
    """What is known after a submission: what it says overrides, what it leaves out stays."""
    told = {
        str(k): format(v, "f") if isinstance(v, Decimal) else v if isinstance(v, bool | int) else str(v)
        for k, v in event.attributes.items()
    }
    source = {f: str(v) for f in _SOURCE_FIELDS if (v := getattr(event.source, f)) is not None}
    return replace(
        known,
        attributes={**known.attributes, **told} if told else known.attributes,
        country=event.country or known.country,
        source=source or known.source,
        campaigns=_touched(known.campaigns, event.source, agreement, now_ms),
    )


def with_engagement(known: K, event: EngagementObserved, agreement: Agreement, position: int, now_ms: int) -> K:
    """What is known after an engagement; one of a kind that the agreement does not know leaves only its campaign.

    What claims to happen in the future happened when it was recorded.
    """
    at_ms = min(milliseconds(event.occurred_at), now_ms)
    campaigns = _touched(known.campaigns, event.source, agreement, at_ms)
    if event.kind not in agreement.engagements:
        return replace(known, campaigns=campaigns) if campaigns != known.campaigns else known
    kind = str(event.kind)
    seen = sorted((*known.engagements.get(kind, ()), Seen(at_ms, position, event.quantity)), reverse=True)
    return replace(
        known, engagements={**known.engagements, kind: _kept(seen, kind, agreement, now_ms)}, campaigns=campaigns
    )


def _kept(seen: list[Seen], kind: str, agreement: Agreement, now_ms: int) -> tuple[Seen, ...]:
    """The newest that some rule can still count, and a few more: a function of the set, so order does not matter."""
    most, back_ms = agreement.counted.get(kind, (0, 0))
    oldest = -(1 << 62) if back_ms is None else now_ms - max(back_ms, KEPT_FOR_MS)
    return tuple(s for s in seen[: max(most, ENGAGEMENTS_KEPT)] if s.at_ms > oldest)


def _touched(campaigns: dict[str, int], source: Source, agreement: Agreement, at_ms: int) -> dict[str, int]:
    name = source.campaign
    if name is None or campaigns.get(name, -1) >= at_ms:
        return campaigns
    touched = {**campaigns, str(name): at_ms}
    newest = sorted(touched.items(), key=lambda item: (-item[1], item[0]))
    return {n: at for i, (n, at) in enumerate(newest) if i < CAMPAIGNS_KEPT or n in agreement.named_campaigns}


def facts(known: Knowledge, life: Life, now: datetime) -> Facts:
    """What the rules may ask for at `now`."""
    return Facts(
        now=now,
        attributes=known.attributes,
        country=known.country,
        source=known.source,
        campaigns=tuple(known.campaigns),
        engagements=known.engagements,
        customer=life.stage is LifecycleStage.CUSTOMER,
    )
