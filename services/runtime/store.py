"""The states of one partition, as its changelog says: kept encoded until a key is touched, dropped with the
partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.ids import from_plain
from services.runtime import changelog
from services.runtime.changelog import PARTITION_KEY, PartitionMemory
from services.runtime.protocol import Parts, PartStore, Processor
from services.runtime.step import KeyRecord


class StateUnreadable(RuntimeError):
    """A state in the changelog that this code cannot read: the service's state type changed without a default or a
    migration."""


class Held:
    """What is held of one key. Encoded (bytes) until first touched."""

    __slots__ = ("encoded_parts", "head", "part_positions", "parts", "position")

    def __init__(self, position: int, head: bytes | KeyRecord[Any] | None) -> None:
        self.position = position
        self.head = head
        """None: only parts have been read so far."""
        self.parts: PartStore | None = None
        """The parts that live."""
        self.encoded_parts: dict[tuple[str, str], bytes] | None = None
        """Those of them that have not been decoded yet."""
        self.part_positions: dict[tuple[str, str], int] | None = None
        """As of which position each part holds; also of those that were removed and await their tombstone."""


class Codec:
    """How a processor's states are encoded."""

    def __init__(self, processor: Processor[Any]) -> None:
        self._name = processor.name
        self._head = msgspec.json.Decoder(KeyRecord[processor.state], dec_hook=from_plain)  # type: ignore[name-defined]
        self._parts = {
            kind: msgspec.json.Decoder(type_, dec_hook=from_plain) for kind, type_ in processor.parts.items()
        }

    def head(self, held: Held) -> KeyRecord[Any] | None:
        """The head, decoded now if this is the first touch. Raises StateUnreadable."""
        head = held.head
        if type(head) is bytes:
            head = held.head = self._decode(self._head, head)
        return head  # type: ignore[return-value]

    def parts(self, held: Held) -> PartStore | None:
        """The parts, all decoded now if this is the first touch. Raises StateUnreadable."""
        if held.encoded_parts:
            store = held.parts = held.parts or PartStore()
            for (kind, name), encoded in held.encoded_parts.items():
                store.set(kind, name, self._decode(self._parts[kind], encoded))
            held.encoded_parts = None
        return held.parts

    def _decode(self, decoder: msgspec.json.Decoder[Any], encoded: bytes) -> Any:
        try:
            return decoder.decode(encoded)
        except msgspec.DecodeError as error:
            raise StateUnreadable(
                f"a state of {self._name} cannot be read by this version ({error}): "
                "give new fields of the state a default, or start the version that wrote it"
            ) from error


