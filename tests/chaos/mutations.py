"""Faults put into the evidence of a sound run, as data: what each is, how it is done, and which points must see it.

Whoever adds a point to the audit adds a row here; a row that nobody finds is a hole in the audit.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.chaos.audit import audit
from tests.chaos.evidence import Evidence, Raw


class NoPlace(LookupError):
    """The evidence has nothing that the fault could be done to."""


@dataclass(frozen=True)
class Mutation:
    """One fault."""

    what: str
    do: Callable[[Evidence, random.Random], None]
    found_by: frozenset[str]
    """Each of these points must see it."""


def found_by(mutation: Mutation, evidence: Evidence, seed: int) -> frozenset[str]:
    """The points that see something wrong once the fault is put into the evidence, which is changed. Raises NoPlace."""
    mutation.do(evidence, random.Random(f"{seed}/{mutation.what}"))
    return frozenset(audit(evidence).wrong)


# ------------------------------------------------------------------------------------------------------- building blocks


def pick(records: list[Raw], chance: random.Random, *names: str) -> Raw:
    """One record of these names."""
    found = [raw for raw in records if raw.name in names]
    if not found:
        raise NoPlace(f"there is no {' or '.join(names)}")
    return chance.choice(found)


def drop(topic: str, *names: str) -> Callable[[Evidence, random.Random], None]:
    """One record of these names was never written."""

    def do(evidence: Evidence, chance: random.Random) -> None:
        evidence.topics[topic].remove(pick(evidence.topics[topic], chance, *names))

    return do


def again(topic: str, name: str, *, as_new: bool = True) -> Callable[[Evidence, random.Random], None]:
    """One record is there twice; as new: under an id and a cause of its own."""

    def do(evidence: Evidence, chance: random.Random) -> None:
        raw = pick(evidence.topics[topic], chance, name)
        headers = dict(raw.record.headers)
        if as_new:
            headers["ce_id"] += b"x"
            if raw.cause is not None:
                source = raw.cause[0]
                last = max(r.cause for r in evidence.topics[topic] if r.key == raw.key and r.cause and r.cause[0] == source)
                headers["ce_cause"] = f"{source}|{last[1]}|{last[2] + 1}".encode()
        _append(evidence, topic, raw, raw.record.value, headers)

    return do


def change(topic: str, names: tuple[str, ...], **fields: Any) -> Callable[[Evidence, random.Random], None]:
    """One record says something else than was said."""

    def do(evidence: Evidence, chance: random.Random) -> None:
        records = evidence.topics[topic]
        raw = pick(records, chance, *names)
        records[records.index(raw)] = _saying(raw, **fields)

    return do


def _saying(raw: Raw, **fields: Any) -> Raw:
    return Raw(replace(raw.record, value=msgspec.json.encode(raw.content | fields)))


def _append(evidence: Evidence, topic: str, raw: Raw, value: bytes | None, headers: dict[str, bytes]) -> None:
    """At the end of the partition, where the record's key belongs."""
    records, partition = evidence.topics[topic], raw.record.partition
    last = [r for r in records if r.record.partition == partition][-1]
    at = max(r.record.at for r in records if r.record.partition == partition)
    new = replace(raw.record, offset=last.record.offset + 1, at=at, value=value, headers=tuple(headers.items()))
    records.insert(records.index(last) + 1, Raw(new))


# ----------------------------------------------------------------------------------------------------------- one by one


def _timer_lost(evidence: Evidence, chance: random.Random) -> None:
    """The TimerDue that made a clock breach never came, and so all that followed for that lead did not happen."""
    leads = evidence.topics["leads"]
    breach = pick(leads, chance, "ClockBreached")
    assert breach.cause is not None
    timer = next(
        r for r in leads if r.record.partition == breach.record.partition and r.record.offset == breach.cause[1]
    )
    evidence.topics["leads"] = [
        r for r in leads if r.key != breach.key or r.record.offset < timer.record.offset
        or r.record.partition != breach.record.partition
    ]  # fmt: skip


def _repeated_with_other_words(evidence: Evidence, chance: random.Random) -> None:
    raw = pick(evidence.topics["leads"], chance, "LeadRouted")
    _append(evidence, "leads", raw, _saying(raw, because="another reason").record.value, dict(raw.record.headers))


def _late_words(evidence: Evidence, chance: random.Random) -> None:
    """What was said on an earlier record comes after what was said on a later one, and was never there before."""
    leads = evidence.topics["leads"]
    raw = pick(leads, chance, "LeadScored")
    leads.remove(raw)
    _append(evidence, "leads", raw, raw.record.value, dict(raw.record.headers))


