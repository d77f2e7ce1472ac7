"""What a reason means for a lead that comes back, and what wakes one that waits."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.agreement import Agreement, Otherwise, Recycle, Rest
from schemas.events.intake import EngagementObserved
from schemas.events.recycling import DateCame, EngagedAgain, SubmittedAgain
from schemas.lifecycle import Life, State
from schemas.vocabulary import Slug
from services.recycling.state import Rests

MAY_WAKE = frozenset({State.RECYCLED, State.RETIRED, State.LOST})
ENDED = frozenset({State.RETURNED, State.LOST})
KINDS_KEPT = 32


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def consequence(agreement: Agreement, reason: str | None, state: State) -> Rest | Otherwise:
    """What follows from ending for `reason`: a rest, retirement, or staying lost.

    A returned lead must go somewhere: if the agreement in force does not say where, `recycling.otherwise` does.
    """
    terms = agreement.reason(reason)
    if terms is not None and isinstance(terms.then, Recycle):
        return terms.then.recycle
    if terms is not None and terms.then is Otherwise.RETIRE:
        return Otherwise.RETIRE
    return agreement.recycling.otherwise if state is State.RETURNED else Otherwise.STAY


def remembered(rests: Rests, event: EngagementObserved, now_ms: int) -> dict[str, int]:
    """The engagements since the lead ended, with this one."""
    at_ms = min(milliseconds(event.occurred_at), now_ms)
    kind = str(event.kind)
    if at_ms <= rests.ended_ms or rests.seen.get(kind, -1) >= at_ms:
        return rests.seen
    newest = sorted({**rests.seen, kind: at_ms}.items(), key=lambda item: (-item[1], item[0]))[:KINDS_KEPT]
    return dict(sorted(newest))


def wake(rests: Rests, life: Life, now_ms: int) -> DateCame | EngagedAgain | SubmittedAgain | None:
    """What wakes the lead now: a submission, also one that came while it was still on its way to its rest; an
    engagement of a kind that its reason names; its date."""
    if life.state not in MAY_WAKE or rests.woken >= life.epoch:
        return None
    if life.submitted > life.ended:
        return SubmittedAgain()
    if life.state is not State.RECYCLED:
        return None
    for kind in rests.wakes_on:
        if kind in rests.seen:
            return EngagedAgain(engagement=Slug(kind))
    if rests.wakes_ms and now_ms >= rests.wakes_ms:
        return DateCame(due_at=datetime.fromtimestamp(rests.wakes_ms / 1000, UTC))
    return None
