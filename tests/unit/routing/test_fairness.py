"""Fair shares: what `docs/decisions/0502-fair-shares.md` proves, on random histories of the real team.

The shares are reckoned here anew, from what happened alone: each lead that is dealt adds `w / W` to every member who is
there. Whoever is served is owed at most one lead; what he would be owed beyond is written off.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import PoolId, RepId
from services.routing.processors import TEAM
from services.routing.team.fairness import lag
from services.routing.team.state import Rep
from tests.unit.routing.house import SalesTeam

POOL = PoolId("inbound")
ROUNDING = Fraction(1, 10**6)
"""Of a lead: virtual time is whole numbers."""

settings.register_profile("routing", deadline=None, max_examples=30)
settings.load_profile("routing")
Weights = st.lists(st.integers(1, 100), min_size=1, max_size=7)


class Account:
    """The team's log, and an account of its own of who is owed what."""

    def __init__(self, weights: list[int]) -> None:
        self.team = SalesTeam()
        self.weights: dict[str, int] = {}
        self.there: set[str] = set()
        self.owed: dict[str, Fraction] = {}
        self.written_off: dict[str, Fraction] = {}
        self.numbers = 0
        for weight in weights:
            self.joins(weight)

    def joins(self, weight: int) -> None:
        rep = f"r{len(self.weights)}"
        self.weights[rep] = weight
        self.owed[rep] = self.written_off[rep] = Fraction(0)
        self.there.add(rep)
        self.team.joins(rep, pools={POOL: weight})

    def leaves(self, rep: str) -> None:
        self.there.discard(rep)
        self.team.is_away(rep)

    def returns(self, rep: str) -> None:
        self.there.add(rep)
        self.team.is_back(rep)

    def weighs(self, rep: str, weight: int) -> None:
        self.weights[rep] = weight
        self.team.changes(rep, pools={POOL: weight})

    def deals(self, rejected_by: tuple[str, ...] = ()) -> str | None:
        """A lead comes. Who gets it, if anybody is there for it."""
        sharing = self.there - set(rejected_by)
        self.numbers += 1
        if not sharing:
            return None
        self.team.asks(self.numbers, excluded=rejected_by)
        taken = self.team.owner(self.numbers)
        assert taken in sharing
        assert taken is not None
        beyond = max(self.owed[taken] - 1, Fraction(0))
        self.written_off[taken] += beyond
        self.owed[taken] -= beyond
        whole = sum(self.weights[rep] for rep in sharing)
        for rep in sharing:
            self.owed[rep] += Fraction(self.weights[rep], whole)
        self.owed[taken] = max(self.owed[taken] - 1, Fraction(-1))
        return taken

    def rep(self, rep: str) -> Rep:
        return self.team.loop.parts(TEAM.name, "sales")["rep"][rep]  # type: ignore[no-any-return]

    def lag(self, rep: str) -> float:
        """What the product itself says that he is owed."""
        return lag(self.rep(rep), POOL, self.team.loop.state(TEAM.name, "sales").pools[POOL].virtual)


@given(Weights, st.integers(1, 80))
def test_while_everybody_is_there_nobody_is_ever_a_lead_from_his_share(weights: list[int], leads: int) -> None:
    account = Account(weights)
    got = dict.fromkeys(account.weights, 0)
    whole = sum(weights)
    for number in range(1, leads + 1):
        taken = account.deals()
        assert taken is not None
        got[taken] += 1
        for rep, weight in account.weights.items():
            assert abs(got[rep] - Fraction(number * weight, whole)) < 1 + ROUNDING


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_after_a_full_round_everybody_has_exactly_his_share(weights: list[int]) -> None:
    account = Account(weights)
    got = dict.fromkeys(account.weights, 0)
    for _ in range(2 * sum(weights)):
        taken = account.deals()
        assert taken is not None
        got[taken] += 1
    assert got == {rep: 2 * weight for rep, weight in account.weights.items()}


