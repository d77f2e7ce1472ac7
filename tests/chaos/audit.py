"""The audit: reads the topics raw and says what is wrong with them. Of the product it trusts the published language alone.

The rule of repetitions is written here anew, and the history of a clock is checked by a table of its own; `replayed`
then decides everything once more from the log and compares byte by byte.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.ids import EventId
from schemas.lifecycle import ACTIONS, LIFE_EVENTS, Effect, Life, fold, owed
from schemas.topics import ALERTS, LEADS, STATUSES, TEAMS, TOPICS, by_type_name
from schemas.wire import Record, decode

ACTION_TYPES = frozenset(e.type_name() for e in ACTIONS)
LIFE_TYPES = frozenset(e.type_name() for e in LIFE_EVENTS)


@dataclass(frozen=True)
class Raw:
    """A record as it lies on the broker."""

    record: Record
    type: str
    event_id: str
    cause: tuple[str, int, int] | None

    @property
    def key(self) -> str:
        return (self.record.key or b"").decode()

    @property
    def content(self) -> dict[str, Any]:
        return dict(json.loads(self.record.value or b"{}"))


@dataclass
class Findings:
    """What is wrong, and what was looked at."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def expect(self, holds: bool, sentence: str) -> None:
        if not holds:
            self.wrong.append(sentence)


async def read(bootstrap: str, namespace: str, topic: str, partitions: int) -> list[Raw]:
    """Every record of a topic, in partition and offset order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        name = f"{namespace}.{topic}"
        tps = [TopicPartition(name, p) for p in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        out: list[Raw] = []
        async with asyncio.timeout(120):
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for tp, records in (await consumer.getmany(*tps, timeout_ms=500)).items():
                    out += [_raw(topic, tp.partition, r) for r in records]
        return sorted(out, key=lambda r: (r.record.partition, r.record.offset))
    finally:
        await consumer.stop()


def _raw(topic: str, partition: int, r: Any) -> Raw:
    headers = dict(r.headers)
    cause = None
    if "ce_cause" in headers:
        source, offset, index = headers["ce_cause"].decode().rsplit("|", 2)
        cause = (source, int(offset), int(index))
    record = Record(
        topic, partition, r.offset, datetime.fromtimestamp(r.timestamp / 1000, UTC), r.key, r.value, tuple(r.headers)
    )
    return Raw(record, headers.get("ce_type", b"").decode(), headers.get("ce_id", b"").decode(), cause)


def accepted(records: Iterable[Raw], findings: Findings) -> dict[str, list[Raw]]:
    """The records by key without repetitions; a repetition must say the very same as what it repeats."""
    by_key: dict[str, list[Raw]] = defaultdict(list)
    highest: dict[tuple[str, str], tuple[int, int]] = {}
    by_cause: dict[tuple[str, tuple[str, int, int]], Raw] = {}
    by_id: dict[tuple[str, str], Raw] = {}
    for raw in records:
        if raw.type.endswith(".TimerDue.v1"):
            by_key[raw.key].append(raw)
            continue
        if raw.cause is not None:
            source, offset, index = raw.cause
            if (offset, index) <= highest.get((raw.key, source), (-1, -1)):
                findings.counts["repetitions"] += 1
                first = by_cause.get((raw.key, raw.cause))
                findings.expect(
                    first is not None and first.record.value == raw.record.value and first.event_id == raw.event_id,
                    f"{raw.record.topic}/{raw.record.partition}@{raw.record.offset} {raw.type} repeats {raw.cause} with other words",
                )
                continue
            highest[raw.key, source] = (offset, index)
            by_cause[raw.key, raw.cause] = raw
        elif (raw.key, raw.event_id) in by_id:
            findings.counts["repetitions"] += 1
            continue
        by_id[raw.key, raw.event_id] = raw
        by_key[raw.key].append(raw)
    return by_key


@dataclass
class Story:
    """One lead's log, folded."""

    life: Life = field(default_factory=Life)
    effects: dict[str, Effect] = field(default_factory=dict)


def fold_leads(leads: Mapping[str, list[Raw]], findings: Findings) -> dict[str, Story]:
    """Fold every lead, watching that no assignment replaces another without an end."""
    stories: dict[str, Story] = {}
    for key, log in leads.items():
        story = stories[key] = Story()
        now = datetime.min.replace(tzinfo=UTC)
        for raw in log:
            now = max(now, raw.record.at)
            if raw.type not in LIFE_TYPES:
                continue
            before = story.life
            event = decode(raw.type, raw.record.value)
            story.life, effect = fold(
                before, event, position=raw.record.offset, now=now, event_id=EventId(raw.event_id)
            )
            story.effects[raw.event_id] = effect
            findings.expect(
                not (
                    before.held and story.life.held and (before.offer, before.rep) != (story.life.offer, story.life.rep)
                ),
                f"lead {key}: at {raw.record.offset} one assignment replaced another that was in effect",
            )
            findings.counts[f"{raw.type.split('.')[1]}:{effect}"] += 1
    return stories


