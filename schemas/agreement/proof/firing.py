"""Rules that can never fire: because no lead meets them, or because earlier rules take every lead that does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import z3

from schemas.agreement.conditions import All, Condition
from schemas.agreement.facts import listed
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case, Step, Undecided, flag
from schemas.agreement.proof.encoding import asks_for_points
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.ordered import OneOf, Ordered
from schemas.agreement.reading import Path
from schemas.agreement.wording import in_words

_NAMED_ONE_BY_ONE = 6


def never_fire(case: Case, step: Step) -> Iterator[Finding]:
    """All such rules of the definition, the stages, the routing and the scoring; `step` is called for each rule asked."""
    silent: dict[tuple[str, int], tuple[Ordered, OneOf]] = {}
    alive: set[tuple[str, int]] = set()
    for rules in case.lists:
        for rule, fires in _fire(case, rules, step):
            key = rules.section, rule.place
            if fires is None:
                silent.setdefault(key, (rules, rule))
                continue
            alive.add(key)
            if isinstance(fires, Finding):
                yield fires
    for key, (rules, rule) in silent.items():
        if key not in alive:
            yield _why(case, rules, rule)
    yield from _scoring(case, step)


def _fire(case: Case, rules: Ordered, step: Step) -> Iterator[tuple[OneOf, Lead | Finding | None]]:
    """Each rule with a lead for which it is the first that holds; None if it never is; a finding if that is open."""
    ask, before = case.witnesses, case.witnesses.solver(points=rules.points)
    for rule in rules.rules:
        if not rule.always:
            yield rule, _first(case, rules, rule, before)
        before.add(z3.Not(ask.encoder.rule(rule)))
        step()


def _first(case: Case, rules: Ordered, rule: OneOf, before: Any) -> Lead | Finding | None:
    ask = case.witnesses
    try:
        return ask.find(before, [ask.encoder.rule(rule)], lambda lead: rules.first(case.known(rules, lead)) is rule)
    except Undecided:
        return case.open_question(rules.path(rule), f"whether the rule {rule.id} is ever the first that holds")


def first_lead(case: Case, rules: Ordered, rule: OneOf) -> Lead | None:
    """The plainest lead for which a rule is the first that holds; None if there is none. Raises Undecided."""
    ask = case.witnesses

    def shows(lead: Lead) -> bool:
        return rules.first(case.known(rules, lead)) is rule

    earlier = [z3.Not(ask.encoder.rule(each)) for each in rules.rules if each.place < rule.place]
    lead = ask.find(ask.shared(points=rules.points), [*earlier, ask.encoder.rule(rule)], shows)
    return lead and ask.plainest(lead, shows)


def _why(case: Case, rules: Ordered, rule: OneOf) -> Finding:
    """Nobody meets it, or others come first."""
    path, ask = rules.path(rule), case.witnesses

    def shows(lead: Lead) -> bool:
        return rule.holds(case.known(rules, lead), _now(case))

    try:  # whom the rule takes, its share by percentage included
        lead = ask.find(ask.shared(points=rules.points), [ask.encoder.rule(rule)], shows)
    except Undecided:
        return case.open_question(path, f"what the rule {rule.id} means, which never fires,")
    if lead is None:
        return _contradiction(case, path, f"the rule {rule.id}", rule.when)
    lead = ask.plainest(lead, shows)
    before = _before(case, rules, rule)
    same = all(each.outcome == rule.outcome for each in before)
    names = listed([each.id for each in before])
    who = f"the rule {names} takes" if len(before) == 1 else f"the rules {names} together take"
    return case.say(
        "warning" if same else "error",
        "never_reached",
        path,
        f"the rule {rule.id} never fires: {who} every lead that it means"
        + (", with the same outcome." if same else f", so nobody gets {rule.outcome} by it."),
        "Remove it." if same else "Move it before them, narrow them, or remove it.",
        lead,
    )


def _met(case: Case, condition: Condition | None) -> Lead | None:
    ask = case.witnesses
    solver = ask.shared(points=asks_for_points(condition))
    return ask.find(solver, [ask.encoder.of(condition)], lambda lead: case.agreement.evaluate(condition, case.facts(lead)).holds)


def _before(case: Case, rules: Ordered, rule: OneOf) -> list[OneOf]:
    """Earlier rules that suffice to take every lead of this one: few, though not always the fewest."""
    earlier = [each for each in rules.rules if each.place < rule.place]
    solver = case.flagged(rules)
    solver.push()
    try:
        solver.add(case.witnesses.encoder.rule(rule))
        if solver.check(*(flag(each) for each in earlier)) != z3.unsat:
            return earlier
        names = {str(each) for each in solver.unsat_core()}
        needed = [each for each in earlier if str(flag(each)) in names]
        for each in list(needed) if len(needed) <= _NAMED_ONE_BY_ONE else ():
            rest = [one for one in needed if one is not each]
            if rest and solver.check(*(flag(one) for one in rest)) == z3.unsat:
                needed = rest
        return needed
    finally:
        solver.pop()


def _now(case: Case) -> int:
    return round(case.at.timestamp() * 1000)


# ------------------------------------------------------------------ conditions that nobody meets


def _scoring(case: Case, step: Step) -> Iterator[Finding]:
    places = {"fit": 0, "engagement": 0}
    solver = case.witnesses.solver(points=False)
    for part, rule in case.agreement.scoring_rules:
        path: Path = ("scoring", part, places[part])
        places[part] += 1
        step()
        if rule.when is None:
            continue
        ask, when = case.witnesses, rule.when
        try:
            lead = ask.find(solver, [ask.encoder.of(when)], lambda each, when=when: case.agreement.evaluate(when, case.facts(each)).holds)  # type: ignore[misc]
        except Undecided:
            yield case.open_question(path, f"whether the rule {rule.id} ever gives points")
            continue
        if lead is None:
            yield _contradiction(case, path, f"the scoring rule {rule.id}", rule.when)


def _contradiction(case: Case, path: Path, who: str, condition: Condition | None) -> Finding:
    """Nobody meets it. The example meets one of the parts that exclude each other, and so not the others."""
    parts = _excluding(case, condition)
    lead = next((found for part in parts if (found := _plainly_met(case, part)) is not None), Lead())
    together = f"{in_words(parts[0])}" if len(parts) == 1 else " and ".join(f"({in_words(part)})" for part in parts)
    return case.say(
        "error",
        "never_holds",
        (*path, "when"),
        f"{who} never fires: no lead can meet {together}{' together' if len(parts) > 1 else ''}.",
        "Correct the condition, or remove the rule.",
        lead,
    )


def _plainly_met(case: Case, part: Condition) -> Lead | None:
    try:
        found = _met(case, part)
    except Undecided:
        return None
    if found is None:
        return None
    return case.witnesses.plainest(found, lambda each: case.agreement.evaluate(part, case.facts(each)).holds)


def _excluding(case: Case, condition: Condition | None) -> list[Condition]:
    """Of the parts that must all hold the fewest that exclude each other."""
    if condition is None:
        return []
    parts: list[Condition] = list(condition.all) if isinstance(condition, All) else [condition]
    ask = case.witnesses
    for part in list(parts):
        rest = [each for each in parts if each is not part]
        solver = ask.solver(points=asks_for_points(condition))
        solver.add(*(ask.encoder.of(each) for each in rest))
        if rest and solver.check() == z3.unsat:
            parts = rest
    return parts