def _personal(evidence: Evidence, chance: random.Random) -> None:
    records, person = evidence.topics["leads"], chance.choice(list(evidence.promised.people.values())[:50])
    raw = pick(records, chance, "LeadSubmitted")
    records[records.index(raw)] = _saying(raw, remark=f"please call {person['email']}")


def _strange(evidence: Evidence, chance: random.Random) -> None:
    raw = pick(evidence.topics["leads"], chance, "LeadScored")
    _append(evidence, "leads", raw, raw.record.value, dict(raw.record.headers) | {"ce_type": b"leadloop.LeadLiked.v1"})


def _by_another_writer(evidence: Evidence, chance: random.Random) -> None:
    """Somebody else than routing assigns a lead, with an id of his own and no cause."""
    raw = pick(evidence.topics["leads"], chance, "LeadAssigned")
    headers = {k: v for k, v in raw.record.headers if k != "ce_cause"} | {"ce_id": b"somebody"}
    _append(evidence, "leads", raw, raw.record.value, headers)


def _dead(evidence: Evidence, chance: random.Random) -> None:
    raw = pick(evidence.topics["leads"], chance, "LeadScored")
    headers = dict(raw.record.headers) | {"ce_type": b"leadloop.DeadLettered.v1"}
    evidence.topics["dead-letters"].append(Raw(replace(raw.record, topic="dead-letters", headers=tuple(headers.items()))))


def _status_back(evidence: Evidence, chance: random.Random) -> None:
    """A projection that died says an old status again and not what followed: after compaction it is the only one."""
    statuses = evidence.topics["statuses"]
    moved = {raw.key for raw in statuses if raw.content["lead_status"] != "new"}
    raw = next(r for r in statuses if r.key == chance.choice(sorted(moved)) or r.key in moved)
    _append(evidence, "statuses", raw, raw.record.value, dict(raw.record.headers))


def _status_of_another_position(evidence: Evidence, chance: random.Random) -> None:
    """An old status under a new id, after the newer one."""
    statuses = evidence.topics["statuses"]
    last = {raw.key: raw for raw in statuses}
    raw = chance.choice([r for r in statuses if last[r.key] is not r])
    _append(evidence, "statuses", raw, raw.record.value, dict(raw.record.headers) | {"ce_id": b"somebody"})


def _status_never_said(evidence: Evidence, chance: random.Random) -> None:
    last = {raw.key: raw for raw in evidence.topics["statuses"]}
    evidence.topics["statuses"].remove(chance.choice(list(last.values())))


def _row(**fields: Any) -> Callable[[Evidence, random.Random], None]:
    def do(evidence: Evidence, chance: random.Random) -> None:
        lead = chance.choice(sorted(evidence.shown.ledger))
        evidence.shown.ledger[lead] = evidence.shown.ledger[lead] | fields

    return do


def _no_row(evidence: Evidence, chance: random.Random) -> None:
    del evidence.shown.ledger[chance.choice(sorted(evidence.shown.ledger))]


def _double_entry(evidence: Evidence, chance: random.Random) -> None:
    timeline = evidence.shown.timelines[chance.choice(sorted(evidence.shown.timelines))]
    timeline.append(timeline[-1])


def _out_of_inbox(evidence: Evidence, chance: random.Random) -> None:
    full = [rep for rep, inbox in evidence.shown.inboxes.items() if inbox]
    if not full:
        raise NoPlace("nobody has anything")
    evidence.shown.inboxes[chance.choice(full)].pop()


def _in_two_inboxes(evidence: Evidence, chance: random.Random) -> None:
    full = [rep for rep, inbox in evidence.shown.inboxes.items() if inbox]
    if not full:
        raise NoPlace("nobody has anything")
    whose = chance.choice(full)
    other = chance.choice([rep for rep in evidence.shown.inboxes if rep != whose])
    evidence.shown.inboxes[other].append(evidence.shown.inboxes[whose][0])


def _mail_again(evidence: Evidence, chance: random.Random) -> None:
    evidence.promised.mails += [chance.choice(evidence.promised.mails)] * (evidence.promised.interruptions + 1)


def _mail_lost(evidence: Evidence, chance: random.Random) -> None:
    lost = chance.choice(evidence.promised.mails)
    evidence.promised.mails = [mail for mail in evidence.promised.mails if mail != lost]


