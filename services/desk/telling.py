"""What a rep is told when something happens to his lead, and the lines of a lead's story. Pure; nothing personal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.base import Event
from schemas.events import desk, feedback, intake, recycling, routing, scoring, sla
from schemas.lifecycle import Effect, Life
from schemas.vocabulary import Actor, ByManager, ByRep


@dataclass(frozen=True, slots=True)
class Notice:
    """To be told to a rep, or to everybody of a pool (`to` begins with POOL)."""

    to: str
    kind: str
    because: str
    assignment_id: str | None = None
    more: dict[str, Any] | None = None


POOL = "*pool "


def words(slug: str) -> str:
    """`no_budget` as people say it."""
    return slug.replace("_", " ").replace("-", " ")


def who(by: Actor) -> str:
    """The actor in a sentence."""
    if isinstance(by, ByRep):
        return str(by.rep_id)
    return f"manager {by.manager_id}" if isinstance(by, ByManager) else str(by.system)


def end_of_assignment(event: Event) -> str:
    """Why an assignment ended, as a clause that follows its rep's name or stands alone."""
    match event:
        case desk.LeadRejected():
            return f"{who(event.by)} rejected it ({words(event.reason)})"
        case desk.LeadReturned():
            return f"{who(event.by)} {'rejected' if event.rejected else 'recycled'} it ({words(event.reason)})"
        case desk.LeadHandedOver():
            return f"{who(event.by)} handed it over to {event.to_role}"
        case desk.LeadWon():
            return f"{who(event.by)} reported it won"
        case desk.LeadLost():
            return f"{who(event.by)} reported it lost" + (f" ({words(event.reason)})" if event.reason else "")
        case desk.ReassignmentOrdered():
            return (
                f"{who(event.by)} took it away"
                + (f" and gave it to {event.to}" if event.to else "")
                + f" ({words(event.reason)})"
            )
        case desk.ActionUndone():
            return "the action that had opened it was undone"
        case routing.AssignmentWithdrawn():
            return f"it was withdrawn ({event.because})"
        case recycling.LeadGivenUp():
            return f"it was given up ({event.because})"
        case intake.LeadErased():
            return "the person asked to be forgotten"
        case intake.LeadSuppressed():
            return f"the lead was suppressed ({words(event.reason)})"
        case intake.LeadsMerged():
            return f"the lead turned out to be lead {event.survivor}"
    return "it ended"


_TAKEN_AWAY = (routing.AssignmentWithdrawn, desk.ReassignmentOrdered, recycling.LeadGivenUp)


def notices(event: Event, effect: Effect, before: Life, after: Life, refused: str | None = None) -> list[Notice]:
    """What is to be told because of this event. `refused`: whose action an ActionRefused answers."""
    if isinstance(event, routing.ActionRefused):
        return (
            [
                Notice(
                    refused, "refused", str(event.because), None, {"action_id": event.action_id, "action": event.action}
                )
            ]
            if refused
            else []
        )
    if isinstance(event, sla.ClockWarned | sla.ClockBreached):
        kind = "clock_warned" if isinstance(event, sla.ClockWarned) else "clock_breached"
        said = "is about to run out" if isinstance(event, sla.ClockWarned) else "has run out"
        more = {"clock": event.clock, "deadline_at": event.model_dump(mode="json")["deadline_at"]}
        return [Notice(event.rep_id, kind, f"the clock {words(event.clock)} {said}", event.assignment_id, more)]
    if effect is not Effect.EFFECT:
        return []
    out: list[Notice] = []
    if before.held and before.rep is not None and not (after.held and after.offer == before.offer):
        kind = "withdrawn" if isinstance(event, _TAKEN_AWAY) else "ended"
        out.append(Notice(before.rep, kind, end_of_assignment(event), before.offer))
    if after.held and after.rep is not None and not (before.held and after.offer == before.offer):
        because = str(event.because) if isinstance(event, routing.LeadAssigned) else "what had ended it was undone"
        out.append(Notice(after.rep, "assigned", because, after.offer))
    if (
        isinstance(event, routing.LeadQueued)
        and event.reason is routing.QueueReason.TO_BE_CLAIMED
        and event.pool_id is not None
    ):
        out.append(
            Notice(POOL + event.pool_id, "claimable", str(event.because), None, {"request_id": event.request_id})
        )
    return out


def _worked(e: Any) -> str:
    match e:
        case desk.ContactAttempted():
            return f"{who(e.by)} tried to reach the person by {words(e.channel)}: {words(e.disposition)}"
        case desk.LeadConnected():
            return f"{who(e.by)} talked to the person ({words(e.channel)})"
        case desk.MeetingRecorded():
            return f"{who(e.by)}: meeting {words(e.outcome.value)}"
        case desk.OpportunityOpened():
            return f"{who(e.by)} opened an opportunity"
    return f"{who(e.by)} accepted it"


_STORY: Mapping[Any, Callable[[Any], str]] = {
    scoring.LeadQualified: lambda e: f"qualified: {e.because}",
    scoring.LeadNurtured: lambda e: f"not yet: {e.because}",
    scoring.LeadDisqualified: lambda e: f"disqualified: {e.because}",
    routing.LeadAssigned: lambda e: f"assigned to {e.rep_id}",
    desk.LeadAccepted: _worked,
    desk.ContactAttempted: _worked,
    desk.LeadConnected: _worked,
    desk.MeetingRecorded: _worked,
    desk.OpportunityOpened: _worked,
    desk.ActionUndone: lambda e: f"{who(e.by)} undid the last action",
    recycling.LeadRecycled: lambda e: f"went back to marketing: {e.because}",
    recycling.LeadReactivated: lambda e: f"came back for cycle {e.cycle}: {e.because}",
    recycling.LeadRetired: lambda e: f"{'suppressed' if e.suppressed else 'retired'}: {e.because}",
    recycling.LeadGivenUp: lambda e: f"given up: {e.because}",
    feedback.RejectionContested: lambda e: f"marketing contested the rejection ({words(e.reason)})",
    desk.ContestDecided: lambda e: f"{who(e.by)} decided about it: {e.verdict.value}",
} | dict.fromkeys(
    (
        desk.LeadRejected,
        desk.LeadReturned,
        desk.LeadHandedOver,
        desk.LeadWon,
        desk.LeadLost,
        desk.ReassignmentOrdered,
        routing.AssignmentWithdrawn,
        intake.LeadSuppressed,
        intake.LeadsMerged,
    ),
    end_of_assignment,
)


def line_of(event: Event) -> str | None:
    """The event as one line of the lead's story; None for what tells nothing."""
    tell = _STORY.get(type(event))
    return None if tell is None else tell(event)


def arrived(event: intake.LeadSubmitted) -> str:
    """A submission as one line."""
    parts = [f"form {event.form}" if event.form else "sent in"]
    if event.source.channel:
        parts.append(f"by {event.source.channel}")
    if event.source.campaign:
        parts.append(f"campaign {event.source.campaign}")
    return ", ".join(parts)
