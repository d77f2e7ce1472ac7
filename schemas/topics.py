"""The registry: every topic with its key and policy, and every event type with its one writer and its readers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache

from schemas.base import Event
from schemas.events import alerting, console, desk, feedback, intake, recycling, routing, runtime, scoring, sla

DEFAULT_PARTITIONS = 8


class Cleanup(StrEnum):
    KEEP = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the installation. `partitions` None: the installation's number, the same for all keyed by lead or team."""

    name: str
    key: str
    cleanup: Cleanup
    retention: timedelta | None
    partitions: int | None
    what: str


LEADS = Topic(
    "leads", "lead_id", Cleanup.KEEP, None, None, "One log per lead: every fact about it, in one total order."
)
TEAMS = Topic(
    "teams",
    "team_id",
    Cleanup.KEEP,
    None,
    None,
    "One log per team: who is in it, what is asked of it, what is free again.",
)
PROFILES = Topic(
    "profiles", "lead_id", Cleanup.COMPACT, None, None, "The person behind a lead: the only personal data."
)
ALERTS = Topic("alerts", "recipient", Cleanup.KEEP, None, None, "What is to be told to whom, and whether it was.")
STATUSES = Topic("statuses", "lead_id", Cleanup.COMPACT, None, None, "Where every lead is now.")
AGREEMENTS = Topic("agreements", "name", Cleanup.KEEP, None, 1, "The agreements: proposed, approved, published.")
MODELS = Topic("models", "name", Cleanup.KEEP, None, 1, "Models learnt across leads.")
DEAD_LETTERS = Topic(
    "dead-letters", "processor", Cleanup.KEEP, timedelta(days=30), 1, "Records that could not be processed, whole."
)

