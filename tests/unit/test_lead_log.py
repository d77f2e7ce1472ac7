"""A reader of a lead's log and the engine's `step` are one rule: the same lives, the same repetitions, the same effects."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from schemas.base import Event
from schemas.events import desk
from schemas.events.runtime import TimerDue
from schemas.ids import EventId, ProcessorName
from schemas.lifecycle import LIFE_EVENTS, UNBORN, Life, fold
from schemas.topics import LEADS
from schemas.wire import CausePosition, Envelope, Record, encode, new_trace
from services.runtime.lead_log import UNREAD, LeadMemory, changes_lives, decode_memory, encode_memory, read_lead
from services.runtime.protocol import Context, Decision, Parts, Processor
from services.runtime.step import KeyRecord, step
from tests.builders import LEAD, MONDAY, OneLead, agreement, engaged, submitted


class Nothing(msgspec.Struct, frozen=True):
    """What a processor that only listens remembers."""


HEARD: list[tuple[Event, Context]] = []


def listen(state: Nothing, event: Event, context: Context) -> Decision[Nothing]:
    HEARD.append((event, context))
    return Decision(state)


LISTENER = Processor(
    name=ProcessorName("scoring"),
    log=LEADS,
    state=Nothing,
    decide=listen,
    listens=frozenset(LIFE_EVENTS),
    follows_life=True,
)


class Always:
    """One agreement for ever."""

    def __init__(self) -> None:
        self._agreement = agreement()

    def in_force(self, at: object) -> object:
        return self._agreement

    def version(self, number: int) -> object:
        return self._agreement

    def model_at(self, at: object) -> None:
        return None

    def next_after(self, at: object) -> None:
        return None


def records(chance: random.Random, number: int) -> Iterator[tuple[Record, Event]]:
    """A log in which much comes twice: by id, by cause, replayed, addressed to others, out of time."""
    writer = OneLead(LISTENER)
    life: Life = UNBORN
    said: list[tuple[Event, Envelope]] = []
    offset = 0
    for position in range(number):
        offset += chance.choice([1, 1, 1, 2])
        if said and chance.random() < 0.3:
            event, envelope = chance.choice(said)
        else:
            writer.life, writer.position = life, offset
            event = chance.choice(EVENTS)(writer)
            cause = (
                CausePosition(f"routing.lead/abc/{chance.randrange(2)}", position, chance.randrange(2))
                if chance.random() < 0.5
                else None
            )
            extra = chance.choice([{}] * 6 + [{"addressed_to": "sla"}, {"replay_of": "d1", "addressed_to": "scoring"}])
            envelope = Envelope(
                event_id=EventId(f"e{position}"),
                type=event.type_name(),
                source="/x",
                time=MONDAY,
                subject=LEAD,
                correlation_id="c",
                traceparent=new_trace("e"),
                writer="w",
                cause=cause,
                **extra,  # type: ignore[arg-type]
            )
            said.append((event, envelope))
        at = MONDAY + timedelta(minutes=position) - timedelta(minutes=chance.choice([0, 0, 0, 30]))
        record = Record("leads", 0, offset, at, LEAD.encode(), encode(event), tuple(envelope.headers()))
        life, _ = fold(life, event, position=offset, now=at, event_id=envelope.event_id)
        yield record, event


EVENTS = [
    lambda w: submitted(content="a" * 64),
    lambda w: submitted(),
    lambda w: engaged("pricing_viewed", MONDAY),
    OneLead.qualified,
    OneLead.nurtured,
    OneLead.routed,
    lambda w: w.assigned() if w.life.offer else submitted(),
    lambda w: w.act(desk.LeadAccepted) if w.life.offer else submitted(),
    lambda w: w.act(desk.LeadReturned, reason="no_budget") if w.life.offer else submitted(),
    lambda w: w.outcome(desk.LeadWon),
    lambda w: TimerDue(key=LEAD, processor=ProcessorName("sla"), due_at=MONDAY),
]


@pytest.mark.parametrize("seed", range(60))
def test_step_and_read_lead_agree_on_every_record(seed: int) -> None:
    memory, before, parts = UNREAD, None, Parts()
    effects = set()
    for record, event in records(random.Random(seed), 80):
        HEARD.clear()
        stepped = step(LISTENER, before, parts, record, Always(), incarnation="abc", source="/s", writer="w")  # type: ignore[arg-type]
        memory, effect = read_lead(memory, record, Envelope.parse(record.headers), event)
        after: KeyRecord[Nothing] = stepped.after
        assert (memory.life, memory.seen, memory.position, memory.now_ms) == (
            after.life,
            after.seen,
            after.position,
            after.now_ms,
        )
        heard_in_life = bool(HEARD) and not isinstance(event, TimerDue) and "ce_replayof" not in dict(record.headers)
        if heard_in_life:
            assert effect is HEARD[0][1].effect
        before = after
        effects.add(effect)
    assert len(effects) >= 3, "the log must show effects, void events and repetitions"


def test_a_record_read_before_is_skipped_in_silence() -> None:
    record, event = next(records(random.Random(1), 5))
    envelope = Envelope.parse(record.headers)
    once, _ = read_lead(UNREAD, record, envelope, event)
    assert read_lead(once, record, envelope, event) == (once, None)


def test_the_memory_survives_being_stored() -> None:
    memory = UNREAD
    for record, event in records(random.Random(3), 60):
        memory, _ = read_lead(memory, record, Envelope.parse(record.headers), event)
    assert memory.life != UNBORN
    assert decode_memory(encode_memory(memory)) == memory
    assert isinstance(decode_memory(encode_memory(memory)), LeadMemory)


def test_only_the_events_of_a_life_need_their_content() -> None:
    assert changes_lives("leadloop.LeadSubmitted.v1")
    assert not changes_lives("leadloop.ClockStarted.v1")
