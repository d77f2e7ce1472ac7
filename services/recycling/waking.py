"""What wakes a lead that waits: its date, what it does, how often, its score, a campaign, a new submission."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from schemas.agreement.rest_terms import TIMES_AT_MOST
from schemas.events.intake import EngagementObserved
from schemas.events.recycling import (
    CampaignTouched,
    DateCame,
    EngagedAgain,
    LeadRecycled,
    ScoreReached,
    SubmittedAgain,
)
from schemas.ids import CampaignId
from schemas.lifecycle import Life, State
from schemas.vocabulary import Slug
from services.recycling.state import Many, Rests

MAY_WAKE = frozenset({State.RECYCLED, State.RETIRED, State.LOST})
ENDED = frozenset({State.RETURNED, State.LOST})
KINDS_KEPT = 32

Woken = DateCame | EngagedAgain | SubmittedAgain | ScoreReached | CampaignTouched


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def promised(rests: Rests, said: LeadRecycled) -> Rests:
    """What was said of the rest: that is what counts, whatever a later agreement says."""
    return replace(
        rests,
        wakes_ms=milliseconds(said.wakes_at) if said.wakes_at is not None else 0,
        wakes_on=tuple(str(k) for k in said.wakes_on),
        wakes_on_many=tuple(
            Many(str(m.engagement), m.at_least, 0 if m.within is None else round(m.within.total_seconds() * 1000))
            for m in said.wakes_on_many
        ),
        wakes_from="" if said.wakes_from_score is None else f"{said.wakes_from_score:f}",
        wakes_on_campaigns=tuple(str(c) for c in said.wakes_on_campaigns),
        next_rep=said.next_rep,
        times={**rests.times, str(said.reason): rests.times.get(str(said.reason), 0) + 1},
    )


def remembered(rests: Rests, event: EngagementObserved, now_ms: int) -> Rests:
    """What was seen since the lead ended, with this: the newest times of the newest kinds, and by which campaigns."""
    at_ms = min(milliseconds(event.occurred_at), now_ms)
    if at_ms <= rests.ended_ms:
        return rests
    kind, campaign = str(event.kind), event.source.campaign
    times = sorted((*_times(rests, kind), *[at_ms] * min(event.quantity, TIMES_AT_MOST)), reverse=True)[:TIMES_AT_MOST]
    known = {k: _times(rests, k) for k in rests.seen} | {kind: tuple(times)}
    newest = sorted(known.items(), key=lambda item: (-item[1][0], item[0]))[:KINDS_KEPT]
    touched = rests.touched_by
    if campaign is not None and str(campaign) not in touched:
        touched = (*touched, str(campaign))[-KINDS_KEPT:]
    seen: dict[str, int | tuple[int, ...]] = dict(sorted(newest))
    return replace(rests, seen=seen, touched_by=touched)


def _times(rests: Rests, kind: str) -> tuple[int, ...]:
    """When it was seen doing this since it ended, newest first, in ms."""
    times = rests.seen.get(kind, ())
    return (times,) if isinstance(times, int) else times


def wake(rests: Rests, life: Life, now_ms: int) -> Woken | None:
    """What wakes the lead now: a submission, also one that came while it was still on its way to its rest; else, while it
    rests, whatever its rest promised that has come."""
    if life.state not in MAY_WAKE or rests.woken >= life.epoch:
        return None
    if life.submitted > life.ended:
        return SubmittedAgain()
    if life.state is not State.RECYCLED:
        return None
    return _done(rests, now_ms) or _date(rests, now_ms)


def _done(rests: Rests, now_ms: int) -> Woken | None:
    """What the prospect did that wakes it."""
    for campaign in rests.wakes_on_campaigns:
        if campaign in rests.touched_by:
            return CampaignTouched(campaign=CampaignId(campaign))
    for kind in rests.wakes_on:
        if kind in rests.seen:
            return EngagedAgain(engagement=Slug(kind))
    for many in rests.wakes_on_many:
        times = _times(rests, many.kind)
        oldest = now_ms - many.within_ms if many.within_ms else 0
        if len(times) >= many.at_least and times[many.at_least - 1] > oldest:
            return EngagedAgain(engagement=Slug(many.kind), times=many.at_least)
    if rests.wakes_from and rests.seen and rests.score and Decimal(rests.score) >= Decimal(rests.wakes_from):
        return ScoreReached(score=Decimal(rests.score))
    return None


def _date(rests: Rests, now_ms: int) -> DateCame | None:
    if rests.wakes_ms and now_ms >= rests.wakes_ms:
        return DateCame(due_at=datetime.fromtimestamp(rests.wakes_ms / 1000, UTC))
    return None
