"""What a rep is told of his turns: share, assigned, shortfall, since when, why."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.processors import TEAM
from services.routing.team.standing import standing
from tests.unit.routing.house import HOUR, MONDAY, SalesTeam, agreement


def told(team: SalesTeam, rep: str) -> dict[str, Any]:
    found = standing(team.loop.state(TEAM.name, "sales"), team.loop.parts(TEAM.name, "sales"), rep, agreement(), team.loop.now)
    assert found is not None
    return found


def test_share_and_assigned_are_counted_from_his_joining_and_shares_add_up_to_what_was_dealt() -> None:
    team = SalesTeam()
    team.joins("ana", pools={"inbound": 2})
    team.joins("bob")
    for number in range(4):
        team.asks(number)
    (ana,), (bob,) = told(team, "ana")["pools"], told(team, "bob")["pools"]

    assert (ana["assigned"], bob["assigned"]) == (3, 1)
    assert ana["share"] == round(4 * 2 / 3, 3)
    assert round(ana["share"] + bob["share"], 2) == 4
    assert ana["shortfall"] == round(ana["share"] - 3, 3)
    assert ana["since"] == MONDAY.isoformat().replace("+00:00", "Z")
    assert (ana["weight"], ana["weight_of_the_able"]) == (2, 3)
    assert "ahead of his share" in ana["because"]
    assert "is owed" in bob["because"]


def test_who_is_away_is_told_until_when_and_that_he_loses_nothing() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.is_away("ana", until=team.loop.now + HOUR)
    found = told(team, "ana")

    assert found["able"] is False
    assert found["because"].startswith("is away until 2026-03-02 10:0")
    assert "neither gains nor loses" in found["pools"][0]["because"]


def test_a_rep_who_was_never_there_is_nobody_and_one_who_left_keeps_his_account() -> None:
    team = SalesTeam()
    team.joins("ana")
    team.asks(1)
    team.leaves("ana")

    assert standing(team.loop.state(TEAM.name, "sales"), team.loop.parts(TEAM.name, "sales"), "bob", agreement(), MONDAY) is None
    assert told(team, "ana")["in_the_team"] is False
    assert told(team, "ana")["pools"][0]["assigned"] == 1


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(("deal", "deal", "deal", "away", "back", "weigh")), st.integers(0, 3)), max_size=40))
def test_nobody_is_ever_told_of_more_than_a_lead_between_share_and_assigned(history: list[tuple[str, int]]) -> None:
    team, reps = SalesTeam(), ("r0", "r1", "r2", "r3")
    for rep in reps:
        team.joins(rep)
    for number, (what, who) in enumerate(history):
        rep = f"r{who}"
        if what == "deal":
            team.asks(number)
            if team.owner(number) is not None:
                team.releases(number)
        elif what == "weigh":
            team.changes(rep, pools={"inbound": number + 1})
        elif what == "away":
            team.is_away(rep)
        else:
            team.is_back(rep)
    for rep in reps:
        (pool,) = told(team, rep)["pools"]
        assert abs(pool["shortfall"]) <= 1
        assert pool["share"] == round(pool["assigned"] + pool["shortfall"], 3)
        assert pool["assigned"] == team.dealt(rep, range(len(history)))