def check_submissions(leads: Mapping[str, list[Raw]], promised: Mapping[str, str], findings: Findings) -> None:
    """Every submission that was answered with 202 is in its lead's log exactly once, and no other is there."""
    found: Counter[str] = Counter()
    whose: dict[str, str] = {}
    for key, log in leads.items():
        for raw in log:
            if raw.type.startswith("leadloop.LeadSubmitted."):
                found[raw.content["submission_id"]] += 1
                whose[raw.content["submission_id"]] = key
    for submission, lead in promised.items():
        findings.expect(
            found[submission] == 1,
            f"submission {submission} (lead {lead}) is in the log {found[submission]} times, not once",
        )
        findings.expect(
            whose.get(submission) in (lead, None),
            f"submission {submission} is in the log of {whose.get(submission)}, not {lead}",
        )
    for submission in found.keys() - promised.keys():
        findings.wrong.append(f"submission {submission} is in the log, and nobody was answered 202 for it")
    findings.counts["submissions"] = len(promised)


def check_actions(
    leads: Mapping[str, list[Raw]], stories: Mapping[str, Story], promised: Mapping[str, str], findings: Findings
) -> None:
    """Every action that was answered with 202 is in the log once, and either in effect (or a repeat) or refused by name."""
    refused = Counter(
        raw.content["action_id"]
        for log in leads.values()
        for raw in log
        if raw.type.startswith("leadloop.ActionRefused.")
    )
    seen = Counter(raw.event_id for log in leads.values() for raw in log if raw.type in ACTION_TYPES)
    for action, lead in promised.items():
        findings.expect(
            seen[action] == 1, f"action {action} on lead {lead} is in the log {seen[action]} times, not once"
        )
    for key, story in stories.items():
        for raw in leads[key]:
            if raw.type in ACTION_TYPES:
                void = story.effects[raw.event_id] is Effect.VOID
                findings.expect(
                    refused[raw.event_id] == (1 if void else 0),
                    f"lead {key}: {raw.type} {raw.event_id} is {story.effects[raw.event_id]} and was refused {refused[raw.event_id]} times",
                )
    findings.counts["actions"] = len(promised)


CLOCK_NEXT: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"ClockStarted"}),
    "ClockStarted": frozenset({"ClockWarned", "ClockBreached", "ClockMet", "ClockCancelled", "ClockPaused"}),
    "ClockWarned": frozenset({"ClockWarned", "ClockBreached", "ClockMet", "ClockCancelled", "ClockPaused"}),
    "ClockPaused": frozenset({"ClockResumed", "ClockMet", "ClockCancelled"}),
    "ClockResumed": frozenset({"ClockWarned", "ClockBreached", "ClockMet", "ClockCancelled", "ClockPaused"}),
    "ClockBreached": frozenset({"ClockCorrected"}),
    "ClockMet": frozenset(),
    "ClockCancelled": frozenset(),
    "ClockCorrected": frozenset(),
}


def check_clocks(leads: Mapping[str, list[Raw]], stories: Mapping[str, Story], findings: Findings) -> None:
    """Every clock's history is one of the table's, and no clock runs for an assignment that has ended."""
    for key, log in leads.items():
        last: dict[str, str] = {}
        shares: set[tuple[str, float]] = set()
        offers: dict[str, str] = {}
        for raw in log:
            name = raw.type.split(".")[1]
            if not name.startswith("Clock"):
                continue
            clock = raw.content["clock_id"]
            findings.expect(
                name in CLOCK_NEXT[last.get(clock)], f"lead {key}: clock {clock}: {name} after {last.get(clock)}"
            )
            if name == "ClockWarned":
                share = (clock, raw.content["share"])
                findings.expect(share not in shares, f"lead {key}: clock {clock} warned twice at {share[1]}")
                shares.add(share)
            last[clock] = name
            offers[clock] = raw.content["assignment_id"]
            findings.counts[name] += 1
        for clock, name in last.items():
            runs = name in ("ClockStarted", "ClockWarned", "ClockPaused", "ClockResumed")
            findings.expect(
                not runs or offers[clock] == stories[key].life.assignment_id,
                f"lead {key}: clock {clock} runs for an assignment that has ended",
            )


