"""The learner's state as bytes: versioned, the same bytes after the same outcomes, without any value of a lead in clear text (numbers apart)."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.cells import CellReader
from services.scoring.learning.learner import Features, Floats, Learner

VERSION = 1
_MAGIC = b"leadloop-learner"


class StateRefused(ValueError):
    """These bytes are no state that this version can carry on from."""


class _Reader(msgspec.Struct):
    seen: int
    values: list[float]
    counts: list[int]
    edges: list[float] | None


class _State(msgspec.Struct):
    attributes: list[str]
    known: int
    won: float
    drift: float
    filtered: int
    readers: list[_Reader]
    slots: bytes
    arrays: list[bytes]


def to_bytes(learner: Learner) -> bytes:
    """All that the learner knows. Only places of the tables that were ever touched are written."""
    touched = np.flatnonzero(learner.token_rates[:, 1])
    arrays = [_pack(a) for a in _dense(learner)] + [_pack(table[touched]) for table in _tables(learner)]
    state = _State(
        list(learner.attributes), learner.known, learner.won, learner.drift, learner.second.learned,
        [_reader(r) for r in learner.readers], touched.astype("<i4").tobytes(), arrays,
    )  # fmt: skip
    return _MAGIC + VERSION.to_bytes(2, "big") + zlib.compress(msgspec.msgpack.encode(state), 6)


def from_bytes(data: bytes) -> Learner:
    """The learner that wrote `data`. Raises StateRefused for another version or damaged bytes."""
    head = len(_MAGIC) + 2
    if data[: len(_MAGIC)] != _MAGIC or len(data) < head:
        raise StateRefused("these bytes are not a learner's state; restore the state from the log")
    version = int.from_bytes(data[len(_MAGIC) : head], "big")
    if version != VERSION:
        raise StateRefused(
            f"the learner's state has version {version}, this program reads {VERSION}; replay the outcomes"
        )
    try:
        state = msgspec.msgpack.decode(zlib.decompress(data[head:]), type=_State)
        return _restored(state)
    except (zlib.error, msgspec.MsgspecError, ValueError) as damage:
        raise StateRefused(f"the learner's state is damaged ({damage}); replay the outcomes") from damage


def features_to_bytes(features: Features) -> bytes:
    """A lead as it was when it was scored, to be kept until its outcome is known."""
    parts = (features.dense, features.numbers, features.expert_log_odds, np.array([features.uncalibrated]))
    kept = [features.slots.astype("<i4").tobytes(), *(_pack(part) for part in parts)]
    return VERSION.to_bytes(2, "big") + msgspec.msgpack.encode(kept)


def features_from_bytes(data: bytes) -> Features:
    """What `features_to_bytes` wrote. Raises StateRefused for another version or damaged bytes."""
    version = int.from_bytes(data[:2], "big")
    if version != VERSION:
        raise StateRefused(f"the features have version {version}, this program reads {VERSION}; leave this outcome out")
    try:
        slots, *parts = msgspec.msgpack.decode(data[2:], type=list[bytes])
        dense, numbers, experts, uncalibrated = (np.frombuffer(part, "<f8").copy() for part in parts)
    except (msgspec.MsgspecError, ValueError) as damage:
        raise StateRefused(f"the features are damaged ({damage}); leave this outcome out") from damage
    places = np.frombuffer(slots, "<i4").astype(np.int64)
    return Features(dense, places, numbers, experts, float(uncalibrated[0]))


def _restored(state: _State) -> Learner:
    learner = Learner(state.attributes)
    learner.known, learner.won, learner.drift = state.known, state.won, state.drift
    learner.second.learned = state.filtered
    for reader, kept in zip(learner.readers, state.readers, strict=True):
        reader.seen, reader.counts = kept.seen, dict(zip(kept.values, kept.counts, strict=True))
        reader.edges = None if kept.edges is None else tuple(kept.edges)
    touched = np.frombuffer(state.slots, "<i4").astype(np.int64)
    dense, tables = _dense(learner), _tables(learner)
    for array, packed in zip(dense, state.arrays[: len(dense)], strict=True):
        array[...] = np.frombuffer(packed, "<f8").reshape(array.shape)
    for table, packed in zip(tables, state.arrays[len(dense) :], strict=True):
        table[touched] = np.frombuffer(packed, "<f8").reshape(len(touched), table.shape[1])
    return learner


def _dense(learner: Learner) -> list[Floats]:
    first, second = learner.first, learner.second
    return [
        learner.recent, learner.moments, learner.losses, first.weights, first.squares, second.padded_weights, second.covariance,
    ]  # fmt: skip


def _tables(learner: Learner) -> list[Floats]:
    return [learner.token_rates, learner.first.table, learner.first.table_squares]


def _pack(array: NDArray[np.float64]) -> bytes:
    return np.ascontiguousarray(array, "<f8").tobytes()


def _reader(reader: CellReader) -> _Reader:
    values = sorted(reader.counts)
    edges = None if reader.edges is None else list(reader.edges)
    return _Reader(reader.seen, values, [reader.counts[v] for v in values], edges)
