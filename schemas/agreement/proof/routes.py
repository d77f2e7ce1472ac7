"""Leads that get as far as a rep: what the questions about pools, reasons and tracks show as examples."""

from __future__ import annotations

from schemas.agreement.proof.case import Case, Undecided
from schemas.agreement.proof.firing import first_lead
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.ordered import OneOf, Ordered
from schemas.agreement.terms import VerdictKind


def routed_to(case: Case, pool: str) -> Lead | None:
    """A lead that the routing sends to a pool; None if there is none, or none was found."""
    for rules in case.lists:
        for rule in rules.rules if rules.section == "routing" else ():
            if rule.outcome == pool and (lead := _found(case, rules, rule)) is not None:
                return lead
    return None


def qualified(case: Case) -> Lead | None:
    """A lead that is qualified; None if there is none. Raises Undecided."""
    definition = next(rules for rules in case.lists if rules.section == "definition")
    for rule in definition.rules:
        if rule.outcome == VerdictKind.QUALIFIED.value and (lead := first_lead(case, definition, rule)) is not None:
            return lead
    return None


def _found(case: Case, rules: Ordered, rule: OneOf) -> Lead | None:
    try:
        return first_lead(case, rules, rule)
    except Undecided:
        return None
