"""Reasons that nobody can give, and consequences that never follow from them."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement.findings import Finding
from schemas.agreement.listing import any_of
from schemas.agreement.proof.case import Case, Undecided
from schemas.agreement.proof.routes import qualified
from schemas.agreement.terms import Otherwise, ReasonTerms, ReasonUse

_BY_REPS = frozenset({ReasonUse.REJECT, ReasonUse.RECYCLE, ReasonUse.HAND_OVER, ReasonUse.REASSIGN})
"""What is done with a lead that somebody has. A CRM tells losses of any lead, and anybody may be suppressed."""
ENDS = frozenset({ReasonUse.REJECT, ReasonUse.RECYCLE, ReasonUse.LOSE})
"""Uses after which something becomes of the lead."""


def not_given(case: Case) -> Iterator[Finding]:
    """Such reasons and consequences; and an agreement by which no lead is ever qualified."""
    try:
        lead = qualified(case)
    except Undecided:
        yield case.open_question(("definition",), "whether any lead is ever qualified")
        return
    nobody = lead is None and not case.agreement.terms.learning.model_counts  # a model that counts may qualify others
    if nobody:
        message = "no lead is ever qualified, so no rep gets one."
        yield case.say("error", "nobody_qualifies", ("definition",), message, "Let a rule with verdict: qualified hold.", "{}")
    roles = {pool.role for pool in case.agreement.pools.values()}
    for place, reason in enumerate(case.agreement.terms.reasons):
        why = _why_not(set(reason.for_), one_role=len(roles) < 2, nobody=nobody)
        if why is not None:
            message = f"nobody can give the reason {reason.id} to {_uses(reason)}: {why}."
            remedy = "Remove it, or name another use in for."
            yield case.say("warning", "reason_not_given", ("reasons", place, "for"), message, remedy, lead or "{}")
        elif (unheard := _unheard(reason)) is not None:
            yield case.say(
                "warning",
                "consequence_never_follows",
                ("reasons", place, "then"),
                f"{unheard} never follows from the reason {reason.id}: it is given to {_uses(reason)}.",
                "Leave then out, or name another use in for.",
                lead or "{}",
            )


def _why_not(uses: set[ReasonUse], *, one_role: bool, nobody: bool) -> str | None:
    if nobody and uses <= _BY_REPS:
        return "no lead ever comes to a rep"
    if one_role and uses == {ReasonUse.HAND_OVER}:
        return "all pools are of one role, so a lead cannot be handed over"
    return None


def _unheard(reason: ReasonTerms) -> str | None:
    """The consequence that its uses never ask for. (Where nobody gives it, and for streams, others say so.)"""
    uses = set(reason.for_)
    if reason.then is Otherwise.REROUTE and ReasonUse.REJECT not in uses and ReasonUse.RECYCLE not in uses:
        return "reroute"
    ends = reason.then in (Otherwise.RETIRE, Otherwise.SUPPRESS)
    return str(reason.then) if ends and not uses & ENDS else None


def _uses(reason: ReasonTerms) -> str:
    return any_of([use.value.replace("_", " ") for use in reason.for_])
