"""The audit: reads the topics raw and says what is wrong with them. Of the product it trusts the published language alone.

`CHECKS` is the list of its points. The last one decides everything once more from the log and compares byte by byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from schemas.lifecycle import ACTIONS, Effect, owed
from schemas.topics import ALERTS, DEAD_LETTERS, LEADS, PROFILES, TEAMS, by_type_name
from services.runtime.main import SERVICES, find
from tests.chaos import alerts, assignments, replayed, views
from tests.chaos.evidence import Evidence, Raw
from tests.chaos.findings import Findings
from tests.chaos.histories import Story, accepted, stories

ACTION_TYPES = frozenset(e.type_name() for e in ACTIONS)


PROCESSORS = frozenset(
    p.name.split(".")[0] for service in SERVICES for p in find(service).processors
)
SAID_ON_A_RECORD = frozenset(
    entry.event.__name__ for entry in by_type_name().values() if entry.writer in PROCESSORS
) - {"AlertSent", "AlertFailed", "ModelPublished"}
"""What processors say, each time with the position of the record that made them; the sender of alerts is none."""


def audit(evidence: Evidence) -> Findings:
    """Everything that can be said of a quiet installation."""
    findings = Findings()
    check_records(evidence, findings)
    leads = accepted(evidence.topics[LEADS.name], findings)
    teams = accepted(evidence.topics[TEAMS.name], findings)
    told = accepted(evidence.topics[ALERTS.name], findings)
    lives = stories(leads)
    for check in CHECKS:
        check(evidence, lives, findings)
    assignments.check_teams(lives, teams, findings)
    alerts.check(evidence, lives, told, findings)
    replayed.check(evidence, {LEADS.name: leads, TEAMS.name: teams, ALERTS.name: told}, findings)
    return findings


def check_records(evidence: Evidence, findings: Findings) -> None:
    """Every record is of a known type and by its one writer, who names its cause, and nothing became a dead letter."""
    known = by_type_name()
    for name, records in evidence.topics.items():
        findings.counts[f"records:{name}"] = len(records)
        for raw in records:
            entry = known.get(raw.type)
            if entry is None:
                findings.expect("records", raw.record.value is None, f"{raw.place} is of the unknown type {raw.type!r}")
                continue
            said_by = raw.cause[0].split("/")[0].split(".")[0] if raw.cause is not None else None
            findings.expect(
                "records",
                said_by == entry.writer or (said_by is None and raw.name not in SAID_ON_A_RECORD),
                f"{raw.place} {raw.name} is {entry.writer}'s to say, and its cause is {raw.cause}",
            )
    for raw in evidence.topics[DEAD_LETTERS.name]:
        findings.expect("dead letters", False, f"nobody sent anything wrong, and there is {raw.place}: {raw.event_id}")
    findings.expect("rest", not evidence.shown.quiet, f"it never came to rest: {evidence.shown.quiet}")


def check_submissions(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Every submission that was answered with 202 is in its lead's log exactly once, and no other is there."""
    promised = evidence.promised.submissions
    found: Counter[str] = Counter()
    whose: dict[str, str] = {}
    for key, story in lives.items():
        for raw in story.log:
            if raw.name == "LeadSubmitted":
                found[raw.content["submission_id"]] += 1
                whose[raw.content["submission_id"]] = key
    for submission, lead in promised.items():
        times = found[submission]
        findings.expect(
            "submissions", times == 1, f"submission {submission} (lead {lead}) is in the log {times} times, not once"
        )
        findings.expect(
            "submissions",
            whose.get(submission, lead) == lead,
            f"submission {submission} is in the log of {whose.get(submission)}, not {lead}",
        )
    for submission in found.keys() - promised.keys():
        findings.expect(
            "submissions", False, f"submission {submission} is in the log, and nobody was answered 202 for it"
        )
    findings.counts["submissions"] = len(promised)


