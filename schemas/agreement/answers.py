"""What an agreement answers: the score, where a lead stands, the verdict, the pool."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from schemas.agreement.facts import Facts
from schemas.agreement.reckoning import Reckoned
from schemas.agreement.terms import DefinitionRule, VerdictKind
from schemas.ids import PoolId, RuleId
from schemas.vocabulary import Because, Contribution, Grade, PassedOver, Slug


class Score(NamedTuple):
    """What the rules give, with the entries that add up to it."""

    score: Decimal
    fit: Decimal
    engagement: Decimal
    grade: Grade
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The first rule of the definition that holds."""

    verdict: VerdictKind
    rule: RuleId
    because: Because


class Standing(NamedTuple):
    """Where a lead stands at an instant, before anything is put into words."""

    facts: Facts
    """With the score."""
    now_ms: int
    reckoned: Reckoned
    score: Decimal
    fit: Decimal
    engagement: Decimal
    grade: Grade
    rule: DefinitionRule
    """Of the definition: the first that holds."""
    stage: Slug | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The first routing rule that holds, and why each earlier one did not."""

    pool: PoolId
    rule: RuleId
    because: Because
    passed_over: tuple[PassedOver, ...]
