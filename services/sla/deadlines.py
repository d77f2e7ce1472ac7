"""When a clock's promise falls due, when it warns, and which actions meet it."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.agreement import ActionWord, Agreement, BreachAnswer, Clock, ClockStart
from schemas.base import Event
from schemas.events import desk
from schemas.lifecycle import Life, State
from services.sla.state import Hand, Running

_WORDS: dict[type[Event], ActionWord] = {
    desk.LeadAccepted: ActionWord.ACCEPTED,
    desk.ContactAttempted: ActionWord.ATTEMPTED,
    desk.LeadConnected: ActionWord.CONNECTED,
    desk.MeetingRecorded: ActionWord.MEETING,
    desk.NoteAdded: ActionWord.NOTED,
    desk.NextStepSet: ActionWord.NEXT_STEP,
    desk.OpportunityOpened: ActionWord.OPPORTUNITY,
    desk.LeadHandedOver: ActionWord.HANDED_OVER,
    desk.LeadRejected: ActionWord.REJECTED,
    desk.LeadReturned: ActionWord.RETURNED,
    desk.LeadWon: ActionWord.WON,
    desk.LeadLost: ActionWord.LOST,
}


def milliseconds(at: datetime) -> int:
    """An instant in ms since 1970."""
    return round(at.timestamp() * 1000)


def instant(ms: int) -> datetime:
    """The instant of so many ms since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def meets(terms: Clock | None, event: Event) -> bool:
    """Whether the action is one of those that the clock waits for. A return that the rep called a rejection is both."""
    if terms is None:
        return False
    word = _WORDS.get(type(event))
    if isinstance(event, desk.LeadReturned) and event.rejected and ActionWord.REJECTED in terms.met_by:
        return True
    return word is not None and word in terms.met_by


def applies(terms: Clock, life: Life) -> bool:
    """Whether the clock has an object while the lead is so."""
    if terms.starts_on is ClockStart.ACCEPTED:
        return life.state in (State.ACCEPTED, State.WORKING)
    return life.held


def start(terms: Clock, agreement: Agreement, now: datetime, position: int) -> Running:
    """A running of the clock from `now` on, in its calendar's open time."""
    calendar = agreement.calendar(terms.calendar)
    return Running(
        name=str(terms.id),
        start=position,
        started_ms=milliseconds(now),
        deadline_ms=milliseconds(calendar.add_open_time(now, terms.within)),
        warnings=tuple(
            (share, milliseconds(calendar.add_open_time(now, terms.within * share))) for share in terms.warn_at
        ),
        reassign=terms.on_breach is BreachAnswer.REASSIGN,
    )


def next_due_ms(clocks: tuple[Running, ...]) -> int | None:
    """When the next warning or deadline of a running clock comes."""
    return min(
        (min([at for _, at in c.warnings] + [c.deadline_ms]) for c in clocks if c.hand is Hand.RUNNING), default=None
    )
