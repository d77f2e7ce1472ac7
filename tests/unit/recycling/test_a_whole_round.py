"""The loop under the default agreement, in memory: from a form to a rep, back to marketing and in again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from schemas.agreement import load, load_roster
from schemas.events.desk import LeadAccepted, LeadReturned, RepJoined
from schemas.events.recycling import LeadReactivated
from schemas.events.routing import LeadAssigned
from schemas.lifecycle import State
from schemas.topics import LEADS
from schemas.vocabulary import ByRep
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD as BY_LEAD
from services.routing.processors import TEAM as BY_TEAM
from services.runtime.replay import Replay
from services.scoring.processor import SCORING
from services.sla.processor import SLA
from tests.builders import LEAD, MONDAY, engaged, submitted

SAMPLES = Path(__file__).parents[3] / "deploy" / "agreements"
HOUR = timedelta(hours=1)
ROUND = """
    LeadSubmitted LeadScored LeadQualified LeadRouted LeadAssigned ClockStarted ClockWarned ClockBreached
    AssignmentWithdrawn LeadRouted LeadAssigned ClockStarted LeadAccepted LeadReturned ClockMet LeadRecycled
    EngagementObserved LeadReactivated LeadQualified LeadRouted LeadAssigned ClockStarted
"""


def started_loop() -> Replay:
    agreement = load((SAMPLES / "default.yaml").read_text(), 1)
    loop = Replay([SCORING, BY_LEAD, BY_TEAM, SLA, RECYCLING], agreement, start=MONDAY)
    for rep in load_roster((SAMPLES / "default-roster.yaml").read_text(), agreement).reps:
        loop.append(
            RepJoined(
                team_id=rep.team,
                rep_id=rep.id,
                role=rep.role,
                pools=dict(rep.pools),
                open_leads_cap=rep.open_leads_cap,
                calendar=rep.calendar,
            )
        )
    return loop


def walk() -> Replay:
    loop = started_loop()
    same = {"content": "0" * 64, "submission_id": "00000000-0000-4000-8000-000000000001"}
    loop.append(submitted(attributes={"topic": "demo"}, **same))
    loop.run_until(MONDAY + 5 * HOUR)
    life = loop.life(LEAD)
    who = {"lead_id": LEAD, "assignment_id": life.offer, "by": ByRep(rep_id=life.rep), "occurred_at": loop.now}
    loop.append(LeadAccepted.model_validate(who))
    loop.append(LeadReturned.model_validate({**who, "reason": "no_budget"}))
    loop.run_until(MONDAY + 24 * HOUR)
    loop.append(engaged("pricing_viewed", loop.now))
    loop.run_until(MONDAY + 25 * HOUR)
    return loop


def test_a_lead_is_answered_too_late_reassigned_returned_woken_and_assigned_again() -> None:
    loop = walk()
    said = [type(e).__name__ for e in loop.events(LEADS, LEAD)]
    wanted = iter(said)
    for name in ROUND.split():
        assert name in wanted, f"{name} does not follow in {said}"
    life = loop.life(LEAD)
    assert (life.state, life.cycle) == (State.ASSIGNED, 2)
    assert sum(name == "LeadReactivated" for name in said) == 1


def test_the_rep_who_let_the_clock_breach_is_not_asked_again_in_that_cycle() -> None:
    loop = walk()
    first, second, *_ = [e.rep_id for e in loop.events(LEADS, LEAD) if isinstance(e, LeadAssigned)]
    assert first != second


def test_the_same_log_gives_the_same_events_again() -> None:
    assert walk().events(LEADS, LEAD) == walk().events(LEADS, LEAD)


def test_a_reactivated_lead_says_what_woke_it() -> None:
    woken = next(e for e in walk().events(LEADS, LEAD) if isinstance(e, LeadReactivated))
    assert woken.because == "pricing_viewed was seen while it rested after cycle 1"
