"""Leads that the solver finds, put together and shown to the real engine before anybody sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import z3

from schemas.agreement.agreement import Agreement
from schemas.agreement.conditions import EngagementPointsAre, ScoreIs, parts_of
from schemas.agreement.pools import RoutingRule
from schemas.agreement.proof.encoding import ENGAGEMENT, Encoder, least, most, split
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.points import Points
from schemas.agreement.proof.space import Space, conditions_of
from schemas.agreement.proof.texts import Unspeakable
from schemas.agreement.proof.times import Stretch
from schemas.agreement.reckoning import Reckoned, milliseconds
from schemas.ids import RuleId

_EFFORT = 40_000_000
"""The solver's own count of steps for one question, some seconds: the same question always ends the same."""
_TRIED_AT_MOST = 12
_NICE = 3_600_000
_IDS_TRIED = 20_000

Shows = Callable[[Lead], bool]
"""Whether the real engine shows it of this lead."""
Where = Mapping[str, tuple[Stretch, ...]]


class Undecided(Exception):
    """The solver gave up, or what it found could not be shown: the question stays open."""


class Move(NamedTuple):
    """One time that fades, between two ages."""

    kind: str
    start: int
    end: int


class Witnesses:
    """Asks for leads of one agreement, judged at one instant."""

    def __init__(self, agreement: Agreement, at: datetime) -> None:
        self.agreement, self.at = agreement, at
        self.space = Space(agreement)
        self.encoder = Encoder(self.space)
        self._shared: dict[bool, Any] = {}

    @cached_property
    def points(self) -> Points:
        return Points(self.space, self.encoder)

    def solver(self, *, points: bool) -> Any:
        """A solver that knows all possible leads; with their points only where that is asked."""
        solver = z3.SimpleSolver()
        solver.set("rlimit", _EFFORT)
        solver.add(*self.space.constraints)
        if points:
            solver.add(*self.points.constraints)
        return solver

    def shared(self, *, points: bool) -> Any:
        """The same one each time, for questions that leave nothing behind."""
        if points not in self._shared:
            self._shared[points] = self.solver(points=points)
        return self._shared[points]

    def find(self, solver: Any, wanted: Iterable[Any], shows: Shows) -> Lead | None:
        """A lead of which all that is wanted holds, as the engine shows; None if there is none. Raises Undecided."""
        solver.push()
        try:
            solver.add(*wanted)
            answer = solver.check()
            if answer == z3.unsat:
                return None
            for _ in range(_TRIED_AT_MOST):
                if answer != z3.sat:
                    break
                model = solver.model()
                if (lead := self._shown(model, shows)) is not None:
                    return lead
                solver.add(self._another(model))
                answer = solver.check()
            raise Undecided
        finally:
            solver.pop()

    def plainest(self, lead: Lead, shows: Shows) -> Lead:
        """The same with as little known as still shows it."""
        for less in range(len(lead.poorer()) - 1, -1, -1):
            poorer = lead.poorer()[less]
            if shows(poorer):
                lead = poorer
        return lead

    def _another(self, model: Any) -> Any:
        """That something is different from this model."""
        chains = (*self.space.attributes.values(), self.space.country, *self.space.sources.values())
        said = [each for chain in chains for each in chain.from_on]
        said += [kind.at_least(w, n) for kind in self.space.kinds.values() for w in kind.windows for n in kind.numbers]
        said += [*self.space.campaigns.values(), self.space.customer]
        said += [split(str(rule.id)) for rule in self.agreement.routing if rule.percent is not None]
        for texts in self.space.texts.values():
            said += [*texts.contains.values(), *texts.starts.values()]
        return z3.Or(*(each != model.eval(each, model_completion=True) for each in said))

    # ------------------------------------------------------------------ how long ago

    def _shown(self, model: Any, shows: Shows) -> Lead | None:
        try:
            lead, where = self.space.lead(model)
        except Unspeakable:
            return None
        splits = {r.id: z3.is_true(model.eval(split(str(r.id)))) for r in self.agreement.routing if r.percent is not None}
        if splits and (lead_id := _id_for(self.agreement.routing, splits)) is not None:
            lead = replace(lead, id=lead_id)
        nice = _aged(lead, where, {})
        if shows(nice):
            return nice
        moves = list(self._moves(where))
        if not moves:
            return None
        wanted = model.eval(ENGAGEMENT)
        target = wanted.as_long() if z3.is_int_value(wanted) else None
        return self._tuned(lead, where, moves, target, shows)

    def _moves(self, where: Where) -> Iterator[Move]:
        """Every time that fades, from the age at which it gives the most to the one at which it gives the least."""
        signs: dict[str, int] = {}
        for counting in self.agreement.plan.counting:
            if counting.half_life:
                signs[counting.kind] = signs.get(counting.kind, 0) + sum(counting.weights)
        for kind, stretches in where.items():
            for newest, oldest in stretches if kind in signs else ():
                yield Move(kind, newest, oldest) if signs[kind] > 0 else Move(kind, oldest, newest)

    def _tuned(self, lead: Lead, where: Where, moves: list[Move], target: int | None, shows: Shows) -> Lead | None:
        """Moves the times from their most to their least until the engine shows it: in between lies every sum."""
        length = sum(abs(move.end - move.start) for move in moves)

        def put(way: int) -> Lead:
            return _aged(lead, where, _on_the_way(moves, way))

        for way in (0, length):
            if shows(put(way)):
                return put(way)
        if target is None:
            return None
        low, high = self._between_steps(target, self._reckoned(put(0)).fit)
        first, last = 0, length
        while last - first > 1:
            way = (first + last) // 2
            now = self._reckoned(put(way)).engagement
            if low <= now < high:
                return put(way) if shows(put(way)) else None
            first, last = (way, last) if now >= high else (first, way)
        return None

    def _reckoned(self, lead: Lead) -> Reckoned:
        facts = lead.facts(self.at)
        return self.agreement.plan.reckon(facts, milliseconds(facts))

    def _between_steps(self, engagement: int, fit: int) -> tuple[int, int]:
        """The points of engagement around these that all conditions answer alike."""
        steps = sorted({*self._steps[0], *(step - fit for step in self._steps[1])})
        below = [step for step in steps if step <= engagement]
        above = [step for step in steps if step > engagement]
        return below[-1] if below else -(1 << 62), above[0] if above else 1 << 62

    @cached_property
    def _steps(self) -> tuple[set[int], set[int]]:
        """Thresholds of engagement and of the whole score."""
        engagement: set[int] = set(self.agreement.plan.grade_steps["engagement"])
        score: set[int] = set()
        for condition in (part for whole in conditions_of(self.agreement) for part in parts_of(whole)):
            if isinstance(condition, ScoreIs):
                bounds, steps = condition.score, score
            elif isinstance(condition, EngagementPointsAre):
                bounds, steps = condition.points_of_engagement, engagement
            else:
                continue
            steps |= {least(bounds.at_least)} if bounds.at_least is not None else set()
            steps |= {most(bounds.at_most) + 1} if bounds.at_most is not None else set()
        return engagement, score


def _id_for(rules: Iterable[RoutingRule], splits: Mapping[RuleId, bool]) -> str | None:
    """An id that each split takes or not, as is wanted; None if none is found."""
    for number in range(_IDS_TRIED):
        lead = f"00000000-0000-5000-8000-{number:012x}"
        if all(rule.takes(lead).holds is splits[rule.id] for rule in rules if rule.id in splits):
            return lead
    return None


def _on_the_way(moves: list[Move], way: int) -> dict[str, list[int]]:
    """The ages after so much of the way: one time moves after the other."""
    out: dict[str, list[int]] = {}
    for kind, start, end in moves:
        step = min(way, abs(end - start))
        out.setdefault(kind, []).append(start + step if end > start else start - step)
        way -= step
    return out


def _aged(lead: Lead, where: Where, ages: Mapping[str, list[int]]) -> Lead:
    """The lead with its times: of these ages, or well within their stretches."""
    seen = {
        kind: tuple(sorted(ages.get(kind) or [newest + min(_NICE, (oldest - newest) // 2) for newest, oldest in stretches]))
        for kind, stretches in where.items()
    }
    return replace(lead, engagements=seen)


__all__ = ["Lead", "Shows", "Undecided", "Witnesses"]
