"""What events mean for a clock: which actions meet it, which pause it, and in which state of a lead it has an object."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.agreement import ActionWord, Clock, ClockStart
from schemas.agreement.clock_terms import Wait
from schemas.base import Event
from schemas.events import desk
from schemas.lifecycle import Life, State

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
_FOR_EVER = timedelta(days=3660)


def meets(terms: Clock | None, step: int, event: Event) -> bool:
    """Whether the action is one of those that the clock waits for. A return that the rep called a rejection is both."""
    if terms is None:
        return False
    word = _WORDS.get(type(event))
    if isinstance(event, desk.LeadReturned) and event.rejected and ActionWord.REJECTED in terms.met_by:
        return True
    if word is None or word not in terms.met_by:
        return False
    channels = terms.step(step).channels
    return not isinstance(event, desk.ContactAttempted) or not channels or event.channel in channels


def applies(terms: Clock, life: Life) -> bool:
    """Whether the clock has an object while the lead is so."""
    if terms.starts_on is ClockStart.ACCEPTED:
        return life.state in (State.ACCEPTED, State.WORKING)
    if terms.starts_on is ClockStart.STAGE:
        return life.held and life.stage in terms.stages
    return life.held


def pause(terms: Clock, event: Event, now: datetime) -> tuple[datetime, bool] | None:
    """(until when, whether an answer of the prospect ends it before) the action pauses the clock; none: it does not."""
    for wait in terms.pauses:
        until = _until(wait, event, now)
        if until is not None and until > now:
            return until, wait.on == "attempted"
    return None


def _until(wait: Wait, event: Event, now: datetime) -> datetime | None:
    longest = now + (wait.at_most or _FOR_EVER)
    match event:
        case desk.NextStepSet() if wait.on == "next_step":
            return min(event.due_at, longest)
        case desk.MeetingRecorded() if wait.on == "meeting" and event.outcome is desk.MeetingOutcome.BOOKED:
            return None if event.meeting_at is None else min(event.meeting_at, longest)
        case desk.ContactAttempted() if wait.on == "attempted" and event.disposition in wait.dispositions:
            return longest
    return None
