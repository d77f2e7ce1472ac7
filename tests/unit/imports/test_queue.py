"""The queue in a real database, SQLite and PostgreSQL: what is committed, who works it, what becomes of rows, what erasure reaches."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pgserver
import pytest

from schemas.ids import LeadId
from services.intake.imports import queue as queues
from services.intake.imports.queue import ImportQueue, Landed, NewImport, NewRow, UnderWay
from services.intake.imports.tables import Outcome
from services.runtime.settings import Settings


def person(number: int) -> LeadId:
    return LeadId(str(uuid.UUID(int=number)))


def a_file(name: str, people: range, *, refused: dict[int, str] | None = None) -> NewImport:
    """One row for each of these people; the same person's row is the same in every file."""
    rows = [NewRow(line, f"row-{n}", person(n), f'{{"email": "p{n}@example.org"}}') for line, n in enumerate(people, 2)]
    return NewImport(name, name, {"email": "email"}, [], rows, {}, refused or {}, 1_000)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pgserver.PostgresServer]:
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = str(request.getfixturevalue("postgres").get_uri()) if request.param == "postgresql" else None
    namespace = f"t-{uuid.uuid4().hex[:12]}"
    return Settings(
        bootstrap_servers="none:1", secret=bytes(range(32)), token="t", data_dir=tmp_path, namespace=namespace, database_url=url
    )


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[ImportQueue]:
    queue = ImportQueue(settings)
    yield queue
    await queue.close()


async def take_in(queue: ImportQueue, most: int) -> list[int]:
    """Take rows in; their lines."""
    turns = await queue.next(most)
    await queue.landed([Landed(turn, Outcome.REPEATED if turn.repeats else Outcome.TAKEN_IN, "s") for turn in turns])
    return [turn.line for turn in turns]


async def counts(queue: ImportQueue, import_id: str) -> dict[str, int]:
    (progress,) = await queue.progress(import_id)
    return {outcome.value: number for outcome, number in progress.counts.items() if number}


async def test_rows_are_taken_in_in_order_and_the_import_ends_with_its_last(queue: ImportQueue) -> None:
    import_id, again = await queue.put(a_file("a", range(5), refused={9: "no address"}))
    assert not again
    assert await take_in(queue, 2) == [2, 3]
    assert (await queue.progress(import_id))[0].finished_ms is None
    assert await take_in(queue, 9) == [4, 5, 6]
    assert await counts(queue, import_id) == {"taken_in": 5, "refused": 1}
    assert (await queue.progress(import_id))[0].finished_ms is not None
    assert not await queue.waits()


async def test_the_same_file_is_one_import_and_the_same_row_of_another_file_is_taken_in_once(queue: ImportQueue) -> None:
    first, _ = await queue.put(a_file("a", range(3)))
    assert await queue.put(a_file("a", range(3))) == (first, True)
    await take_in(queue, 9)
    second, again = await queue.put(a_file("b", range(1, 5)))
    assert not again
    await take_in(queue, 9)
    assert await counts(queue, second) == {"repeated": 2, "taken_in": 2}


async def test_a_small_import_does_not_wait_for_the_end_of_a_large_one(queue: ImportQueue) -> None:
    await queue.put(a_file("large", range(1000)))
    small, _ = await queue.put(a_file("small", range(2000, 2005)))
    for _ in range(3):
        await take_in(queue, 4)
    assert await counts(queue, small) == {"taken_in": 5}


async def test_what_was_under_way_when_its_worker_died_is_handed_out_again(settings: Settings, queue: ImportQueue) -> None:
    import_id, _ = await queue.put(a_file("a", range(4)))
    assert await queue.hold("first", -1)
    await queue.next(3)
    after = ImportQueue(settings)
    assert not await after.hold("second", -1), "the first one may live"
    silent = await after.beat()
    assert await after.hold("second", silent)
    assert not await queue.hold("first", -1), "who was thought dead learns that he works it no more"
    await after.hand_out_again()
    turns = await after.next(9)
    assert [(turn.line, turn.attempts) for turn in turns] == [(2, 2), (3, 2), (4, 2), (5, 1)]
    await after.landed([Landed(turn, Outcome.TAKEN_IN, "s") for turn in turns])
    assert await counts(after, import_id) == {"taken_in": 4}
    await after.close()


async def test_a_holder_who_beats_is_not_replaced(queue: ImportQueue) -> None:
    assert await queue.hold("first", -1)
    seen = await queue.beat()
    assert await queue.hold("first", -1)
    assert not await queue.hold("second", seen)
    await queue.let_go("first")
    assert await queue.hold("second", -1)


async def test_a_cancelled_import_keeps_what_it_did_and_the_file_can_be_sent_again(queue: ImportQueue) -> None:
    first, _ = await queue.put(a_file("a", range(4)))
    await take_in(queue, 1)
    assert await queue.cancel(first)
    assert not await queue.cancel("unknown")
    assert await counts(queue, first) == {"taken_in": 1, "cancelled": 3}
    assert not await queue.waits()
    second, again = await queue.put(a_file("a", range(4)))
    assert (second != first, again) == (True, False)
    await take_in(queue, 9)
    assert await counts(queue, second) == {"repeated": 1, "taken_in": 3}


async def test_a_finished_import_is_not_cancelled_any_more(queue: ImportQueue) -> None:
    import_id, _ = await queue.put(a_file("a", range(1)))
    await take_in(queue, 9)
    await queue.cancel(import_id)
    assert not (await queue.progress(import_id))[0].cancelled


async def test_a_row_that_failed_for_a_fault_of_ours_is_kept_and_tried_again_with_its_file(queue: ImportQueue) -> None:
    import_id, _ = await queue.put(a_file("a", range(1)))
    await queue.landed([Landed(turn, Outcome.FAILED, message="a bug") for turn in await queue.next(1)])
    assert await counts(queue, import_id) == {"failed": 1}
    assert not await queue.waits()
    await queue.put(a_file("a", range(1)))
    assert await take_in(queue, 9) == [2]


async def test_erasure_reaches_what_waits_and_only_that_person(queue: ImportQueue, settings: Settings) -> None:
    import_id, _ = await queue.put(a_file("a", range(3)))
    assert await queue.forget([person(1)]) == 1
    assert await take_in(queue, 9) == [2, 4]
    assert await counts(queue, import_id) == {"taken_in": 2, "erased": 1}
    bodies = await queue._records.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM import_rows WHERE body IS NOT NULL").scalar())
    assert bodies == 0, "of who is taken in or erased nothing personal stays"


async def test_erasing_the_last_one_who_waits_ends_the_import(queue: ImportQueue) -> None:
    import_id, _ = await queue.put(a_file("a", range(1)))
    await queue.forget([person(0)])
    assert (await queue.progress(import_id))[0].finished_ms is not None


async def test_erasure_waits_for_a_row_that_is_being_taken_in(queue: ImportQueue) -> None:
    await queue.put(a_file("a", range(1)))
    turns = await queue.next(1)
    erasing = asyncio.create_task(queue.forget([person(0)]))
    await asyncio.sleep(0.2)
    assert not erasing.done(), "LeadErased would come before the submission, and the person back with it"
    await queue.landed([Landed(turn, Outcome.TAKEN_IN, "s") for turn in turns])
    assert await erasing == 0


async def test_erasure_does_not_wait_for_ever(queue: ImportQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "FORGET_WITHIN_SECONDS", 0.3)
    await queue.put(a_file("a", range(1)))
    await queue.next(1)
    with pytest.raises(UnderWay, match="send the same again"):
        await queue.forget([person(0)])
