"""Rules that overlap with a different outcome: the order decides, and whoever reads the later one should know it."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement.facts import listed
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case, Step, Undecided
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.logic import disjunction
from schemas.agreement.proof.ordered import OneOf, Ordered
from schemas.agreement.reckoning import milliseconds

NAMED_AT_MOST = 3
"""Earlier rules that one finding names; every overlap is there if there are no more."""


def overlaps(case: Case, step: Step) -> Iterator[Finding]:
    """One finding for each rule that overlaps with earlier ones of another outcome."""
    told: set[tuple[str, int]] = set()
    for rules in case.lists:
        for rule in rules.rules if rules.outcomes_differ else ():
            step()
            if rule.always or (rules.section, rule.place) in told:
                continue
            finding = _overlap(case, rules, rule)
            if finding is not None:
                told.add((rules.section, rule.place))
                yield finding


def _overlap(case: Case, rules: Ordered, rule: OneOf) -> Finding | None:
    ask = case.witnesses
    earlier = [r for r in rules.rules if r.place < rule.place and r.outcome != rule.outcome and not r.always]
    seen: list[OneOf] = []
    examples: list[Lead] = []
    while len(seen) < min(NAMED_AT_MOST, len(earlier)):
        left = [each for each in earlier if each not in seen]
        wanted = [ask.encoder.rule(rule), disjunction([ask.encoder.rule(each) for each in left])]
        try:
            lead = ask.find(ask.shared(points=rules.points), wanted, lambda each, left=left: _both(case, rules, rule, left, each))  # type: ignore[misc]
        except Undecided:
            return case.open_question(rules.path(rule), f"whether the rule {rule.id} overlaps with another outcome")
        if lead is None:
            break
        examples.append(lead)
        seen += _holding(case, rules, left, lead)
    return _said(case, rules, rule, examples[0], sorted(seen, key=lambda r: r.place)) if seen else None


def _both(case: Case, rules: Ordered, rule: OneOf, others: list[OneOf], lead: Lead) -> bool:
    facts = case.known(rules, lead)
    now_ms = milliseconds(facts)
    return rule.holds(facts, now_ms) and any(other.holds(facts, now_ms) for other in others)


def _holding(case: Case, among: Ordered, rules: list[OneOf], lead: Lead) -> list[OneOf]:
    facts = case.known(among, lead)
    now_ms = milliseconds(facts)
    return [rule for rule in rules if rule.holds(facts, now_ms)]


def _said(case: Case, rules: Ordered, rule: OneOf, lead: Lead, others: list[OneOf]) -> Finding:
    first = _holding(case, rules, others, lead)[0]
    lead = case.witnesses.plainest(lead, lambda each: _both(case, rules, rule, [first], each))
    named = others[:NAMED_AT_MOST]
    more = " and perhaps others" if len(others) > len(named) or len(others) == NAMED_AT_MOST else ""
    return case.say(
        "info",
        "overlap",
        rules.path(rule),
        f"the rule {rule.id} ({rule.outcome}) overlaps with {listed([f'{r.id} ({r.outcome})' for r in named])}{more}: "
        "what both mean goes by the earlier one.",
        "Leave it, if the order says what you want; else move the rule.",
        lead,
    )
