"""What intake's tables say of a submission: which earlier one said the same, with a key or without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from schemas.base import Event
from schemas.events.intake import LeadErased, LeadSubmitted, LeadSuppressed
from schemas.ids import EventId, digest
from schemas.topics import LEADS
from schemas.wire import Envelope, encode, new_trace
from services.intake.memory import METADATA, Equal, IntakeProjection, know
from services.runtime.projection import Incoming
from services.runtime.replay import MemoryLog
from tests.builders import LEAD, MONDAY, submitted

SAME = digest(b"the same")
KEYED = timedelta(0)


class Story:
    """A lead's log that intake's projection reads."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection, self.log, self.now = connection, MemoryLog(LEADS), MONDAY
        self.projection = IntakeProjection()

    def has(self, *events: Event) -> None:
        """The events a minute apart, read as one batch."""
        begin = len(self.log)
        for event in events:
            self.now += timedelta(minutes=1)
            event_id = EventId(f"e{len(self.log)}")
            envelope = Envelope(
                event_id=event_id, type=event.type_name(), source="/test", time=self.now, subject=LEAD,
                correlation_id=event_id, traceparent=new_trace(event_id), writer="intake",
            )  # fmt: skip
            self.log.append(LEAD, encode(event), envelope.headers(), self.now)
        self.projection.apply(self.connection, [Incoming(r, LEADS, "i") for r in self.log.records[begin:]])

    def equal(self) -> Equal | None:
        """What an equal submission would repeat now."""
        return know(self.connection, LEAD, None, SAME).equal

    def newest(self, event: LeadSubmitted) -> Equal:
        """The event, as it was the newest in the log."""
        return Equal(event.submission_id, round(self.now.timestamp() * 1000))


@pytest.fixture
def story() -> Iterator[Story]:
    engine = sa.create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        yield Story(connection)


@pytest.mark.parametrize("window", [KEYED, timedelta(hours=1)], ids=["with a key", "without a key"])
def test_a_submission_in_effect_is_what_an_equal_one_repeats(story: Story, window: timedelta) -> None:
    assert story.equal() is None
    story.has(submitted(), event := submitted(content=SAME, repeat_window=window))
    expected = story.newest(event)
    story.has(submitted(), LeadSuppressed(lead_id=LEAD, reason="competitor"))
    assert story.equal() == expected


def test_of_two_keys_with_equal_content_the_newer_is_repeated(story: Story) -> None:
    story.has(submitted(content=SAME, repeat_window=KEYED))
    story.has(newer := submitted(content=SAME, repeat_window=KEYED))
    assert story.equal() == story.newest(newer)


def test_what_was_void_repeats_nothing(story: Story) -> None:
    story.has(submitted(), LeadSuppressed(lead_id=LEAD, reason="competitor"))
    story.has(submitted(content=SAME, repeat_window=KEYED))
    assert story.equal() is None


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "each by itself"])
def test_what_was_said_before_an_erasure_is_not_remembered_as_said(story: Story, at_once: bool) -> None:
    events = (submitted(content=SAME, repeat_window=KEYED), LeadErased(lead_id=LEAD), submitted())
    for some in [events] if at_once else [[e] for e in events]:
        story.has(*some)
    assert story.equal() is None
    story.has(anew := submitted(content=SAME, repeat_window=KEYED))
    assert story.equal() == story.newest(anew)


def test_an_erased_lead_repeats_nothing(story: Story) -> None:
    story.has(submitted(content=SAME, repeat_window=KEYED), LeadErased(lead_id=LEAD))
    assert story.equal() is None
