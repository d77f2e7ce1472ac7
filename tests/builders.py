"""What tests build from: an agreement with few rules, events that need little said, and the log of one lead."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from schemas.agreement import Agreement, Terms
from schemas.base import Event
from schemas.events import desk, intake, recycling, routing, runtime, scoring
from schemas.ids import EventId, LeadId, digest, from_plain, to_plain
from schemas.learning.course import ModelCourse
from schemas.lifecycle import UNBORN, Effect, Life, fold
from schemas.vocabulary import BySystem
from services.runtime.protocol import Context, Parts, Processor

S = TypeVar("S", bound=msgspec.Struct)

LEAD = LeadId("0b0f6c1a-5b5e-5f6e-9d58-1f0b7c3f8a11")
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When test logs begin: a Monday at nine."""

TERMS: dict[str, Any] = {
    "name": "tests",
    "attributes": {
        "employees": {"type": "integer"},
        "budget": {"type": "decimal"},
        "topic": {"type": "choice", "choices": ["demo", "pricing", "other"]},
        "student": {"type": "boolean"},
    },
    "engagements": ["pricing_viewed", "webinar_attended", "mail_clicked"],
    "scoring": {
        "fit": [
            {
                "id": "size",
                "points": 25,
                "when": {"attribute": "employees", "at_least": 50},
                "because": "the company has at least 50 people",
            }
        ],
        "engagement": [
            {
                "id": "pricing",
                "points": 15,
                "when": {"engagement": "pricing_viewed", "within": "30d"},
                "because": "looked at prices lately",
            },
            {
                "id": "mail",
                "points": 10,
                "when": {"engagement": "mail_clicked", "at_least": 2},
                "because": "clicked in two mails",
            },
        ],
        "grades": {"letters": {"A": 25, "B": 10}, "numbers": {"1": 25, "2": 10}},
    },
    "definition": [
        {
            "id": "hand-raiser",
            "verdict": "qualified",
            "when": {"attribute": "topic", "equals": "demo"},
            "because": "asked for a demo",
        },
        {
            "id": "student",
            "verdict": "disqualified",
            "when": {"attribute": "student", "equals": True},
            "because": "is a student",
        },
        {
            "id": "score",
            "verdict": "qualified",
            "when": {"score": {"at_least": 40}},
            "because": "the score is at least 40",
        },
        {"id": "rest", "verdict": "nurtured", "because": "not ready yet"},
    ],
    "teams": {"sales": {}},
    "pools": {"inbound": {"team": "sales"}, "closing": {"team": "sales", "role": "ae"}},
    "routing": [
        {"id": "closers", "role": "ae", "pool": "closing", "because": "handed over"},
        {"id": "everyone", "pool": "inbound", "because": "every other lead"},
    ],
    "calendars": {"always": {"open": "always"}},
    "clocks": [
        {
            "id": "first-response",
            "met_by": ["accepted", "attempted", "rejected"],
            "within": "4h",
            "calendar": "always",
            "warn_at": [0.5, 0.8],
            "on_breach": "reassign",
        },
        {
            "id": "follow-up",
            "starts_on": "accepted",
            "met_by": ["connected", "returned"],
            "within": "8h",
            "calendar": "always",
        },
    ],
    "reasons": [
        {
            "id": "no_budget",
            "title": "No budget",
            "for": ["reject", "recycle", "lose"],
            "then": {"recycle": {"after": "90d", "stream": "budget", "wakes_on": ["pricing_viewed"]}},
        },
        {"id": "not_mine", "title": "Not my territory", "for": ["reject"], "then": "reroute"},
        {"id": "bad_data", "title": "Bad data", "for": ["reject", "recycle"], "then": "retire"},
        {"id": "lost_interest", "title": "Lost interest", "for": ["lose"], "then": "stay"},
    ],
    "recycling": {"cycles_at_most": 3},
}


def agreement(version: int = 1, since: datetime | None = None, **sections: Any) -> Agreement:
    """An agreement of few rules; `sections` replace those of TERMS."""
    return Agreement(version, Terms.model_validate({**TERMS, **sections}), since)


# ------------------------------------------------------------------ events

_count = itertools.count(1)


def submitted(*, at: datetime = MONDAY, lead: LeadId = LEAD, **said: Any) -> intake.LeadSubmitted:
    """A submission, unlike every other one unless `content` is given."""
    number = next(_count)
    return intake.LeadSubmitted.model_validate(
        {
            "lead_id": lead,
            "submission_id": f"00000000-0000-4000-8000-{number:012d}",
            "content": digest(str(number).encode()),
            "submitted_at": at,
            **said,
        }
    )


def engaged(kind: str, at: datetime, *, lead: LeadId = LEAD, **said: Any) -> intake.EngagementObserved:
    return intake.EngagementObserved.model_validate({"lead_id": lead, "kind": kind, "occurred_at": at, **said})


