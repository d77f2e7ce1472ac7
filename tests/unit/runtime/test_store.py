"""What a store makes of a changelog: the furthest position wins, whatever order the records landed in."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.changelog import PARTITION_KEY, PartitionMemory, pack, pack_gone, part_key, position_of, state_of
from services.runtime.step import KeyRecord
from services.runtime.store import Codec, Store
from tests.engine.tally import TALLY, Note, Tally

KEY = b"lead"
NOTE = part_key(KEY, "note", "a")


def state(position: int, count: int) -> bytes:
    return pack(1, position, KeyRecord(own=Tally(count), position=position))


def store_of(*records: tuple[bytes, bytes | None]) -> Store:
    store = Store(Codec(TALLY))
    for offset, (key, value) in enumerate(records):
        store.apply(key, value, offset)
    return store


def count_in(store: Store) -> int:
    record = store.codec.head(store.keys[KEY])
    assert record is not None
    return int(record.own.count)


@given(st.permutations(range(1, 6)))
def test_the_furthest_position_wins_in_any_order(order: list[int]) -> None:
    store = store_of(*[(KEY, state(position, position)) for position in order])
    assert count_in(store) == 5
    assert bool(store.overwritten()) == (order[-1] != 5), "what compaction would keep must be written anew"


def test_an_older_record_that_lands_last_is_written_anew_with_our_state() -> None:
    store = store_of((KEY, state(7, 3)), (KEY, state(5, 2)))
    assert store.overwritten() == [KEY]
    anew = store.newest(KEY, 9)
    assert anew is not None
    assert position_of(anew) == 7
    assert b'"count":3' in anew


def test_what_another_owner_has_done_further_than_we_is_not_written_over() -> None:
    store = store_of((KEY, state(7, 3)))
    store.stale[KEY] = 8
    assert store.overwritten() == []
    store.take(KEY, KeyRecord(own=Tally(4), position=8), {}, 0)
    assert store.overwritten() == []
    assert store.stale == {}, "the same position means the same bytes"


def test_a_removed_part_stays_removed_until_its_tombstone_may_be_written() -> None:
    store = store_of((KEY, state(3, 1)), (NOTE, pack(1, 3, Note(5))), (NOTE, pack_gone(1, 4)))
    assert store.parts_of(KEY).get("note", "a") is None
    store.apply(NOTE, pack(1, 3, Note(5)), 9)
    assert store.parts_of(KEY).get("note", "a") is None, "a stale owner's record of the part is not further"
    assert store.buried(before_ms=2, at_most=10) == []
    assert store.buried(before_ms=3, at_most=10) == [NOTE]
    store.bury(NOTE)
    assert store.buried(before_ms=3, at_most=10) == []


def test_a_stale_owner_s_tombstone_over_a_living_part_is_written_over() -> None:
    store = store_of((KEY, state(3, 1)), (NOTE, pack(1, 3, Note(5))), (NOTE, None))
    assert store.parts_of(KEY).get("note", "a") == Note(5)
    assert store.overwritten() == [NOTE]


def test_what_a_group_changed_is_what_a_restore_reads_back() -> None:
    store = store_of((KEY, state(3, 1)), (NOTE, pack(1, 3, Note(5))))
    parts = store.parts_of(KEY)
    parts.put("note", "b", Note(1))
    parts.remove("note", "a")
    store.take(KEY, KeyRecord(own=Tally(2), position=4), parts.changes, at_ms=9)
    keys = [KEY, NOTE, part_key(KEY, "note", "b")]
    again = store_of(*[(key, store.newest(key, 2)) for key in keys])
    assert count_in(again) == 2
    assert dict(again.parts_of(KEY).of("note")) == {"b": Note(1)}


def test_the_partition_s_own_record_tells_where_to_go_on() -> None:
    store = store_of((PARTITION_KEY, pack(1, 40, PartitionMemory(2))), (PARTITION_KEY, pack(1, 30, PartitionMemory(1))))
    assert (store.position, store.memory.announced) == (40, 2)
    assert store.overwritten() == [PARTITION_KEY]


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.text(max_size=40))
def test_an_envelope_is_read_without_decoding_the_state(generation: int, position: int, digest: str) -> None:
    value = pack(generation, position, Tally(1, digest))
    assert position_of(value) == position
    assert msgspec.json.decode(state_of(value) or b"", type=Tally) == Tally(1, digest)
    assert state_of(pack_gone(generation, position)) is None
