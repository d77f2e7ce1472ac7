"""Weighted fair turns: what `fairness` promises, for any weights and any comings and goings."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import PoolId, RepId, RoleId
from services.routing.team.fairness import ONE_LEAD, back, due_at, missing, next_of, taking, time_of
from services.routing.team.state import Rep

POOL = PoolId("inbound")
ROUNDING = 200
"""Units of virtual time by which weights that do not divide a lead may be off after so many turns."""


class Dealing:
    """A pool that deals leads to whoever is able."""

    def __init__(self, weights: list[int]) -> None:
        self.reps = {RepId(f"r{i}"): Rep(role=RoleId("sdr"), pools={POOL: w}) for i, w in enumerate(weights)}
        self.virtual = 0
        self.got = dict.fromkeys(self.reps, 0)
        self.last: RepId | None = None

    def deal(self, able: set[RepId]) -> RepId | None:
        due = next_of([(i, r) for i, r in self.reps.items() if i in able], POOL, self.virtual)
        if due is None:
            return None
        for rep_id, rep in self.reps.items():
            self.reps[rep_id] = back(rep, POOL, self.virtual) if rep_id in able else missing(rep, POOL)
        self.reps[due], self.virtual = taking(self.reps[due], POOL, self.virtual)
        self.got[due] += 1
        self.last = due
        return due

    def time(self, rep_id: RepId) -> int:
        return time_of(self.reps[rep_id], POOL, self.virtual)


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=6), st.integers(1, 60))
def test_nobody_who_is_always_able_is_ahead_of_another_by_more_than_one_lead_of_his(
    weights: list[int], leads: int
) -> None:
    pool = Dealing(weights)
    everybody = set(pool.reps)
    for _ in range(leads):
        pool.deal(everybody)
        for i in everybody:
            for j in everybody - {i}:
                assert pool.time(i) - pool.time(j) <= ONE_LEAD // weights[int(j[1:])]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 6))
def test_after_a_full_round_everybody_got_his_share_exactly(weights: list[int], rounds: int) -> None:
    pool = Dealing(weights)
    for _ in range(rounds * sum(weights)):
        pool.deal(set(pool.reps))
    for rep_id, rep in pool.reps.items():
        assert abs(pool.got[rep_id] - rounds * rep.pools[POOL]) <= 1


@settings(max_examples=150)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.data())
def test_whoever_comes_back_is_neither_flooded_nor_starved(weights: list[int], data: st.DataObject) -> None:
    pool = Dealing(weights)
    everyone = sorted(pool.reps)
    for _ in range(data.draw(st.integers(1, 40))):
        able = data.draw(st.sets(st.sampled_from(everyone), min_size=1))
        pool.deal(able)
    assert pool.last is not None
    one_of_the_last = ONE_LEAD // pool.reps[pool.last].pools[POOL]
    for rep_id in everyone:
        assert pool.virtual - pool.time(rep_id) <= one_of_the_last + ROUNDING or rep_id not in pool.reps[rep_id].missed
    returned = {i: back(r, POOL, pool.virtual) for i, r in pool.reps.items() if POOL in r.missed}
    for rep_id, rep in returned.items():
        assert rep.turns[POOL] >= pool.virtual, "who was away may not be behind the pool"
        own = pool.reps[rep_id].turns.get(POOL, 0)
        assert rep.turns[POOL] <= max(own, pool.virtual), "who was away may not be put further ahead than he was"


def test_among_equals_he_who_holds_fewer_leads_is_due() -> None:
    busy = Rep(role=RoleId("sdr"), pools={POOL: 1}, open=3)
    free = Rep(role=RoleId("sdr"), pools={POOL: 1}, open=2)
    assert next_of([(RepId("ana"), busy), (RepId("bob"), free)], POOL, 0) == "bob"


def test_nobody_able_means_nobody_due() -> None:
    assert next_of([], POOL, 0) is None


def test_being_excluded_from_one_lead_costs_no_turn() -> None:
    pool = Dealing([1, 1])
    before = due_at(pool.reps[RepId("r0")], POOL, pool.virtual)
    next_of([(RepId("r1"), pool.reps[RepId("r1")])], POOL, pool.virtual)
    assert due_at(pool.reps[RepId("r0")], POOL, pool.virtual) == before