TOPICS: tuple[Topic, ...] = (LEADS, TEAMS, PROFILES, ALERTS, STATUSES, AGREEMENTS, MODELS, DEAD_LETTERS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event type: where it goes, who alone may say it, who reads it."""

    event: type[Event]
    writer: str
    topics: tuple[Topic, ...]
    readers: frozenset[str] = field(default_factory=frozenset)


def _entries(writer: str, topic: Topic, readers: str, *events: type[Event]) -> tuple[Entry, ...]:
    return tuple(Entry(e, writer, (topic,), frozenset(readers.split())) for e in events)


_ALL = "intake scoring routing sla recycling desk alerting feedback"
"""All but the console follow a lead's life."""

REGISTRY: tuple[Entry, ...] = (
    *_entries(
        "intake",
        LEADS,
        _ALL,
        intake.LeadSubmitted,
        intake.LeadSuppressed,
        intake.LeadsMerged,
        intake.LeadsUnmerged,
        intake.LeadErased,
    ),
    *_entries("intake", LEADS, "intake scoring recycling feedback desk", intake.EngagementObserved),
    *_entries("intake", LEADS, "intake feedback desk", intake.ConsentChanged),
    *_entries("intake", PROFILES, "intake desk alerting feedback", intake.LeadProfile),
    *_entries("scoring", LEADS, "desk feedback routing scoring sla recycling alerting", scoring.LeadScored),
    *_entries("scoring", LEADS, _ALL, scoring.LeadQualified, scoring.LeadNurtured, scoring.LeadDisqualified),
    *_entries("scoring", MODELS, "scoring feedback console", scoring.ModelPublished),
    *_entries("routing", LEADS, _ALL, routing.LeadRouted, routing.LeadAssigned, routing.AssignmentWithdrawn),
    *_entries("routing", LEADS, _ALL, routing.LeadQueued),
    *_entries("routing", LEADS, "sla feedback", routing.WorkingHoursChanged),
    *_entries("routing", LEADS, "desk feedback", routing.ActionRefused),
    *_entries("routing", TEAMS, "routing", routing.AssignmentRequested, routing.AssignmentReleased),
    *_entries(
        "desk",
        LEADS,
        _ALL,
        desk.LeadAccepted,
        desk.LeadRejected,
        desk.ContactAttempted,
        desk.LeadConnected,
        desk.MeetingRecorded,
        desk.NoteAdded,
        desk.NextStepSet,
        desk.OpportunityOpened,
        desk.LeadHandedOver,
        desk.LeadReturned,
        desk.ReassignmentOrdered,
        desk.LeadWon,
        desk.LeadLost,
        desk.ActionUndone,
        desk.ContestDecided,
    ),
    *_entries("desk", PROFILES, "desk", desk.ProfileNote),
    *_entries(
        "desk",
        TEAMS,
        "routing desk",
        desk.RepJoined,
        desk.RepLeft,
        desk.RepChanged,
        desk.RepAvailabilityChanged,
        desk.LeadClaimed,
    ),
    *_entries("desk", TEAMS, "routing", desk.RepActed),
    *_entries("desk", TEAMS, "routing desk", desk.AccountSet, desk.AccountRemoved),
    *_entries("sla", LEADS, "desk feedback", sla.ClockStarted, sla.ClockResumed, sla.ClockReplanned),
    *_entries(
        "sla",
        LEADS,
        "alerting desk feedback",
        sla.ClockMet,
        sla.ClockPaused,
        sla.ClockCancelled,
    ),
    *_entries("sla", LEADS, "alerting desk feedback", sla.ClockWarned),
    *_entries("sla", LEADS, "routing alerting desk feedback", sla.ClockBreached, sla.ClockCorrected),
    *_entries(
        "recycling",
        LEADS,
        _ALL,
        recycling.LeadRecycled,
        recycling.LeadReactivated,
        recycling.LeadRetired,
        recycling.LeadGivenUp,
    ),
    *_entries(
        "alerting",
        ALERTS,
        "alerting feedback",
        alerting.AlertRequested,
        alerting.AlertReleased,
        alerting.AlertSent,
        alerting.AlertFailed,
        alerting.AlertWithdrawn,
    ),
    *_entries(
        "alerting",
        ALERTS,
        "alerting",
        alerting.NewsReleased,
        alerting.DeliveryReplayed,
        alerting.DeliveryAttempted,
        alerting.RecipientDisabled,
        alerting.RecipientEnabled,
        alerting.RecipientMuted,
        alerting.AlertRecalled,
        alerting.CrmRecordWritten,
        alerting.CrmRecordHeard,
        alerting.CrmRead,
    ),
    *_entries("feedback", LEADS, "alerting feedback", feedback.BreachForeseen),
    *_entries("feedback", STATUSES, "feedback", feedback.LeadStatusChanged),
    *_entries("feedback", LEADS, _ALL, feedback.RejectionContested),
    *_entries(
        "console",
        AGREEMENTS,
        _ALL + " console",
        console.ApproverRegistered,
        console.AgreementProposed,
        console.AgreementApproved,
        console.AgreementPublished,
    ),
    Entry(
        runtime.TimerDue,
        "runtime",
        (LEADS, TEAMS, ALERTS),
        frozenset(["scoring", "routing", "sla", "recycling", "alerting"]),
    ),
    *_entries("runtime", DEAD_LETTERS, "console feedback", runtime.DeadLettered),
    *_entries("console", DEAD_LETTERS, "console feedback", console.DeadLetterClosed),
)


class NotItsToSay(PermissionError):
    """A service tried to say what only another one may say."""


@cache
def by_class() -> dict[type[Event], Entry]:
    """The registry by event class."""
    return {entry.event: entry for entry in REGISTRY}


@cache
def by_type_name() -> dict[str, Entry]:
    """The registry by the current version's `ce_type`."""
    return {entry.event.type_name(): entry for entry in REGISTRY}


def topic_of(event: Event, writer: str, to: Topic | None = None) -> Topic:
    """Where `writer` may append `event`. Raises NotItsToSay if it is another service's to say, or that topic is not its place."""
    entry = by_class().get(type(event))
    if entry is None:
        raise NotItsToSay(
            f"{type(event).__name__} is in no entry of schemas/topics.py: register it with its one writer"
        )
    if entry.writer != writer:
        raise NotItsToSay(f"{type(event).__name__} is {entry.writer}'s to say, not {writer}'s: see schemas/topics.py")
    if to is None:
        to = entry.topics[0]
    if to not in entry.topics:
        raise NotItsToSay(f"{type(event).__name__} does not belong into {to.name}: see schemas/topics.py")
    return to


def key_of(event: Event, topic: Topic) -> str:
    """The record's key: the value of the topic's key field, `key` for a TimerDue, one key per note for a ProfileNote."""
    if isinstance(event, runtime.TimerDue):
        return event.key
    if isinstance(event, desk.ProfileNote):
        return f"{event.lead_id}/{event.note_id}"
    return str(getattr(event, topic.key))


def partition_key_of(event: Event, topic: Topic) -> str:
    """What decides the partition: the key, but for notes the lead, so that all of a lead is in one partition number."""
    if isinstance(event, desk.ProfileNote):
        return str(event.lead_id)
    return key_of(event, topic)
