"""Leads that no rule covers: of each list, whoever meets none of its rules."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case, Undecided
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.ordered import Ordered


def uncovered(case: Case) -> Iterator[Finding]:
    """One finding for each list that leaves leads without an answer, with the plainest such lead."""
    for rules in case.lists:
        if any(rule.always for rule in rules.rules):
            continue
        try:
            lead = _nobody_s(case, rules)
        except Undecided:
            yield case.open_question((rules.section,), f"whether every lead is covered by the {_what(rules)}")
            continue
        if lead is not None:
            yield _said(case, rules, lead)


def _nobody_s(case: Case, rules: Ordered) -> Lead | None:
    ask = case.witnesses
    none = [z3.Not(ask.encoder.rule(rule)) for rule in rules.rules]
    lead = ask.find(ask.shared(points=rules.points), none, lambda each: rules.first(case.known(rules, each)) is None)
    return lead and ask.plainest(lead, lambda each: rules.first(case.known(rules, each)) is None)


def _said(case: Case, rules: Ordered, lead: Lead) -> Finding:
    path = rules.path(rules.rules[-1]) if rules.rules else (rules.section,)
    if rules.must_end:
        return case.say(
            "error",
            "uncovered",
            path,
            f"there are leads that no rule of the {_what(rules)} covers.",
            "Add a last rule without when.",
            lead,
        )
    return case.say("info", "no_stage", path, "there are leads in no stage.", "Add a last stage without when.", lead)


def _what(rules: Ordered) -> str:
    return f"{rules.section}{rules.whose}"
