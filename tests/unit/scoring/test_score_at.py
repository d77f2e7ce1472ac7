"""The score of any instant comes out of the log: feedback reckons what scoring said, and would have said between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schemas import topics
from schemas.agreement import load
from schemas.events.intake import LeadErased
from schemas.events.scoring import LeadScored
from schemas.topics import LEADS
from services.feedback import tables
from services.feedback.ledger import Ledger
from services.feedback.scores import in_numbers, score_at
from services.runtime.problems import Problem
from services.runtime.projection import Incoming
from services.runtime.replay import AgreementsInMemory, Replay
from services.scoring.processor import SCORING
from tests.builders import LEAD, MONDAY, engaged, submitted

DAY = timedelta(days=1)
TEXT = (Path(__file__).parents[3] / "deploy" / "agreements" / "software.yaml").read_text()
ONE = load(TEXT, 1)
TWO = load(TEXT.replace("{id: mid-size, points: 15", "{id: mid-size, points: 20"), 2)
CHANGE = MONDAY + 20 * DAY
AGREEMENTS = AgreementsInMemory(((datetime.min.replace(tzinfo=MONDAY.tzinfo), ONE), (CHANGE, TWO)))


@pytest.fixture
def loop() -> Replay:
    """A lead that submits, looks at prices twice and comes back after the agreement has changed."""
    loop = Replay([SCORING], AGREEMENTS, start=MONDAY)
    loop.append(engaged("page_viewed", MONDAY - DAY))
    loop.append(submitted(attributes={"employees": 60}, source={"campaign": "partner-day"}), at=MONDAY + DAY)
    loop.append(engaged("pricing_viewed", MONDAY + 2 * DAY), at=MONDAY + 3 * DAY)
    loop.append(engaged("pricing_viewed", MONDAY + 5 * DAY), at=MONDAY + 5 * DAY)
    loop.append(submitted(attributes={"seniority": "vp"}), at=MONDAY + 25 * DAY)
    loop.run_until(MONDAY + 26 * DAY)
    return loop


@pytest.fixture
def connection(loop: Replay) -> Iterator[sa.Connection]:
    """The ledger after the loop's whole log."""
    engine = sa.create_engine("sqlite://")
    tables.METADATA.create_all(engine)
    with engine.begin() as connection:
        records = [Incoming(record, LEADS, "replay") for record in loop.records(LEADS)]
        Ledger(b"k" * 32).apply(connection, records)
        yield connection


def test_at_the_instant_of_every_score_said_it_is_that_score_to_the_byte(
    loop: Replay, connection: sa.Connection
) -> None:
    said = [(r.record.at, r.event) for r in loop.log(LEADS, LEAD) if isinstance(r.event, LeadScored)]
    assert len(said) >= 5
    causes = {r.record.offset: r.record.at for r in loop.log(LEADS, LEAD)}
    for number, (at, event) in enumerate(said):
        decided = max(a for a in causes.values() if a < at)
        answer = score_at(connection, AGREEMENTS, LEAD, decided)
        assert answer["score"] == f"{event.score:f}", number
        assert [Decimal(c["points"]) for c in answer["contributions"]] == [c.points for c in event.contributions]
        assert (answer["grade"], answer["stage"]) == (event.grade, event.stage)
        assert answer["agreement_version"] == event.agreement_version


def test_between_events_it_has_faded_and_says_what_changed(connection: sa.Connection) -> None:
    answer = score_at(connection, AGREEMENTS, LEAD, MONDAY + 8 * DAY)
    assert answer["agreement_version"] == 1
    since = answer["since_last"]
    assert Decimal(since["points"]) < 0
    assert Decimal(since["score"]) + Decimal(since["points"]) == Decimal(answer["score"])
    assert Decimal(since["points"]) == sum(Decimal(c["points"]) for c in since["changes"])
    assert {c["rule"] for c in since["changes"]} <= {"prices", "pages"}
    assert answer["to_qualify"]
    assert score_at(connection, AGREEMENTS, LEAD, CHANGE)["agreement_version"] == 2


def test_the_door_answers_points_as_numbers_and_says_by_name_which_engagement_would_qualify(
    connection: sa.Connection,
) -> None:
    found = score_at(connection, AGREEMENTS, LEAD, MONDAY + 8 * DAY)
    assert any("engagement" in change for way in found["to_qualify"] for change in way["changes"])

    answer = in_numbers(found)

    assert list(answer) == list(found)
    assert [way["changes"] for way in answer["to_qualify"]] == [way["changes"] for way in found["to_qualify"]]
    said = [
        answer["score"],
        *(c["points"] for c in answer["contributions"]),
        *(w["score"] for w in answer["to_qualify"]),
    ]
    assert all(isinstance(points, int | float) for points in said)
    assert answer["score"] == float(found["score"])


def refused(connection: sa.Connection, at: datetime, lead: str = LEAD) -> Any:
    with pytest.raises(Problem) as problem:
        score_at(connection, AGREEMENTS, lead, at)
    return problem.value.status, problem.value.title


def test_before_its_submission_and_of_nobody_there_is_no_score(connection: sa.Connection) -> None:
    assert refused(connection, MONDAY + timedelta(hours=1)) == (404, "Not submitted then")
    assert refused(connection, MONDAY, "unheard-of") == (404, "No such lead")


def test_an_erased_lead_has_no_score(loop: Replay, connection: sa.Connection) -> None:
    loop.append(LeadErased(lead_id=LEAD))
    Ledger(b"k" * 32).apply(connection, [Incoming(loop.records(topics.LEADS)[-1], LEADS, "replay")])
    assert refused(connection, MONDAY + 30 * DAY) == (404, "Not submitted then")
