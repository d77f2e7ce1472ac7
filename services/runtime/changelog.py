"""What a state record looks like in a changelog: an envelope `{generation, position, state}`.

    key                          head: the runtime's memory of the key and the service's state
    key \\0 kind \\0 name          one part; `{generation, position, gone}` once it is removed, a tombstone later
    \\0partition                  what belongs to the whole partition

`position` is the input offset as of which the state holds; the furthest one wins, whoever wrote it, whenever it landed.
The three fields stand in this order, so that a restore finds the position without decoding the state.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from schemas.ids import to_plain

PARTITION_KEY = b"\0partition"

COMPACTION_LAG = timedelta(minutes=15)
"""A record stays at least so long; by then a stale owner is long dead, so a tombstone can follow a `gone`."""
LARGEST_BATCH_BYTES = 8_000_000
"""All records of one key from one group are one batch: the broker appends it whole or not at all."""

CONFIGURATION = {
    "cleanup.policy": "compact",
    "segment.ms": "900000",
    "min.compaction.lag.ms": "900000",
    "max.compaction.lag.ms": "3600000",
    "max.message.bytes": str(LARGEST_BATCH_BYTES + 100_000),
}
"""Short segments and lags, so that a restore after a busy day reads an hour's records and not a day's."""

_GENERATION_AT = len(b'{"generation":')
_POSITION = b',"position":'


class PartitionMemory(msgspec.Struct, frozen=True):
    """The runtime's memory of one partition; its position is where to go on reading."""

    announced: int | None = None
    """The newest agreement of which every key that it touches has been told."""


_encode = msgspec.json.Encoder(enc_hook=to_plain).encode


def pack(generation: int, position: int, state: Any) -> bytes:
    """An envelope around a state."""
    return b'{"generation":%d,"position":%d,"state":%b}' % (generation, position, _encode(state))


def pack_gone(generation: int, position: int) -> bytes:
    """An envelope that says that a part was removed."""
    return b'{"generation":%d,"position":%d,"gone":true}' % (generation, position)


def position_of(value: bytes) -> int:
    """The position of an envelope. Raises ValueError if it is none."""
    start = value.index(_POSITION, _GENERATION_AT) + len(_POSITION)
    return int(value[start : value.index(b",", start)])


def generation_of(value: bytes) -> int:
    """The generation of an envelope. Raises ValueError if it is none."""
    return int(value[_GENERATION_AT : value.index(b",", _GENERATION_AT)])


def state_of(value: bytes) -> bytes | None:
    """The encoded state of an envelope; None: gone."""
    start = value.index(b",", value.index(_POSITION, _GENERATION_AT) + 1) + 1
    if value.startswith(b'"state":', start):
        return value[start + 8 : -1]
    return None


def part_key(key: bytes, kind: str, name: str) -> bytes:
    return b"%b\0%b\0%b" % (key, kind.encode(), name.encode())


def split_part_key(key: bytes) -> tuple[bytes, str, str] | None:
    """(key, kind, name) of a part's key; None for a head or the partition's own record."""
    if key.find(b"\0") <= 0:
        return None
    head, kind, name = key.split(b"\0", 2)
    return head, kind.decode(), name.decode()


def usable_key(key: bytes | None) -> bool:
    """Whether a record's key can be the key of a state."""
    return bool(key) and b"\0" not in key  # type: ignore[operator]
