"""Conditions as formulas over the variables of all possible leads."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Protocol

import z3

from schemas.agreement.compiling import compiled
from schemas.agreement.conditions import (
    CUSTOMER_ATTRIBUTE,
    All,
    Always,
    AnyOf,
    AttributeIs,
    Bounds,
    Condition,
    CountryIs,
    CustomerIs,
    Engaged,
    EngagementPointsAre,
    FitIs,
    GradeIs,
    Not,
    ScoreIs,
    SourceIs,
    TouchedBy,
    parts_of,
)
from schemas.agreement.facts import Facts
from schemas.agreement.promises import Stage
from schemas.agreement.proof.cells import THEN, places_of
from schemas.agreement.proof.leads import plain
from schemas.agreement.proof.logic import conjunction, disjunction
from schemas.agreement.proof.space import COUNTRY, Chain, Space, window_of
from schemas.agreement.reckoning import MILLION, Plan
from schemas.agreement.whereabouts import (
    COMPANY_DOMAIN,
    LANGUAGE,
    POSTCODE,
    REGION,
    LanguageIs,
    NamedAccountIs,
    StageIs,
    TerritoryIs,
)

FIT, ENGAGEMENT = z3.Int("fit"), z3.Int("engagement")
SCORE = FIT + ENGAGEMENT
"""In millionths."""
_OF_POINTS = (ScoreIs, FitIs, EngagementPointsAre, GradeIs, StageIs)


def asks_for_points(condition: Condition | None) -> bool:
    """Whether it hangs on the score, a part of it, the grade or the buying stage, which may hang on them."""
    return any(isinstance(part, _OF_POINTS) for part in parts_of(condition))


class Asked(Protocol):
    """A rule of an ordered list, as far as a formula needs it."""

    @property
    def id(self) -> str: ...
    @property
    def when(self) -> Condition | None: ...
    @property
    def split(self) -> bool: ...


def split(rule: str) -> Any:
    """That a rule's split takes the lead."""
    return z3.Bool(f"split {rule}")


