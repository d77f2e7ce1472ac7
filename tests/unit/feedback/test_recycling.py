"""Leads that came back, as the ledger tells of them: cycles with their first touch, yield, contests, streams and audiences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.agreement import Agreement, load, load_roster
from schemas.events import desk
from schemas.events.desk import ContestDecided, ContestVerdict, LeadAccepted, LeadReturned, LeadWon, RepJoined
from schemas.events.intake import ConsentChanged, LeadErased
from schemas.ids import EventId
from schemas.lifecycle import State
from schemas.topics import LEADS
from schemas.vocabulary import ByManager, ByRep, BySystem, Money
from services.feedback import nurture, tables
from services.feedback.contest_doors import ContestIn, _prepared, _why_not
from services.feedback.ledger import Ledger
from services.feedback.lineage import cycles, recycling
from services.feedback.reports import Window, rejections
from services.feedback.reversals import contests, reversals
from services.feedback.spreadsheet import as_csv
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD as BY_LEAD
from services.routing.processors import TEAM as BY_TEAM
from services.runtime.problems import Problem
from services.runtime.projection import Incoming
from services.runtime.replay import Replay
from services.scoring.processor import SCORING
from tests.builders import LEAD, MONDAY, engaged, submitted

SAMPLES = Path(__file__).parents[3] / "deploy" / "agreements"
DEFAULT = load((SAMPLES / "default.yaml").read_text(), 1)
DAY = timedelta(days=1)
EVERYTHING = Window()


class Loop:
    """Scoring, routing and recycling in memory, with the ledger of their log."""

    def __init__(self, agreement: Agreement = DEFAULT) -> None:
        self.agreement = agreement
        self.replay = Replay([SCORING, BY_LEAD, BY_TEAM, RECYCLING], agreement, start=MONDAY)
        self.engine = sa.create_engine("sqlite://")
        self._ledger = Ledger(b"k" * 32)
        self._read = 0
        tables.METADATA.create_all(self.engine)
        for rep in load_roster((SAMPLES / "default-roster.yaml").read_text(), agreement).reps:
            joined = {"team_id": rep.team, "rep_id": rep.id, "role": rep.role, "pools": dict(rep.pools)}
            self.replay.append(RepJoined.model_validate(joined))

    def submit(self, campaign: str | None = None, **said: Any) -> None:
        source = {"campaign": campaign, "channel": "web"}
        self.replay.append(submitted(attributes={"topic": "demo"}, source=source, at=self.replay.now, **said))
        self.replay.run()

    def acts(self, kind: Any, event_id: str | None = None, **said: Any) -> EventId:
        life = self.replay.life(LEAD)
        done = self.replay.append(
            kind.model_validate(
                {
                    "lead_id": LEAD, "assignment_id": life.offer or life.last_offer, "by": ByRep(rep_id=life.rep or "anna"),
                    "occurred_at": self.replay.now, **said,
                }
            ),
            event_id=event_id,
        )  # fmt: skip
        self.replay.run()
        return done

    def gives_back(self, reason: str = "no_budget", **said: Any) -> EventId:
        self.acts(LeadAccepted)
        return self.acts(LeadReturned, reason=reason, **said)

    def wins(self, amount: str) -> EventId:
        self.acts(LeadAccepted)
        return self.acts(LeadWon, amount=Money.model_validate({"amount": amount, "currency": "EUR"}))

    def connection(self) -> sa.Connection:
        """The ledger, up to the log's end."""
        records = list(self.replay.records(LEADS))
        with self.engine.begin() as connection:
            self._ledger.apply(connection, [Incoming(r, LEADS, "replay") for r in records[self._read :]])
        self._read = len(records)
        return self.engine.connect()

    def contests(self, **said: Any) -> EventId:
        with self.connection() as connection:
            _, event, _ = _prepared(connection, LEAD, ContestIn(**said))
        return self.replay.append(event)

    def decides(self, contest: EventId, verdict: ContestVerdict) -> None:
        event = ContestDecided(
            lead_id=LEAD, contest_id=contest, verdict=verdict, by=ByManager(manager_id="max"), occurred_at=self.replay.now
        )
        self.replay.append(event)
        self.replay.run()


@pytest.fixture
def loop() -> Iterator[Loop]:
    one = Loop()
    yield one
    one.engine.dispose()


def three_cycles(loop: Loop) -> None:
    """Spring fair, back for want of budget; woken by its date, back for want of time; woken by a mail, and won."""
    loop.submit("spring-fair")
    loop.gives_back()
    loop.replay.run_until(MONDAY + 92 * DAY)
    loop.gives_back("no_timeline")
    loop.replay.run_until(MONDAY + 100 * DAY)
    mail = {"campaign": "winter-mails", "channel": "mail"}
    loop.replay.append(engaged("pricing_viewed", loop.replay.now, source=mail, asset="prices"))
    loop.replay.run()
    loop.wins("1200.00")