def check_rest(stories: Mapping[str, Story], findings: Findings) -> None:
    """When all is quiet nobody owes a lead anything."""
    for key, story in stories.items():
        debt = owed(story.life)
        findings.expect(debt is None, f"lead {key} is {story.life.state} and is owed {debt}")
    findings.counts.update(f"status:{s.life.lead_status}" for s in stories.values())


def check_statuses(
    stories: Mapping[str, Story], statuses: Iterable[Raw], ledger: Mapping[str, Mapping[str, Any]], findings: Findings
) -> None:
    """The ledger and the `statuses` topic say what the fold says."""
    published: dict[str, dict[str, Any]] = {raw.key: raw.content for raw in statuses}
    for key, story in stories.items():
        expected = story.life.lead_status
        if expected is None:
            continue
        row = ledger.get(key)
        findings.expect(row is not None, f"lead {key} is not in the ledger")
        for where, said in (("ledger", row), ("statuses", published.get(key))):
            if said is None:
                findings.wrong.append(f"lead {key} is not in {where}")
                continue
            findings.expect(
                said["lead_status"] == expected,
                f"lead {key}: {where} says {said['lead_status']}, its log says {expected}",
            )
            findings.expect(
                said["cycle"] == story.life.cycle,
                f"lead {key}: {where} says cycle {said['cycle']}, its log {story.life.cycle}",
            )
            findings.expect(
                said.get("owner") == story.life.rep,
                f"lead {key}: {where} says owner {said.get('owner')}, its log {story.life.rep}",
            )
    findings.expect(
        ledger.keys() <= stories.keys(),
        f"the ledger has leads that no log has: {sorted(ledger.keys() - stories.keys())[:3]}",
    )


def check_alerts(alerts: Mapping[str, list[Raw]], findings: Findings) -> None:
    """Every message that was released was delivered or given up exactly once; requests are carried once, in their order.

    A storm goes out in digests of limited length: what a recipient is still to be told must be the newest requests.
    """
    for recipient, log in alerts.items():
        released: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        carried: Counter[str] = Counter()
        requested: list[str] = []
        for raw in log:
            name = raw.type.split(".")[1]
            findings.counts[name] += 1
            if name == "AlertRequested":
                requested.append(raw.content["alert_id"])
            elif name == "AlertReleased":
                released[raw.content["alert_id"]] += 1
                carried.update(line["alert_id"] for line in raw.content["lines"])
            elif name in ("AlertSent", "AlertFailed"):
                ended[raw.content["alert_id"]] += 1
        findings.expect(set(released.values()) <= {1}, f"a message to {recipient} was released twice")
        for alert in released:
            findings.expect(
                ended[alert] == 1, f"alert {alert} was reported {ended[alert]} times as sent or failed, not once"
            )
        findings.expect(len(set(requested)) == len(requested), f"an alert to {recipient} was requested twice")
        findings.expect(
            set(carried.values()) <= {1} and set(carried) == set(requested[: len(carried)]),
            f"the {len(carried)} alerts that {recipient} was told are not the first {len(carried)} of {len(requested)}, each once",
        )
        findings.counts["alerts that wait for a digest"] += len(requested) - len(carried)


async def topics(bootstrap: str, namespace: str, partitions: int) -> dict[str, list[Raw]]:
    """All topics, raw; `partitions`: of those that have the installation's number."""
    return {t.name: await read(bootstrap, namespace, t.name, t.partitions or partitions) for t in TOPICS}


def audit(
    raw: Mapping[str, list[Raw]],
    submissions: Mapping[str, str],
    actions: Mapping[str, str],
    ledger: Mapping[str, Mapping[str, Any]],
) -> Findings:
    """Everything that can be said of a quiet installation."""
    findings = Findings()
    known = by_type_name()
    for name, records in raw.items():
        findings.counts[f"records:{name}"] = len(records)
        unknown = [r for r in records if r.record.value is not None and r.type not in known]
        findings.expect(not unknown, f"{len(unknown)} records of unknown type in {name}")
    findings.expect(not raw["dead-letters"], f"{len(raw['dead-letters'])} dead letters, and nobody sent anything wrong")
    leads = accepted(raw[LEADS.name], findings)
    accepted(raw[TEAMS.name], findings)
    stories = fold_leads(leads, findings)
    check_submissions(leads, submissions, findings)
    check_actions(leads, stories, actions, findings)
    check_clocks(leads, stories, findings)
    check_rest(stories, findings)
    check_statuses(stories, raw[STATUSES.name], ledger, findings)
    check_alerts(accepted(raw[ALERTS.name], findings), findings)
    return findings
