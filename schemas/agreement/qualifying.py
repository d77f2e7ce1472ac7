"""What would make a lead qualified: the fewest changes that do it, found by search and judged by the rules anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import Any

from schemas.agreement.agreement import Agreement, Standing
from schemas.agreement.changes import Change, one_of, thinkable
from schemas.agreement.facts import Facts, say
from schemas.agreement.terms import VerdictKind
from schemas.vocabulary import Because, Contribution, Grade, Slug

WAYS_AT_MOST = 5
_SINGLES, _IN_PAIRS, _IN_TRIPLES, _ONE_BY_ONE = 200, 40, 16, 10
"""How many changes are looked at alone, in pairs, in triples; and how many are added up when three are not enough."""


@dataclass(frozen=True, slots=True)
class Way:
    """Changes after which the lead is qualified, and would not be with one of them less."""

    says: str
    changes: tuple[Mapping[str, Any], ...]
    score: Decimal
    grade: Grade
    rule: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A score taken apart."""

    at: datetime
    score: Decimal
    fit: Decimal
    engagement: Decimal
    grade: Grade
    verdict: VerdictKind
    stage: Slug | None
    rule: str
    because: Because
    contributions: tuple[Contribution, ...]
    to_qualify: tuple[Way, ...]
    changes_at: datetime | None
    """When the passing of time alone changes more than fading: a window ends, or a threshold is crossed."""

    def document(self) -> dict[str, Any]:
        """As JSON says it. Points are decimal strings."""
        return {
            "score": f"{self.score:f}",
            "fit": f"{self.fit:f}",
            "engagement": f"{self.engagement:f}",
            "grade": self.grade,
            "verdict": self.verdict.value,
            "stage": self.stage,
            "rule": self.rule,
            "because": self.because,
            "at": _iso(self.at),
            "contributions": [
                {"part": c.part, "rule": c.rule, "points": f"{c.points:f}", "because": c.because}
                for c in self.contributions
            ],
            "to_qualify": [
                {
                    "say": way.says,
                    "changes": list(way.changes),
                    "score": f"{way.score:f}",
                    "grade": way.grade,
                    "rule": way.rule,
                }
                for way in self.to_qualify
            ],
            "changes_at": None if self.changes_at is None else _iso(self.changes_at),
        }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def explain(agreement: Agreement, facts: Facts, at: datetime) -> Explained:
    """The score of these facts at `at`: its parts, the verdict with its rule, and what would make it qualified."""
    standing = agreement.standing(replace(facts, now=at))
    judged, score = agreement.judge(standing.facts), agreement.score_of(standing)
    return Explained(
        at,
        score.score,
        score.fit,
        score.engagement,
        score.grade,
        judged.verdict,
        standing.stage,
        judged.rule,
        judged.because,
        score.contributions,
        to_qualify(agreement, standing),
        agreement.changes_at(standing),
    )


def to_qualify(agreement: Agreement, standing: Standing) -> tuple[Way, ...]:
    """The ways of the fewest changes, most points first; none if the lead is qualified already, or no way is found."""
    if standing.rule.verdict is VerdictKind.QUALIFIED:
        return ()
    return _Search(agreement, standing).ways()


@dataclass(frozen=True, slots=True)
class _Tried:
    change: Change
    standing: Standing

    @property
    def gain(self) -> Decimal:
        return self.standing.score


class _Search:
    """Tries changes alone, in pairs, in triples, and at last one after the other."""

    def __init__(self, agreement: Agreement, standing: Standing) -> None:
        self._agreement, self._now = agreement, standing

    def ways(self) -> tuple[Way, ...]:
        changes = thinkable(self._agreement, self._now.facts)[:_SINGLES]
        tried = self._merged([_Tried(change, self._after(self._now.facts, [change])) for change in changes])
        found = [self._way([t.change], t.standing) for t in tried if _qualifies(t.standing)]
        rest = sorted((t for t in tried if not _qualifies(t.standing)), key=self._usefulness)
        if len(found) < WAYS_AT_MOST:
            found += self._together(rest[:_IN_PAIRS], 2)
        if not found:
            found = self._together(rest[:_IN_TRIPLES], 3) or self._added_up(rest)
        found.sort(key=lambda way: (len(way.changes), -way.score))
        return tuple(_fewest_times(found)[:WAYS_AT_MOST])

    def _merged(self, tried: Sequence[_Tried]) -> list[_Tried]:
        """Values of one attribute that come to the same are one change."""
        same: dict[tuple[str, str, str], list[_Tried]] = {}
        for t in tried:
            same.setdefault((t.change.about, self._agreement.digest(t.standing), t.standing.rule.id), []).append(t)
        return [_Tried(one_of([t.change for t in group]), group[0].standing) for group in same.values()]

    def _usefulness(self, tried: _Tried) -> tuple[bool, Decimal]:
        """What leads away from a disqualification first, then by points."""
        freed = (
            self._now.rule.verdict is VerdictKind.DISQUALIFIED
            and tried.standing.rule.verdict is not VerdictKind.DISQUALIFIED
        )
        return not freed, -tried.gain

    def _after(self, facts: Facts, changes: Sequence[Change]) -> Standing:
        for change in changes:
            facts = change.of(facts)
        return self._agreement.standing(facts)

    def _together(self, tried: Sequence[_Tried], number: int) -> list[Way]:
        found = []
        for group in combinations(tried, number):
            changes = [t.change for t in group]
            if len({c.about for c in changes}) == number:
                after = self._after(self._now.facts, changes)
                if _qualifies(after):
                    found.append(self._way(changes, after))
        return found

    def _added_up(self, tried: Sequence[_Tried]) -> list[Way]:
        """The most useful changes one after the other until it is qualified, then without those that are not needed."""
        chosen: list[Change] = []
        for t in tried:
            if t.change.about in {c.about for c in chosen}:
                continue
            chosen.append(t.change)
            if _qualifies(self._after(self._now.facts, chosen)):
                for change in list(chosen):
                    fewer = [c for c in chosen if c is not change]
                    if _qualifies(self._after(self._now.facts, fewer)):
                        chosen = fewer
                return [self._way(chosen, self._after(self._now.facts, chosen))]
            if len(chosen) == _ONE_BY_ONE:
                break
        return []

    def _way(self, changes: Sequence[Change], after: Standing) -> Way:
        parts = [f"{c.says}{self._points(c)}" for c in changes]
        return Way(" and ".join(parts), tuple(c.document for c in changes), after.score, after.grade, after.rule.id)

    def _points(self, change: Change) -> str:
        """What the change gives by itself."""
        gain = self._after(self._now.facts, [change]).score - self._now.score
        return f" ({'+' if gain > 0 else ''}{say(gain)})" if gain else ""


def _fewest_times(ways: Sequence[Way]) -> list[Way]:
    """Of ways that differ only in how often something is done, the one in which it is done least."""
    least: dict[str, tuple[int, Way]] = {}
    for way in ways:
        same = repr([{k: v for k, v in c.items() if k != "times"} for c in way.changes])
        times = sum(c.get("times", 0) for c in way.changes)
        if same not in least or times < least[same][0]:
            least[same] = (times, way)
    return [way for _, way in least.values()]


def _qualifies(standing: Standing) -> bool:
    return standing.rule.verdict is VerdictKind.QUALIFIED
