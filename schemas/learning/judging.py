"""The model beside the rules: what it says of a lead, whether it counts, and the verdict where it does.

It takes the place of the score and of nothing else: rules of the definition that ask for something else (a request for a demo, an
existing customer) hold as they are.
"""

from __future__ import annotations

from decimal import Decimal

from schemas.agreement import Agreement, Judged, Standing, VerdictKind
from schemas.agreement.conditions import EngagementPointsAre, FitIs, GradeIs, ScoreIs, parts_of
from schemas.agreement.facts import sentence
from schemas.agreement.terms import DefinitionRule
from schemas.ids import RuleId
from schemas.learning.course import ModelInForce
from schemas.learning.model import decimal, probability
from schemas.learning.published import Learned
from schemas.vocabulary import Because

RULE = RuleId("learned")
"""What a verdict names where the model gave it."""


def learned_of(agreement: Agreement, standing: Standing, model: ModelInForce | None) -> Learned | None:
    """What the model says of a lead that stands so; None as long as there is no model that has learned anything."""
    if model is None or model.ready is None:
        return None
    parts = model.ready.parts(standing.facts)
    total = model.ready.total(parts)
    because = why_it_does_not_count(agreement, model)
    return Learned.model_construct(
        model_version=model.version,
        probability=probability(total),
        log_odds=decimal(total),
        counts=because is None,
        because=_why(model) if because is None else sentence(because),
        contributions=model.ready.said(parts),
    )


def _why(model: ModelInForce) -> Because:
    return sentence(
        f"the agreement lets the model count, and of {model.outcomes} outcomes it has shown: {model.because}"
    )


def why_it_does_not_count(agreement: Agreement, model: ModelInForce | None) -> str | None:
    """Why the model in force does not count, in a sentence; None if it does."""
    learning = agreement.terms.learning
    if model is None or model.ready is None:
        return "there is no model in force that has learned anything"
    if not learning.model_counts:
        return "the agreement lets the rules count; the model only watches"
    if model.outcomes < learning.at_least:
        return f"the model knows {model.outcomes} outcomes, and the agreement asks for {learning.at_least}"
    if not model.better:
        return f"the model has not been shown to be better than the rules ({model.because})"
    if model.better_by < learning.better_by:
        return (
            f"the model is better than the rules by {model.better_by:.3f} of ROC-AUC, and the agreement asks for {learning.better_by:.3f}"
        )
    banned = [a.name for a in model.ready.attributes if a.name in learning.leave_out]
    if banned:
        return f"the model still looks at {', '.join(banned)}, which the agreement leaves out"
    return None


def in_place_of_the_score(agreement: Agreement, standing: Standing, learned: Learned | None) -> Judged | None:
    """The verdict of the model; None where the rules' own stands."""
    if learned is None or not learned.counts or not asks_for_points(standing.rule):
        return None
    enough = agreement.terms.learning.qualifies_from
    assert enough is not None
    if learned.probability >= enough:
        verdict = VerdictKind.QUALIFIED
    elif standing.rule.verdict is VerdictKind.QUALIFIED:
        verdict = VerdictKind.NURTURED
    else:
        verdict = standing.rule.verdict
    than = "at least" if learned.probability >= enough else "below"
    said = f"the learned probability of winning is {_percent(learned.probability)}, {than} {_percent(enough)} (model {learned.model_version})"
    return Judged(verdict, RULE, sentence(said))


def _percent(share: Decimal) -> str:
    """A sentence takes no long row of digits: it could be somebody's telephone number."""
    return f"{share * 100:.1f} %"


def asks_for_points(rule: DefinitionRule) -> bool:
    """Whether this rule of the definition goes by the score: it asks for points or grades, or is the last one."""
    return rule.when is None or any(isinstance(part, _POINTS) for part in parts_of(rule.when))


_POINTS = (ScoreIs, FitIs, EngagementPointsAre, GradeIs)