def _mail_by_nobody(evidence: Evidence, chance: random.Random) -> None:
    evidence.promised.mails.append(f"<alert.{chance.getrandbits(32):08x}@leadloop>")


def _state_back(evidence: Evidence, chance: random.Random) -> None:
    """A stale owner's record came last and compaction kept it alone."""
    records = evidence.changelogs["routing.lead"]
    by_key: dict[bytes | None, list[Raw]] = {}
    for raw in records:
        by_key.setdefault(raw.record.key, []).append(raw)
    several = [k for k, found in by_key.items() if len(found) > 1 and k is not None and not k.startswith(b"\0")]
    key = chance.choice(several)
    evidence.changelogs["routing.lead"] = [r for r in records if r.record.key != key or r is by_key[key][0]]


def _state_lost(evidence: Evidence, chance: random.Random) -> None:
    records = evidence.changelogs["sla"]
    key = chance.choice([r.record.key for r in records if not (r.record.key or b"\0").startswith(b"\0")])
    evidence.changelogs["sla"] = [r for r in records if r.record.key != key]


def _part_lives_again(evidence: Evidence, chance: random.Random) -> None:
    """The removal of a place in a team is lost: the rep would be thought busy for ever."""
    records = evidence.changelogs["routing.team"]
    gone = [r for r in records if r.record.value is not None and r.record.value.endswith(b'"gone":true}')]
    before = {r.record.key for r in records if r.record.value is not None and b'"state":' in r.record.value}
    last = {r.record.key: r for r in records}
    gone = [r for r in gone if last[r.record.key] is r and r.record.key in before]
    if not gone:
        raise NoPlace("no part was removed")
    key = chance.choice(gone).record.key
    evidence.changelogs["routing.team"] = [
        r for r in records if r.record.key != key or (r.record.value is not None and b'"gone"' not in r.record.value)
    ]


def _never_answered(evidence: Evidence, chance: random.Random) -> None:
    del evidence.promised.submissions[chance.choice(sorted(evidence.promised.submissions))]


def _other_person(evidence: Evidence, chance: random.Random) -> None:
    lead = chance.choice(sorted(evidence.promised.people))
    evidence.promised.people[lead] = evidence.promised.people[lead] | {"email": "somebody@example.org"}


def _at_another_time(evidence: Evidence, chance: random.Random) -> None:
    """The log's own times are not those that were decided by: everything after a breach's timer is an hour later."""
    leads = evidence.topics["leads"]
    breach = pick(leads, chance, "ClockBreached")
    evidence.topics["leads"] = [
        Raw(replace(r.record, at=r.record.at + timedelta(hours=1)))
        if r.record.partition == breach.record.partition and r.record.offset >= breach.record.offset
        else r
        for r in leads
    ]


