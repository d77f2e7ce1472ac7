"""The loop under the default agreement, in memory: from a form to a rep, back to marketing and in again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from schemas.agreement import load, load_roster
from schemas.events.desk import LeadAccepted, LeadReturned, RepJoined, RepLeft
from schemas.events.recycling import LeadReactivated
from schemas.events.routing import ChosenBy, LeadAssigned
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


def started_loop(next_rep: str = "any") -> Replay:
    text = (SAMPLES / "default.yaml").read_text()
    agreement = load(text.replace("stream: budget,", f"stream: budget, next_rep: {next_rep},"), 1)
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


def walk(next_rep: str = "any", between: Callable[[Replay], None] = lambda loop: None) -> Replay:
    loop = started_loop(next_rep)
    same = {"content": "0" * 64, "submission_id": "00000000-0000-4000-8000-000000000001"}
    loop.append(submitted(attributes={"topic": "demo"}, **same))
    loop.run_until(MONDAY + 5 * HOUR)
    life = loop.life(LEAD)
    who = {"lead_id": LEAD, "assignment_id": life.offer, "by": ByRep(rep_id=life.rep), "occurred_at": loop.now}
    loop.append(LeadAccepted.model_validate(who))
    loop.append(LeadReturned.model_validate({**who, "reason": "no_budget"}))
    loop.run_until(MONDAY + 24 * HOUR)
    between(loop)
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


def assigned(loop: Replay) -> list[LeadAssigned]:
    return [e for e in loop.events(LEADS, LEAD) if isinstance(e, LeadAssigned)]


def test_a_lead_that_goes_to_another_rep_does_not_come_back_to_him_who_had_it_last() -> None:
    _, last, again = assigned(walk("another"))
    assert again.rep_id != last.rep_id
    assert {c.rep_id: c.because for c in again.candidates}[last.rep_id] == (
        "has had this lead, and rejected it, did not take it up in time, or is not to get it again"
    )


def test_a_lead_that_is_kept_for_its_rep_goes_back_to_him() -> None:
    _, last, again = assigned(walk("same"))
    assert (again.rep_id, again.chosen_by, again.pool_id) == (last.rep_id, ChosenBy.KNOWN_LEAD, None)
    assert again.because == f"{last.rep_id} had it before it rested"


def test_a_lead_that_was_kept_for_a_rep_who_has_left_goes_by_the_rules() -> None:
    def leaves(loop: Replay) -> None:
        last = assigned(loop)[-1]
        loop.append(RepLeft(team_id=last.team_id, rep_id=last.rep_id))

    _, last, again = assigned(walk("same", leaves))
    assert again.rep_id != last.rep_id
    assert again.pool_id is not None
