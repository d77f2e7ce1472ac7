"""A recorded log routed again: under what was in force nothing differs, under another agreement what differs is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings

from schemas.agreement import Agreement, load
from schemas.topics import LEADS, TEAMS
from schemas.wire import Record
from services.console.backtest.sources import Place
from services.console.simulation.course import Course
from services.console.simulation.lines import History
from services.console.simulation.world import World
from services.runtime.replay import AgreementsInMemory
from tests.properties.test_simulated_histories import AGREEMENT, START, histories
from tests.unit.routing.house import TEXT

SWAPPED: Agreement = load(TEXT.replace("{attribute: employees, at_least: 1000}", "{attribute: employees, at_least: 50}"), 2)


class Kept:
    """The logs of a world as a source of records."""

    def __init__(self, world: World) -> None:
        self.logs = {topic.name: list(world.replay.records(topic)) for topic in (LEADS, TEAMS)}

    def places(self) -> tuple[Place, ...]:
        return tuple(Place(name, 0, 0, len(records)) for name, records in self.logs.items())

    def batches(self, place: Place) -> Iterator[Sequence[Record]]:
        yield self.logs[place.topic][place.begin : place.end]


def recorded(lines: list[dict[str, Any]]) -> World:
    history, world = History(AGREEMENT), World(AGREEMENT, start=START, keep_logs=True)
    for line in lines:
        for happening in history.read([json.dumps(line).encode()]):
            list(world.take(happening))
    return world


def again(world: World, agreement: Agreement, **how: Any) -> dict[str, Any]:
    source = Kept(world)
    course = Course(source, AgreementsInMemory.only(agreement), **how)
    course.read(source.places(), lambda number: None)
    list(course.go_on(world.replay.now))
    return course.report(since=None)


@settings(deadline=None, max_examples=25)
@given(histories())
def test_under_the_agreement_that_was_in_force_every_lead_goes_the_same_way(lines: list[dict[str, Any]]) -> None:
    world = recorded(lines)
    report = again(world, AGREEMENT)

    assert report["different"] == 0, json.dumps(report["changed"], indent=1)
    assert report["leads"] == len({line["lead"] for line in lines if line["type"] == "lead"})
    assert all(row["then"] == row["here"] for row in (*report["reps"], *report["pools"]))
    assert report["waiting"]["then"] == report["waiting"]["here"]


@settings(deadline=None, max_examples=15)
@given(histories())
def test_read_bit_by_bit_it_is_the_same_as_read_at_once(lines: list[dict[str, Any]]) -> None:
    world = recorded(lines)
    source = Kept(world)
    course = Course(source, AgreementsInMemory.only(SWAPPED))
    end = world.replay.now + timedelta(seconds=1)
    for part in range(1, 5):
        places = tuple(Place(p.topic, 0, 0, p.end * part // 4) for p in source.places())
        course.read(places, lambda number: None)
    list(course.go_on(end, settled=end))

    assert course.report(since=None) == again(world, SWAPPED)


@settings(deadline=None, max_examples=15)
@given(histories())
def test_followed_while_it_is_written_it_is_the_same_as_read_at_its_end(lines: list[dict[str, Any]]) -> None:
    world = recorded(lines)
    source = Kept(world)
    course = Course(source, AgreementsInMemory.only(SWAPPED))
    for at in sorted({record.at for records in source.logs.values() for record in records}):
        now = at + timedelta(milliseconds=1)
        written = {name: sum(record.at < now for record in records) for name, records in source.logs.items()}
        course.read(tuple(Place(name, 0, 0, end) for name, end in written.items()), lambda number: None)
        list(course.go_on(now, settled=now))
        assert "different" in course.report(since=None, settled=now)
    list(course.go_on(world.replay.now))

    assert course.report(since=None) == again(world, SWAPPED)


def test_what_goes_another_way_is_told_with_both_courses_and_loads() -> None:
    at = START.isoformat()
    lines: list[dict[str, Any]] = [
        {"at": at, "type": "join", "rep": "ana", "pool": "inbound"},
        {"at": at, "type": "join", "rep": "bob", "pool": "large"},
        {"at": at, "type": "lead", "lead": "small", "attributes": {"employees": 5}},
        {"at": at, "type": "lead", "lead": "middle", "attributes": {"employees": 60}},
        {"at": at, "type": "accept", "lead": "middle"},
        {"at": at, "type": "close", "lead": "middle", "outcome": "won"},
    ]
    report = again(recorded(lines), SWAPPED)

    assert (report["leads"], report["same"], report["different"]) == (2, 1, 1)
    (changed,) = report["changed"]
    assert changed["kind"] == "other_pool"
    assert [(s["rep"], s["rule"]) for s in changed["then"]] == [("ana", "everyone")]
    assert [(s["rep"], s["rule"]) for s in changed["here"]] == [("bob", "big")]
    assert {row["id"]: (row["then"], row["here"]) for row in report["reps"]} == {"ana": (2, 1), "bob": (0, 1)}


def test_up_to_its_beginning_a_proposed_agreement_changes_nothing() -> None:
    lines: list[dict[str, Any]] = [
        {"type": "join", "rep": "ana", "pool": "inbound"},
        {"type": "join", "rep": "bob", "pool": "large"},
        *({"type": "lead", "lead": f"l{n}", "attributes": {"employees": 60}} for n in range(6)),
    ]
    for minute, line in enumerate(lines):
        line["at"] = (START + timedelta(minutes=minute)).isoformat()
    world = recorded(lines)
    source, since = Kept(world), START + timedelta(minutes=5)
    course = Course(source, AgreementsInMemory(((datetime.min.replace(tzinfo=UTC), AGREEMENT), (since, SWAPPED))))
    course.read(source.places(), lambda number: None)
    list(course.go_on(world.replay.now))
    report = course.report(since=since)

    assert (course.report(since=None)["leads"], report["leads"], report["different"]) == (6, 3, 3)
    assert report["reps"] == [{"id": "ana", "then": 3, "here": 0}, {"id": "bob", "then": 0, "here": 3}]


def test_a_rejection_happens_only_if_the_same_rep_has_the_lead_and_a_win_whoever_has_it() -> None:
    at = START.isoformat()
    lines: list[dict[str, Any]] = [
        {"at": at, "type": "join", "rep": "ana", "pool": "inbound"},
        {"at": at, "type": "join", "rep": "bob", "pool": "large", "open_leads_cap": 1},
        {"at": at, "type": "lead", "lead": "l1", "attributes": {"employees": 60}},
        {"at": at, "type": "reject", "lead": "l1"},
        {"at": at, "type": "close", "lead": "l1", "outcome": "won"},
        {"at": at, "type": "lead", "lead": "l2", "attributes": {"employees": 60}},
    ]
    report = again(recorded(lines), SWAPPED)
    here = {one["lead_id"]: [(s["type"], s["rep"]) for s in one["here"]] for one in report["changed"]}

    assert sorted(here.values()) == [[("assignment", "bob")], [("assignment", "bob")]]
    assert any("LeadRejected of ana" in remark for remark in report["remarks"])