def _seen_by(*points: str) -> frozenset[str]:
    return frozenset(points)


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("a submission is lost", drop("leads", "LeadSubmitted"), _seen_by("submissions", "replay")),
    Mutation("a submission counts twice", again("leads", "LeadSubmitted"), _seen_by("submissions")),
    Mutation("a submission that nobody was answered for", _never_answered, _seen_by("submissions")),
    Mutation("a profile is lost", drop("profiles", "LeadProfile"), _seen_by("profiles")),
    Mutation("a profile is another person's", _other_person, _seen_by("profiles")),
    Mutation("an address in the log", _personal, _seen_by("profiles")),
    Mutation("an action is lost", drop("leads", "LeadAccepted", "LeadWon"), _seen_by("actions")),
    Mutation("an action counts twice", again("leads", "LeadAccepted"), _seen_by("actions")),
    Mutation("a rep is not told that he was too late", drop("leads", "ActionRefused"), _seen_by("actions", "replay")),
    Mutation("a rep is told twice that he was too late", again("leads", "ActionRefused"), _seen_by("actions", "replay")),
    Mutation("a score is lost", drop("leads", "LeadScored"), _seen_by("replay")),
    Mutation("a verdict is lost", drop("leads", "LeadQualified"), _seen_by("replay")),
    Mutation("a verdict is said twice", again("leads", "LeadQualified"), _seen_by("replay")),
    Mutation("a score is not what the log makes it", change("leads", ("LeadScored",), score="99"), _seen_by("replay")),
    Mutation("a routing is lost", drop("leads", "LeadRouted"), _seen_by("replay")),
    Mutation("an assignment is lost", drop("leads", "LeadAssigned"), _seen_by("replay")),
    Mutation("an assignment goes to another rep", change("leads", ("LeadAssigned",), rep_id="gus"), _seen_by("replay")),
    Mutation("an assignment by nobody", _by_another_writer, _seen_by("records")),
    Mutation("a withdrawal is lost", drop("leads", "AssignmentWithdrawn"), _seen_by("replay")),
    Mutation("a request to a team is lost", drop("teams", "AssignmentRequested"), _seen_by("places", "replay")),
    Mutation("a request to a team is made twice", again("teams", "AssignmentRequested"), _seen_by("places", "replay")),
    Mutation("a place is never released", drop("teams", "AssignmentReleased"), _seen_by("places", "replay")),
    Mutation("a place is released twice", again("teams", "AssignmentReleased"), _seen_by("places", "replay")),
    Mutation("a clock is never started", drop("leads", "ClockStarted"), _seen_by("clocks", "replay")),
    Mutation("a clock breaches twice", again("leads", "ClockBreached"), _seen_by("clocks", "replay")),
    Mutation("a clock is met twice", again("leads", "ClockMet"), _seen_by("clocks", "replay")),
    Mutation("a clock breaches before its time", change("leads", ("ClockBreached",), deadline_at="2999-01-01T00:00:00Z"),
             _seen_by("clocks", "replay")),
    Mutation("a TimerDue is lost", _timer_lost, _seen_by("timers")),
    Mutation("decided by another time than the log's", _at_another_time, _seen_by("replay")),
    Mutation("a recycling is lost", drop("leads", "LeadRecycled"), _seen_by("replay")),
    Mutation("a lead comes back twice", again("leads", "LeadReactivated"), _seen_by("replay")),
    Mutation("a repetition with other words", _repeated_with_other_words, _seen_by("repetitions")),
    Mutation("words that come too late to be heard", _late_words, _seen_by("repetitions", "replay")),
    Mutation("an alert is requested twice", again("alerts", "AlertRequested"), _seen_by("alerts", "replay")),
    Mutation("an alert is never requested", drop("alerts", "AlertRequested"), _seen_by("alerts", "replay")),
    Mutation("a message is released twice", again("alerts", "AlertReleased"), _seen_by("alerts", "replay")),
    Mutation("a message is lost", drop("alerts", "AlertReleased"), _seen_by("alerts", "replay")),
    Mutation("a delivery is reported twice", again("alerts", "AlertSent"), _seen_by("alerts")),
    Mutation("a delivery is never reported", drop("alerts", "AlertSent"), _seen_by("alerts")),
    Mutation("a mail comes more often than deaths explain", _mail_again, _seen_by("alerts")),
    Mutation("a mail never comes", _mail_lost, _seen_by("alerts")),
    Mutation("a mail that nobody ordered", _mail_by_nobody, _seen_by("alerts")),
    Mutation("a status went back", _status_back, _seen_by("statuses")),
    Mutation("an old status under a new id", _status_of_another_position, _seen_by("statuses")),
    Mutation("the last status was never published", _status_never_said, _seen_by("statuses")),
    Mutation("the ledger has another status", _row(lead_status="merged"), _seen_by("ledger")),
    Mutation("the ledger has another owner", _row(owner="somebody"), _seen_by("ledger")),
    Mutation("a lead is not in the ledger", _no_row, _seen_by("ledger")),
    Mutation("an event is twice in a timeline", _double_entry, _seen_by("timelines")),
    Mutation("a rep does not see his lead", _out_of_inbox, _seen_by("inboxes")),
    Mutation("two reps see the same lead", _in_two_inboxes, _seen_by("inboxes")),
    Mutation("a state went back", _state_back, _seen_by("states")),
    Mutation("a state is lost", _state_lost, _seen_by("states")),
    Mutation("a removed place lives again", _part_lives_again, _seen_by("states")),
    Mutation("a dead letter", _dead, _seen_by("dead letters")),
    Mutation("a record of an unknown type", _strange, _seen_by("records")),
)  # fmt: skip

HARMLESS: tuple[Mutation, ...] = (
    Mutation("a processor repeats itself", again("leads", "LeadRouted", as_new=False), _seen_by()),
    Mutation("a client asks again", again("leads", "LeadSubmitted", as_new=False), _seen_by()),
    Mutation("the sender says again that it sent", again("alerts", "AlertSent", as_new=False), _seen_by()),
)
"""What may happen whenever something dies: nobody may find anything wrong with it."""
