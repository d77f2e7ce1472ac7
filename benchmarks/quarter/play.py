"""The play itself: leads and reps against routing by lead and by team, in one replay whose time is the log's."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any

from benchmarks.quarter.check import Check
from benchmarks.quarter.staff import AGREEMENT, CAP, END, Arrival, Happening, arrivals, department, happenings, whole
from schemas.agreement import load
from schemas.base import Event
from schemas.events import desk, intake, routing, scoring
from schemas.ids import LeadId, SubmissionId, digest
from schemas.topics import LEADS, TEAMS
from schemas.vocabulary import ByRep
from schemas.wire import decode
from services.routing.processors import LEAD, TEAM
from services.runtime.replay import Replay

_HOUR = timedelta(hours=1)
Progress = Callable[[int], None]


class Quarter:
    """One quarter, to be played once."""

    def __init__(self, leads: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.reps = {rep.name: rep for rep in department(self.chance)}
        self.loop = Replay([LEAD, TEAM], load(AGREEMENT, 1), start=datetime(2025, 12, 31, 23, tzinfo=UTC))
        self.check = Check(self.reps)
        self._happenings = happenings(list(self.reps.values()), self.chance)
        self._arrivals = arrivals(leads, self.chance)
        self._deeds: list[tuple[datetime, int, Event]] = []
        self._made = 0

    def play(self, progress: Progress = lambda number: None) -> None:
        """From the first to the last day, and on until all who wait have found a rep or nobody can take them."""
        for at, what in self._in_order():
            self._until(at)
            match what:
                case Happening():
                    self._happens(what)
                case Arrival():
                    self._arrives(what)
                    progress(what.number)
        self._until(END + timedelta(days=7))
        self.check.ends()

    def _in_order(self) -> Iterator[tuple[datetime, Happening | Arrival]]:
        coming: list[tuple[datetime, int, Happening | Arrival]] = [(h.at, 0, h) for h in self._happenings]
        coming += [(a.at, 1, a) for a in self._arrivals]
        for at, _, what in sorted(coming, key=lambda one: one[:2]):
            yield at, what

    def _until(self, at: datetime) -> None:
        """Everything that reps do up to then."""
        while self._deeds and self._deeds[0][0] <= at:
            when, _, event = heappop(self._deeds)
            self._say(event, when)
        self.loop.run_until(at)
        self._look()

    def _say(self, event: Event, at: datetime) -> None:
        self.loop.run_until(at)
        self._look()
        self.loop.append(event)
        self._look()

    def _look(self) -> None:
        """Show the check what was said, and let reps begin to work what they were given."""
        self.check.reads(self.loop.take(TEAMS), said := self.loop.take(LEADS))
        for record in said:
            if record.type_name() == routing.LeadAssigned.type_name():
                event = decode(record.type_name(), record.value)
                assert isinstance(event, routing.LeadAssigned)
                self._works(event, record.at)

    # ------------------------------------------------------------------ what happens

    def _happens(self, what: Happening) -> None:
        rep = self.reps[what.rep]
        about = {"team_id": rep.team, "rep_id": rep.name}
        if what.what == "leave":
            self._append(desk.RepLeft, **about, reason="resigned")
        elif what.what == "away":
            self._append(desk.RepAvailabilityChanged, **about, available=False, until=what.until)
        else:
            if what.what == "weight":
                rep.pools = dict.fromkeys(rep.pools, what.weight)
            leave = [{"first": first.isoformat(), "last": last.isoformat()} for first, last in rep.leave]
            terms = {"pools": rep.pools, "open_leads_cap": CAP, "calendar": rep.calendar, "leave": leave}
            kind = desk.RepJoined if what.what == "join" else desk.RepChanged
            self._append(kind, **about, role="ae" if rep.team == "closers" else "sdr", **terms)
        self._look()

    def _arrives(self, what: Arrival) -> None:
        lead = LeadId(str(uuid.UUID(int=what.number)))
        facts = {"employees": what.employees, "country": what.country}
        same = {"submission_id": SubmissionId(lead), "content": digest(lead.encode()), "submitted_at": what.at}
        self._append(intake.LeadSubmitted, lead_id=lead, country=what.country, attributes=facts, **same)
        verdict = {"rule": "rest", "because": "all", "score": Decimal(1), "agreement": "quarter", "agreement_version": 1}
        judged_at = self.loop.life(lead).start
        self._append(scoring.LeadQualified, lead_id=lead, judged_at=judged_at, grade=what.grade, **verdict)

    def _append(self, kind: type[Event], **said: Any) -> None:
        self.loop.append(kind.model_validate(said))

    def _works(self, given: routing.LeadAssigned, at: datetime) -> None:
        """What the rep does with it, some hours later: nearly all are accepted and closed, some turned down or handed on."""
        chance = self.chance
        begins = at + chance.uniform(0.1, 6) * _HOUR
        by = {"lead_id": given.lead_id, "assignment_id": given.request_id, "by": ByRep(rep_id=given.rep_id)}
        if chance.random() < 0.07:
            self._later(begins, desk.LeadRejected, **by, reason="not_mine")
            return
        self._later(begins, desk.LeadAccepted, **by)
        ends = begins + chance.choice((8, 24, 30, 48, 72)) * chance.uniform(0.5, 1.2) * _HOUR
        if given.team_id == "sales" and chance.random() < 0.12:
            self._later(ends, desk.LeadHandedOver, **by, to_role="ae")
        elif chance.random() < 0.3:
            self._later(ends, desk.LeadWon, **by)
        else:
            self._later(ends, desk.LeadLost, **by, reason="no_budget")

    def _later(self, at: datetime, kind: type[Event], **said: Any) -> None:
        self._made += 1
        at = whole(at)
        heappush(self._deeds, (at, self._made, kind.model_validate({"occurred_at": at, **said})))
