"""What a proof is about: an agreement with its text, perhaps a roster, and the instant at which examples are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import z3

from schemas.agreement.agreement import Agreement
from schemas.agreement.facts import Facts
from schemas.agreement.findings import Finding, Severity
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.ordered import OneOf, Ordered, ordered_rules
from schemas.agreement.proof.witnesses import Undecided, Witnesses
from schemas.agreement.reading import Document, Path, spell
from schemas.agreement.reckoning import milliseconds, points
from schemas.agreement.roster import Roster

Step = Callable[[], None]
"""Called for each rule that has been asked."""


@dataclass
class Case:
    """One agreement to be proven. Questions ask it and say what they find."""

    document: Document
    agreement: Agreement
    at: datetime
    roster: Roster | None = None
    _flagged: dict[tuple[str, str], Any] = field(default_factory=dict)

    @cached_property
    def witnesses(self) -> Witnesses:
        return Witnesses(self.agreement, self.at)

    @cached_property
    def lists(self) -> tuple[Ordered, ...]:
        """The ordered lists of rules: the definition, the stages, and the routing of each role."""
        return tuple(ordered_rules(self.agreement))

    def flagged(self, rules: Ordered) -> Any:
        """A solver in which each rule of a list is excluded where its flag is assumed."""
        known = self._flagged.get((rules.section, rules.role))
        if known is None:
            known = self._flagged[rules.section, rules.role] = self.witnesses.solver(points=rules.points)
            for rule in rules.rules:
                known.add(z3.Implies(flag(rule), z3.Not(self.witnesses.encoder.rule(rule))))
        return known

    def facts(self, lead: Lead) -> Facts:
        """What the real engine knows of a lead, its score included."""
        facts = lead.facts(self.at)
        reckoned = self.agreement.plan.reckon(facts, milliseconds(facts))
        fit, engagement = reckoned.fit, reckoned.engagement
        known = replace(
            facts,
            score=points(fit + engagement),
            fit=points(fit),
            engagement=points(engagement),
            grade=self.agreement.plan.grade(fit, engagement),
        )
        stages = next((rules for rules in self.lists if rules.section == "stages"), None)
        stage = None if stages is None else stages.first(known)
        return known if stage is None else replace(known, stage=stage.id)

    def known(self, rules: Ordered, lead: Lead) -> Facts:
        """What the rules of a list ask of a lead: without its score, if none asks for points."""
        return self.facts(lead) if rules.points else lead.facts(self.at)

    def say(
        self, severity: Severity, code: str, path: Path, message: str, remedy: str, example: Lead | str = ""
    ) -> Finding:
        """A finding about a piece of the agreement."""
        shown = example.text(self.at) if isinstance(example, Lead) else example
        return Finding(severity, code, spell(path), self.document.line(path), message, remedy, shown)

    def open_question(self, path: Path, what: str) -> Finding:
        """What is said where neither a proof nor an example was found."""
        return self.say(
            "info",
            "undecided",
            path,
            f"{what} could not be decided.",
            "Try the leads that you have in mind with leadloop score; simpler conditions are decided.",
        )


def flag(rule: OneOf) -> Any:
    """Stands for the exclusion of a rule."""
    return z3.Bool(f"not {rule.place}")


__all__ = ["Case", "Step", "Undecided", "flag"]
