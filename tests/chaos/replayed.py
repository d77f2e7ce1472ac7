"""Everything decided once more from the log: what the processors said must be, byte for byte, what they say again.

This finds an output that was lost, an output too many, a decision that was not a function of its log, a TimerDue that
never came, and a state in a changelog that is not what its log makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from schemas.agreement.life import COURSE_EVENTS
from schemas.events.scoring import ModelPublished
from schemas.learning.course import ModelCourse, ModelInForce
from schemas.topics import AGREEMENTS, MODELS
from schemas.wire import UndecodableRecord, decode
from services.runtime import changelog
from services.runtime.agreements import Publications
from services.runtime.main import SERVICES, find
from services.runtime.protocol import Parts, PartStore, Processor
from services.runtime.step import DecideFailed, KeyRecord, concerns, interesting, step
from services.runtime.versions import writer_version
from tests.chaos.evidence import Evidence, Raw
from tests.chaos.findings import Findings
from tests.chaos.histories import TIMER

_COURSE = frozenset(event.type_name() for event in COURSE_EVENTS)
Words = tuple[str, str, bytes | None, tuple[tuple[str, bytes], ...]]
"""Topic, key, content, headers."""


@dataclass
class Again:
    """One processor's work, done again."""

    said: dict[str, Words] = field(default_factory=dict)
    keys: dict[bytes, KeyRecord[Any]] = field(default_factory=dict)
    parts: dict[bytes, PartStore] = field(default_factory=dict)


def check(evidence: Evidence, logs: Mapping[str, Mapping[str, list[Raw]]], findings: Findings) -> None:
    """Compare every processor's recorded words, timers and states with those of a replay. `logs`: without repetitions."""
    agreements = publications(evidence.topics[AGREEMENTS.name], evidence.topics[MODELS.name])
    recorded = _recorded(logs)
    for service in SERVICES:
        for processor in find(service).processors:
            again = _work_again(processor, evidence, agreements, findings)
            _compare_words(processor, recorded.pop(str(processor.name), {}), again, findings)
            _check_deadlines(processor, again, evidence, findings)
            _compare_states(processor, evidence.changelogs[str(processor.name)], again, findings)
    findings.expect("replay", not recorded, f"events by processors that there are not: {sorted(recorded)}")


class Published(Publications):
    """The agreements and the learned models."""

    def __init__(self) -> None:
        super().__init__()
        self.models = ModelCourse()

    def model_at(self, at: datetime) -> ModelInForce | None:
        return self.models.in_force(at)


def publications(agreements: list[Raw], models: list[Raw]) -> Published:
    """The agreements and models, read from their topics."""
    out = Published()
    for r in models:
        event = decode(r.type, r.record.value)
        if isinstance(event, ModelPublished):
            out.models.take(event, r.record.at)
    for r in agreements:
        if r.type in _COURSE:
            out.take(decode(r.type, r.record.value), r.record.at)
    return out


def _recorded(logs: Mapping[str, Mapping[str, list[Raw]]]) -> dict[str, dict[str, Words]]:
    """Processor -> event id -> what it said."""
    out: dict[str, dict[str, Words]] = {}
    for topic, log in logs.items():
        for key, records in log.items():
            for r in records:
                if r.cause is not None:
                    processor = r.cause[0].split("/", 1)[0]
                    out.setdefault(processor, {})[r.event_id] = (topic, key, r.record.value, r.record.headers)
    return out


def _work_again(processor: Processor[Any], evidence: Evidence, agreements: Published, findings: Findings) -> Again:
    """Every record that concerns the processor, through the very `step` of a live one."""
    wanted = frozenset(name.encode() for name in interesting(processor))
    name, again = processor.name.encode(), Again()
    writer = evidence.writer if evidence.writer is not None else writer_version(processor.service)
    for r in evidence.topics[processor.log.name]:
        if not concerns(r.record.headers, wanted, name):
            continue
        key = r.record.key or b""
        _check_timeliness(processor, again.keys.get(key), r, evidence, findings)
        overlay = Parts(again.parts.setdefault(key, PartStore()))
        try:
            done = step(
                processor,
                again.keys.get(key),
                overlay,
                r.record,
                agreements,
                incarnation=evidence.incarnations[processor.log.name],
                source=f"{evidence.sources}/{processor.service}",
                writer=writer,
            )
        except (DecideFailed, UndecodableRecord) as error:
            findings.expect("replay", False, f"{processor.name} cannot work {r.place} {r.name}: {error}")
            continue
        again.keys[key] = done.after
        again.parts[key].apply(overlay.changes)
        for s in done.said:
            again.said[s.envelope.event_id] = (s.topic.name, s.key, s.value, tuple(s.envelope.headers()))
    findings.counts[f"replayed:{processor.name}"] = len(again.said)
    return again


