"""Lists of rules of which the first that holds counts: the definition, the stages, the routing of one role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from schemas.agreement.agreement import Agreement
from schemas.agreement.compiling import Asked, compiled
from schemas.agreement.conditions import Condition
from schemas.agreement.facts import Facts
from schemas.agreement.pools import RoutingRule
from schemas.agreement.proof.encoding import asks_for_points
from schemas.agreement.reading import Path
from schemas.agreement.reckoning import milliseconds
from schemas.lifecycle import FIRST_ROLE


@dataclass(frozen=True)
class OneOf:
    """One rule of a list."""

    place: int
    """In its section."""
    id: str
    outcome: str
    when: Condition | None
    holds: Asked
    """The engine's own, a split included."""
    split: bool = False
    """Whether it takes only some per cent of the leads that meet it."""

    @property
    def always(self) -> bool:
        return self.when is None and not self.split


@dataclass(frozen=True)
class Ordered:
    """One list. `must_end`: every lead needs an answer."""

    section: str
    rules: tuple[OneOf, ...]
    role: str = ""
    must_end: bool = True
    outcomes_differ: bool = True
    """Whether an overlap with another outcome is worth a word; stages are told apart by their order alone."""

    @cached_property
    def points(self) -> bool:
        """Whether some rule asks for points."""
        return any(asks_for_points(rule.when) for rule in self.rules)

    @property
    def whose(self) -> str:
        """For the routing: of which role."""
        return f" of role {self.role}" if self.role else ""

    def first(self, facts: Facts) -> OneOf | None:
        """The first rule that holds, as the engine asks them."""
        now_ms = milliseconds(facts)
        return next((rule for rule in self.rules if rule.holds(facts, now_ms)), None)

    def path(self, rule: OneOf) -> Path:
        return (self.section, rule.place)


def ordered_rules(agreement: Agreement) -> Iterator[Ordered]:
    """Every list of the agreement."""
    definition = [(r.id, r.verdict.value, r.when) for r in agreement.definition]
    yield Ordered("definition", _rules(definition, range(len(definition))))
    stages = [(s.id, str(s.id), s.when) for s in agreement.stages]
    if stages:
        yield Ordered("stages", _rules(stages, range(len(stages))), must_end=False, outcomes_differ=False)
    for role in roles_of(agreement):
        places = [i for i, r in enumerate(agreement.routing) if r.role in (None, role)]
        own = [_routed(r, place) for r, place in zip(agreement.rules_for(role), places, strict=True)]
        yield Ordered("routing", tuple(own), role)


def roles_of(agreement: Agreement) -> list[str]:
    """The roles that a lead can be routed for: the first one, and those to which it can be handed over."""
    named = {str(pool.role) for pool in agreement.pools.values()} | {str(r.role) for r in agreement.routing if r.role}
    return [str(FIRST_ROLE), *sorted(named - {str(FIRST_ROLE)})]


def _routed(rule: RoutingRule, place: int) -> OneOf:
    asked = compiled(rule.when)
    if rule.percent is None:
        return OneOf(place, str(rule.id), str(rule.pool), rule.when, asked)

    def holds(facts: Facts, now_ms: int) -> bool:
        return asked(facts, now_ms) and rule.takes(facts.lead).holds

    return OneOf(place, str(rule.id), str(rule.pool), rule.when, holds, split=True)


def _rules(said: Sequence[tuple[object, str, Condition | None]], places: Sequence[int]) -> tuple[OneOf, ...]:
    return tuple(
        OneOf(place, str(name), outcome, when, compiled(when))
        for place, (name, outcome, when) in zip(places, said, strict=True)
    )
