"""A recorded log under a proposed agreement: which leads are qualified more or fewer, and why."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from schemas.agreement import Agreement
from schemas.events import desk
from schemas.ids import LeadId
from schemas.topics import LEADS
from schemas.vocabulary import ByRep
from services.console.backtest.report import document, headline
from services.console.backtest.tally import Tally
from services.console.backtest.whatif import Rehearsal
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD, TEAM
from services.runtime.replay import AgreementsInMemory, Replay
from services.scoring.processor import SCORING
from services.sla.processor import SLA
from tests.builders import MONDAY, TERMS, agreement, engaged, submitted

DAY = timedelta(days=1)
RULES = agreement()


def score_from(points: int, version: int = 2) -> Agreement:
    definition = [
        {**rule, "when": {"score": {"at_least": points}}} if rule["id"] == "score" else rule
        for rule in TERMS["definition"]
    ]
    return agreement(version, definition=definition)


def who(number: int) -> LeadId:
    return LeadId(f"0b0f6c1a-5b5e-4f6e-9d58-{number:012d}")


def recorded(*agreements: Agreement, since: timedelta = DAY) -> Replay:
    """A loop with one rep, and agreements that come into force one after the other."""
    published = AgreementsInMemory(
        tuple((MONDAY - DAY if i == 0 else MONDAY + i * since, a) for i, a in enumerate(agreements or (RULES,)))
    )
    made = Replay((SCORING, LEAD, TEAM, SLA, RECYCLING), published, start=MONDAY)
    made.append(
        desk.RepJoined.model_validate({"team_id": "sales", "rep_id": "ana", "role": "sdr", "pools": {"inbound": 1}})
    )
    return made


def submits(made: Replay, number: int, **said: Any) -> None:
    made.append(submitted(lead=who(number), at=made.now, **said))
    made.run()


def sees_prices(made: Replay, number: int) -> None:
    made.append(engaged("pricing_viewed", made.now, lead=who(number)))
    made.run()


def acts(made: Replay, number: int, action: Any, **said: Any) -> None:
    offer = made.life(who(number)).offer
    made.append(action(lead_id=who(number), assignment_id=offer, by=ByRep(rep_id="ana"), occurred_at=made.now, **said))  # type: ignore[arg-type]
    made.run()


def rehearsed(made: Replay, *agreements: Agreement, since: Any = None, at_hand: int = 100) -> dict[str, Any]:
    """The answer for an agreement in force from the beginning, or for the last one in force from `since` on."""
    past = made.agreements.published if since is not None else ()
    proposed = AgreementsInMemory((*((at, a) for at, a in past if at < since), (since or MONDAY - DAY, agreements[-1])))
    rehearsal = Rehearsal(SCORING, proposed, since=since, tally=Tally(), at_hand=at_hand)
    for record in made.records(LEADS):
        rehearsal.take(record)
    tally = rehearsal.end(made.now)
    return document(tally, agreements[-1], since=since, until=made.now, replaced="tests", seconds=0.0)


def test_a_lower_threshold_qualifies_more_and_names_them_with_rule_and_reason() -> None:
    made = recorded()
    submits(made, 1, attributes={"employees": 80}, source={"campaign": "spring"})
    submits(made, 2, attributes={"employees": 5}, source={"campaign": "spring"})
    submits(made, 3, attributes={"topic": "demo"}, source={"campaign": "fair"})

    answer = rehearsed(made, score_from(25))

    assert answer["qualified"] == {
        "then": 1, "now": 2, "difference": 1, "more": 1, "fewer": 0, "same": 1, "earlier": 0, "later": 0,
    }  # fmt: skip
    assert [(c["campaign"], c["more"], c["fewer"]) for c in answer["campaigns"]] == [("spring", 1, 0), ("fair", 0, 0)]
    (changed,) = answer["changed"]
    assert (changed["lead_id"], changed["kind"], changed["pool"], changed["team"]) == (who(1), "more", "inbound", "sales")
    assert (changed["then"]["verdict"], changed["then"]["rule"]) == ("nurtured", "rest")
    assert (changed["now"]["verdict"], changed["now"]["rule"]) == ("qualified", "score")
    assert "the score is at least 40" in changed["now"]["because"]
    assert answer["why"] == [{"kind": "more", "rule_then": "rest", "rule_now": "score", "leads": 1}]
    assert headline(answer).startswith("2 of 3 leads would be qualified, 1 more than the 1 that were")


def test_points_that_differ_are_told_by_rule() -> None:
    made = recorded()
    submits(made, 1, attributes={"employees": 80})
    sees_prices(made, 1)
    fit = [{**TERMS["scoring"]["fit"][0], "points": 20}]
    stricter = agreement(2, scoring={**TERMS["scoring"], "fit": fit})

    answer = rehearsed(made, stricter)

    assert (answer["qualified"]["fewer"], answer["qualified"]["now"]) == (1, 0)
    (changed,) = answer["changed"]
    assert [(c["part"], c["rule"], c["then"], c["now"]) for c in changed["contributions"]] == [("fit", "size", "25", "20")]
    assert answer["points"] == [
        {"kind": "fewer", "part": "fit", "rule": "size", "leads": 1, "points_on_average": "-5.00"}
    ]


def test_a_deadline_of_the_proposed_agreement_comes_though_no_timer_of_it_is_recorded() -> None:
    made = recorded()
    submits(made, 1)
    made.append(engaged("webinar_attended", made.now, lead=who(1)))
    made.run_until(made.now + 3 * DAY)
    fades = {
        "id": "webinar", "points": -50, "when": {"engagement": "webinar_attended", "within": "2d"}, "because": "fresh",
    }  # fmt: skip
    base = {"id": "base", "points": 60, "because": "everybody"}
    scoring = {**TERMS["scoring"], "engagement": [fades], "fit": [base]}

    answer = rehearsed(made, agreement(2, scoring=scoring))

    (changed,) = answer["changed"]
    assert changed["kind"] == "more"
    assert changed["at"].startswith("2026-03-02"), "qualified by its submission, before the webinar takes points away"

    definition = [
        {"id": "late", "verdict": "qualified", "when": {"all": [{"score": {"at_least": 60}}, {"engagement": "webinar_attended"}]},
         "because": "some time after a webinar"},
        TERMS["definition"][-1],
    ]  # fmt: skip
    answer = rehearsed(made, agreement(2, scoring=scoring, definition=definition))

    (changed,) = answer["changed"]
    assert (changed["kind"], changed["at"][:10]) == ("more", "2026-03-04"), "two days after the webinar, by time alone"


def test_from_an_instant_on_only_what_is_judged_after_it_counts_and_waiting_leads_are_judged_anew() -> None:
    made = recorded()
    submits(made, 1, attributes={"employees": 80})
    submits(made, 2, attributes={"topic": "demo"})
    made.run_until(MONDAY + 2 * DAY)
    submits(made, 3, attributes={"employees": 80})

    answer = rehearsed(made, score_from(25), since=MONDAY + DAY)

    assert (answer["qualified"]["then"], answer["qualified"]["more"]) == (0, 2)
    assert sorted((c["lead_id"], c["at"][:10]) for c in answer["changed"]) == [
        (who(1), "2026-03-03"),
        (who(3), "2026-03-04"),
    ]


def test_what_reps_did_follows_a_lead_that_is_qualified_earlier_so_its_next_cycle_is_judged_on_both_sides() -> None:
    made = recorded()
    submits(made, 1, attributes={"employees": 80})
    made.run_until(made.now + DAY)
    sees_prices(made, 1)
    acts(made, 1, desk.LeadReturned, reason="no_budget")
    made.run_until(made.now + timedelta(hours=1))
    sees_prices(made, 1)

    answer = rehearsed(made, score_from(25))

    assert (answer["qualified"]["same"], answer["qualified"]["earlier"]) == (1, 1)
    assert answer["verdicts"]["then"] == {"nurtured": 1, "qualified": 2}
    assert answer["verdicts"]["now"] == {"qualified": 2}
    assert answer["changed"][0]["because"].startswith("qualified 1 day earlier by score")


def busy(seed: int) -> Replay:
    """A loop in which two hundred leads and their rep do what they like, while the agreement changes twice."""
    chance = random.Random(seed)
    made = recorded(RULES, score_from(25), score_from(40, 3), since=3 * DAY)
    for _ in range(400):
        number = chance.randrange(60)
        made.run_until(made.now + timedelta(minutes=chance.randrange(1, 60)))
        match chance.randrange(4):
            case 0 | 1:
                submits(
                    made,
                    number,
                    attributes={"employees": chance.choice([5, 80]), "topic": chance.choice(["demo", "other", "pricing"])},
                    source={"campaign": chance.choice(["spring", "fair"])},
                )
            case 2:
                sees_prices(made, number)
            case _:
                if made.life(who(number)).held:
                    acts(made, number, *chance.choice([(desk.LeadAccepted,), (desk.LeadWon,)]))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_under_the_agreements_that_were_in_force_nothing_changes(seed: int) -> None:
    made = busy(seed)
    rehearsal = Rehearsal(SCORING, made.agreements, since=None, tally=Tally())
    for record in made.records(LEADS):
        rehearsal.take(record)
    tally = rehearsal.end(made.now)

    assert tally.total.then > 10
    assert (tally.total.more, tally.total.fewer, tally.earlier, tally.later, tally.not_judged) == (0, 0, 0, 0, 0)
    assert tally.then_verdicts == tally.now_verdicts
    for name, row in tally.campaigns.items():
        assert row.then == row.now, name
    assert sum(row.then for row in tally.pools.values()) == tally.total.then


def test_the_answer_does_not_depend_on_how_much_is_kept_in_memory() -> None:
    made = busy(7)

    assert rehearsed(made, score_from(15), at_hand=2) == rehearsed(made, score_from(15), at_hand=10_000)


def test_partitions_add_up() -> None:
    halves = [busy(1), busy(2)]
    tallies = []
    for made in (*halves, *halves):
        rehearsal = Rehearsal(SCORING, AgreementsInMemory.only(score_from(15)), since=None, tally=Tally(listed=5))
        for record in made.records(LEADS):
            rehearsal.take(record)
        tallies.append(rehearsal.end(made.now))
    one, other, both, more = tallies
    both.take(more)

    assert both.total.more == one.total.more + other.total.more
    assert both.events == one.events + other.events
    assert both.why == one.why + other.why
    assert len(both.changed) == 5
    assert max(both.changed) == max(max(one.changed), max(other.changed))


def test_an_attribute_that_nobody_ever_named_is_remarked() -> None:
    made = recorded()
    submits(made, 1, attributes={"employees": 80})
    attributes = {**TERMS["attributes"], "region": {"type": "text"}}
    definition = [
        {"id": "south", "verdict": "qualified", "when": {"attribute": "region", "equals": "south"}, "because": "south"},
        TERMS["definition"][-1],
    ]

    answer = rehearsed(made, agreement(2, attributes=attributes, definition=definition))

    assert any("attribute region" in remark for remark in answer["remarks"])
    assert not any("attribute employees" in remark for remark in answer["remarks"])
