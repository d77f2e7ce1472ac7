"""One small world: logs, the product's own processors, and everything that can be late, lost for a while or said twice.

A processor reads one log, so what it says is a function of that log; its delay in reading and its delay in appending
are the same thing. So each processor works a record at once, and what it says lies in a list from which pointers
append: one list a source and target, several pointers for zombies and replays, never a gap. People, timers and the
agreement may move at any moment, and people may name anything that ever was so: their screens are as stale as you like.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from schemas import topics
from schemas.base import Event
from schemas.events import desk, feedback, intake, recycling, routing, runtime, scoring, sla
from schemas.ids import EventId, LeadId, ProcessorName, RepId, RequestId
from schemas.lifecycle import ACTIONS, UNBORN, Effect, Life, State
from schemas.topics import LEADS, TEAMS
from schemas.wire import Envelope, Record, encode, new_trace
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD, TEAM
from services.runtime.dead_letters import Letter
from services.runtime.dead_letters import replay as replayed
from services.runtime.lead_log import UNREAD, LeadMemory, read_lead
from services.runtime.protocol import Decision, Processor
from services.runtime.replay import Hosted
from services.runtime.step import DecideFailed, Said
from services.scoring.processor import SCORING
from services.sla.processor import SLA
from tests.properties.lifecycle.agreements import OneLogsAgreements
from tests.properties.lifecycle.moves import EVENTS, NAMES, ON_ASSIGNMENT, REPS, TEAM_A, TEAM_S, Move
from tests.properties.lifecycle.mutants import NONE, Mutant

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
TERMINAL = 1500
"""A world that says more than this after everybody has stopped is never quiet."""


class Bad(Exception):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Entry:
    """One record of a log, as the checker remembers it."""

    record: Record
    event: Event
    envelope: Envelope
    effect: Effect | None
    """None: a repetition, a timer or a replay for one processor."""


@dataclass(frozen=True)
class DeadLetter:
    """A record that a processor could not work."""

    key: str
    processor: ProcessorName
    record: Record
    event: Event
    effect: Effect | None


@dataclass
class Log:
    """One key's log."""

    topic: topics.Topic
    partition: int
    agreements: OneLogsAgreements
    entries: list[Entry] = field(default_factory=list)


