"""Lessons out of leads' logs: each lead as it was when it was scored, each outcome learned once, whatever is read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.base import Event
from schemas.events.desk import ActionUndone, ContestDecided, LeadLost, LeadRejected, LeadReturned, LeadWon
from schemas.events.feedback import RejectionContested
from schemas.events.intake import LeadErased
from schemas.ids import EventId
from schemas.topics import LEADS as LEADS_LOG
from schemas.wire import Envelope, encode, new_trace
from services.runtime.projection import Incoming
from services.runtime.replay import MemoryLog
from services.scoring.lessons.gathering import Gathering
from services.scoring.lessons.study import Pupil, Studied
from services.scoring.lessons.tables import LESSONS, METADATA
from services.scoring.processor import SCORING
from tests.builders import LEAD, MONDAY, TERMS, OneLead, agreement, submitted

REASONS = [
    *(r for r in TERMS["reasons"] if r["id"] != "bad_data"),
    {"id": "bad_data", "title": "Bad data", "about": "fit", "for": ["reject", "recycle"], "then": "retire"},
    {
        "id": "later",
        "title": "Not now",
        "about": "timing",
        "for": ["lose", "reject"],
        "then": {"recycle": {"after": "90d"}},
    },
]
RULES = agreement(reasons=REASONS, learning={"settles_after": "10m"})
DAY = 24 * 3600 * 1000
MONDAY_MS = int(MONDAY.timestamp() * 1000)


class Only:
    """One agreement for ever."""

    def in_force(self, at: object) -> Agreement:
        return RULES


class Classroom:
    """A lead's log that is projected and learned from, in a database in a file."""

    def __init__(self, file: Path) -> None:
        self.engine = sa.create_engine(f"sqlite:///{file}")
        METADATA.create_all(self.engine)
        self.log = MemoryLog(LEADS_LOG)
        self.lead = OneLead(SCORING, RULES)
        self.read = 0
        self.pupil = Pupil()

    def hears(self, *events: Event) -> None:
        """Append the events and what scoring says of them, as they stand in the log."""
        for event in events:
            begin = len(self.lead.log)
            self.lead.hears(event)
            for said, _ in self.lead.log[begin:]:
                self._append(said)

    def _append(self, event: Event) -> None:
        event_id = EventId(f"e{len(self.log)}")
        envelope = Envelope(
            event_id=event_id, type=event.type_name(), source="/test", time=self.lead.now, subject=LEAD,
            correlation_id=event_id, traceparent=new_trace(event_id), writer="test",
        )  # fmt: skip
        self.log.append(LEAD, encode(event), envelope.headers(), self.lead.now)

    def gather(self, begin: int | None = None) -> None:
        """Project what was appended since the last time, or from an offset on."""
        records = self.log.records[self.read if begin is None else begin :]
        with self.engine.begin() as connection:
            Gathering(Only()).apply(connection, [Incoming(r, LEADS_LOG, "i") for r in records])
        self.read = len(self.log)

    def study(self, days: int = 30) -> Studied:
        with self.engine.begin() as connection:
            return self.pupil.study(connection, RULES, MONDAY_MS + days * DAY)

    def lessons(self) -> list[Any]:
        with self.engine.begin() as connection:
            return list(connection.execute(sa.select(LESSONS)).all())


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Classroom]:
    classroom = Classroom(tmp_path / "learning.sqlite")
    yield classroom
    classroom.engine.dispose()


def _assigned(room: Classroom) -> None:
    room.hears(submitted(attributes={"topic": "demo", "employees": 80}))
    room.hears(room.lead.routed())
    room.hears(room.lead.assigned())


def test_a_lead_that_is_won_is_a_lesson_as_it_was_when_sales_got_it(room: Classroom) -> None:
    _assigned(room)
    room.hears(submitted(attributes={"employees": 3}))
    room.hears(room.lead.outcome(LeadWon))
    room.gather()

    (lesson,) = room.lessons()
    assert lesson.won is True
    assert b"employees\x50" in lesson.traits
    assert room.study() == Studied(2, 1)
    assert room.pupil.learner is not None
    assert (room.pupil.learner.known, room.pupil.learner.won) == (1, 1.0)


