"""What an event says, as one sentence for people: for the timeline, the status stream and `leadloop explain`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from schemas.base import Event
from schemas.events import desk, feedback, intake, recycling, routing, scoring, sla
from schemas.vocabulary import Because, ByManager, ByRep, Money, Points, Reason

_LONGEST = 600


def sentence(event: Event) -> str:
    """One sentence without a full stop. Events that have their own reason say it."""
    spell = _SENTENCES.get(type(event))
    return spell(event) if spell is not None else _plain(type(event).__name__)


def because(event: Event) -> Because:
    """The sentence as the published language takes it."""
    return _vetted(sentence(event)[:_LONGEST], type(event).__name__)


@lru_cache(maxsize=4096)
def _vetted(text: str, event_name: str) -> Because:
    """The same few sentences are said of many leads, and looking for personal data in them takes longest."""
    try:
        return Because.parse(text)
    except ValueError:  # a sender's word in it looks personal: the kind of event is said, the word is not
        return Because(_plain(event_name))


def reason(event: Event) -> Reason | None:
    """The reason of the agreement that a person or a rule gave, if any."""
    given = getattr(event, "reason", None)
    return given if isinstance(given, Reason) else None


def _plain(name: str) -> str:
    """`lead submitted` of LeadSubmitted."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return words.strip()


def _who(by: Any) -> str:
    match by:
        case ByRep():
            return str(by.rep_id)
        case ByManager():
            return f"manager {by.manager_id}"
        case _:
            return f"the system {by.system}"


def _money(amount: Money | None) -> str:
    return "" if amount is None else f" ({amount.amount:f} {amount.currency})"


def _points(points: Points) -> str:
    return f"{points.normalize():f}" if points else "0"


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")


def _given(reason: object) -> str:
    return f": {reason}" if reason else ""


_UNSAID = "unspecified"
"""What the desk writes for a channel or disposition that nobody named."""


def _by(channel: object) -> str:
    return "" if str(channel) == _UNSAID else f" by {channel}"


def _told(disposition: object) -> str:
    return "" if str(disposition) == _UNSAID else f": {disposition}"


def _submitted(e: intake.LeadSubmitted) -> str:
    source = e.source.campaign or e.source.channel
    return "submitted" + (f" from {source}" if source else "") + (f" by the form {e.form}" if e.form else "")


def _woken(e: recycling.LeadReactivated) -> str:
    return f"came back as cycle {e.cycle}: {e.because}"


def _clock(what: str) -> Callable[[Any], str]:
    return lambda e: f"the clock {e.clock} of {e.rep_id} {what}"