class Store:
    """One partition's states. `apply` takes changelog records in their order; the rest is the owner's."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.keys: dict[bytes, Held] = {}
        self.memory = PartitionMemory()
        self.position = -1
        """Where to go on reading, as the partition's own record says; -1: it says nothing."""
        self.read_to = 0
        """Changelog offset up to which everything was read, or written by us."""
        self.stale: dict[bytes, int] = {}
        """Changelog keys whose newest record was written by somebody else -> its position. Where ours is further,
        compaction would keep the wrong one."""
        self.gone: dict[bytes, int] = {}
        """Changelog keys of removed parts that await their tombstone -> when removed, ms since 1970."""

    # -- from the changelog ------------------------------------------------------------------------------------------

    def apply(self, key: bytes, value: bytes | None, at_ms: int) -> None:
        """Take one record: the furthest position wins; what loses to an older one is remembered as stale."""
        if value is None:
            self._apply_tombstone(key)
            return
        position = changelog.position_of(value)
        cut = key.find(b"\0")
        if cut < 0:
            wins = self._apply_head(key, position, value)
        elif cut > 0:
            wins = self._apply_part(key, position, value, at_ms)
        else:
            wins = self._apply_memory(position, value)
        if not wins:
            self.stale[key] = position
        elif self.stale:
            self.stale.pop(key, None)

    def _apply_head(self, key: bytes, position: int, value: bytes) -> bool:
        held = self.keys.get(key)
        if held is None:
            self.keys[key] = Held(position, changelog.state_of(value))
        elif position >= held.position:
            held.position, held.head = position, changelog.state_of(value)
        else:
            return False
        return True

    def _apply_part(self, key: bytes, position: int, value: bytes, at_ms: int) -> bool:
        head, kind, name = _part(key)
        held = self.keys.get(head)
        if held is None:
            held = self.keys[head] = Held(-1, None)
        positions = held.part_positions = held.part_positions if held.part_positions is not None else {}
        if position < positions.get((kind, name), -1):
            return False
        positions[kind, name] = position
        state = changelog.state_of(value)
        if held.parts is not None:
            held.parts.drop(kind, name)
        encoded = held.encoded_parts = held.encoded_parts if held.encoded_parts is not None else {}
        encoded.pop((kind, name), None)
        if state is not None:
            encoded[kind, name] = state
        self._note_gone(key, at_ms if state is None else None)
        return True

    def _apply_memory(self, position: int, value: bytes) -> bool:
        if position < self.position:
            return False
        self.position = position
        self.memory = msgspec.json.decode(changelog.state_of(value) or b"{}", type=PartitionMemory)
        return True

    def _apply_tombstone(self, key: bytes) -> None:
        split = changelog.split_part_key(key)
        held = self.keys.get(split[0]) if split is not None else None
        if split is None or held is None or held.part_positions is None or split[1:] not in held.part_positions:
            return
        if key in self.gone:
            self.bury(key)
        else:
            self.stale[key] = -1  # a stale owner's tombstone over a part that lives again

    # -- the owner's -------------------------------------------------------------------------------------------------

    def parts_of(self, key: bytes) -> Parts:
        """The key's parts, to be changed by `decide`."""
        held = self.keys.get(key)
        return Parts(self.codec.parts(held)) if held is not None else Parts()

    def take(self, key: bytes, record: KeyRecord[Any], changes: Mapping[tuple[str, str], Any], at_ms: int) -> None:
        """Make visible what was acknowledged."""
        held = self.keys.get(key)
        if held is None:
            held = self.keys[key] = Held(record.position, record)
        else:
            held.position, held.head = record.position, record
        if not changes:
            return
        parts = held.parts = self.codec.parts(held) or PartStore()
        parts.apply(changes)
        positions = held.part_positions = held.part_positions if held.part_positions is not None else {}
        for (kind, name), value in changes.items():
            positions[kind, name] = record.position
            self._note_gone(changelog.part_key(key, kind, name), at_ms if value is None else None)

    def newest(self, key: bytes, generation: int) -> bytes | None:
        """What a changelog key's record should be now; None if we hold nothing under it."""
        if key == PARTITION_KEY:
            return changelog.pack(generation, self.position, self.memory) if self.position >= 0 else None
        split = changelog.split_part_key(key)
        held = self.keys.get(key if split is None else split[0])
        if held is None:
            return None
        if split is None:
            head = self.codec.head(held)
            return changelog.pack(generation, held.position, head) if head is not None else None
        position = (held.part_positions or {}).get(split[1:])
        if position is None:
            return None
        if key in self.gone:
            return changelog.pack_gone(generation, position)
        parts = self.codec.parts(held)
        return changelog.pack(generation, position, parts[split[1]][split[2]]) if parts is not None else None

    def position_under(self, key: bytes) -> int:
        """As of which position we hold what is under a changelog key; -1: we hold nothing."""
        if key == PARTITION_KEY:
            return self.position
        split = changelog.split_part_key(key)
        held = self.keys.get(key if split is None else split[0])
        if held is None:
            return -1
        return held.position if split is None else (held.part_positions or {}).get(split[1:], -1)

    def overwritten(self) -> list[bytes]:
        """Changelog keys that must be written anew. Those that are no longer behind us are forgotten."""
        ours_is_newer = []
        for key, position in list(self.stale.items()):
            ours = self.position_under(key)
            if ours > position:
                ours_is_newer.append(key)
            elif ours == position:
                del self.stale[key]  # the same bytes; and where theirs is further, ours will follow in its time
        return ours_is_newer

    def buried(self, before_ms: int, at_most: int) -> list[bytes]:
        """Changelog keys of parts that were removed before then: their tombstones may be written."""
        keys: list[bytes] = []
        for key, at_ms in self.gone.items():  # in the order of removal
            if at_ms >= before_ms or len(keys) >= at_most:
                break
            keys.append(key)
        return keys

    def _note_gone(self, key: bytes, at_ms: int | None) -> None:
        self.gone.pop(key, None)
        if at_ms is not None:
            self.gone[key] = at_ms

    def bury(self, key: bytes) -> None:
        """The tombstone was acknowledged: forget that there was such a part."""
        if self.gone.pop(key, None) is not None:
            head, kind, name = _part(key)
            positions = self.keys[head].part_positions
            if positions is not None:
                positions.pop((kind, name), None)


def _part(key: bytes) -> tuple[bytes, str, str]:
    split = changelog.split_part_key(key)
    if split is None:
        raise ValueError("this is no key of a part")
    return split