def test_an_outcome_is_learned_once_whatever_is_read_or_studied_again(room: Classroom, tmp_path: Path) -> None:
    _assigned(room)
    room.hears(room.lead.outcome(LeadWon))
    room.gather()
    room.study()
    room.gather(begin=0)
    room.hears(room.lead.outcome(LeadWon))
    room.gather()

    assert room.study() == Studied(0, 0)
    room.pupil = Pupil()  # as after a kill: all that was at hand is gone
    assert room.study() == Studied(0, 0)
    assert room.pupil.learner is not None
    assert room.pupil.learner.known == 1


def test_a_batch_that_does_not_go_through_leaves_nothing_behind(room: Classroom) -> None:
    _assigned(room)
    room.hears(room.lead.outcome(LeadWon))
    room.gather()
    with room.engine.connect() as connection:
        assert room.pupil.study(connection, RULES, MONDAY_MS + DAY) == Studied(2, 1)
        connection.rollback()
    room.pupil.forget_what_was_read()

    assert room.study() == Studied(2, 1)
    assert room.pupil.learner is not None
    assert room.pupil.learner.known == 1


@pytest.mark.parametrize(
    ("action", "reason", "won"),
    [
        (LeadRejected, "bad_data", False), (LeadRejected, "not_mine", None), (LeadReturned, "no_budget", None),
        (LeadReturned, "bad_data", False),
    ],
)  # fmt: skip
def test_a_bad_lead_and_not_now_differ(room: Classroom, action: Any, reason: str, won: bool | None) -> None:
    _assigned(room)
    room.hears(room.lead.act(action, reason=reason))
    room.gather()

    assert [lesson.won for lesson in room.lessons()] == [won]


@pytest.mark.parametrize(("reason", "won"), [("lost_interest", False), (None, False), ("later", None)])
def test_a_lost_lead_is_lost_unless_it_only_was_too_early(
    room: Classroom, reason: str | None, won: bool | None
) -> None:
    _assigned(room)
    room.hears(room.lead.outcome(LeadLost, reason=reason))
    room.gather()

    assert [lesson.won for lesson in room.lessons()] == [won]


def test_what_is_undone_before_it_has_settled_is_not_learned(room: Classroom) -> None:
    _assigned(room)
    room.hears(room.lead.act(LeadRejected, reason="bad_data"))
    action = EventId(f"e{len(room.log) - 1}")
    room.gather()
    with room.engine.begin() as connection:
        room.pupil.study(connection, RULES, MONDAY_MS + 5 * 60 * 1000)
    room.lead.now += timedelta(minutes=6)
    room.hears(
        ActionUndone.model_validate({**room.lead.act(LeadRejected, reason="x").model_dump(), "action_id": action})
    )
    room.gather()

    assert [(lesson.scored, lesson.won, lesson.learned) for lesson in room.lessons()] == [(True, None, False)]
    assert room.study().outcomes == 0


def test_a_rejection_that_a_manager_overturns_teaches_nothing(room: Classroom) -> None:
    _assigned(room)
    room.hears(room.lead.act(LeadReturned, reason="bad_data"))
    rejection, position = EventId(f"e{len(room.log) - 1}"), room.lead.position
    who = {"lead_id": LEAD, "contested_by": "mira", "rep_id": "anna", "reason": "bad_data"}
    contest = {**who, "action_id": rejection, "position": position, "cycle": 1, "returned": True}
    room.hears(RejectionContested.model_validate(contest))
    manager = {"kind": "manager", "manager_id": "max"}
    verdict = {"contest_id": f"e{len(room.log) - 1}", "verdict": "overturned", "by": manager, "occurred_at": room.lead.now}
    room.gather()
    assert [lesson.won for lesson in room.lessons()] == [False]
    room.hears(ContestDecided.model_validate({"lead_id": LEAD, **verdict}))
    room.gather()

    assert [lesson.won for lesson in room.lessons()] == [None]


def test_an_erased_lead_leaves_no_lesson(room: Classroom) -> None:
    _assigned(room)
    room.gather()
    room.hears(LeadErased(lead_id=LEAD))
    room.gather()

    assert room.lessons() == []


def test_when_there_is_more_to_look_at_everything_is_learned_anew(room: Classroom) -> None:
    _assigned(room)
    room.hears(room.lead.outcome(LeadWon))
    room.gather()
    room.study()
    more = agreement(2, reasons=REASONS, attributes={**TERMS["attributes"], "size": {"type": "integer"}})
    with room.engine.begin() as connection:
        again = room.pupil.study(connection, more, MONDAY_MS + 30 * DAY)

    assert again == Studied(2, 1)
    assert room.pupil.learner is not None
    assert "size" in room.pupil.learner.attributes
    assert room.pupil.learner.known == 1