def _compare_words(processor: Processor[Any], before: dict[str, Words], again: Again, findings: Findings) -> None:
    for event_id, words in again.said.items():
        was = before.pop(event_id, None)
        type_name = dict(words[3]).get("ce_type", b"").decode()
        findings.expect(
            "replay", was is not None, f"{processor.name} never said {type_name} {event_id} of {words[1]}, and its log makes it say so"
        )
        if was is not None:
            different = [n for n, a, b in zip(("topic", "key", "content", "headers"), was, words, strict=True) if a != b]
            findings.expect(
                "replay", not different, f"{processor.name} says {event_id} in a replay with another {', '.join(different)}"
            )
    for event_id in before:
        findings.expect("replay", False, f"{processor.name} said {event_id}, and its log does not make it say so")


# ---------------------------------------------------------------------------------------------------------- timers


def _check_timeliness(
    processor: Processor[Any], known: KeyRecord[Any] | None, r: Raw, evidence: Evidence, findings: Findings
) -> None:
    """No record of a key comes long after a deadline whose TimerDue has not come."""
    due = processor.due(known.own) if known is not None and r.record.offset > known.position else None
    if due is None:
        return
    late = r.record.at - due
    if r.type == TIMER:
        findings.counts["TimerDue"] += 1
        worst = "worst delay of a TimerDue, ms"
        findings.counts[worst] = max(findings.counts[worst], round(late.total_seconds() * 1000))
    findings.expect(
        "timers",
        late < timedelta(seconds=evidence.timers_late_at_most_seconds),
        f"{processor.name}: the TimerDue of {r.key} for {due.isoformat()} had not come at {r.place}, {late} later",
    )


def _check_deadlines(processor: Processor[Any], again: Again, evidence: Evidence, findings: Findings) -> None:
    """When all is quiet no deadline has passed."""
    for key, known in again.keys.items():
        due = processor.due(known.own)
        findings.expect(
            "timers",
            due is None or due >= evidence.taken_at - timedelta(seconds=5),
            f"{processor.name}: the TimerDue of {key.decode()} for {due} never came",
        )


# ---------------------------------------------------------------------------------------------------------- states


def _compare_states(processor: Processor[Any], records: list[Raw], again: Again, findings: Findings) -> None:
    """The furthest record under each key of the changelog is the state that the log makes.

    The rule of the furthest position is written here anew: this is what the next start would know.
    """
    furthest = _furthest(records)
    expected = {key: (known.position, known) for key, known in again.keys.items()}
    for key, (position, known) in expected.items():
        found = furthest.pop(key, (-1, None))
        findings.expect(
            "states",
            found == (position, _builtin(known)),
            f"{processor.name}: the state of {key.decode()} is as of {found[0]}"
            + (f", its log goes to {position}" if found[0] != position else " and is not what its log makes of it"),
        )
        for kind, parts in again.parts.get(key, {}).items():
            for name, part in parts.items():
                under = changelog.part_key(key, kind, name)
                findings.expect(
                    "states",
                    furthest.pop(under, (-1, None))[1] == _builtin(part),
                    f"{processor.name}: the part {kind} {name} of {key.decode()} is not what its log makes of it",
                )
    left = [key for key, (_, state) in furthest.items() if state is not None]
    findings.expect(
        "states", not left, f"{processor.name}: {len(left)} states that no log makes, such as {[k.decode() for k in left[:3]]}"
    )
    findings.counts[f"states:{processor.name}"] = len(expected)


def _furthest(records: list[Raw]) -> dict[bytes, tuple[int, Any]]:
    """Key -> the furthest position under it and the state there; none where it was removed."""
    winners: dict[bytes, tuple[int, bytes]] = {}
    for r in records:
        key, value = r.record.key or b"", r.record.value
        if value is None:
            winners.pop(key, None)
            continue
        envelope = ENVELOPE.match(value)
        assert envelope is not None, f"{r.place} is no state"
        position = int(envelope[1])
        if position >= winners.get(key, (-1, b""))[0]:
            winners[key] = (position, value)
    winners.pop(changelog.PARTITION_KEY, None)
    return {key: (position, msgspec.json.decode(v).get("state")) for key, (position, v) in winners.items()}


ENVELOPE = re.compile(rb'{"generation":-?\d+,"position":(\d+),')


def _builtin(state: Any) -> Any:
    packed = changelog.state_of(changelog.pack(0, 0, state))
    assert packed is not None
    return msgspec.json.decode(packed)


