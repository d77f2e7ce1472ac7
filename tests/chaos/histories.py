"""What each key's log says once repetitions are left out, and each lead's life at every position of it.

The rule of repetitions is written here anew, without a look at the engine's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from schemas.ids import EventId
from schemas.lifecycle import LIFE_EVENTS, Effect, Life, fold
from schemas.wire import decode
from tests.chaos.evidence import Raw
from tests.chaos.findings import Findings

LIFE_TYPES = frozenset(e.type_name() for e in LIFE_EVENTS)
TIMER = "leadloop.TimerDue.v1"
REPETITIONS = "repetitions"


def accepted(records: Iterable[Raw], findings: Findings) -> dict[str, list[Raw]]:
    """The records by key without repetitions; a repetition must say the very same as what it repeats."""
    by_key: dict[str, list[Raw]] = defaultdict(list)
    highest: dict[tuple[str, str], tuple[int, int]] = {}
    by_cause: dict[tuple[str, tuple[str, int, int]], Raw] = {}
    by_id: dict[tuple[str, str], Raw] = {}
    for raw in records:
        if raw.type == TIMER:
            by_key[raw.key].append(raw)
            continue
        if raw.cause is not None:
            source, offset, index = raw.cause
            if (offset, index) <= highest.get((raw.key, source), (-1, -1)):
                _repeated(by_cause.get((raw.key, raw.cause)), raw, findings)
                continue
            highest[raw.key, source] = (offset, index)
            by_cause[raw.key, raw.cause] = raw
        elif (raw.key, raw.event_id) in by_id:
            findings.counts["repetitions from the edge"] += 1
            continue
        by_id[raw.key, raw.event_id] = raw
        by_key[raw.key].append(raw)
    return by_key


def _repeated(first: Raw | None, raw: Raw, findings: Findings) -> None:
    findings.counts["repetitions by processors"] += 1
    findings.expect(
        REPETITIONS, first is not None, f"{raw.place} {raw.name} came after later words of the same cause: {raw.cause}"
    )
    if first is not None:
        findings.expect(
            REPETITIONS,
            (first.record.value, first.record.headers) == (raw.record.value, raw.record.headers),
            f"{raw.place} {raw.name} repeats {first.place} with other words",
        )


@dataclass
class Story:
    """One lead's log, folded."""

    log: list[Raw]
    life: Life = field(default_factory=Life)
    effects: dict[str, Effect] = field(default_factory=dict)
    """Event id -> what it did."""
    positions: list[int] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    """The life from each of `positions` on."""

    def at(self, position: int) -> Life:
        """The life just after the record at `position`."""
        found = bisect_right(self.positions, position)
        return self.lives[found - 1] if found else Life()


def stories(leads: Mapping[str, list[Raw]]) -> dict[str, Story]:
    """Fold every lead."""
    out: dict[str, Story] = {}
    for key, log in leads.items():
        story = out[key] = Story(log)
        now = datetime.min.replace(tzinfo=UTC)
        for raw in log:
            now = max(now, raw.record.at)
            if raw.type not in LIFE_TYPES:
                continue
            event = decode(raw.type, raw.record.value)
            story.life, effect = fold(
                story.life, event, position=raw.record.offset, now=now, event_id=EventId(raw.event_id)
            )
            story.effects[raw.event_id] = effect
            story.positions.append(raw.record.offset)
            story.lives.append(story.life)
    return out
