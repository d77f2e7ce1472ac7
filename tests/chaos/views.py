"""What the services show: the statuses, the ledger, the timelines and the inboxes must be what the log says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from schemas.lifecycle import Life
from schemas.topics import STATUSES
from tests.chaos.evidence import Evidence, Raw
from tests.chaos.findings import Findings
from tests.chaos.histories import TIMER, Story


def shown(life: Life) -> dict[str, Any]:
    """What everybody is told of a life."""
    status = life.lead_status
    return {
        "lead_status": status.value if status is not None else None,
        "lifecycle_stage": life.stage.value,
        "cycle": life.cycle,
        "owner": life.rep if life.held else None,
    }


def check_statuses(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Every change of status was published as the fold has it, in the order of the log, and the last one is where the lead is.

    A projection that died repeats itself: a repetition must be the same bytes. A topic that was compacted shows the
    newest of each lead; nothing older is then missed.
    """
    published: dict[str, list[Raw]] = defaultdict(list)
    for raw in evidence.topics[STATUSES.name]:
        published[raw.key].append(raw)
    whole = _uncompacted(evidence.topics[STATUSES.name])
    for key, story in lives.items():
        records = published.pop(key, [])
        said = _without_repetitions(key, records, findings)
        for raw in said:
            expected = shown(story.at(raw.content["position"]))
            for name, value in expected.items():
                findings.expect(
                    "statuses",
                    raw.content[name] == value,
                    f"lead {key}: {raw.place} says {name} {raw.content[name]} as of {raw.content['position']}, "
                    f"its log says {value}",
                )
        # The very last record, repetition or not: it is the one that compaction keeps.
        last = {name: records[-1].content[name] for name in shown(story.life)} if records else None
        findings.expect(
            "statuses", last == shown(story.life), f"lead {key}: the last status says {last}, its log {shown(story.life)}"
        )
        positions = {raw.content["position"] for raw in said}
        for position in _changes(story) if whole else ():
            findings.expect(
                "statuses", position in positions, f"lead {key}: its change of status at {position} was never published"
            )
    findings.expect("statuses", not published, f"statuses of leads that no log has: {sorted(published)[:3]}")


def _uncompacted(records: list[Raw]) -> bool:
    ends: dict[int, int] = {}
    for raw in records:
        ends[raw.record.partition] = raw.record.offset + 1
    return sum(ends.values()) == len(records)


def _without_repetitions(key: str, records: list[Raw], findings: Findings) -> list[Raw]:
    first: dict[str, Raw] = {}
    out: list[Raw] = []
    for raw in records:
        before = first.setdefault(raw.event_id, raw)
        if before is raw:
            findings.expect(
                "statuses",
                not out or raw.content["position"] > out[-1].content["position"],
                f"lead {key}: its status went back: {raw.place} is as of {raw.content['position']}, the one before it as of "
                f"{out[-1].content['position'] if out else None}",
            )
            out.append(raw)
        else:
            findings.counts["statuses repeated"] += 1
            findings.expect(
                "statuses",
                before.record.value == raw.record.value,
                f"lead {key}: {raw.place} repeats {before.place} with other words",
            )
    return out


def _changes(story: Story) -> list[int]:
    """The positions at which what is told of the lead changed."""
    out: list[int] = []
    before = shown(Life())
    for position, life in zip(story.positions, story.lives, strict=True):
        now = shown(life)
        if now != before:
            out.append(position)
        before = now
    return out


def check_ledger(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Every row of the ledger equals the fold of the log, and feedback's own audit agrees with this one."""
    ledger = evidence.shown.ledger
    for key, story in lives.items():
        row = ledger.get(key)
        if story.life.lead_status is None:
            continue
        findings.expect("ledger", row is not None, f"lead {key} is not in the ledger")
        if row is None:
            continue
        for name, value in (shown(story.life) | {"assignment_id": story.life.assignment_id}).items():
            findings.expect("ledger", row[name] == value, f"lead {key}: the ledger says {name} {row[name]}, its log {value}")
    strangers = sorted(ledger.keys() - lives.keys())
    findings.expect("ledger", not strangers, f"the ledger has leads that no log has: {strangers[:3]}")
    by_status = Counter(s.life.lead_status.value for s in lives.values() if s.life.lead_status is not None)
    own = evidence.shown.audit
    expected = {
        "received": len(lives), "by_status": dict(by_status), "dead_lettered": 0, "unaccounted": 0, "double_assigned": 0,
    }  # fmt: skip
    for name, value in expected.items():
        findings.expect("ledger", own.get(name) == value, f"/v1/audit says {name} {own.get(name)}, the logs say {value}")


def check_inboxes(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Each rep's inbox holds his assignments in effect and nothing else."""
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for story in lives.values():
        if story.life.assignment_id is not None:
            held[str(story.life.rep)][story.life.assignment_id] += 1
    for rep, inbox in evidence.shown.inboxes.items():
        there = Counter(inbox)
        findings.expect(
            "inboxes",
            there == held[rep],
            f"{rep}'s inbox lacks {sorted((held[rep] - there).elements())[:3]} and has {sorted((there - held[rep]).elements())[:3]} "
            "too much",
        )
    nobody = sorted(held.keys() - evidence.shown.inboxes.keys())
    findings.expect("inboxes", not nobody, f"leads are held by {nobody}, whose inbox nobody looked into")


def check_timelines(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """A timeline has every event of its lead once, in the order of the log."""
    for key, timeline in evidence.shown.timelines.items():
        log = [raw.event_id for raw in lives[key].log if raw.type != TIMER] if key in lives else []
        lacking = [event for event in log if event not in timeline]
        findings.expect(
            "timelines",
            timeline == log,
            f"lead {key}: its timeline has {len(timeline)} events, its log {len(log)}; it lacks {lacking[:3]}",
        )
    findings.counts["timelines"] = len(evidence.shown.timelines)
