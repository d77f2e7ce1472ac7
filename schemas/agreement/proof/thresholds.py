"""Thresholds that no lead can reach, or that every lead reaches: of points, of grades, of groups' caps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import z3

from schemas.agreement.conditions import All, AnyOf, Bounds, Condition, EngagementPointsAre, FitIs, Not, ScoreIs
from schemas.agreement.facts import Facts, say
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case, Step, Undecided
from schemas.agreement.proof.encoding import ENGAGEMENT, FIT, SCORE, least, most
from schemas.agreement.proof.leads import Lead
from schemas.agreement.reading import Path
from schemas.agreement.reckoning import millionths, points

_FAR = 1 << 40
"""Beyond what any score can be, in millionths."""


class Sum(NamedTuple):
    """A number of points of a lead: its name, the solver's variable, and what the engine says it is."""

    name: str
    said: Any
    of: Callable[[Facts], Decimal | None]

    def number(self, case: Case, lead: Lead) -> int:
        return millionths(self.of(case.facts(lead)) or Decimal(0))


_SUMS = {
    "score": Sum("the score", SCORE, lambda facts: facts.score),
    "fit": Sum("the fit", FIT, lambda facts: facts.fit),
    "points_of_engagement": Sum("the engagement's points", ENGAGEMENT, lambda facts: facts.engagement),
}


def thresholds(case: Case, step: Step) -> Iterator[Finding]:
    """One finding for each such threshold; the example is the lead that comes nearest to passing it."""
    for section, key in (("definition", "definition"), ("stages", "stages"), ("routing", "routing")):
        for place, rule in enumerate(getattr(case.agreement, key)):
            for path, name, bounds in _bounds(rule.when, (section, place, "when")):
                yield from _of_bounds(case, path, _SUMS[name], bounds)
            step()
    yield from _grades(case)
    yield from _caps(case)


def _bounds(condition: Condition | None, path: Path) -> Iterator[tuple[Path, str, Bounds]]:
    match condition:
        case All() | AnyOf():
            key = "all" if isinstance(condition, All) else "any"
            for i, part in enumerate(getattr(condition, key)):
                yield from _bounds(part, (*path, key, i))
        case Not():
            yield from _bounds(condition.not_, (*path, "not"))
        case ScoreIs():
            yield (*path, "score"), "score", condition.score
        case FitIs():
            yield (*path, "fit"), "fit", condition.fit
        case EngagementPointsAre():
            yield (*path, "points_of_engagement"), "points_of_engagement", condition.points_of_engagement


def _of_bounds(case: Case, path: Path, of: Sum, bounds: Bounds) -> Iterator[Finding]:
    if bounds.at_least is not None:
        yield from _at_least(case, (*path, "at_least"), of, bounds.at_least)
    if bounds.at_most is not None:
        yield from _at_most(case, (*path, "at_most"), of, bounds.at_most)


def _at_least(case: Case, path: Path, of: Sum, bound: Decimal) -> Iterator[Finding]:
    step, what = least(bound), f"{of.name} of {say(bound)}"
    if (high := _beyond(case, path, of, what, above=True, step=step)) is not None:
        if isinstance(high, Finding):
            yield high
            return
        top = say(points(of.number(case, high)))
        message = f"no lead can reach {say(bound)}: {of.name} is at most {top}."
        yield case.say("error", "out_of_reach", path, message, "Lower it, or add rules that give points.", high)
    elif isinstance(low := _beyond(case, path, of, what, above=False, step=step - 1), Lead):
        message = f"every lead reaches {say(bound)}: {of.name} is at least {say(points(of.number(case, low)))}."
        yield case.say("warning", "always_reached", path, message, "Raise it, or leave it out.", low)


def _at_most(case: Case, path: Path, of: Sum, bound: Decimal) -> Iterator[Finding]:
    step, what = most(bound), f"{of.name} of {say(bound)}"
    if (low := _beyond(case, path, of, what, above=False, step=step)) is not None:
        if isinstance(low, Finding):
            yield low
            return
        bottom = say(points(of.number(case, low)))
        message = f"no lead can be that low: {of.name} is at least {bottom}, and {say(bound)} is the most allowed."
        yield case.say("error", "out_of_reach", path, message, "Raise it.", low)
    elif isinstance(high := _beyond(case, path, of, what, above=True, step=step + 1), Lead):
        message = f"every lead stays within {say(bound)}: {of.name} is at most {say(points(of.number(case, high)))}."
        yield case.say("warning", "always_reached", path, message, "Lower it, or leave it out.", high)