class World:
    """Everything, with what the checker watches."""

    def __init__(self, leads: int, flavour: str, mutant: Mutant = NONE) -> None:
        self.flavour, self.mutant = flavour, mutant
        self.leads = [LeadId(str(uuid.uuid5(NAMES, f"lead {i}"))) for i in range(leads)]
        self.logs = {
            key: Log(LEADS if key in self.leads else TEAMS, i, OneLogsAgreements(flavour))
            for i, key in enumerate((*self.leads, TEAM_S, TEAM_A))
        }
        self.clock = START
        self.failing: ProcessorName | None = None
        self.hosted = [Hosted.of(self._breakable(p)) for p in (LEAD, TEAM, SLA, RECYCLING, SCORING)]
        self.memories: dict[str, LeadMemory] = dict.fromkeys(self.leads, UNREAD)
        self.lives: dict[str, list[Life]] = {k: [UNBORN] for k in self.leads}
        self.out: dict[tuple[str, str, str], list[Said]] = {}
        self.pointers: dict[tuple[str, str, str], list[int]] = {}
        self.dead: list[DeadLetter] = []
        self.forward: list[tuple[str, intake.LeadSubmitted]] = []
        self.announce: list[tuple[ProcessorName, str]] = []
        self.made: dict[str, int] = {}
        self.moment = MOMENT
        # what was ever so
        self.assignments: dict[str, list[tuple[RequestId, RepId]]] = {k: [] for k in self.leads}
        self.requests: dict[str, list[RequestId]] = {k: [] for k in self.leads}
        self.actions: dict[str, list[EventId]] = {k: [] for k in self.leads}
        self.turned_down: dict[str, list[tuple[EventId, int, int, RepId | None, bool]]] = {k: [] for k in self.leads}
        """Rejections that were in effect once: id, position, cycle, who, and whether the lead came back by it."""
        self.contests: dict[str, list[EventId]] = {k: [] for k in self.leads}
        self.decided: set[EventId] = set()
        self.deadlines: dict[str, list[tuple[ProcessorName, datetime]]] = {k: [] for k in self.logs}
        # what must come to something
        self.answered_202: set[EventId] = set()
        self.in_effect: set[EventId] = set()
        self.refused: set[EventId] = set()
        self.rejections: dict[str, dict[EventId, tuple[int, int, RepId | None]]] = {k: {} for k in self.leads}
        self.before_last: dict[str, int] = {TEAM_S: 0, TEAM_A: 0}
        """How many leads waited one record ago: what somebody who looks once may see."""

    def _breakable(self, processor: Processor[Any]) -> Processor[Any]:
        mutated = self.mutant.decide.get(processor.name)

        def decide(state: Any, event: Event, context: Any) -> Decision[Any]:
            if self.failing == processor.name:
                raise RuntimeError("told to fail")
            if mutated is not None:
                return mutated(state, event, context, processor.decide)
            return processor.decide(state, event, context)

        return replace(processor, decide=decide)

    @property
    def records(self) -> int:
        """How many records were appended."""
        return sum(len(log.entries) for log in self.logs.values())

    def life(self, lead: str) -> Life:
        """The lead now."""
        return self.lives[lead][-1]

    def host(self, name: str) -> Hosted:
        """One of the processors."""
        return next(h for h in self.hosted if h.processor.name == name)

    def state(self, name: str, key: str) -> Any:
        """What a processor remembers of a key."""
        known = self.host(name).keys.get(key)
        return known.own if known is not None else self.host(name).processor.state()

    def parts(self, team: str, kind: str) -> dict[str, Any]:
        """The parts of a team."""
        store = self.host(TEAM.name).parts.get(team)
        return dict(store.get(kind, {})) if store is not None else {}

    # ------------------------------------------------------------------ appending

    def append(
        self, key: str, event: Event, envelope: Envelope, value: bytes, fails_in: ProcessorName | None = None
    ) -> None:
        """Append a record; every processor works it at once. fails_in: this one makes a dead letter of it."""
        log = self.logs[key]
        self.clock += self.moment
        record = Record(
            log.topic.name,
            log.partition,
            len(log.entries),
            self.clock,
            key.encode(),
            value,
            tuple(envelope.headers()),
        )
        effect: Effect | None = None
        if log.topic is LEADS:
            self.memories[key], effect = read_lead(self.memories[key], record, envelope, event)
            self.lives[key].append(self.memories[key].life)
        else:
            self.before_last[key] = self.state(TEAM.name, key).waiting
        entry = Entry(record, event, envelope, effect)
        log.entries.append(entry)
        if effect is not None and log.topic is LEADS:
            self._watch(key, entry)
        for hosted in self.hosted:
            if hosted.processor.log is log.topic:
                self._work(hosted, key, entry, fails_in)

    def _work(self, hosted: Hosted, key: str, entry: Entry, fails_in: ProcessorName | None) -> None:
        name = hosted.processor.name
        self.failing = name if fails_in == name else None
        try:
            done = hosted.work(
                entry.record,
                self.logs[key].agreements,
                incarnation=self.logs[key].topic.name,
                source=f"/leadloop/{hosted.processor.service}",
                writer="checker",
            )
        except DecideFailed:
            if fails_in != name:
                raise
            self.dead.append(DeadLetter(key, name, entry.record, entry.event, entry.effect))
            return
        finally:
            self.failing = None
        if done is None:
            return
        for said in done.said:
            way = (name, key, said.key)
            self.out.setdefault(way, []).append(said)
            self.pointers.setdefault(way, [0])
        due = hosted.processor.due(done.after.own)
        if due is not None and (name, due) not in self.deadlines[key]:
            self.deadlines[key].append((name, due))

    def sendable(self) -> list[tuple[tuple[str, str, str], int]]:
        """Pointers that have something to append."""
        return [(way, i) for way, at in self.pointers.items() for i, x in enumerate(at) if x < len(self.out[way])]

    def send(self, way: tuple[str, str, str], pointer: int, fails: bool = False) -> None:
        """Append what a pointer points at."""
        said = self.out[way][self.pointers[way][pointer]]
        self.pointers[way][pointer] += 1
        fails_in = None
        if fails:
            fails_in = LEAD.name if said.topic is LEADS else TEAM.name
        self.append(said.key, said.event, said.envelope, said.value, fails_in)

    def can_die(self, way: tuple[str, str, str], pointer: int) -> bool:
        """Whether the checker makes dead letters of such: anything for routing by lead, requests and releases."""
        said = self.out[way][self.pointers[way][pointer]]
        return said.topic is LEADS or isinstance(said.event, routing.AssignmentRequested | routing.AssignmentReleased)

    def replay_letter(self, number: int) -> None:
        """Append a dead letter anew, for the processor that could not work it."""
        letter = self.dead.pop(number)
        record = letter.record
        raw = Letter(
            record.topic,
            record.partition,
            record.offset,
            record.at,
            record.key,
            record.value,
            list(record.headers),
            "",
            "",
            letter.effect.value if letter.effect is not None else None,
        )
        _, value, headers = replayed(raw, EventId(f"letter.{number}.{self.records}"), letter.processor)
        self.append(letter.key, letter.event, Envelope.parse(headers), value or b"")

    def say(self, key: str, event: Event, event_id: EventId, addressed_to: str | None = None) -> None:
        """Append what comes from the edge or the runtime."""
        envelope = Envelope(
            event_id=event_id,
            type=event.type_name(),
            source="/leadloop/edge",
            time=self.clock,
            subject=key,
            correlation_id=event_id,
            traceparent=new_trace(event_id),
            writer="checker",
            addressed_to=addressed_to,
        )
        self.append(key, event, envelope, encode(event))

    # ------------------------------------------------------------------ what holds at every position

    def _watch(self, key: str, entry: Entry) -> None:
        before, after = self.lives[key][-2], self.lives[key][-1]
        event, effect, event_id = entry.event, entry.effect, entry.envelope.event_id
        if type(event) in ACTIONS:
            self.answered_202.add(event_id)
            if effect is not Effect.VOID:
                self.in_effect.add(event_id)
        if isinstance(event, routing.ActionRefused):
            self.refused.add(event.action_id)
        if effect is Effect.EFFECT and type(event) in ACTIONS:
            self.actions[key].append(event_id)
            if isinstance(event, desk.LeadRejected):
                self.rejections[key][event_id] = (before.life, before.cycle, before.rep)
            if isinstance(event, desk.ActionUndone):
                self.rejections[key].pop(event.action_id, None)
        if effect is Effect.EFFECT:
            self._watch_contests(key, entry, before, after)
        if after.state is State.OPEN and after.offer is not None and after.offer not in self.requests[key]:
            self.requests[key].append(after.offer)
        if after.held and after.offer and after.rep and (after.offer, after.rep) not in self.assignments[key]:
            self.assignments[key].append((after.offer, after.rep))
        self._watch_assignment(before, after)
        if effect is Effect.EFFECT:
            self._watch_effect(key, event, before, after)

    def _watch_contests(self, key: str, entry: Entry, before: Life, after: Life) -> None:
        event, position, event_id = entry.event, entry.record.offset, entry.envelope.event_id
        if isinstance(event, desk.LeadRejected | desk.LeadReturned):
            returned = isinstance(event, desk.LeadReturned)
            self.turned_down[key].append((event_id, position, before.cycle, before.rep, returned))
        elif isinstance(event, feedback.RejectionContested):
            self.contests[key].append(event_id)
            undone = [e.event.action_id for e in self.logs[key].entries if isinstance(e.event, desk.ActionUndone) and e.effect is Effect.EFFECT]
            if event.action_id in undone:
                raise Bad("I10 a rejection is contested that was taken back")
        elif isinstance(event, desk.ContestDecided):
            if event.contest_id in self.decided:
                raise Bad("I10 a contest was decided twice")
            self.decided.add(event.contest_id)
            if after.state is not before.state and (before.ended != self._contested_at(key, event.contest_id) or after.held):
                raise Bad("I10 a contest moved a lead that does not rest because of the rejection")

    def _contested_at(self, key: str, contest: EventId) -> int:
        """Where the rejection stands that a contest is about."""
        [event] = [e.event for e in self.logs[key].entries if e.envelope.event_id == contest and e.effect is Effect.EFFECT]
        assert isinstance(event, feedback.RejectionContested)
        return event.position

    def _watch_assignment(self, before: Life, after: Life) -> None:
        if after.held is not (after.rep is not None) or (after.offer is None) is (
            after.held or after.state is State.OPEN
        ):
            raise Bad("I1 state and assignment disagree")
        if after.held and before.held and (after.offer, after.rep) != (before.offer, before.rep):
            raise Bad("I1 one assignment replaced by another without an end")

    def _watch_effect(self, key: str, event: Event, before: Life, after: Life) -> None:
        if isinstance(event, routing.LeadAssigned):
            if event.claimed_by is not None:
                self.in_effect.add(event.claimed_by)
            if (after.life, after.cycle, after.rep) in self.rejections[key].values():
                raise Bad("I5 again to a rep who rejected it in this cycle")
            if event.chosen_by not in (routing.ChosenBy.ORDER, None) and after.rep in before.excluded:
                raise Bad("I8 by the rules to a rep whom they are not to choose in this cycle")
            erased = [
                i
                for i, e in enumerate(self.logs[key].entries)
                if isinstance(e.event, intake.LeadErased) and e.effect is Effect.EFFECT
            ]
            if erased and int(str(after.offer).rsplit(".", 1)[1]) < erased[-1]:
                raise Bad("I6 assigned by a request from before the erasure")
        elif isinstance(event, routing.LeadRouted) and event.epoch != before.epoch:
            raise Bad("I6 routed by a decision on an earlier state of the lead")
        elif isinstance(event, scoring.LeadQualified | scoring.LeadNurtured | scoring.LeadDisqualified):
            if event.judged_at < before.start:
                raise Bad("I6 a verdict about an earlier life or cycle")
        elif isinstance(event, routing.AssignmentWithdrawn) and not isinstance(event.cause, routing.RepGone):
            self._watch_withdrawal(key, event)
        elif isinstance(event, recycling.LeadGivenUp) and self._acted_since(key, event.since, before.offer):
            raise Bad("I9 given up although an action on it came after that was decided")

    def _watch_withdrawal(self, key: str, event: routing.AssignmentWithdrawn) -> None:
        if self._acted_since(key, self._deadline_of(key, event), event.assignment_id):
            raise Bad("I7 withdrawn although an action on it came after the deadline and before the withdrawal")

    def _acted_since(self, key: str, since: int, offer: str | None) -> bool:
        """Whether an action on that assignment came into effect after a position and before the last record."""
        return any(
            e.effect is Effect.EFFECT and type(e.event) in ACTIONS and getattr(e.event, "assignment_id", None) == offer
            for e in self.logs[key].entries[since + 1 : -1]
        )

    def _deadline_of(self, key: str, event: routing.AssignmentWithdrawn) -> int:
        """Where the TimerDue stands that told that the offer's or the clock's time was over."""
        entries = self.logs[key].entries
        if isinstance(event.cause, routing.NotAccepted):
            timers = (
                i
                for i, e in enumerate(entries)
                if isinstance(e.event, runtime.TimerDue)
                and e.event.processor == LEAD.name
                and e.record.at >= event.cause.accept_by
            )
            return min(timers)
        if isinstance(event.cause, routing.Escalated | routing.OfferedToTeam):
            timer = entries[event.cause.since].event
            if not isinstance(timer, runtime.TimerDue) or timer.processor != LEAD.name:
                raise Bad("I7 an escalation that acted on no timer of its own")
            return event.cause.since
        return max(
            e.event.since
            for e in entries
            if isinstance(e.event, sla.ClockBreached)
            and e.effect is not None
            and e.event.assignment_id == event.assignment_id
        )

    # ------------------------------------------------------------------ until nothing moves

    def drain(self, rng: Random | None = None) -> None:
        """Everybody stops; what was said arrives, letters are replayed, deadlines that have passed come."""
        for _ in range(TERMINAL):
            ways = self.sendable()
            if ways:
                self.send(*(rng.choice(ways) if rng else ways[0]))
            elif self.forward:
                self.do_forward()
            elif self.dead:
                self.replay_letter(rng.randrange(len(self.dead)) if rng else 0)
            elif self.announce:
                self.do_announce()
            elif not self._come_due():
                return
        raise Bad("I3 never quiet")

    def _come_due(self) -> bool:
        for hosted in self.hosted:
            for key, known in hosted.keys.items():
                due = hosted.processor.due(known.own)
                if due is not None and due <= self.clock:
                    self.fire(hosted.processor.name, key, due)
                    return True
        return False

    def fire(self, name: ProcessorName, key: str, due: datetime) -> None:
        """A deadline that was once asked for comes; time has then passed."""
        self.clock = max(self.clock, due)
        event = runtime.TimerDue(key=key, processor=name, due_at=due)
        self.say(key, event, self._fresh("timer"), addressed_to=name)

    def do_announce(self) -> None:
        """A processor's key is told that a new agreement is in force."""
        name, key = self.announce.pop()
        event = runtime.TimerDue(key=key, processor=name, due_at=self.clock, agreement_version=2)
        self.say(key, event, self._fresh("timer"), addressed_to=name)

    def do_forward(self) -> None:
        """Intake has read its append back as void: the submission goes to the survivor."""
        key, event = self.forward.pop()
        others = [x for x in self.leads if self.life(x).state not in (State.MERGED, State.SUPPRESSED)]
        if self.life(key).state is State.MERGED and others:
            self.say(others[0], event.model_copy(update={"lead_id": others[0]}), self._fresh("forwarded"))

    # ------------------------------------------------------------------ what people and time may do

    def moves(self) -> list[Move]:
        """Everything that anybody may do now, naming anything that ever was so."""
        out: list[Move] = []
        for k in self.leads:
            for offer, rep in self.assignments[k]:
                out += [Move(k, what, (offer, rep)) for what in ON_ASSIGNMENT]
            for offer in self.requests[k]:
                orders = (None, (RepId("ana"), TEAM_S), (RepId("bob"), TEAM_S), (RepId("paul"), TEAM_A))
                out += [Move(k, "ReassignmentOrdered", (offer, to)) for to in orders]
                out += [Move(TEAM_S, "LeadClaimed", (offer, k, rep)) for rep in REPS[TEAM_S]]
            out += [Move(k, "ActionUndone", (action,)) for action in self.actions[k]]
            out += [Move(k, "RejectionContested", about) for about in self.turned_down[k]]
            out += [Move(k, "ContestDecided", (c, v)) for c in self.contests[k] for v in desk.ContestVerdict]
            if self.logs[k].entries:
                out += [Move(k, what) for what in ("CrmWon", "CrmLost", "LeadErased", "LeadSuppressed", "LeadsMerged")]
                if any(s.state is State.MERGED for s in self.lives[k]):
                    out.append(Move(k, "LeadsUnmerged"))
            out += [Move(k, "LeadSubmitted", (topic,)) for topic in ("demo", "student", "other")]
        for team, reps in REPS.items():
            for rep in reps:
                out.append(Move(team, "RepLeft", (rep,)))
                out += [Move(team, "RepJoined", (rep, cap)) for cap in (1, 2)]
                out += [Move(team, "RepChanged", (rep, cap)) for cap in (1, 2, 0)]
                out += [
                    Move(team, "RepAvailabilityChanged", (rep, *how))
                    for how in ((True, False), (False, False), (False, True))
                ]
        for k, log in self.logs.items():
            due = (
                self.deadlines[k] if k in self.leads or not self.dead else []
            )  # released requests outlive dead letters
            out += [Move(k, "TimerDue", at) for at in due]
            if log.agreements.now_in_force == 1:
                out.append(Move(k, "agreement"))
        return out

    def do(self, move: Move, again: bool = False) -> None:
        """Make a move. again: the call is repeated with the same event id."""
        if move.what == "agreement":
            self._new_agreement(move.key)
        elif move.what == "TimerDue":
            self.fire(move.about[0], move.key, move.about[1])
        else:
            event = EVENTS[move.what](self, move)
            event_id = self._fresh(move.what)
            if isinstance(event, desk.LeadClaimed):
                self.answered_202.add(event_id)
            for _ in range(2 if again else 1):
                self.say(move.key, event, event_id)
                last = self.logs[move.key].entries[-1]
                if isinstance(event, intake.LeadSubmitted) and last.effect is Effect.VOID:
                    self.forward.append((move.key, event))

    def _new_agreement(self, key: str) -> None:
        self.logs[key].agreements.now_in_force = 2
        for hosted in self.hosted:
            name = hosted.processor.name
            known = hosted.keys.get(key)
            if known is None:
                continue
            if self.mutant.scans_once and name == TEAM.name:
                if self.before_last[key]:
                    self.announce.append((name, key))
                    self.do_announce()
            elif hosted.processor.touched_by_agreement(known.own):
                self.announce.append((name, key))

    def _fresh(self, what: str) -> EventId:
        self.made[what] = self.made.get(what, 0) + 1
        return EventId(f"{what}.{self.made[what]}")