def test_every_cycle_keeps_its_first_touch(loop: Loop) -> None:
    three_cycles(loop)
    with loop.connection() as connection:
        found = cycles(connection, LEAD)["cycles"]
    assert [(c["cycle"], c["woken_by"], c["ended_as"], c["reason"], c["stream"]) for c in found] == [
        (1, None, "recycled", "no_budget", "budget"),
        (2, "date", "recycled", "no_timeline", "later"),
        (3, "engagement", None, None, None),
    ]
    assert [c["reached"] for c in found] == ["sal", "sal", "customer"]
    touches = [c["first_touch"] and (c["first_touch"]["campaign"], c["first_touch"]["collateral"]) for c in found]
    assert touches == [("spring-fair", None), None, ("winter-mails", "prices")]


def test_a_win_in_the_third_cycle_shows_its_whole_way_and_counts_for_the_campaign_that_brought_it_first(loop: Loop) -> None:
    three_cycles(loop)
    with loop.connection() as connection:
        found = recycling(connection, loop.agreement, EVERYTHING)
    [win] = found["wins"]
    assert (win["cycle"], win["amount"], win["days_from_first_touch"]) == (3, {"amount": "1200.00", "currency": "EUR"}, 100.0)
    assert win["first_touch"]["campaign"] == "spring-fair"
    assert win["first_touch_of_its_cycle"]["campaign"] == "winter-mails"
    assert [c["cycle"] for c in win["cycles"]] == [1, 2, 3]
    assert found["by_first_campaign"] == [
        {"campaign": "spring-fair", "wins": 1, "revenue": [{"amount": "1200.00", "currency": "EUR"}]}
    ]


def test_the_yield_is_told_by_reason_and_cycle(loop: Loop) -> None:
    three_cycles(loop)
    with loop.connection() as connection:
        found = recycling(connection, loop.agreement, EVERYTHING)["by_reason"]
    rows = {(r["reason"], r["cycle"]): r for r in found}
    first, second = rows["no_budget", 1], rows["no_timeline", 2]
    assert (first["rested"], first["came_back"], first["woken_by"], first["won"]) == (1, 1, {"date": 1}, 0)
    assert (second["rested"], second["qualified"], second["accepted"], second["won"]) == (1, 1, 1, 1)
    assert second["revenue"] == [{"amount": "1200.00", "currency": "EUR"}]
    assert (second["about"], second["won_share"], second["interval"][1]) == ("timing", 1.0, 1.0)
    assert first["mean_days_of_rest"] == pytest.approx(90, abs=1)


def test_a_win_that_is_taken_back_yields_nothing(loop: Loop) -> None:
    three_cycles(loop)
    win = loop.replay.life(LEAD).undoable[-1][0]
    loop.acts(desk.ActionUndone, action_id=win)
    with loop.connection() as connection:
        found = recycling(connection, loop.agreement, EVERYTHING)
    assert found["wins"] == []
    assert {r["cycle"]: r["won"] for r in found["by_reason"]} == {1: 0, 2: 0}


def test_a_lead_that_never_came_back_has_one_cycle_and_an_unknown_one_none(loop: Loop) -> None:
    loop.submit("spring-fair")
    with loop.connection() as connection:
        [only] = cycles(connection, LEAD)["cycles"]
        assert (only["cycle"], only["first_touch"]["campaign"], only["ended_as"]) == (1, "spring-fair", None)
        with pytest.raises(Problem):
            cycles(connection, "nobody")


def test_a_new_life_after_an_erasure_begins_its_lineage_anew(loop: Loop) -> None:
    loop.submit("spring-fair")
    loop.gives_back()
    loop.replay.append(LeadErased(lead_id=LEAD))
    loop.replay.run_until(loop.replay.now + DAY)
    loop.submit("autumn-fair")
    loop.gives_back()
    with loop.connection() as connection:
        [only] = cycles(connection, LEAD)["cycles"]
    assert only["first_touch"]["campaign"] == "autumn-fair"


# ------------------------------------------------------------------ contests