_SENTENCES: dict[type[Event], Callable[[Any], str]] = {
    intake.LeadSubmitted: _submitted,
    intake.EngagementObserved: lambda e: f"was seen: {e.kind}" + (f", {e.quantity} times" if e.quantity > 1 else ""),
    intake.ConsentChanged: lambda e: f"{'gave' if e.granted else 'withdrew'} consent to {e.purpose}",
    intake.LeadSuppressed: lambda e: f"was suppressed: {e.reason}",
    intake.LeadsMerged: lambda e: f"was merged into {e.survivor}",
    intake.LeadsUnmerged: lambda e: f"was separated again from {e.survivor}",
    intake.LeadErased: lambda e: "was erased",
    scoring.LeadScored: lambda e: (
        f"scored {_points(e.score)}, grade {e.grade}"
        + (f", learned probability of winning {e.learned.probability * 100:.1f} %" if e.learned else "")
    ),
    scoring.LeadQualified: lambda e: f"qualified by the rule {e.rule}: {e.because}",
    scoring.LeadNurtured: lambda e: f"nurtured by the rule {e.rule}: {e.because}",
    scoring.LeadDisqualified: lambda e: f"disqualified by the rule {e.rule}: {e.because}",
    routing.LeadRouted: lambda e: (
        f"routed to {getattr(e.ask, 'pool_id', None) or e.ask.rep_id} by the rule {e.rule}: {e.because}"
    ),
    routing.LeadAssigned: lambda e: f"assigned to {e.rep_id}: {e.because}",
    routing.LeadQueued: lambda e: f"queued: {e.because}",
    routing.AssignmentWithdrawn: lambda e: f"withdrawn: {e.because}",
    routing.WorkingHoursChanged: lambda e: f"{e.rep_id} works otherwise from here on, as the roster says now",
    routing.ActionRefused: lambda e: f"the {e.action} of {e.rep_id or 'the system'} came too late: {e.because}",
    desk.LeadAccepted: lambda e: f"{_who(e.by)} accepted it",
    desk.LeadRejected: lambda e: f"{_who(e.by)} rejected it: {e.reason}",
    desk.ContactAttempted: lambda e: f"{_who(e.by)} tried to reach the person{_by(e.channel)}{_told(e.disposition)}",
    desk.LeadConnected: lambda e: f"{_who(e.by)} reached the person{_by(e.channel)}",
    desk.MeetingRecorded: lambda e: (
        f"{_who(e.by)}: meeting {e.outcome.value.replace('_', '-')}"
        + (f" for {_at(e.meeting_at)}" if e.meeting_at else "")
    ),
    desk.NoteAdded: lambda e: f"{_who(e.by)} wrote a note",
    desk.NextStepSet: lambda e: f"{_who(e.by)} set the next step for {_at(e.due_at)}",
    desk.OpportunityOpened: lambda e: f"{_who(e.by)} opened an opportunity{_money(e.amount)}",
    desk.LeadHandedOver: lambda e: f"{_who(e.by)} handed it over to the role {e.to_role}{_given(e.reason)}",
    desk.LeadReturned: lambda e: (
        f"{_who(e.by)} {'rejected it' if e.rejected else 'gave it back to marketing'}: {e.reason}"
    ),
    desk.ReassignmentOrdered: lambda e: f"{_who(e.by)} ordered it to {e.to or 'be given to another rep'}: {e.reason}",
    desk.ActionUndone: lambda e: f"{_who(e.by)} took the last action back",
    desk.LeadWon: lambda e: f"{_who(e.by)} won it{_money(e.amount)}",
    desk.LeadLost: lambda e: f"{_who(e.by)} lost it{_given(e.reason)}",
    desk.ContestDecided: lambda e: (
        f"{_who(e.by)} {'let the rejection stand' if e.verdict is desk.ContestVerdict.UPHELD else 'overturned the rejection'}"
        + (f": {e.because}" if e.because else "")
    ),
    feedback.RejectionContested: lambda e: (
        f"{e.contested_by} contested the rejection{f' of {e.rep_id}' if e.rep_id else ''} for {e.reason}"
        + (f": {e.because}" if e.because else "")
    ),
    sla.ClockStarted: lambda e: f"the clock {e.clock} of {e.rep_id} runs until {_at(e.deadline_at)}: {e.because}",
    sla.ClockWarned: lambda e: f"the clock {e.clock} of {e.rep_id} warned at {e.share:.0%} of its time",
    sla.ClockBreached: _clock("was breached"),
    sla.ClockMet: _clock("was met"),
    sla.ClockPaused: lambda e: f"the clock {e.clock} pauses: {e.because}",
    sla.ClockResumed: lambda e: f"the clock {e.clock} runs on until {_at(e.deadline_at)}: {e.because}",
    sla.ClockReplanned: lambda e: f"the clock {e.clock} now runs until {_at(e.deadline_at)}: {e.because}",
    sla.ClockCancelled: lambda e: f"the clock {e.clock} was cancelled: {e.because}",
    sla.ClockCorrected: lambda e: f"the breach of {e.clock} was taken back: {e.because}",
    recycling.LeadRecycled: lambda e: (
        f"sleeps in {e.stream}" + (f" until {_at(e.wakes_at)}" if e.wakes_at else "") + f": {e.because}"
    ),
    recycling.LeadReactivated: _woken,
    recycling.LeadRetired: lambda e: f"{'suppressed' if e.suppressed else 'retired'}: {e.because}",
    recycling.LeadGivenUp: lambda e: f"given up as {e.given_up_as}: {e.because}",
}