class OneLead(Generic[S]):
    """The log of one lead with one processor that reads it, as the engine has it: what it says comes into the log, too.

    `reads` lets it read a record and keeps its answers in flight; `hears` also lets them arrive.
    """

    def __init__(self, processor: Processor[S], terms: Agreement | None = None, at: datetime = MONDAY) -> None:
        self.processor = processor
        self.agreement = terms or agreement()
        self.agreements = {self.agreement.version: self.agreement}
        """Every version that has been in force."""
        self.now = at
        self.position = -1
        self.life: Life = UNBORN
        self.state: S = processor.state()
        self.models = ModelCourse()
        """What was learned, if a test publishes something."""
        self.in_flight: deque[Event] = deque()
        self.log: list[tuple[Event, Effect]] = []

    def reads(self, event: Event, *, event_id: str | None = None) -> list[Event]:
        """Append `event` and let the processor read it. Returns what it says, which is still on its way."""
        self.position += 1
        self.agreements[self.agreement.version] = self.agreement
        name = EventId(event_id or f"e{self.position}")
        before, effect = self.life, Effect.EFFECT
        self.life, effect = fold(before, event, position=self.position, now=self.now, event_id=name)
        self.log.append((event, effect))
        context = Context(
            key=LEAD,
            now=self.now,
            position=self.position,
            event_id=name,
            agreement=self.agreement,
            parts=Parts(),
            before=before,
            life=self.life,
            effect=effect,
            agreement_at=self.agreements.get,
            model_at=self.models.in_force,
        )
        decision = self.processor.decide(self.state, event, context)
        kept = msgspec.msgpack.encode(decision.state, enc_hook=to_plain)
        self.state = msgspec.msgpack.decode(kept, type=self.processor.state, dec_hook=from_plain)
        self.in_flight.extend(decision.events)
        return list(decision.events)

    def arrive(self) -> list[Event]:
        """Let everything that is on its way arrive. Returns what it makes the processor say."""
        said = []
        while self.in_flight:
            said += self.reads(self.in_flight.popleft())
        return said

    def hears(self, event: Event, *, event_id: str | None = None) -> list[Event]:
        """`reads`, and let the answers arrive. Returns everything said."""
        return self.reads(event, event_id=event_id) + self.arrive()

    def wait(self, length: timedelta) -> list[Event]:
        """Let time pass; a TimerDue comes at every instant that the processor asks for. Returns everything said."""
        until, said = self.now + length, []
        while (due := self.processor.due(self.state)) is not None and due <= until:
            self.now = max(self.now, due)
            said += self.hears(self.timer(due))
        self.now = until
        return said

    def timer(self, due: datetime, agreement_version: int | None = None) -> runtime.TimerDue:
        return runtime.TimerDue(
            key=LEAD, processor=self.processor.name, due_at=due, agreement_version=agreement_version
        )

    # what others say of the lead as it is now

    def qualified(self) -> Event:
        return scoring.LeadQualified.model_validate(
            {
                "lead_id": LEAD,
                "judged_at": self.position,
                "rule": "r",
                "because": "b",
                "score": "1",
                "grade": "A1",
                "agreement": "tests",
                "agreement_version": 1,
            }
        )

    def nurtured(self) -> Event:
        return scoring.LeadNurtured.model_validate(
            {
                "lead_id": LEAD,
                "judged_at": self.position,
                "rule": "r",
                "because": "b",
                "score": "1",
                "grade": "A1",
                "agreement": "tests",
                "agreement_version": 1,
            }
        )

    def routed(self) -> Event:
        return routing.LeadRouted.model_validate(
            {
                "lead_id": LEAD,
                "epoch": self.life.epoch,
                "request_id": f"{LEAD}.{self.life.epoch}",
                "team_id": "sales",
                "ask": {"kind": "pool", "pool_id": "inbound"},
                "rule": "r",
                "because": "b",
                "agreement": "tests",
                "agreement_version": 1,
            }
        )

    def assigned(self, rep: str = "anna", claimed_by: str | None = None, hours: Any = None) -> Event:
        return routing.LeadAssigned.model_validate(
            {
                "lead_id": LEAD,
                "request_id": self.life.offer,
                "team_id": "sales",
                "pool_id": "inbound",
                "rep_id": rep,
                "number": 1,
                "claimed_by": claimed_by,
                "hours": hours,
                "because": "b",
                "agreement": "tests",
                "agreement_version": 1,
            }
        )

    def withdrawn(self, since: int, clock: str = "first-response") -> Event:
        return routing.AssignmentWithdrawn.model_validate(
            {
                "lead_id": LEAD,
                "assignment_id": self.life.offer,
                "cause": {"kind": "breach", "since": since, "clock": clock},
                "because": "b",
            }
        )

    def act(self, action: Callable[..., Event], at: datetime | None = None, **said: Any) -> Event:
        """An action on the offer as it is now, by whoever has it."""
        return action(
            lead_id=LEAD,
            assignment_id=said.pop("assignment_id", self.life.offer or self.life.last_offer),
            by=BySystem(system="test"),
            occurred_at=at or self.now,
            **said,
        )

    def outcome(self, what: type[desk.LeadWon] | type[desk.LeadLost], **said: Any) -> Event:
        """What a CRM knows."""
        return what(lead_id=LEAD, by=BySystem(system="crm"), occurred_at=self.now, **said)

    def recycled(self, wakes_at: datetime | None = None, wakes_on: tuple[str, ...] = ()) -> Event:
        return recycling.LeadRecycled.model_validate(
            {
                "lead_id": LEAD,
                "epoch": self.life.epoch,
                "reason": "no_budget",
                "stream": "budget",
                "wakes_at": wakes_at,
                "wakes_on": wakes_on,
                "because": "b",
                "agreement": "tests",
                "agreement_version": 1,
            }
        )

    def reactivated(self) -> Event:
        return recycling.LeadReactivated.model_validate(
            {
                "lead_id": LEAD,
                "epoch": self.life.epoch,
                "cycle": self.life.cycle + 1,
                "woken_by": {"kind": "submission"},
                "because": "b",
                "agreement": "tests",
                "agreement_version": 1,
            }
        )

    def until_assigned(self, rep: str = "anna", **said: Any) -> list[Event]:
        """From wherever it is not held to an assignment. Returns what the processor says on the last step."""
        if self.life.cycle == 0:
            self.hears(submitted(**said))
        if self.life.state in ("new", "nurtured", "disqualified"):
            self.hears(self.qualified())
        self.hears(self.routed())
        return self.hears(self.assigned(rep))


def names(events: list[Event]) -> list[str]:
    """The events' class names."""
    return [type(e).__name__ for e in events]