def test_a_rejection_that_is_overturned_brings_the_lead_back_to_sales_in_the_same_cycle(loop: Loop) -> None:
    loop.submit()
    who = loop.replay.life(LEAD).rep
    rejection = loop.gives_back("no_fit", rejected=True)
    assert loop.replay.life(LEAD).state is State.RETIRED
    contest = loop.contests(by="mira", because="they have asked for a demo")
    loop.decides(contest, ContestVerdict.OVERTURNED)
    life = loop.replay.life(LEAD)
    assert (life.state, life.cycle, life.contest) == (State.ASSIGNED, 1, None)
    assert life.rep != who
    with loop.connection() as connection:
        [told] = contests(connection, only_open=False)
        report = reversals(connection, loop.agreement, EVERYTHING)
        turned_down = rejections(connection, EVERYTHING, loop.agreement)
    assert (told["action_id"], told["verdict"], told["contested_by"], told["decided_by"]) == (rejection, "overturned", "mira", "max")
    [rep] = report["reps"]
    assert (rep["rep"], rep["contested"], rep["overturned"], rep["overturned_share"]) == (who, 1, 1, 1.0)
    assert (turned_down["overturned"], turned_down["by_about"]) == (1, {"fit": 1})
    assert turned_down["reasons"][0]["about"] == "fit"


def test_a_rejection_that_is_upheld_stands(loop: Loop) -> None:
    loop.submit()
    loop.gives_back("no_fit", rejected=True)
    loop.decides(loop.contests(), ContestVerdict.UPHELD)
    assert loop.replay.life(LEAD).state is State.RETIRED
    with loop.connection() as connection:
        life, event, _ = _prepared(connection, LEAD, ContestIn())
    assert _why_not(life, event) == "This rejection was contested before: a manager has decided about it."
    loop.replay.append(event)
    assert loop.replay.life(LEAD).contest is None


def test_a_contest_that_comes_after_the_lead_has_come_back_moves_nothing(loop: Loop) -> None:
    loop.submit()
    loop.gives_back("no_budget", rejected=True)
    contest = loop.contests()
    loop.replay.run_until(MONDAY + 92 * DAY)
    assert loop.replay.life(LEAD).cycle == 2
    before = loop.replay.life(LEAD)
    loop.decides(contest, ContestVerdict.OVERTURNED)
    after = loop.replay.life(LEAD)
    assert (after.state, after.cycle, after.offer, after.contest) == (before.state, 2, before.offer, None)


def test_each_reps_share_of_other_is_told(loop: Loop) -> None:
    loop.submit()
    who = loop.replay.life(LEAD).rep
    loop.gives_back("other")
    with loop.connection() as connection:
        report = reversals(connection, loop.agreement, EVERYTHING)
    [rep] = report["reps"]
    assert (rep["rep"], rep["turned_down"], rep["other"], rep["other_share"]) == (who, 1, 1, 1.0)
    assert 0 < rep["other_interval"][0] < 1


# ------------------------------------------------------------------ streams


def test_a_stream_tells_who_rests_in_it_with_stage_date_and_consent(loop: Loop) -> None:
    loop.submit("spring-fair", consent={"newsletter": True, "phone": True})
    loop.gives_back()
    loop.replay.append(ConsentChanged(lead_id=LEAD, purpose="phone", granted=False, occurred_at=loop.replay.now))
    with loop.connection() as connection:
        [stream] = nurture.streams(connection, MONDAY + 85 * DAY)
        [row] = nurture.audience(connection, "budget", buying_stage=None, consent="newsletter")
        assert nurture.audience(connection, "budget", buying_stage=None, consent="phone") == []
        assert nurture.audience(connection, "later", buying_stage=None, consent=None) == []
    assert (stream["stream"], stream["leads"], stream["due_within_7_days"], stream["reasons"]) == ("budget", 1, 1, {"no_budget": 1})
    assert (row["lead_id"], row["stream"], row["reason"], row["consents"]) == (LEAD, "budget", "no_budget", ["newsletter"])
    assert row["wakes_at"].startswith("2026-05-31")


def test_a_lead_that_woke_is_in_no_stream_any_more(loop: Loop) -> None:
    loop.submit()
    loop.gives_back()
    loop.replay.run_until(MONDAY + 92 * DAY)
    with loop.connection() as connection:
        assert nurture.streams(connection, loop.replay.now) == []


def test_a_spreadsheet_takes_no_cell_for_a_formula() -> None:
    answer = as_csv("x", ("a", "b", "c"), [{"a": "=1+1", "b": ["x", "y"], "c": -3}])
    assert answer.body.decode() == "a,b,c\r\n'=1+1,x y,-3\r\n"


def test_what_a_crm_knows_is_no_rejection_to_contest(loop: Loop) -> None:
    loop.submit()
    loop.replay.append(desk.LeadLost(lead_id=LEAD, by=BySystem(system="crm"), occurred_at=loop.replay.now, reason="no_budget"))
    with loop.connection() as connection, pytest.raises(Problem, match="No rep has turned"):
        _prepared(connection, LEAD, ContestIn())
