"""The difference of two agreements for the people who are to approve it: sentences, and leads that would fare otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from schemas.agreement.agreement import Agreement
from schemas.agreement.facts import Facts
from schemas.agreement.kinds_of_leads import NOW, Sample
from schemas.agreement.otherwise import answered_otherwise
from schemas.agreement.section_changes import section_changes
from schemas.agreement.terms import VerdictKind


@dataclass(frozen=True, slots=True)
class Example:
    """A kind of leads that fares otherwise, and one of them, judged by both versions."""

    says: str
    lead: Sample
    before: str
    after: str

    def lead_json(self) -> str:
        """A lead file for `leadloop score --at`."""
        return json.dumps(self.lead.document(), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """What would be otherwise."""

    sentences: tuple[str, ...]
    examples: tuple[Example, ...]

    def document(self) -> dict[str, Any]:
        """As JSON says it. Example leads are lead files, judged at `at`."""
        examples = [
            {"says": e.says, "lead": e.lead.document(), "at": NOW.isoformat(), "before": e.before, "after": e.after}
            for e in self.examples
        ]
        return {"sentences": list(self.sentences), "examples": examples}


def difference(before: Agreement, after: Agreement) -> Difference:
    """What `after` says otherwise than `before`."""
    return Difference(tuple(section_changes(before.terms, after.terms)), tuple(_examples(before, after)))


def _examples(before: Agreement, after: Agreement) -> Iterator[Example]:
    one, other = before.terms, after.terms
    judged = (one.scoring, one.definition, one.attributes) != (other.scoring, other.definition, other.attributes)
    if judged:
        yield from _verdicts(before, after)
    if judged or (one.routing, one.pools) != (other.routing, other.pools):
        for role in sorted({str(pool.role) for terms in (one, other) for pool in terms.pools.values()}):
            yield from _pools(before, after, role)


def _verdicts(before: Agreement, after: Agreement) -> Iterator[Example]:
    def verdict(agreement: Agreement, facts: Facts) -> str:
        return agreement.standing(facts).rule.verdict.value

    def told(agreement: Agreement, facts: Facts) -> str:
        judged = agreement.judge(agreement.standing(facts).facts)
        return f"{judged.verdict.value} by the rule {judged.rule}: {judged.because}"

    for found in answered_otherwise(before, after, lambda f: verdict(before, f), lambda f: verdict(after, f)):
        facts = found.lead.facts()
        says = f"{found.who} {_turn(found.before, found.after)}"
        yield Example(says, found.lead, told(before, facts), told(after, facts))


def _turn(before: str, after: str) -> str:
    if before == VerdictKind.QUALIFIED.value:
        return f"are no longer qualified but {after}"
    return f"are now {after} instead of {before}"


def _pools(before: Agreement, after: Agreement, role: str) -> Iterator[Example]:
    def chosen(agreement: Agreement, facts: Facts) -> Any:
        standing = agreement.standing(facts)
        return agreement.choose_pool(role, replace(standing.facts, stage=standing.stage))

    def told(agreement: Agreement, facts: Facts) -> str:
        pool = chosen(agreement, facts)
        return f"the pool {pool.pool} by the rule {pool.rule}: {pool.because}"

    for found in answered_otherwise(
        before,
        after,
        lambda f: str(chosen(before, f).pool),
        lambda f: str(chosen(after, f).pool),
        routing=True,
    ):
        facts = found.lead.facts()
        says = f"{found.who} go to the pool {found.after} instead of {found.before} (role {role})"
        yield Example(says, found.lead, told(before, facts), told(after, facts))
