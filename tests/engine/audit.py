"""The audit of the engine's tests: folds the raw logs in their order, knows nothing of the engine, and names every
fault."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka.structs import ConsumerRecord

from tests.engine.tally import ANSWERING_A_TIMER, DEADLINE, POISON, chained

Cause = tuple[int, int]


@dataclass
class Expected:
    """What a lead's engagements, in their order, must have led to."""

    digests: list[str] = field(default_factory=list)
    deadlines: int = 0
    poison: int = 0


def header(record: ConsumerRecord, name: str) -> str | None:
    """A header's text."""
    return next((value.decode(errors="replace") for n, value in record.headers if n == name), None)


def type_of(record: ConsumerRecord) -> str:
    """`LeadScored` of `leadloop.LeadScored.v1`."""
    return f"{header(record, 'ce_type')}..".split(".")[1]


def expected(leads: Iterable[ConsumerRecord]) -> dict[bytes, Expected]:
    """Fold the engagements of each lead, each id once."""
    by_lead: dict[bytes, Expected] = defaultdict(Expected)
    seen: set[tuple[bytes, str | None]] = set()
    for record in leads:
        event_id = header(record, "ce_id")
        if type_of(record) != "EngagementObserved" or (record.key, event_id) in seen:
            continue
        seen.add((record.key, event_id))
        lead, kind = by_lead[record.key], json.loads(record.value)["kind"]
        if kind == POISON:
            lead.poison += 1
            continue
        lead.deadlines += kind == DEADLINE
        lead.digests.append(chained(lead.digests[-1] if lead.digests else "", str(event_id)))
    return dict(by_lead)


def in_effect(records: Iterable[ConsumerRecord], type_name: str) -> dict[bytes, list[ConsumerRecord]]:
    """What was said, by key, without repetitions: per key and source only what is further than all before."""
    furthest: dict[tuple[bytes, str], Cause] = {}
    said: dict[bytes, list[ConsumerRecord]] = defaultdict(list)
    for record in records:
        if type_of(record) != type_name:
            continue
        source, offset, index = str(header(record, "ce_cause")).rsplit("|", 2)
        cause = int(offset), int(index)
        if cause > furthest.get((record.key, source), (-1, -1)):
            furthest[record.key, source] = cause
            said[record.key].append(record)
    return said


def contradictions(records: Iterable[ConsumerRecord]) -> list[str]:
    """Two records with one id and different bytes: two owners that did not say the same."""
    first: dict[str, tuple[bytes | None, object]] = {}
    faults = []
    for record in records:
        event_id = str(header(record, "ce_id"))
        content = (record.value, tuple(record.headers))
        if first.setdefault(event_id, content) != content and header(record, "ce_cause") is not None:
            faults.append(f"{event_id} was said twice and differently")
    return faults


def tally_faults(leads: list[ConsumerRecord]) -> list[str]:
    """What is wrong with what TALLY said."""
    faults = contradictions(leads)
    wanted, said = expected(leads), in_effect(leads, "LeadScored")
    for key, lead in wanted.items():
        answers = [json.loads(r.value) for r in said.get(key, [])]
        rules = Counter(a["contributions"][0]["rule"] for a in answers)
        digests = [a["contributions"][0]["because"] for a in answers if a["contributions"][0]["rule"] == "engagement"]
        if digests != lead.digests:
            lost, doubled = set(lead.digests) - set(digests), len(digests) - len(set(digests))
            faults.append(
                f"{key!r}: {len(lost)} lost, {doubled} doubled, {len(set(digests) - set(lead.digests))} foreign"
            )
        if rules[ANSWERING_A_TIMER] != lead.deadlines:
            faults.append(f"{key!r}: {lead.deadlines} deadlines and {rules[ANSWERING_A_TIMER]} answers")
    faults += [f"{key!r}: answers and no engagement" for key in said.keys() - wanted.keys()]
    return faults


def sums_faults(
    leads: list[ConsumerRecord], teams: list[ConsumerRecord], states: dict[bytes, dict[str, object]]
) -> list[str]:
    """What is wrong with what ECHO passed on and what SUMS remembers of it."""
    faults = contradictions(teams)
    scored = {key: len(records) for key, records in in_effect(leads, "LeadScored").items()}
    passed: Counter[str] = Counter()
    for key, records in in_effect(teams, "AssignmentReleased").items():
        digest = ""
        for record in records:
            content = json.loads(record.value)
            passed[content["lead_id"]] += 1
            digest = chained(digest, content["request_id"])
            if content["number"] != passed[content["lead_id"]]:
                faults.append(f"{key!r}: number {content['number']} of {content['lead_id']} came out of turn")
        state = states.get(key, {})
        if (state.get("count"), state.get("digest"), state.get("gaps", 0)) != (len(records), digest, 0):
            faults.append(f"{key!r}: the state is not the fold of what arrived: {state}")
    for key, number in scored.items():
        if passed[key.decode()] != number:
            faults.append(f"{key!r}: {number} scores and {passed[key.decode()]} passed on")
    return faults


def states_in(changelog: Iterable[ConsumerRecord]) -> dict[bytes, dict[str, object]]:
    """By changelog key, the service's state as of the furthest position (for parts, the part)."""
    furthest: dict[bytes, int] = {}
    states: dict[bytes, dict[str, object]] = {}
    for record in changelog:
        if record.value is None:
            states.pop(record.key, None)
            continue
        envelope = json.loads(record.value)
        if envelope["position"] >= furthest.get(record.key, -1):
            furthest[record.key] = envelope["position"]
            state = envelope.get("state")
            states[record.key] = state.get("own", state) if state is not None else {"gone": True}
    return states


def state_faults(leads: list[ConsumerRecord], states: dict[bytes, dict[str, object]]) -> list[str]:
    """Where TALLY's states differ from the fold of the log."""
    faults = []
    for key, lead in expected(leads).items():
        state = states.get(key, {})
        if lead.digests and (state.get("count"), state.get("digest")) != (len(lead.digests), lead.digests[-1]):
            faults.append(f"{key!r}: the state {state} is not the fold of {len(lead.digests)} engagements")
    return faults
