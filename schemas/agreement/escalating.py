"""What all who follow an escalation path must agree on: when a step comes, and which actions stop it."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.agreement.agreement import Agreement
from schemas.agreement.alert_terms import Step
from schemas.agreement.clock_terms import ActionWord
from schemas.agreement.open_time import NeverOpen
from schemas.base import Event
from schemas.events import desk
from schemas.ids import ClockName

_WORK: frozenset[type[Event]] = frozenset(
    {
        desk.LeadAccepted,
        desk.ContactAttempted,
        desk.LeadConnected,
        desk.MeetingRecorded,
        desk.OpportunityOpened,
    }
)
"""Actions by which a rep works the lead that he has; those that end the assignment end its paths anyhow."""
_WRITING = {desk.NoteAdded: ActionWord.NOTED, desk.NextStepSet: ActionWord.NEXT_STEP}
"""A note is no work, unless the agreement says that it meets the clock."""


def step_comes(step: Step, start: datetime, agreement: Agreement, length: timedelta | None = None) -> datetime:
    """When a step comes that counts from `start`. length: instead of the step's own `after`.

    In a calendar it is open time; what would come while it is closed comes when it opens. By hours that never come a step
    is one around the clock, as a deadline is.
    """
    after = step.after if length is None else length
    calendar = agreement.calendar(step.calendar)
    try:
        due = calendar.add_open_time(start, after)
    except NeverOpen:
        return start + after
    return due if calendar.is_open(due) or due > start else calendar.next_change(due) or due


def works(event: Event, clock: ClockName, agreement: Agreement) -> bool:
    """Whether the action, on the assignment that the clock is of, is the work that the path waits for."""
    if type(event) in _WORK:
        return True
    word, terms = _WRITING.get(type(event)), agreement.clock(clock)
    return word is not None and terms is not None and word in terms.met_by
