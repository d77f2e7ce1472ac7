"""Weights that follow success: within the agreement's bounds, and nobody starves."""

from __future__ import annotations

from services.routing.processors import TEAM
from services.routing.team.state import Rep
from tests.unit.routing.house import HOUR, SalesTeam, agreement

FOLLOWS = "  inbound: {team: sales, success: {at_least: 50, at_most: 150, counted_from: 4, half_life: 30d}}"


def rep(team: SalesTeam, name: str) -> Rep:
    return team.loop.parts(TEAM.name, "sales")["rep"][name]  # type: ignore[no-any-return]


def after_a_while(terms: str) -> SalesTeam:
    """Ana wins all of her leads, Bob loses all of his."""
    team = SalesTeam(agreement(inbound=terms))
    for name in ("ana", "bob"):
        team.joins(name)
    for n in range(1, 41):
        team.asks(n)
        team.releases(n, ended="won" if team.owner(n) == "ana" else "lost")
    return team


def test_without_a_word_of_the_agreement_weights_stay_as_they_are() -> None:
    team = after_a_while("  inbound: {team: sales}")
    assert (rep(team, "ana").factors, rep(team, "bob").factors) == ({}, {})


def test_weights_follow_success_up_to_the_bounds() -> None:
    team = after_a_while(FOLLOWS)
    assert rep(team, "ana").factors == {"inbound": 140}, "she wins all, the pool five of seven"
    assert rep(team, "bob").factors == {"inbound": 50}


def test_who_never_wins_still_has_his_part() -> None:
    team = after_a_while(FOLLOWS)
    for n in range(100, 180):
        team.asks(n)
    assert team.dealt("bob", range(100, 180)) == 21, "80 leads by the weights 50 and 140"
    assert team.dealt("ana", range(100, 180)) == 59


def test_too_few_ends_move_nothing_and_an_end_by_withdrawal_counts_for_nobody() -> None:
    team = SalesTeam(agreement(inbound=FOLLOWS))
    for name in ("ana", "bob"):
        team.joins(name)
    for n in range(1, 7):
        team.asks(n)
        team.releases(n, ended="won" if team.owner(n) == "ana" else "lost")
    for n in range(7, 40):
        team.asks(n)
        team.releases(n, ended="withdrawn")
    assert rep(team, "ana").factors == {}


def test_the_past_fades() -> None:
    team = after_a_while(FOLLOWS)
    team.passes(365 * 24 * HOUR)
    for n in range(100, 140):
        team.asks(n)
        team.releases(n, ended="won")
    assert rep(team, "bob").factors.get("inbound", 100) >= 85  # type: ignore[call-overload]
