"""The life of a lead and the assignment protocol keep their promises, whatever races.

Histories of the product's own fold and processors are made at random and searched exhaustively where they are small.
`LEADLOOP_CHECK_SECONDS=3600 pytest tests/properties/lifecycle` looks for as long as that, at other seeds.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import pytest

from tests.properties.lifecycle.exhaustive import search
from tests.properties.lifecycle.histories import History, history, smallest, told
from tests.properties.lifecycle.mutants import MUTANTS, NONE, Mutant

BLOCKS = 6
HISTORIES = 500
"""In each block; a block takes a few seconds."""
SECONDS = float(os.environ.get("LEADLOOP_CHECK_SECONDS", "0"))
LOOK_FOR_SMALLER = 10.0
"""Seconds spent on a smaller counterexample once there is one."""
MUTANT_WITHIN = 2000
"""Histories in which a naive variant must have been found out; most need less than a hundred."""


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_histories_keep_every_invariant(block: int, record_property: Callable[[str, object], None]) -> None:
    first = block * 10_000_000 + (int(time.time()) % 1000 * 1_000_000_000 if SECONDS else 0)
    end = time.monotonic() + SECONDS / BLOCKS
    records = 0
    for n in itertools.count():
        h = history(first + n)
        records += h.world.records
        if h.wrong is not None:
            pytest.fail(told(_smaller(h, NONE)), pytrace=False)
        if n + 1 >= HISTORIES and time.monotonic() >= end:
            record_property("histories", n + 1)
            record_property("records", records)
            return


def _smaller(h: History, mutant: Mutant) -> History:
    found = smallest(mutant, itertools.count(h.seed + 1), LOOK_FOR_SMALLER)
    return found if found is not None and found.world.records < h.world.records else h


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_checker_finds_out_that(mutant: Mutant) -> None:
    for seed in range(MUTANT_WITHIN):
        h = history(seed, mutant)
        if h.wrong is not None:
            assert mutant.breaks in h.wrong, told(h)
            return
    pytest.fail(f"{MUTANT_WITHIN} histories did not show what is wrong with it")


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if not m.skewed], ids=lambda m: m.name)
def test_the_product_survives_the_histories_that_break(mutant: Mutant) -> None:
    """The hunt for a naive variant, with the product's own rules in its place: the hunt itself breaks nothing."""
    sane = Mutant("the product", "", moves=mutant.moves, flavour=mutant.flavour, dead=mutant.dead)
    for seed in range(60):
        h = history(seed, sane)
        assert h.wrong is None, told(h)


EVERYTHING = (
    "LeadAccepted ContactAttempted LeadRejected LeadReturned LeadHandedOver LeadWon LeadLost ReassignmentOrdered "
    "LeadClaimed ActionUndone CrmWon CrmLost LeadErased LeadSuppressed LeadsMerged LeadsUnmerged LeadSubmitted "
    "RepLeft RepJoined RepChanged RepAvailabilityChanged TimerDue agreement RejectionContested ContestDecided"
)


@pytest.mark.parametrize(
    ("moves_left", "kinds", "flavour", "reps"),
    [
        (1, EVERYTHING, "push", ("ana", "bob")),
        (1, EVERYTHING, "claim", ("ana",)),
        (2, "LeadRejected ActionUndone RepLeft", "push", ("ana",)),
        (2, "TimerDue LeadAccepted ContactAttempted", "push", ("ana", "bob")),
        (2, "agreement RepLeft LeadSubmitted", "push", ()),
        (2, "LeadClaimed LeadErased CrmWon", "claim", ("ana",)),
        (2, "TimerDue LeadAccepted RepAvailabilityChanged", "offers", ("ana",)),
        (2, "TimerDue LeadClaimed", "grabs", ("ana",)),
        (3, "TimerDue LeadClaimed LeadAccepted", "paths", ("ana", "bob")),
        (3, "LeadReturned RejectionContested ContestDecided", "push", ("ana",)),
        (2, "TimerDue ContactAttempted", "gives up", ("ana", "bob")),
    ],
)
def test_every_interleaving_of_a_small_world_keeps_every_invariant(
    moves_left: int, kinds: str, flavour: str, reps: tuple[str, ...]
) -> None:
    found = search(moves_left, kinds.split(), flavour=flavour, reps=reps)
    if found.world is not None:
        pytest.fail(told(History(-1, found.world, found.wrong)), pytrace=False)
    assert found.complete, f"{found.states} states were not all"


def test_the_search_of_all_interleavings_finds_out_a_naive_variant() -> None:
    naive = next(m for m in MUTANTS if m.name.startswith("RepLeft says nothing"))
    assert search(1, ["RepLeft"], mutant=naive).wrong == "I3 assigned to a rep who has left"


def test_a_history_is_the_same_whenever_it_is_made() -> None:
    once, again = history(4711), history(4711)
    assert told(once) == told(again)
    assert [e.record for log in once.world.logs.values() for e in log.entries] == [
        e.record for log in again.world.logs.values() for e in log.entries
    ]
