"""The score as sums over the variables of all possible leads: groups' caps, fading and diminishing returns included.

What a rule gives for one respect of a lead is a function of that respect's cell, and cells stand in a row; so each
function is a sum of steps, and the solver's linear arithmetic knows its most and least at once. What fades lies between
what it is worth at the newest and at the oldest end of the stretch in which a time lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import z3

from schemas.agreement.compiling import compiled
from schemas.agreement.conditions import (
    All,
    Always,
    AnyOf,
    AttributeIs,
    Condition,
    CountryIs,
    Not,
    SourceIs,
)
from schemas.agreement.facts import Facts
from schemas.agreement.fading import BITS, share_left
from schemas.agreement.proof.cells import THEN
from schemas.agreement.proof.encoding import ENGAGEMENT, FIT, Encoder
from schemas.agreement.proof.leads import plain
from schemas.agreement.proof.space import COUNTRY, Chain, Space
from schemas.agreement.proof.times import EVER, Kind
from schemas.agreement.reckoning import Counting, PartName, Plan, millionths
from schemas.agreement.terms import CountedRule, ScoringRule

_NO_GROUP = ""


class Points:
    """The constraints that tie fit and engagement to a lead, and each group's sum before its cap."""

    def __init__(self, space: Space, encoder: Encoder) -> None:
        self._space, self._encoder = space, encoder
        self._bits: dict[Any, Any] = {}
        self.constraints: list[Any] = []
        self.groups: dict[str, Any] = {}
        plan = space.agreement.plan
        for part, number in (("fit", FIT), ("engagement", ENGAGEMENT)):
            sums = self._sums(part, plan)  # type: ignore[arg-type]
            whole = sums.pop(_NO_GROUP)
            for group, cap in zip(plan.groups, plan.caps, strict=True):
                if group.part == part:
                    self.groups[str(group.id)] = z3.Sum(*sums.get(str(group.id), [z3.IntVal(0)]))
                    whole.append(self._capped(str(group.id), cap))
            self.constraints.append(number == z3.Sum(*whole))

    def _sums(self, part: PartName, plan: Plan) -> dict[str, list[Any]]:
        """What is added up, by group."""
        sums: dict[str, list[Any]] = {_NO_GROUP: [z3.IntVal(0)]}
        by_cell: dict[tuple[str, str], tuple[Chain, list[int]]] = {}
        counting = {c.place: c for c in plan.counting}
        for place, (its_part, rule) in enumerate(self._space.agreement.scoring_rules):
            if its_part != part:
                continue
            group = _NO_GROUP if rule.group is None else str(rule.group)
            terms = sums.setdefault(group, [z3.IntVal(0)])
            if isinstance(rule, CountedRule):
                terms += self._counted(counting[place], rule.when)
            elif (chain := self._one_chain(rule.when)) is not None:
                _, values = by_cell.setdefault((chain.name, group), (chain, [0] * len(chain.values)))
                self._add(chain, values, rule)
            else:
                terms.append(millionths(rule.points) * self._bit(self._encoder.of(rule.when)))
        for (_, group), (chain, values) in by_cell.items():
            sums[group] += self._by_cell(chain, values)
        return sums

    def _bit(self, formula: Any) -> Any:
        """1 if it holds, else 0."""
        known = self._bits.get(formula.get_id())
        if known is None:
            number = z3.Int(f"bit {len(self._bits)}")
            self.constraints += [number >= 0, number <= 1, (number >= 1) == formula]
            known = self._bits[formula.get_id()] = number, formula
        return known[0]

    def _capped(self, group: str, cap: int) -> Any:
        total, number = self.groups[group], z3.Int(f"capped {group}")
        self.constraints += [number <= total, number <= cap, z3.Or(number == total, number == cap)]
        return number

    # ------------------------------------------------------------------ rules of one respect

    def _one_chain(self, condition: Condition | None) -> Chain | None:
        """The one respect on which a condition hangs; None if there are others, or none."""
        chains = None if condition is None else self._chains(condition)
        return chains[0] if chains and all(c is chains[0] for c in chains) else None

    def _chains(self, condition: Condition) -> list[Chain] | None:
        match condition:
            case All() | AnyOf():
                inner = [self._chains(p) for p in (condition.all if isinstance(condition, All) else condition.any)]
                return [c for chains in inner for c in chains or ()] if all(i is not None for i in inner) else None
            case Not():
                return self._chains(condition.not_)
            case Always():
                return []
            case CountryIs():
                return [self._space.country]
            case SourceIs():
                return [self._space.sources[condition.source]]
            case AttributeIs() if condition.attribute != COUNTRY and condition.attribute not in self._space.texts:
                chain = self._space.attributes.get(str(condition.attribute))
                return None if chain is None else [chain]
            case _:
                return None

    def _add(self, chain: Chain, values: list[int], rule: ScoringRule) -> None:
        asked, number = compiled(rule.when), millionths(rule.points)
        for cell, value in enumerate(chain.values):
            values[cell] += number if asked(self._knowing(chain, value), 0) else 0

    def _knowing(self, chain: Chain, value: Any) -> Facts:
        if value is None:
            return Facts(THEN)
        if chain is self._space.country:
            return Facts(THEN, country=value)
        if chain.name in self._space.attributes:
            return Facts(THEN, {chain.name: plain(value)})
        return Facts(THEN, source={chain.name.removeprefix("source "): value})

    def _by_cell(self, chain: Chain, values: Sequence[int]) -> Iterator[Any]:
        yield z3.IntVal(values[0])
        steps = [self._bit(each) for each in chain.from_on]
        self.constraints += [higher <= lower for lower, higher in pairwise(steps)]
        yield from ((after - before) * step for (before, after), step in zip(pairwise(values), steps, strict=True))

    # ------------------------------------------------------------------ rules that count

    def _counted(self, counting: Counting, when: Condition | None) -> Iterator[Any]:
        kind = self._space.kinds[counting.kind]
        window = EVER if counting.window is None else counting.window
        if counting.half_life:
            yield self._faded(counting, kind, window, when)
            return
        held = None if when is None else self._encoder.of(when)
        for number, weight in enumerate(counting.weights, 1):
            seen = kind.at_least(window, number)
            yield weight * self._bit(seen if held is None else z3.And(held, seen))

    def _faded(self, counting: Counting, kind: Kind, window: int, when: Condition | None) -> Any:
        """A number between what all times are worth at one end of their stretches and at the other."""
        windows = [w for w in kind.windows if w <= window]
        ends: tuple[list[Any], list[Any]] = [z3.IntVal(0)], [z3.IntVal(0)]
        for number, weight in enumerate(counting.weights, 1):
            seen = [self._bit(kind.at_least(w, number)) for w in windows]
            self.constraints += [shorter <= longer for shorter, longer in pairwise(seen)]
            worth = [self._worth(weight, kind, place, counting.half_life) for place in range(len(windows))]
            for end in (0, 1):
                steps = pairwise([*(each[end] for each in worth), 0])
                ends[end].extend((here - further) * bit for (here, further), bit in zip(steps, seen, strict=True))
        value = z3.Int(f"faded {counting.rule.id}")
        between = z3.And(value >= z3.Sum(*ends[0]), value <= z3.Sum(*ends[1]))
        if when is None:
            self.constraints += [value >= z3.Sum(*ends[0]), value <= z3.Sum(*ends[1])]
        else:
            held = self._encoder.of(when)
            self.constraints += [z3.Implies(held, between), z3.Implies(z3.Not(held), value == 0)]
        return value

    @staticmethod
    def _worth(weight: int, kind: Kind, place: int, half_life: int) -> tuple[int, int]:
        """The least and the most that a time in a stretch is worth, rounded outwards."""
        newest, oldest = kind.stretch(place)
        one, other = weight * share_left(newest, half_life), weight * share_left(oldest, half_life)
        return min(one, other) >> BITS, -(-max(one, other) >> BITS)