@given(Weights, st.lists(st.one_of(st.none(), st.integers(1, 100)), max_size=60))
def test_newcomers_take_nobody_a_lead_from_his_share_and_nothing_is_written_off(
    weights: list[int], history: list[int | None]
) -> None:
    account = Account(weights)
    for joins in history:
        if joins is None:
            account.deals()
        elif len(account.weights) < 12:
            account.joins(joins)
        assert all(abs(owed) < 1 + ROUNDING for owed in account.owed.values())
        assert not any(account.written_off.values())


Happening = Callable[[Account], None]


@st.composite
def happenings(draw: st.DrawFn) -> Happening:
    what = draw(st.sampled_from(("deal", "deal", "deal", "leave", "return", "weigh", "reject")))
    who, weight = draw(st.integers(0, 6)), draw(st.integers(1, 50))

    def happens(account: Account) -> None:
        rep = f"r{who % len(account.weights)}"
        if what == "leave" and rep != "r0":
            account.leaves(rep)
        elif what == "return":
            account.returns(rep)
        elif what == "weigh":
            account.weighs(rep, weight)
        elif what == "reject":
            account.deals(rejected_by=(rep,))
        else:
            account.deals()

    return happens


@given(Weights, st.lists(happenings(), max_size=60))
def test_whatever_happens_the_team_s_own_account_is_the_account_kept_here_and_within_one_lead(
    weights: list[int], history: list[Happening]
) -> None:
    account = Account(weights)
    for happens in history:
        happens(account)
        for rep, owed in account.owed.items():
            assert abs(account.lag(rep) - max(-1.0, min(1.0, float(owed)))) < 1e-6
            off = account.rep(rep).written_off.get(POOL, 0)
            assert abs(off - float(account.written_off[rep]) * 1000) <= 1 + account.numbers


@given(Weights, st.integers(1, 30), st.integers(1, 30))
def test_who_comes_back_is_owed_what_he_was_owed_when_he_left(weights: list[int], before: int, meanwhile: int) -> None:
    account = Account([*weights, 1])
    rep = f"r{len(weights)}"
    for _ in range(before):
        account.deals()
    owed = account.lag(rep)
    account.leaves(rep)
    for _ in range(meanwhile):
        account.deals()
    account.returns(rep)
    assert abs(account.lag(rep) - owed) < 1e-6


def test_a_heavy_member_among_light_ones_does_not_get_his_leads_in_a_row() -> None:
    account = Account([50, *([1] * 50)])
    heavy = [account.deals() == "r0" for _ in range(20)]
    assert all(abs(sum(heavy[:n]) - n / 2) <= 1 for n in range(1, 21))


def test_who_was_removed_and_joins_again_finds_his_account() -> None:
    account = Account([1, 1, 1])
    assert account.deals() == "r0"
    owed = account.lag("r0")
    account.team.leaves("r0")
    account.there.discard("r0")
    account.team.releases(1)
    account.team.joins("r0", pools={POOL: 1})
    assert owed < -0.5
    assert account.lag("r0") == owed


def test_the_lead_that_fills_a_rep_s_cap_counts_like_any_other() -> None:
    account = Account([1, 1])
    account.team.changes("r0", 1)
    account.team.changes("r1", 1)
    assert account.deals() == "r0"
    assert account.lag("r0") == -0.5
    account.there.discard("r0")
    assert account.deals() == "r1"
    for number, rep in ((1, "r0"), (2, "r1")):
        account.team.releases(number)
        account.there.add(rep)
    assert (account.lag("r0"), account.lag("r1")) == (-0.5, 0.5)
    assert account.deals() == "r1"


def test_leads_that_only_some_may_take_add_to_the_share_of_those_alone() -> None:
    account = Account([1, 1, 1])
    for _ in range(30):
        assert account.deals(rejected_by=("r0",)) in ("r1", "r2")
    assert account.lag("r0") == 0
    taken = {RepId(account.deals() or "") for _ in range(3)}
    assert taken == {"r0", "r1", "r2"}
