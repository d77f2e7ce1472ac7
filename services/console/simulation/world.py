"""A simulated history: routing's own processors over in-memory logs, fed with what happens, in virtual time.

Time stands still while what happened is answered: whatever follows from it has its instant. So what happens at one
instant happens in the order in which it is fed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.agreement import Agreement, Otherwise
from schemas.agreement.conditions import EngagementPointsAre, FitIs, parts_of
from schemas.agreement.knowledge import Knowledge, facts, learn
from schemas.base import Event
from schemas.events import desk, routing
from schemas.events.intake import LeadSubmitted
from schemas.events.recycling import LeadReactivated, LeadRecycled, SubmittedAgain
from schemas.events.scoring import LeadQualified, LeadScored
from schemas.ids import EventId, LeadId, RepId, RuleId, SubmissionId, TeamId, digest
from schemas.lifecycle import Effect, Life, State
from schemas.topics import LEADS, TEAMS
from schemas.vocabulary import Because, ByRep, BySystem, Grade, Reason, Slug
from schemas.wire import Record
from services.console.simulation.decisions import Assigned, Decision, Holder, Waits, Withdrawn
from services.console.simulation.happenings import Happening, LeadActed, LeadComes, LeadTold, Scored, TeamTold
from services.runtime.finding import find
from services.runtime.protocol import Processor
from services.runtime.replay import AgreementsInMemory, Replay

_CONTENT = digest(b"simulation")
_SUBMISSION = SubmissionId("00000000-0000-4000-8000-000000000000")
_RULE, _BECAUSE = RuleId("simulation"), Because("the simulated history brings it as a lead to be routed")
_UNSAID = Reason("unsaid")
_CLOSED = frozenset({State.LOST, State.RETURNED, State.RECYCLED, State.RETIRED})


class World:
    """Leads, reps and what routing decides about them."""

    def __init__(
        self,
        agreements: Agreement | AgreementsInMemory,
        *,
        start: datetime,
        also: Sequence[Processor[Any]] = (),
        as_said: bool = True,
        keep_logs: bool = False,
    ) -> None:
        """also: processors to be hosted besides routing's, such as the clocks; as_said: see Replay; keep_logs: whether the
        logs can be read afterwards, which grow with the history."""
        processors = find("routing").processors
        self._team = next(p for p in processors if p.log.name == TEAMS.name)
        self.replay = Replay(
            (*processors, *also), agreements, start=start, latency=timedelta(0), heard=self._heard, as_said=as_said
        )
        self._keep_logs = keep_logs
        self._known: dict[LeadId, Knowledge] = {}
        self._routed: dict[LeadId, routing.LeadRouted] = {}
        self._holder: dict[LeadId, Holder] = {}
        self._grades: dict[LeadId, Grade] = {}
        self._decided: list[Decision] = []
        self._acts = any(
            pool.idle_after is not None for _, a in self.replay.agreements.published for pool in a.pools.values()
        )
        self._asks_parts = any(
            isinstance(condition, FitIs | EngagementPointsAre)
            for _, a in self.replay.agreements.published for rule in a.routing for condition in parts_of(rule.when)
        )  # fmt: skip
        self._said = 0
        self.remarks: list[str] = []
        """What happened without any effect, and why."""

    # ------------------------------------------------------------------ what happens

    def take(self, happening: Happening) -> Iterator[Decision]:
        """Let time pass up to what happens, let it happen, and answer everything that was decided by then."""
        self.replay.run_until(happening.at)
        match happening:
            case LeadComes():
                self._comes(happening)
            case LeadActed():
                self._acted(happening)
            case LeadTold():
                self._told(happening)
            case TeamTold():
                self._told_a_team(happening.event)
        self.replay.run_until(happening.at)
        return self._news()

    def pass_to(self, at: datetime) -> Iterator[Decision]:
        """Let time pass: hours begin, absences and offers end, leads overflow."""
        self.replay.run_until(at)
        return self._news()

    def life(self, lead: LeadId) -> Life:
        """Where a lead is."""
        return self.replay.life(lead)

    def owner(self, lead: LeadId) -> RepId | None:
        """Who has it now."""
        return self.life(lead).rep

    def standing(self, team: TeamId, rep: RepId) -> Mapping[str, Any] | None:
        """What a rep of a team has had and what his share is, pool by pool."""
        state, parts = self.replay.state(self._team.name, team), self.replay.parts(self._team.name, team)
        agreement = self.replay.agreements.in_force(self.replay.now)
        return self._team.look(state, parts, rep, agreement, self.replay.now) if self._team.look is not None else None

    def _news(self) -> Iterator[Decision]:
        decided, self._decided = self._decided, []
        if not self._keep_logs:
            for topic in (LEADS, TEAMS):
                self.replay.take(topic)
        return iter(decided)

    def _comes(self, h: LeadComes) -> None:
        before = self.life(h.lead)
        if before.state in _CLOSED:
            self._begin_anew(h.lead, h.at)
        elif before.state in (State.WON, State.SUPPRESSED, State.MERGED):
            self.remarks.append(f"{h.place}: the lead is {before.state} already and is not routed again")
            return
        submitted = LeadSubmitted.model_construct(
            lead_id=h.lead, submission_id=_SUBMISSION, content=_CONTENT, repeat_window=timedelta(0),
            submitted_at=h.at, source=h.source, country=h.country, attributes=dict(h.attributes), consent={}, form=None,
        )  # fmt: skip
        self._say(submitted)
        agreement = self.replay.agreements.in_force(h.at)
        scored = h.scored or self._score(h.lead, submitted, agreement, h.at)
        named: dict[str, Any] = {"agreement": agreement.name, "agreement_version": agreement.version}
        points: dict[str, Any] = {"score": scored.score, "grade": scored.grade, "stage": scored.stage}
        if self._asks_parts:  # the verdict itself says the rest
            parts: dict[str, Any] = {"fit": scored.fit, "engagement": scored.engagement, "contributions": (), "learned": None}
            self._say(LeadScored.model_construct(lead_id=h.lead, **parts, **points, **named))
        if self.life(h.lead).state in (State.NEW, State.NURTURED, State.DISQUALIFIED):
            judged_at = self.replay.length(LEADS) - 1
            self._say(
                LeadQualified.model_construct(
                    lead_id=h.lead, judged_at=judged_at, rule=_RULE, because=_BECAUSE, **points, **named
                )
            )

    def _say(self, event: Event, event_id: EventId | None = None) -> None:
        self._said += 1
        self.replay.append(event, event_id=event_id or f"simulation.{self._said}")

    def _begin_anew(self, lead: LeadId, at: datetime) -> None:
        """A closed lead that comes again begins another cycle."""
        agreement = self.replay.agreements.in_force(at)
        named: dict[str, Any] = {
            "lead_id": lead, "because": _BECAUSE, "agreement": agreement.name, "agreement_version": agreement.version,
        }  # fmt: skip
        if self.life(lead).state is State.RETURNED:
            epoch = self.life(lead).epoch
            self._say(LeadRecycled(**named, epoch=epoch, reason=_UNSAID, stream=Slug("simulation"), wakes_at=None))
        life = self.life(lead)
        self._say(
            LeadReactivated(**named, epoch=life.epoch, cycle=life.cycle + 1, woken_by=SubmittedAgain())
        )

    def _score(self, lead: LeadId, submitted: LeadSubmitted, agreement: Agreement, at: datetime) -> Scored:
        """By the agreement's rules and everything that the lead has told."""
        life = self.life(lead)
        known = learn(
            self._known.get(lead) or Knowledge(), submitted, agreement,
            life=life, effect=Effect.EFFECT, position=0, now=at,
        )  # fmt: skip
        self._known[lead] = known
        standing = agreement.standing(facts(known, life, at))
        return Scored(standing.score, standing.fit, standing.engagement, standing.grade, standing.stage)

    def _acted(self, h: LeadActed) -> None:
        life = self.life(h.lead)
        if h.what == "close":
            if life.state in (State.WON, State.LOST):
                self.remarks.append(f"{h.place}: the lead is closed already")
                return
            self._close(h, life)
            return
        if not life.held or life.rep is None:
            self.remarks.append(f"{h.place}: nobody has the lead, so nobody can {h.what} it")
            return
        if h.rep is not None and h.rep != life.rep:
            self.remarks.append(f"{h.place}: {life.rep} has the lead, so {h.rep} cannot {h.what} it")
            return
        if h.what == "reject" and life.state is State.WORKING:
            self.remarks.append(f"{h.place}: {life.rep} works the lead already, so he cannot reject it")
            return
        core: dict[str, Any] = {
            "lead_id": h.lead, "assignment_id": life.offer, "by": ByRep(rep_id=life.rep), "occurred_at": h.at,
        }  # fmt: skip
        if h.what == "accept":
            self._say(desk.LeadAccepted(**core))
        elif self._goes_back(h.reason):
            self._say(desk.LeadReturned(**core, reason=h.reason or _UNSAID, rejected=True))
        else:
            self._say(desk.LeadRejected(**core, reason=h.reason or _UNSAID))
        self._seen_at_work(life)

    def _close(self, h: LeadActed, life: Life) -> None:
        by = ByRep(rep_id=life.rep) if life.held and life.rep is not None else BySystem(system=Slug("simulation"))
        core: dict[str, Any] = {"lead_id": h.lead, "by": by, "occurred_at": h.at}
        self._say(desk.LeadWon(**core) if h.won else desk.LeadLost(**core, reason=h.reason))
        if life.held:
            self._seen_at_work(life)

    def _goes_back(self, reason: Reason | None) -> bool:
        """Whether the agreement gives a lead back to marketing that is rejected for this reason (as the desk does)."""
        terms = self.replay.agreements.in_force(self.replay.now).reason(reason)
        return terms is not None and terms.then not in (Otherwise.STAY, Otherwise.REROUTE)

    def _seen_at_work(self, life: Life) -> None:
        if self._acts and life.rep is not None and life.team is not None:
            self._say(desk.RepActed(team_id=life.team, rep_id=life.rep))

    def _told(self, h: LeadTold) -> None:
        """A recorded event, about the assignment that is in effect here."""
        life, event = self.life(h.lead), h.event
        if h.rep is not None and (not life.held or h.rep != life.rep):
            self.remarks.append(f"{h.place}: {type(event).__name__} of {h.rep}, who does not have the lead here")
            return
        here = self.replay.length(LEADS)
        change: dict[str, Any] = {"epoch": life.epoch, "judged_at": here, "since": here}
        if isinstance(event, desk.Outcome):
            change["assignment_id"] = None  # closing needs nobody
        elif getattr(event, "assignment_id", None) is not None:
            if life.offer is None:
                self.remarks.append(f"{h.place}: {type(event).__name__}, and nobody has the lead here")
                return
            change["assignment_id"] = life.offer
        if isinstance(getattr(event, "by", None), ByRep) and life.rep is not None:
            change["by"] = ByRep(rep_id=life.rep)
        if isinstance(event, desk.LeadHandedOver) and life.state is State.ASSIGNED:
            core = {name: change.get(name, getattr(event, name)) for name in ("lead_id", "assignment_id", "by", "occurred_at")}
            self._say(desk.LeadAccepted(**core))
        known = {name: value for name, value in change.items() if name in type(event).model_fields}
        self._say(event.model_copy(update=known) if known else event, h.event_id)

    def _told_a_team(self, event: Event) -> None:
        if isinstance(event, desk.LeadClaimed):
            offer = self.life(event.lead_id).offer
            if offer is None:
                return
            event = event.model_copy(update={"request_id": offer})
        self._say(event)

    # ------------------------------------------------------------------ what was decided

    def _heard(self, record: Record, event: Event, effect: Effect | None) -> None:
        if effect is not Effect.EFFECT or record.topic != LEADS.name:
            return
        match event:
            case LeadQualified():
                self._grades[event.lead_id] = event.grade
            case routing.LeadRouted():
                self._routed[event.lead_id] = event
            case routing.LeadAssigned():
                self._holder[event.lead_id] = Holder(event.rep_id, event.pool_id, event.team_id)
                self._decided.append(
                    Assigned(record.at, event, self._routed.get(event.lead_id), self._grade(event), self._cycle(event))
                )
            case routing.LeadQueued():
                self._decided.append(
                    Waits(record.at, event, self._routed.get(event.lead_id), self._grade(event), self._cycle(event))
                )
            case routing.AssignmentWithdrawn():
                self._decided.append(Withdrawn(record.at, event, self._holder[event.lead_id]))

    def _grade(self, event: routing.LeadAssigned | routing.LeadQueued) -> str:
        return str(self._grades.get(event.lead_id, ""))

    def _cycle(self, event: routing.LeadAssigned | routing.LeadQueued) -> int:
        return self.life(event.lead_id).cycle

