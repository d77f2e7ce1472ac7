"""Evidence without an installation: the loop over in-memory logs, with people, mails and views beside it.

It is what a faultless run leaves behind, made in a second, so that every point of the audit can be shown to see its fault.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.agreement import load
from schemas.events import alerting, console, desk, feedback, intake
from schemas.ids import AgreementName, EventId, LeadId, SubmissionId, digest
from schemas.lifecycle import Life, State
from schemas.topics import ALERTS, LEADS, STATUSES, TEAMS, TOPICS
from schemas.wire import Record
from services.runtime import changelog
from services.runtime.main import SERVICES, find
from services.runtime.protocol import Processor
from services.runtime.replay import INCARNATION, WRITER, AgreementsInMemory, Hosted, Replay
from services.runtime.step import concerns, interesting
from tests.chaos.evidence import Evidence, Promised, Raw, Shown
from tests.chaos.findings import Findings
from tests.chaos.histories import TIMER, accepted, stories
from tests.chaos.views import shown

TEXT = (Path(__file__).parent / "agreement.yaml").read_text()
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEADS_SENT = 16
REPS = ("anna", "ben", "cem")
ROUNDS = 40
PAUSE = timedelta(seconds=3)


@dataclass
class World:
    """What is outside of the loop while it runs."""

    loop: Replay
    promised: Promised = field(default_factory=Promised)
    delivered: int = 0
    """How many records of `alerts` the mail server has seen."""
    ignored: Counter[str] = field(default_factory=Counter)

    def submit(self, number: int) -> None:
        """One form post."""
        lead = LeadId(str(uuid.uuid5(uuid.NAMESPACE_OID, f"prospect {number}")))
        person = {"email": f"prospect{number}@company.example", "name": f"Prospect {number}", "company": f"Firm {number}"}
        self.loop.append(intake.LeadProfile.model_validate(person | {"lead_id": lead, "updated_at": self.loop.now}))
        self.loop.append(
            intake.LeadSubmitted.model_validate(
                {
                    "lead_id": lead,
                    "submission_id": SubmissionId(str(uuid.uuid5(uuid.NAMESPACE_OID, f"submission {number}"))),
                    "content": digest(str(number).encode()),
                    "submitted_at": self.loop.now,
                    "attributes": {"topic": "newsletter" if number % 8 == 7 else "demo", "employees": 80},
                }
            )
        )
        self.promised.people[str(lead)] = person
        self.promised.submissions[str(uuid.uuid5(uuid.NAMESPACE_OID, f"submission {number}"))] = str(lead)

    def work(self, number: int, lead: str) -> None:
        """What the rep does with a lead that he has: some win, some reject, some let it lie until its clock breaches."""
        life = self.loop.life(lead)
        if life.state is not State.ASSIGNED:
            return
        if number % 4 == 1 and self.ignored[lead] < 5:
            self.ignored[lead] += 1
        elif number % 4 == 2:
            self.does(lead, life, desk.LeadReturned, reason="no_budget")
        elif number % 4 == 3:
            self.does(lead, life, desk.LeadRejected, reason="not_mine")
            self.does(lead, life, desk.LeadAccepted)  # too late: it is refused by name
        else:
            self.does(lead, life, desk.LeadAccepted)
            if number % 2 == 0:
                self.does(lead, life, desk.LeadWon)

    def does(self, lead: str, life: Life, action: type[Any], **fields: Any) -> None:
        """One action, as the desk appends it."""
        assignment, by = life.offer, {"kind": "rep", "rep_id": life.rep}
        event = action.model_validate(
            {"lead_id": lead, "assignment_id": assignment, "by": by, "occurred_at": self.loop.now, **fields}
        )
        self.promised.actions[str(self.loop.append(event))] = lead

    def deliver(self) -> None:
        """What the sender of alerts does."""
        records = self.loop.records(ALERTS)
        new, self.delivered = list(records[self.delivered :]), len(records)
        for raw in map(Raw, new):
            if raw.name == "AlertReleased":
                alert = raw.content["alert_id"]
                self.promised.mails.append(f"<{alert}@leadloop>")
                sent = {"recipient": raw.key, "alert_id": alert, "attempts": 1, "sent_at": self.loop.now}
                self.loop.append(
                    alerting.AlertSent.model_validate(sent), event_id=f"alerting.sender.{alert}.AlertSent"
                )


def evidence() -> Evidence:
    """What a run of some minutes leaves behind."""
    processors = [p for service in SERVICES for p in find(service).processors]
    loop = Replay(processors, load(TEXT, 1), start=START)
    world = World(loop)
    name = AgreementName("chaos")
    content = digest(TEXT.encode())
    loop.append(
        console.AgreementPublished(name=name, agreement_version=1, content=content, text=TEXT, effective_at=None)
    )
    for rep in REPS:
        member = {"team_id": "sales", "rep_id": rep, "role": "sdr", "pools": {"inbound": 1}, "calendar": "always"}
        loop.append(desk.RepJoined.model_validate(member))
    for number in range(LEADS_SENT):
        world.submit(number)
        loop.run_until(loop.now + timedelta(milliseconds=50))
    for _ in range(ROUNDS):
        for number, lead in enumerate(world.promised.people):
            world.work(number, lead)
        loop.run_until(loop.now + PAUSE)
        world.deliver()
    loop.run_until(loop.now + timedelta(hours=1))
    world.deliver()
    return _seen(world)


def _seen(world: World) -> Evidence:
    loop = world.loop
    incarnations = {t.name: INCARNATION for t in (LEADS, TEAMS, ALERTS)}
    view = _views(loop)
    topics = {t.name: [Raw(r) for r in loop.records(t)] for t in TOPICS}
    taken = Evidence(
        topics, {}, world.promised, view, incarnations,
        writer=WRITER, taken_at=loop.now, timers_late_at_most_seconds=1.0,
    )  # fmt: skip
    write_changelogs(taken)
    return taken


def _views(loop: Replay) -> Shown:
    """What feedback and desk show, made from the fold; the statuses are published on the way."""
    out = Shown(inboxes={rep: [] for rep in REPS})
    by_status: Counter[str] = Counter()
    lives = stories(accepted([Raw(r) for r in loop.records(LEADS)], Findings()))
    for key, story in lives.items():
        before = None
        for position, life in zip(story.positions, story.lives, strict=True):
            if shown(life) != before and life.lead_status is not None:
                _publish(loop, key, life, position, story.log)
            before = shown(life)
        life = story.life
        out.ledger[key] = shown(life) | {"assignment_id": life.assignment_id}
        out.timelines[key] = [raw.event_id for raw in story.log if raw.type != TIMER]
        by_status[str(life.lead_status)] += 1
        if life.assignment_id is not None:
            out.inboxes[str(life.rep)].append(str(life.assignment_id))
    out.audit = {
        "received": len(lives), "by_status": dict(by_status), "dead_lettered": 0, "unaccounted": 0, "double_assigned": 0,
    }  # fmt: skip
    return out


def _publish(loop: Replay, lead: str, life: Life, position: int, log: list[Raw]) -> None:
    changed_by = next(raw.event_id for raw in log if raw.record.offset == position)
    said = shown(life) | {
        "lead_id": lead, "previous_status": None, "grade": None, "score": None, "team_id": life.team, "reason": None,
        "because": "it is so", "changed_at": loop.now, "changed_by": changed_by, "position": position,
    }  # fmt: skip
    loop.append(feedback.LeadStatusChanged.model_validate(said), event_id=EventId(f"status.{position}"), topic=STATUSES)


def write_changelogs(taken: Evidence) -> None:
    """Write what the processors would have written into their changelogs on these logs."""
    for service in SERVICES:
        for processor in find(service).processors:
            taken.changelogs[str(processor.name)] = _changelog(processor, taken.topics[processor.log.name])


def _changelog(processor: Processor[Any], log: list[Raw]) -> list[Raw]:
    """Every state that the processor went through, as group commit writes them."""
    agreements = AgreementsInMemory.only(load(TEXT, 1))
    wanted, name = frozenset(t.encode() for t in interesting(processor)), processor.name.encode()
    hosted = Hosted.of(processor)
    out: list[Raw] = []
    parts: dict[str, dict[tuple[str, str], Any]] = {}

    def write(key: bytes, value: bytes, at: datetime) -> None:
        out.append(Raw(Record(f"{processor.name} changelog", 0, len(out), at, key, value, ())))

    for raw in log:
        if not concerns(raw.record.headers, wanted, name):
            continue
        hosted.work(
            raw.record, agreements, incarnation=INCARNATION, source=f"/leadloop/{processor.service}", writer=WRITER
        )
        head = hosted.keys[raw.key]
        write(raw.record.key or b"", changelog.pack(1, head.position, head), raw.record.at)
        now = {(k, n): p for k, named in hosted.parts.get(raw.key, {}).items() for n, p in named.items()}
        before = parts.get(raw.key, {})
        for part in {**before, **now}:
            under = changelog.part_key(raw.record.key or b"", *part)
            if part not in now:
                write(under, changelog.pack_gone(1, head.position), raw.record.at)
            elif now[part] is not before.get(part):
                write(under, changelog.pack(1, head.position, now[part]), raw.record.at)
        parts[raw.key] = now
    return out


