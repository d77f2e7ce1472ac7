"""What to keep, stop and try after a campaign: each by a stated rule, and none that chance explains. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.agreement import Goals
from services.feedback.audience import LEVEL, Audience, Segment, wilson
from services.feedback.promises import Amounts, amount_of

KEEP, STOP, TRY = "keep", "stop", "try"
_MUCH = 0.25
"""A reason weighs on a campaign if at least so many of what was turned down came back for it."""
_HALF = 0.5
_PROMISING = 0.1
_TRIED_AT_MOST = 3
_ACTS = {"fit": STOP, "timing": TRY}


@dataclass(frozen=True)
class Evidence:
    """What the rules look at."""

    name: str
    leads: int
    qualified: int
    accepted: int
    refused: int
    """Qualified leads that sales turned down without having accepted them."""
    kept: int
    breached: int
    cost: Amounts
    against_others: Segment | None
    """The campaign beside all other leads, with all campaigns and segments that were looked at accounted for."""
    inside: Audience
    """Segments of its own leads."""
    reach: Mapping[str, Any]
    reasons: Sequence[Mapping[str, Any]]
    goals: Goals | None = None


@dataclass
class _Advice:
    said: dict[str, list[dict[str, str]]] = field(default_factory=lambda: {KEEP: [], STOP: [], TRY: []})

    def say(self, what: str, sentence: str, rule: str) -> None:
        self.said[what].append({"sentence": sentence, "rule": rule})


def advice(seen: Evidence) -> dict[str, list[dict[str, str]]]:
    """keep, stop and try: sentences, each with the rule that it comes from."""
    out = _Advice()
    _against_others(seen, out)
    _segments(seen, out)
    _acceptance(seen, out)
    _price(seen, out)
    _reached(seen, out)
    _reasons(seen, out)
    _clocks(seen, out)
    return out.said


def share_of(part: int, whole: int) -> str:
    """`12 of 40 (30.0%; 95 % interval 18.1% to 45.4%)`."""
    low, high = wilson(part, whole)
    return f"{part:,} of {whole:,} ({part / whole:.1%}; 95 % interval {low:.1%} to {high:.1%})" if whole else f"{part:,} of 0"


def _against_others(seen: Evidence, out: _Advice) -> None:
    one = seen.against_others
    if one is None or one.verdict not in ("better", "worse"):
        return
    won = f"{share_of(one.won, one.leads)} of its leads were won, against {one.rest_rate:.1%} of all others"
    rule = f"more (less) is won than of all other leads, by Fisher's test with all looks accounted for (Holm, {LEVEL:.0%})"
    if one.verdict == "better":
        out.say(KEEP, f"Keep {seen.name}: {won}.", rule)
    else:
        out.say(STOP, f"Stop {seen.name} as it is: {won}.", rule)


def _segments(seen: Evidence, out: _Advice) -> None:
    rule = f"inside the campaign, more (less) is won than of its other leads, by Fisher's test with all looks accounted for (Holm, {LEVEL:.0%})"
    hopes = 0
    for one in seen.inside.segments:
        name = " and ".join(f"{dimension.replace('_', ' ')} {value}" for dimension, value in one.key)
        won = f"{share_of(one.won, one.leads)} were won, against {one.rest_rate:.1%} of its other leads"
        if one.verdict == "better":
            out.say(KEEP, f"Keep seeking {name}: {won}.", rule)
        elif one.verdict == "worse":
            out.say(STOP, f"Stop seeking {name}: {won}.", rule)
        elif one.p is not None and one.p <= _PROMISING and one.rate > one.rest_rate and hopes < _TRIED_AT_MOST:
            hopes += 1
            out.say(
                TRY,
                f"Try more of {name}: {won}. That is not shown yet; more such leads will tell.",
                f"alone it would be likely (p at most {_PROMISING}), among all looks it is not",
            )


def _acceptance(seen: Evidence, out: _Advice) -> None:
    agreed = float(seen.goals.marketing.acceptance_rate) if seen.goals and seen.goals.marketing.acceptance_rate else None
    decided = seen.accepted + seen.refused
    if agreed is None or not decided:
        return
    said = f"sales accepted {share_of(seen.accepted, decided)} of the qualified leads that it decided on; agreed are {agreed:.0%}"
    rule = "the 95 % interval of the share that sales accepts lies wholly above (below) the agreed acceptance rate"
    keep, stop = f"Keep what it promises: {said}.", f"Stop passing on its leads as they are: {said}."
    _hold_against(agreed, wilson(seen.accepted, decided), out, rule, keep, (STOP, stop))


def _price(seen: Evidence, out: _Advice) -> None:
    agreed = seen.goals.marketing.cost_per_qualified if seen.goals is not None else None
    spent = seen.cost.get(agreed.currency, Decimal(0)) if agreed is not None else Decimal(0)
    if agreed is None or not spent or not seen.leads:
        return
    low, high = wilson(seen.qualified, seen.leads)
    cheapest = spent / (Decimal(high) * seen.leads)
    dearest = spent / (Decimal(low) * seen.leads) if low else None
    each = amount_of(spent / seen.qualified, agreed.currency) if seen.qualified else "no qualified lead at all"
    upper = amount_of(dearest, agreed.currency) if dearest is not None else "any amount"
    between = f"95 % interval {amount_of(cheapest, agreed.currency)} to {upper}"
    said = f"{each} a qualified lead ({between}); agreed are {amount_of(agreed.amount, agreed.currency)}"
    rule = "what a qualified lead costs, over the 95 % interval of the share that qualifies, lies wholly below (above) the agreed cost"
    if dearest is not None and dearest < agreed.amount and len(seen.cost) == 1:  # else more was spent than is counted
        out.say(KEEP, f"Keep paying this price: {said}.", rule)
    elif cheapest > agreed.amount:
        out.say(STOP, f"Stop paying this price: {said}.", rule)


def _reached(seen: Evidence, out: _Advice) -> None:
    everybody = seen.reach["all"]
    if everybody is not None and everybody["of"]:
        said = f"{share_of(everybody['reached'], everybody['of'])} of its leads are whom it should reach"
        rule = "the 95 % interval of the share that fits the campaign's target lies wholly above (below) one half"
        keep, stop = f"Keep this reach: {said}.", f"Stop buying this reach: only {said}."
        _hold_against(_HALF, everybody["interval"], out, rule, keep, (STOP, stop))
    for one in seen.reach["dimensions"]:
        if one["unknown"] > one["of"]:
            unknown = f"it is unknown of {one['unknown']:,} of {one['unknown'] + one['of']:,} leads"
            out.say(TRY, f"Try to ask for {one['dimension']}: {unknown}.", "what the target names is unknown of more than half of the leads")


def _reasons(seen: Evidence, out: _Advice) -> None:
    for reason in seen.reasons:
        if reason["by_sales"] and reason["interval"][0] >= _MUCH:
            said = f"{share_of(reason['count'], reason['of'])} of what sales turned down came back as “{reason['title']}”"
            rule = f"the 95 % interval of a reason's share lies above {_MUCH:.0%}; about fit: stop, about anything else: try"
            act = _ACTS.get(str(reason["about"]), TRY)
            if act == STOP:
                out.say(STOP, f"Stop reaching those that do not fit: {said}.", rule)
            elif reason["about"] == "timing":
                out.say(TRY, f"Try nurture before sales, or ask when they mean to decide: {said}.", rule)
            else:
                out.say(TRY, f"Try to find out what is behind it before the next campaign: {said}.", rule)


def _clocks(seen: Evidence, out: _Advice) -> None:
    agreed = float(seen.goals.sales.response_in_time) if seen.goals and seen.goals.sales.response_in_time else None
    decided = seen.kept + seen.breached
    if agreed is None or not decided:
        return
    said = f"{share_of(seen.kept, decided)} clocks on its leads were kept; agreed are {agreed:.0%}"
    rule = "the 95 % interval of the share of clocks kept lies wholly above (below) the agreed share"
    keep, other = f"Keep answering in time: {said}.", f"Try to send no more leads than sales can answer in time: {said}."
    _hold_against(agreed, wilson(seen.kept, decided), out, rule, keep, (TRY, other))


def _hold_against(
    bound: float, interval: tuple[float, float], out: _Advice, rule: str, above: str, below: tuple[str, str]
) -> None:
    """Keep what lies above the bound with its whole interval; what lies below with all of it is for `below` to say."""
    low, high = interval
    if low > bound:
        out.say(KEEP, above, rule)
    elif high < bound:
        out.say(*below, rule)