def _beyond(case: Case, path: Path, of: Sum, what: str, *, above: bool, step: int) -> Lead | Finding | None:
    """None if a lead is at or beyond the step; else the lead that comes nearest to it, or an open question."""
    ask = case.witnesses
    solver = ask.shared(points=True)
    sign = 1 if above else -1

    def beyond(number: int) -> Lead | None:
        wanted = of.said >= number if above else of.said <= number
        return ask.find(solver, [wanted], lambda lead: sign * (of.number(case, lead) - number) >= 0)

    try:
        if beyond(step) is not None:
            return None
        nearest = beyond(-sign * _FAR)
        assert nearest is not None
    except Undecided:
        return case.open_question(path, f"whether a lead reaches {what}")
    nearest = furthest(nearest, lambda lead, jump: beyond(of.number(case, lead) + sign * jump))
    number = of.number(case, nearest)
    return ask.plainest(nearest, lambda lead: of.number(case, lead) == number)


def _grades(case: Case) -> Iterator[Finding]:
    said = case.agreement.terms.scoring.grades
    for key, names, of in (("letters", said.letters, _SUMS["fit"]), ("numbers", said.numbers, _SUMS["points_of_engagement"])):
        for name, bound in names.items():
            path: Path = ("scoring", "grades", key, str(name))
            far = _beyond(case, path, of, f"the grade {name}", above=True, step=millionths(bound))
            if isinstance(far, Finding):
                yield far
            elif far is not None:
                message = f"no lead can earn {name}: {of.name} is at most {say(points(of.number(case, far)))}."
                yield case.say("warning", "grade_out_of_reach", path, message, "Lower it, or add rules.", far)
            elif isinstance(low := _beyond(case, path, of, f"the grade {name}", above=False, step=millionths(bound) - 1), Lead):
                message = f"every lead earns {name} or better: {of.name} is at least {say(points(of.number(case, low)))}."
                yield case.say("warning", "grade_always_reached", path, message, "Raise it.", low)


def _caps(case: Case) -> Iterator[Finding]:
    ask = case.witnesses
    for place, group in enumerate(case.agreement.terms.scoring.groups):
        total, cap = ask.points.groups[str(group.id)], millionths(group.at_most)
        solver = ask.shared(points=True)
        if solver.check(total > cap) == z3.unsat:
            most_of_it = _fullest(case, place, total)
            if most_of_it is None:
                continue
            yield case.say(
                "info",
                "cap_without_effect",
                ("scoring", "groups", place, "at_most"),
                f"no lead reaches the cap of the group {group.id}: its rules give at most {say(points(_total(case, place, most_of_it)))}.",
                "Lower it, or remove the group.",
                most_of_it,
            )


def _total(case: Case, place: int, lead: Lead) -> int:
    facts = lead.facts(case.at)
    return case.agreement.plan.reckon(facts, round(case.at.timestamp() * 1000)).totals[place]


def _fullest(case: Case, place: int, total: Any) -> Lead | None:
    """The lead of which the group's rules give the most."""
    ask = case.witnesses
    solver = ask.shared(points=True)

    def above(number: int) -> Lead | None:
        return ask.find(solver, [total >= number], lambda lead: _total(case, place, lead) >= number)

    try:
        some = above(-_FAR)
    except Undecided:
        return None
    assert some is not None
    lead = furthest(some, lambda each, jump: above(_total(case, place, each) + jump))
    number = _total(case, place, lead)
    return ask.plainest(lead, lambda each: _total(case, place, each) == number)


def furthest(lead: Lead, further: Callable[[Lead, int], Lead | None]) -> Lead:
    """Goes from one lead to a further one in jumps, first longer and then shorter, as far as leads are found."""
    jump = 1_000_000
    while (found := _or_none(further, lead, jump)) is not None:
        lead, jump = found, jump * 4
    while jump:
        found = _or_none(further, lead, jump)
        lead, jump = (found, jump) if found is not None else (lead, jump // 2)
    return lead


def _or_none(further: Callable[[Lead, int], Lead | None], lead: Lead, jump: int) -> Lead | None:
    try:
        return further(lead, jump)
    except Undecided:
        return None
