"""The parts of a key: an overlay changes nothing below it, a walk is in order and costs what it looks at."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.protocol import Parts, PartStore


class Card(msgspec.Struct, frozen=True):
    number: int


NAMES = st.sampled_from(["a/1", "a/2", "a/3", "b/1", "b/2", "c"])
CHANGES = st.lists(st.tuples(NAMES, st.none() | st.integers(0, 9)), max_size=8)


def changed(parts: Parts, model: dict[str, int], changes: list[tuple[str, int | None]]) -> None:
    for name, number in changes:
        if number is None:
            parts.remove("card", name)
            model.pop(name, None)
        else:
            parts.put("card", name, Card(number))
            model[name] = number


def seen(parts: Parts, prefix: str = "") -> dict[str, int]:
    return {name: part.number for name, part in parts.of("card", prefix)}


@given(CHANGES, CHANGES, CHANGES, st.booleans())
def test_overlays_and_stores_are_one_mapping(
    stored: list[tuple[str, int | None]],
    group: list[tuple[str, int | None]],
    record: list[tuple[str, int | None]],
    kept: bool,
) -> None:
    model: dict[str, int] = {}
    store = PartStore()
    first = Parts(store)
    changed(first, model, stored)
    store.apply(first.changes)
    below = Parts(store)
    changed(below, model, group)
    assert list(seen(below)) == sorted(model)
    before = dict(model)
    over = below.over()
    changed(over, model, record)
    assert seen(over) == model
    assert seen(over, "a/") == {n: v for n, v in model.items() if n.startswith("a/")}
    assert seen(below) == before, "an overlay changed what lies below it"
    if kept:
        below.take(over)
    assert seen(below) == (model if kept else before)
    store.apply(below.changes)
    assert seen(Parts(store)) == (model if kept else before)
    assert [n for n, _ in Parts(store).of("card")] == sorted(model if kept else before)


def test_a_walk_may_change_what_it_walks_over() -> None:
    parts = Parts({"card": {n: Card(1) for n in "abc"}})
    passed = []
    for name, _ in parts.of("card"):
        passed.append(name)
        parts.remove("card", "b")
        parts.put("card", "d", Card(2))
    assert passed == ["a", "c"]
    assert list(seen(parts)) == ["a", "c", "d"]


def test_a_walk_that_stops_early_looks_at_no_more() -> None:
    store = PartStore()
    for n in range(1000):
        store.set("card", f"{n:04}", Card(n))
    looked = []

    class Watching(Parts):
        def get(self, kind: str, name: str) -> object:
            looked.append(name)
            return super().get(kind, name)

    assert next(Watching(store).of("card", "05"))[0] == "0500"
    assert looked == ["0500"]


def test_removing_what_is_not_there_changes_nothing() -> None:
    parts = Parts()
    parts.remove("card", "a")
    assert parts.changes == {}