def check_profiles(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Every lead has the profile of the person who was posted, and no other topic knows a person."""
    newest = {raw.key: raw for raw in evidence.topics[PROFILES.name] if raw.name == "LeadProfile"}
    for lead, posted in evidence.promised.people.items():
        raw = newest.get(lead)
        findings.expect("profiles", raw is not None, f"lead {lead} has no profile, and {posted['email']} was posted")
        if raw is not None:
            for name in ("email", "name", "company"):
                findings.expect(
                    "profiles",
                    raw.content.get(name) == posted[name],
                    f"lead {lead}: its profile says {name} {raw.content.get(name)!r}, posted was {posted[name]!r}",
                )
    findings.expect(
        "profiles",
        newest.keys() <= lives.keys(),
        f"profiles of leads that no log has: {sorted(newest.keys() - lives.keys())[:3]}",
    )
    elsewhere = [r for name, records in evidence.topics.items() if name != PROFILES.name for r in records]
    elsewhere += [r for records in evidence.changelogs.values() for r in records]
    emails = {person["email"].encode() for person in evidence.promised.people.values()}
    names = {person["name"].split()[0].encode() + b" " for person in evidence.promised.people.values()}
    for raw in elsewhere:
        value = raw.record.value or b""
        knows = any(name in value for name in names) or not emails.isdisjoint(ADDRESS.findall(value))
        findings.expect("profiles", not knows, f"{raw.place} {raw.name} knows a person")


ADDRESS = re.compile(rb"[\w.+-]+@[\w.-]+\w")


def check_actions(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Every action that was answered with 202 is in the log once, and either in effect (or a repeat) or refused by name."""
    promised = evidence.promised.actions
    refused: Counter[str] = Counter()
    seen: dict[str, str] = {}
    times: Counter[str] = Counter()
    for key, story in lives.items():
        for raw in story.log:
            if raw.name == "ActionRefused":
                refused[raw.content["action_id"]] += 1
            elif raw.type in ACTION_TYPES:
                times[raw.event_id] += 1
                seen[raw.event_id] = key
    for action, lead in promised.items():
        findings.expect(
            "actions", times[action] == 1, f"action {action} on lead {lead} is in the log {times[action]} times, not once"
        )
        findings.expect(
            "actions", seen.get(action, lead) == lead, f"action {action} is in the log of {seen.get(action)}, not {lead}"
        )
    for key, story in lives.items():
        for raw in story.log:
            if raw.type in ACTION_TYPES:
                effect = story.effects[raw.event_id]
                findings.expect(
                    "actions",
                    refused[raw.event_id] == (1 if effect is Effect.VOID else 0),
                    f"lead {key}: {raw.name} {raw.event_id} is {effect} and was refused {refused[raw.event_id]} times",
                )
                findings.expect(
                    "actions", raw.event_id in promised, f"{raw.place} {raw.name} is in the log, and no rep did that"
                )
    findings.counts["actions"] = len(promised)


_WHILE_RUNNING = frozenset(
    {"ClockWarned", "ClockBreached", "ClockMet", "ClockCancelled", "ClockPaused", "ClockReplanned"}
)
CLOCK_NEXT: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"ClockStarted"}),
    "ClockStarted": _WHILE_RUNNING,
    "ClockWarned": _WHILE_RUNNING,
    "ClockPaused": frozenset({"ClockResumed", "ClockMet", "ClockCancelled"}),
    "ClockResumed": _WHILE_RUNNING,
    "ClockReplanned": _WHILE_RUNNING,
    "ClockBreached": frozenset({"ClockCorrected"}),
    "ClockMet": frozenset(),
    "ClockCancelled": frozenset(),
    "ClockCorrected": frozenset(),
}
RUNNING = frozenset({"ClockStarted", "ClockWarned", "ClockPaused", "ClockResumed", "ClockReplanned"})


def check_clocks(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """Every clock's history is one of the table's and not ahead of time; every assignment has a clock, and none outlives
    its assignment."""
    for key, story in lives.items():
        last: dict[str, Raw] = {}
        shares: set[tuple[str, float]] = set()
        for raw in story.log:
            findings.counts[raw.name] += 1
            if not raw.name.startswith("Clock"):
                continue
            clock, before = raw.content["clock_id"], last.get(raw.content["clock_id"])
            then = before.name if before is not None else None
            findings.expect("clocks", raw.name in CLOCK_NEXT[then], f"lead {key}: clock {clock}: {raw.name} after {then}")
            last[clock] = raw
            _check_instants(key, raw, shares, findings)
        for clock, raw in last.items():
            findings.expect(
                "clocks",
                raw.name not in RUNNING or raw.content["assignment_id"] == story.life.assignment_id,
                f"lead {key}: clock {clock} runs for an assignment that has ended",
            )
        watched = {raw.content["assignment_id"] for raw in last.values()}
        for assignment in assignments.in_effect(story):
            findings.expect("clocks", assignment in watched, f"lead {key}: no clock ever ran for assignment {assignment}")


def _check_instants(key: str, raw: Raw, shares: set[tuple[str, float]], findings: Findings) -> None:
    clock, at = raw.content["clock_id"], raw.record.at.isoformat()
    if raw.name == "ClockWarned":
        share = (clock, raw.content["share"])
        findings.expect("clocks", share not in shares, f"lead {key}: clock {clock} warned twice at {share[1]}")
        shares.add(share)
        due = raw.content["due_at"]
    elif raw.name == "ClockBreached":
        due = raw.content["deadline_at"]
    else:
        return
    findings.expect(
        "clocks", due.replace("Z", "+00:00")[:23] <= at, f"lead {key}: clock {clock}: {raw.name} at {at}, due at {due}"
    )


def check_rest(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """When all is quiet nobody owes a lead anything."""
    for key, story in lives.items():
        debt = owed(story.life)
        findings.expect("rest", debt is None, f"lead {key} is {story.life.state} and is owed {debt}")
        findings.counts[f"status:{story.life.lead_status}"] += 1


Check = Callable[[Evidence, Mapping[str, Story], Findings], None]

CHECKS: tuple[Check, ...] = (
    check_submissions,
    check_profiles,
    check_actions,
    assignments.check,
    check_clocks,
    check_rest,
    views.check_statuses,
    views.check_ledger,
    views.check_inboxes,
    views.check_timelines,
)
