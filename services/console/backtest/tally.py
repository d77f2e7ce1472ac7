"""What a backtest counts, in bounded memory, and how the counts of partitions come together. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import heappush, heappushpop

from schemas.lifecycle import State
from services.console.backtest.trial import Side, Trial, apart

LISTED = 1_000
"""So many leads are told one by one if nobody asks for more."""
NO_CAMPAIGN, NOT_ROUTED = "(none)", "(not routed)"


@dataclass
class Row:
    """Leads qualified as recorded and as proposed; more and fewer are those on one side only."""

    then: int = 0
    now: int = 0
    more: int = 0
    fewer: int = 0

    def add(self, other: Row) -> None:
        self.then, self.now = self.then + other.then, self.now + other.now
        self.more, self.fewer = self.more + other.more, self.fewer + other.fewer


@dataclass(frozen=True, order=True)
class Changed:
    """One lead that is qualified on one side only, or at another time."""

    at_ms: int
    lead_id: str
    kind: str = field(compare=False)
    campaign: str = field(compare=False)
    recorded: Side = field(compare=False)
    proposed: Side = field(compare=False)
    shift_ms: int = field(compare=False)
    pool: str = field(compare=False)
    team: str = field(compare=False)


Groups = dict[str, Row]


@dataclass
class Tally:
    """Everything that is counted, of one partition or of all."""

    listed: int = LISTED
    events: int = 0
    leads: int = 0
    submissions: int = 0
    not_judged: int = 0
    undecodable: int = 0
    earlier: int = 0
    later: int = 0
    total: Row = field(default_factory=Row)
    then_verdicts: Counter[str] = field(default_factory=Counter)
    now_verdicts: Counter[str] = field(default_factory=Counter)
    attributes: Counter[str] = field(default_factory=Counter)
    """How many submissions named each attribute."""
    campaigns: Groups = field(default_factory=dict)
    pools: Groups = field(default_factory=dict)
    teams: Groups = field(default_factory=dict)
    why: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(more or fewer, rule as recorded, rule as proposed) -> leads."""
    points: dict[tuple[str, str, str], tuple[int, Decimal]] = field(default_factory=dict)
    """(more or fewer, part, rule) -> leads whose points for it differ, and by how much in all."""
    changed: list[Changed] = field(default_factory=list)
    """A heap: the latest ones stay."""

    def count(self, lead_id: str, trial: Trial) -> None:
        """One lead at the end of its log."""
        if trial.memory.life.state is State.NONE:
            return
        self.leads += 1
        kind = trial.kind
        if kind == "neither":
            return
        campaign = trial.campaign or NO_CAMPAIGN
        row = Row(trial.then is not None, trial.now is not None, kind == "more", kind == "fewer")
        self.total.add(row)
        self.campaigns.setdefault(campaign, Row()).add(row)
        self._count_places(trial)
        if kind == "both":
            self.earlier += trial.shift_ms < 0
            self.later += trial.shift_ms > 0
        if kind != "both" or trial.shift_ms:
            self._explain(lead_id, trial, campaign)

    def _count_places(self, trial: Trial) -> None:
        for groups, attribute in ((self.pools, "pool"), (self.teams, "team")):
            then = getattr(trial.then, attribute) or NOT_ROUTED if trial.then is not None else None
            now = getattr(trial.now, attribute) or NOT_ROUTED if trial.now is not None else None
            if then is not None:
                groups.setdefault(then, Row()).add(Row(then=1, fewer=now != then))
            if now is not None:
                groups.setdefault(now, Row()).add(Row(now=1, more=now != then))

    def _explain(self, lead_id: str, trial: Trial, campaign: str) -> None:
        recorded, proposed = trial.sides()
        if trial.kind != "both":
            self.why[trial.kind, recorded.rule, proposed.rule] += 1
            for part, rule, before, after, _ in apart(recorded, proposed):
                leads, points = self.points.get((trial.kind, part, rule), (0, Decimal(0)))
                self.points[trial.kind, part, rule] = leads + 1, points + after - before
        place = trial.now or trial.then
        assert place is not None
        at_ms = max(recorded.at_ms, proposed.at_ms)
        self._list(
            Changed(at_ms, lead_id, trial.kind, campaign, recorded, proposed, trial.shift_ms, place.pool, place.team)
        )

    def _list(self, one: Changed) -> None:
        if len(self.changed) < self.listed:
            heappush(self.changed, one)
        elif self.listed:
            heappushpop(self.changed, one)

    def take(self, other: Tally) -> None:
        """Add what another partition has counted."""
        for name in ("events", "leads", "submissions", "not_judged", "undecodable", "earlier", "later"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.total.add(other.total)
        for mine, theirs in ((self.then_verdicts, other.then_verdicts), (self.now_verdicts, other.now_verdicts), (self.attributes, other.attributes)):
            mine.update(theirs)
        self.why.update(other.why)
        for groups, more in ((self.campaigns, other.campaigns), (self.pools, other.pools), (self.teams, other.teams)):
            for name, row in more.items():
                groups.setdefault(name, Row()).add(row)
        for key, (leads, points) in other.points.items():
            before = self.points.get(key, (0, Decimal(0)))
            self.points[key] = before[0] + leads, before[1] + points
        for one in other.changed:
            self._list(one)
