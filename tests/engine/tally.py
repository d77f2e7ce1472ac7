"""Processors for the tests of the engine, whose every answer depends on all that was read of the key before.

`TALLY` (by lead) chains every engagement of a lead into a digest and says LeadScored with the count and the digest;
some kinds set a deadline, some cannot be decided. `ECHO` (by lead) reads what TALLY says and passes each on to a team.
`SUMS` (by team) chains what arrives there. So a lost, doubled or reordered record shows in every later digest.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from schemas.base import Event
from schemas.events.intake import EngagementObserved
from schemas.events.routing import AssignmentReleased
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadScored
from schemas.ids import LeadId, ProcessorName, RequestId, TeamId
from schemas.topics import LEADS, TEAMS
from schemas.vocabulary import Contribution
from services.runtime.protocol import Context, Decision, Processor

POISON = "poison"
DEADLINE = "deadline"
PARTED = "parted"
ANSWERING_A_TIMER = "timer"
ANSWERING_AN_AGREEMENT = "agreement"
TEAM_COUNT = 3
DEADLINE_AFTER = timedelta(seconds=2)


def chained(digest: str, link: str) -> str:
    """The digest of a chain and one more link, in letters only: digits could spell a telephone number."""
    raw = hashlib.blake2b(f"{digest} {link}".encode(), digest_size=8).hexdigest()
    return raw.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


class Note(msgspec.Struct, frozen=True):
    """A part of a tally: what was counted under one word."""

    count: int


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many engagements of the lead there were, and the chain of their ids."""

    count: int = 0
    digest: str = ""
    due: datetime | None = None


def decide_tally(state: Tally, event: Event, context: Context) -> Decision[Tally]:
    """One more engagement, or the answer to a deadline."""
    if isinstance(event, TimerDue):
        return _decide_timer(state, event, context)
    assert isinstance(event, EngagementObserved)
    if event.kind == POISON:
        raise ValueError("this engagement cannot be decided")
    if event.kind == PARTED:
        _count_in_parts(context)
    due = context.now + DEADLINE_AFTER if event.kind == DEADLINE else state.due
    after = Tally(state.count + 1, chained(state.digest, context.event_id), due)
    return Decision(after, (_scored(event.lead_id, after, "engagement"),))


def _decide_timer(state: Tally, event: TimerDue, context: Context) -> Decision[Tally]:
    if event.agreement_version is not None:
        return Decision(state, (_scored(LeadId(event.key), state, ANSWERING_AN_AGREEMENT),))
    if state.due is None or context.now < state.due:
        return Decision(state)
    after = msgspec.structs.replace(state, due=None)
    return Decision(after, (_scored(LeadId(event.key), after, ANSWERING_A_TIMER),))


def _count_in_parts(context: Context) -> None:
    """Count under a word of three, and forget another word now and then."""
    word = "abc"[context.position % 3]
    note = context.parts.get("note", word)
    context.parts.put("note", word, Note(note.count + 1 if note is not None else 1))
    if context.position % 7 == 0:
        context.parts.remove("note", "abc"[(context.position + 1) % 3])


def _scored(lead: LeadId, tally: Tally, rule: str) -> LeadScored:
    return LeadScored(
        lead_id=lead,
        score=Decimal(tally.count),
        fit=Decimal(0),
        engagement=Decimal(tally.count),
        grade="D4",
        contributions=(Contribution(part="engagement", rule=rule, points=Decimal(tally.count), because=tally.digest),),
        agreement="default",
        agreement_version=1,
    )


TALLY = Processor(
    name=ProcessorName("scoring"),
    log=LEADS,
    state=Tally,
    decide=decide_tally,
    listens=frozenset({EngagementObserved, TimerDue}),
    due=lambda tally: tally.due,
    touched_by_agreement=lambda tally: tally.count > 0,
    parts={"note": Note},
)


class Echoed(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many scores of the lead were passed on."""

    count: int = 0


def team_of(lead: str) -> TeamId:
    """The team that a lead's scores are passed on to."""
    return TeamId(f"team-{hashlib.sha256(lead.encode()).digest()[0] % TEAM_COUNT}")


def decide_echo(state: Echoed, event: Event, context: Context) -> Decision[Echoed]:
    """Pass a score on to the lead's team."""
    assert isinstance(event, LeadScored)
    digest = event.contributions[0].because
    said = AssignmentReleased(
        team_id=team_of(event.lead_id),
        lead_id=event.lead_id,
        request_id=RequestId(f"r.{digest or 'none'}"),
        number=state.count + 1,
    )
    return Decision(Echoed(state.count + 1), (said,))


ECHO = Processor(
    name=ProcessorName("routing.lead"), log=LEADS, state=Echoed, decide=decide_echo, listens=frozenset({LeadScored})
)


class Sum(msgspec.Struct, frozen=True, omit_defaults=True):
    """What reached the team, chained."""

    count: int = 0
    digest: str = ""
    leads: dict[str, int] = {}
    """Lead -> the number of the last that arrived from it."""
    gaps: int = 0
    """How often a lead's numbers did not go up by one."""


def decide_sum(state: Sum, event: Event, context: Context) -> Decision[Sum]:
    """One more of a lead's scores."""
    assert isinstance(event, AssignmentReleased)
    gap = event.number != state.leads.get(event.lead_id, 0) + 1
    after = Sum(
        state.count + 1,
        chained(state.digest, event.request_id),
        {**state.leads, event.lead_id: event.number},
        state.gaps + gap,
    )
    return Decision(after)


SUMS = Processor(
    name=ProcessorName("routing.team"), log=TEAMS, state=Sum, decide=decide_sum, listens=frozenset({AssignmentReleased})
)

PROCESSORS = {p.name: p for p in (TALLY, ECHO, SUMS)}
