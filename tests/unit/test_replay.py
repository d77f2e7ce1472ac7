"""The loop over in-memory logs: whole paths in virtual time, and a recorded run said again byte for byte."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.agreement import load
from schemas.events import desk, intake, recycling, routing, scoring, sla
from schemas.ids import LeadId, RepId, SubmissionId, digest
from schemas.lifecycle import Effect, State
from schemas.topics import LEADS, TEAMS
from schemas.vocabulary import ByRep
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD, TEAM
from services.runtime.replay import INCARNATION, WRITER, AgreementsInMemory, Replay, differences, replay
from services.scoring.processor import SCORING
from services.sla.processor import SLA
from tests.unit.routing.house import HOUR, MONDAY, TEXT, lead

ALL = (SCORING, LEAD, TEAM, SLA, RECYCLING)
CLOCKED = TEXT.replace(
    "clocks: []",
    "clocks: [{id: first, starts_on: assigned, met_by: [accepted], within: 4h, calendar: always, on_breach: reassign}]",
).replace(
    "reasons: [", "reasons: [{id: later, title: Later, for: [recycle], then: {recycle: {after: 10d, stream: later}}}, "
)
AGREEMENT = load(CLOCKED, 1)
ONE = lead(1)


def loop(*reps: str) -> Replay:
    made = Replay(ALL, AGREEMENT, start=MONDAY)
    for rep in reps:
        made.append(
            desk.RepJoined.model_validate({"team_id": "sales", "rep_id": rep, "role": "sdr", "pools": {"inbound": 1}})
        )
    return made


def submit(made: Replay, who: LeadId = ONE, text: str = "one") -> None:
    made.append(
        intake.LeadSubmitted.model_validate(
            {
                "lead_id": who,
                "submission_id": SubmissionId(who),
                "content": digest(text.encode()),
                "submitted_at": made.now,
                "attributes": {"topic": "demo"},
            }
        )
    )
    made.run()


def does(made: Replay, action: Any, rep: str, **fields: Any) -> None:
    offer = made.life(ONE).offer
    by = ByRep(rep_id=RepId(rep))
    made.append(action(lead_id=ONE, assignment_id=offer, by=by, occurred_at=made.now, **fields))
    made.run()


def test_a_lead_travels_from_a_submission_to_a_rep() -> None:
    made = loop("ana")
    submit(made)
    assert [type(e) for e in made.events(LEADS, ONE)] == [
        intake.LeadSubmitted,
        scoring.LeadScored,
        scoring.LeadQualified,
        routing.LeadRouted,
        routing.LeadAssigned,
        sla.ClockStarted,
    ]
    assert (made.life(ONE).state, made.life(ONE).rep) == (State.ASSIGNED, "ana")


def test_a_clock_that_runs_out_takes_the_lead_to_another_rep() -> None:
    made = loop("ana", "bob")
    submit(made)
    made.run_until(made.now + 4 * HOUR + timedelta(seconds=1))
    assert made.life(ONE).rep == "bob"
    made.run_until(made.now + 4 * HOUR)
    assert made.life(ONE).queued is routing.QueueReason.NOBODY_AVAILABLE


def test_a_recycled_lead_comes_back_and_is_routed_again() -> None:
    made = loop("ana")
    submit(made)
    does(made, desk.LeadReturned, "ana", reason="later", rejected=True)
    assert made.life(ONE).state is State.RECYCLED
    made.run_until(made.now + timedelta(days=11))
    assert (made.life(ONE).state, made.life(ONE).cycle) != (State.RECYCLED, 1)
    assert made.events(LEADS, ONE, recycling.LeadReactivated)
    assert made.life(ONE).cycle == 2


def test_an_event_that_lost_its_race_is_void_and_shown_so() -> None:
    made = loop("ana")
    submit(made)
    does(made, desk.LeadReturned, "ana", reason="later")
    made.append(
        desk.LeadAccepted.model_validate(
            {
                "lead_id": ONE,
                "assignment_id": f"{ONE}.2",
                "by": {"kind": "rep", "rep_id": "ana"},
                "occurred_at": made.now,
            }
        )
    )
    assert made.log(LEADS, ONE)[-1].effect is Effect.VOID


def test_the_same_events_give_the_same_bytes() -> None:
    def run() -> list[Any]:
        made = loop("ana", "bob")
        for n in range(8):
            submit(made, lead(n), f"content {n}")
        made.run_until(made.now + timedelta(days=2))
        return [*made.records(LEADS), *made.records(TEAMS)]

    assert run() == run()


@pytest.mark.parametrize("processor", ALL, ids=lambda p: p.name)
def test_a_recorded_run_is_said_again_byte_for_byte(processor: Any) -> None:
    made = loop("ana", "bob")
    for n in range(5):
        submit(made, lead(n), f"content {n}")
    does(made, desk.LeadReturned, str(made.life(ONE).rep), reason="later")
    made.run_until(made.now + timedelta(days=1))
    recorded = recorded_of(made, processor)
    assert recorded
    assert differences(said_again(made, processor), recorded) == []


def recorded_of(made: Replay, processor: Any) -> list[Any]:
    prefix = f"{processor.name}/{INCARNATION}/".encode()
    both = itertools.chain(made.records(LEADS), made.records(TEAMS))
    return [r for r in both if (r.header("ce_cause") or b"").startswith(prefix)]


def said_again(made: Replay, processor: Any) -> list[Any]:
    return list(
        replay(
            processor,
            made.records(processor.log),
            AgreementsInMemory.only(AGREEMENT),
            incarnation=INCARNATION,
            source=f"/leadloop/{processor.service}",
            writer=WRITER,
        )
    )


def test_a_difference_to_the_recording_is_named() -> None:
    made = loop("ana")
    submit(made)
    recorded = recorded_of(made, LEAD)
    changed = [replace(recorded[0], value=b"{}"), *recorded[1:]]
    assert [d.split(" (")[1] for d in differences(said_again(made, LEAD), changed)] == [
        "leadloop.LeadRouted.v1) is said now in other bytes than recorded"
    ]
    missing = differences(said_again(made, LEAD), recorded[:-1])
    assert len(missing) == 1
    assert missing[0].endswith("is said now and was not recorded")


def test_what_is_said_for_ever_is_found_out() -> None:
    made = Replay(ALL, AGREEMENT, start=MONDAY, latency=timedelta(hours=2))
    with pytest.raises(TimeoutError, match="not quiet within"):
        submit(made)