class Encoder:
    """Each condition is put into a formula once."""

    def __init__(self, space: Space) -> None:
        self._space, self._plan = space, space.agreement.plan
        self._known: dict[int, tuple[Condition, Any]] = {}

    def of(self, condition: Condition | None) -> Any:
        """The formula of a condition. No condition always holds."""
        if condition is None:
            return z3.BoolVal(True)
        known = self._known.get(id(condition))
        if known is None:
            known = self._known[id(condition)] = condition, self._formula(condition)
        return known[1]

    def _formula(self, condition: Condition) -> Any:
        match condition:
            case Always():
                return z3.BoolVal(True)
            case All():
                return conjunction([self.of(part) for part in condition.all])
            case AnyOf():
                return disjunction([self.of(part) for part in condition.any])
            case Not():
                return z3.Not(self.of(condition.not_))
            case AttributeIs():
                return self._attribute(condition)
            case Engaged():
                kind = self._space.kinds[str(condition.engagement)]
                return kind.at_least(window_of(condition.within), condition.at_least)
            case TouchedBy():
                return disjunction([self._space.campaigns[str(name)] for name in condition.touched_by])
            case ScoreIs():
                return bounded(SCORE, condition.score)
            case FitIs():
                return bounded(FIT, condition.fit)
            case EngagementPointsAre():
                return bounded(ENGAGEMENT, condition.points_of_engagement)
            case GradeIs():
                return disjunction([graded(self._plan, str(grade)) for grade in condition.grade.in_])
            case CountryIs():
                return _told(self._space.country, condition, lambda v: Facts(THEN, country=v))
            case SourceIs():
                chain = self._space.sources[condition.source]
                return _told(chain, condition, lambda v: Facts(THEN, source={condition.source: v}))
            case TerritoryIs():
                return conjunction([self._territory(part) for part in places_of(condition)])
            case LanguageIs() | NamedAccountIs():
                name = str(LANGUAGE if isinstance(condition, LanguageIs) else COMPANY_DOMAIN)
                known_as = self._space.attributes.get(name)
                return z3.BoolVal(False) if known_as is None else self._named(known_as, condition)
            case StageIs():
                return disjunction([self._in_stage(i) for i, s in enumerate(self._stages) if s.id in condition.stage])
            case CustomerIs():
                known = disjunction([self._space.customer, *self._said_to_be_customer()])
                return known if condition.existing_customer else z3.Not(known)

    def rule(self, rule: Asked) -> Any:
        """When a rule of a list holds. Its split may take any lead or not: who, hangs on nothing else."""
        held = self.of(rule.when)
        return z3.And(held, split(rule.id)) if rule.split else held

    @property
    def _stages(self) -> tuple[Stage, ...]:
        return self._space.agreement.stages

    def _in_stage(self, place: int) -> Any:
        before = [z3.Not(self.of(stage.when)) for stage in self._stages[:place]]
        return conjunction([*before, self.of(self._stages[place].when)])

    def _territory(self, part: TerritoryIs) -> Any:
        """Of one of the three lists. The country of an attribute counts where the submission told none."""
        territory = part.territory
        name = COUNTRY if territory.countries else str(REGION if territory.regions else POSTCODE)
        chain = self._space.attributes.get(name)
        by_attribute = z3.BoolVal(False) if chain is None else self._named(chain, part)
        if name != COUNTRY:
            return by_attribute
        country = self._space.country
        return z3.Or(_told(country, part, lambda v: Facts(THEN, country=v)), z3.And(country.among([0]), by_attribute))

    def _named(self, chain: Chain, condition: Condition) -> Any:
        """A test that a text which is not named never passes."""
        asked = compiled(condition)
        facts = [Facts(THEN, {} if v is None else {chain.name: plain(v)}) for v in chain.values]
        last = len(chain.values) - 1 if chain.name in self._space.texts else -1
        return chain.among(i for i, each in enumerate(facts) if i != last and asked(each, 0))

    def _said_to_be_customer(self) -> list[Any]:
        chain = self._space.attributes.get(str(CUSTOMER_ATTRIBUTE))
        return [] if chain is None else [chain.among(i for i, value in enumerate(chain.values) if value is True)]

    def _attribute(self, condition: AttributeIs) -> Any:
        name = str(condition.attribute)
        by_country = _told(self._space.country, condition, lambda v: Facts(THEN, country=v)) if name == COUNTRY else None
        chain = self._space.attributes.get(name)
        if chain is None:
            return z3.BoolVal(condition.present is False) if by_country is None else by_country
        said = self._said(name, chain, condition)
        if by_country is None:
            return said
        unknown = chain.among([0])
        return z3.Or(z3.And(unknown, by_country), z3.And(z3.Not(unknown), said))

    def _said(self, name: str, chain: Chain, condition: AttributeIs) -> Any:
        texts, last = self._space.texts.get(name), len(chain.values) - 1
        named = chain.values if texts is None else chain.values[:-1]
        asked = compiled(condition)
        holds = [i for i, v in enumerate(named) if asked(Facts(THEN, {} if v is None else {name: plain(v)}), 0)]
        in_cells = chain.among(holds)
        other = None if texts is None else texts.holds(condition)
        return in_cells if other is None else z3.Or(in_cells, z3.And(chain.among([last]), other))


def _told(chain: Chain, condition: Condition, facts: Any) -> Any:
    asked = compiled(condition)
    return chain.among(i for i, value in enumerate(chain.values) if asked(facts(value) if value is not None else Facts(THEN), 0))


def least(bound: Decimal) -> int:
    """The fewest millionths that are at least so many points."""
    return int((bound * MILLION).to_integral_value(ROUND_CEILING))


def most(bound: Decimal) -> int:
    """The most millionths that are at most so many points."""
    return int((bound * MILLION).to_integral_value(ROUND_FLOOR))


def bounded(number: Any, bounds: Bounds) -> Any:
    parts = [number >= least(bounds.at_least)] if bounds.at_least is not None else []
    parts += [number <= most(bounds.at_most)] if bounds.at_most is not None else []
    return conjunction(parts)


def graded(plan: Plan, grade: str) -> Any:
    """That a lead has this grade."""
    parts = [
        part
        for number, (steps, names), name in ((FIT, plan.letters, grade[0]), (ENGAGEMENT, plan.numbers, grade[1:]))
        for part in _step(number, steps, names, name)
    ]
    return conjunction(parts)


def _step(number: Any, steps: tuple[int, ...], names: str, name: str) -> list[Any]:
    if name not in names:
        return [z3.BoolVal(False)]
    place = names.index(name)
    parts = [number >= steps[place - 1]] if place else []
    return parts + ([number < steps[place]] if place < len(steps) else [])
