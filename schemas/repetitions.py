"""Twice equals once: which records of a key's log are repetitions, by the position of their cause or by their id.

A processor has one input, works it in order and repeats itself byte for byte, so per key and source the highest
(offset, index) seen is an exact memory. What comes in by HTTP has no cause; its id is remembered for `IDS_KEPT_FOR`.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from schemas.wire import CausePosition

IDS_KEPT_FOR = timedelta(days=4)
_KEPT_MS = int(IDS_KEPT_FOR.total_seconds() * 1000)


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has been read of one key's log."""

    sources: dict[str, tuple[int, int]] = {}
    ids: dict[str, int] = {}
    """Event id -> append time in ms since 1970."""

    def repeated(self, cause: CausePosition | None, event_id: str) -> bool:
        """Whether this record only repeats one that was read before."""
        if cause is None:
            return event_id in self.ids
        return (cause.offset, cause.index) <= self.sources.get(cause.source, (-1, -1))

    def having(self, cause: CausePosition | None, event_id: str, now_ms: int) -> Seen:
        """The memory after reading the record."""
        if cause is not None:
            return Seen({**self.sources, cause.source: (cause.offset, cause.index)}, self.ids)
        kept = {i: at for i, at in self.ids.items() if at > now_ms - _KEPT_MS}
        kept[event_id] = now_ms
        return Seen(self.sources, kept)
