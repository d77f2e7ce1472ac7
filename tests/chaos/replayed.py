"""Everything decided once more from the log: what the processors said must be, event for event and byte for byte, what they say again.

This finds an output that was lost, an output too many, and a decision that was not a function of its log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.agreement.life import COURSE_EVENTS
from schemas.topics import AGREEMENTS
from schemas.wire import decode, encode
from services.runtime.agreements import Publications
from services.runtime.main import SERVICES, find
from services.runtime.protocol import Parts, PartStore, Processor
from services.runtime.step import KeyRecord, interesting, step
from tests.chaos.audit import Findings, Raw, accepted

_COURSE = frozenset(event.type_name() for event in COURSE_EVENTS)


def publications(raw: list[Raw]) -> Publications:
    """The agreements, read from their topic."""
    out = Publications()
    for r in raw:
        if r.type in _COURSE:
            out.take(decode(r.type, r.record.value), r.record.at)
    return out


def said_again(
    processor: Processor[Any], raw: Mapping[str, list[Raw]], agreements: Publications, incarnation: str
) -> dict[str, tuple[str, bytes]]:
    """What the processor says, given its log: event id -> (target topic, content)."""
    wanted = interesting(processor)
    kept: dict[bytes, KeyRecord[Any]] = {}
    parts: dict[bytes, PartStore] = {}
    out: dict[str, tuple[str, bytes]] = {}
    for r in raw[processor.log.name]:
        if r.type not in wanted:
            continue
        key = r.record.key or b""
        overlay = Parts(parts.setdefault(key, PartStore()))
        result = step(
            processor,
            kept.get(key),
            overlay,
            r.record,
            agreements,
            incarnation=incarnation,
            source="replay",
            writer="replay",
        )
        kept[key] = result.after
        parts[key].apply(overlay.changes)
        for said in result.said:
            out[said.envelope.event_id] = (said.topic.name, encode(said.event))
    return out


def compare(raw: Mapping[str, list[Raw]], incarnations: Mapping[str, str], findings: Findings) -> None:
    """Compare every processor's recorded words with its words in a replay."""
    agreements = publications(raw[AGREEMENTS.name])
    recorded: dict[str, dict[str, tuple[str, bytes]]] = {}
    for topic in ("leads", "teams", "alerts"):
        for log in accepted(raw[topic], Findings()).values():
            for r in log:
                if r.cause is not None:
                    processor = r.cause[0].split("/", 1)[0]
                    recorded.setdefault(processor, {})[r.event_id] = (topic, r.record.value or b"")
    for service in SERVICES:
        for processor in find(service).processors:
            again = said_again(processor, raw, agreements, incarnations[processor.log.name])
            before = recorded.pop(processor.name, {})
            lost, extra = again.keys() - before.keys(), before.keys() - again.keys()
            other = [i for i in again.keys() & before.keys() if again[i] != before[i]]
            findings.expect(
                not lost,
                f"{processor.name}: {len(lost)} events of the replay were never said, such as {sorted(lost)[:3]}",
            )
            findings.expect(
                not extra,
                f"{processor.name}: {len(extra)} events were said that the replay does not say, such as {sorted(extra)[:3]}",
            )
            findings.expect(
                not other,
                f"{processor.name}: {len(other)} events say something else in the replay, such as {sorted(other)[:3]}",
            )
            findings.counts[f"replayed:{processor.name}"] = len(again)
    findings.expect(not recorded, f"events by processors that there are not: {sorted(recorded)}")
