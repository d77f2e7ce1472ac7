"""The models that look at one journey at a time: what share of a win each of its touches has.

First, last, linear, U (position-based, 40/20/40) and W (30/30/30/10) as the field has them, for instance in Google
Analytics' help ("Position based model") and Bizible's ("U-Shaped", "W-Shaped"); time decay halves a touch's weight for
each half-life that lies between it and the win. Shapley value: Zhao, Mahboobi, Bagheri, "Shapley value methods for attribution
modeling in online advertising" (2018): with a coalition worth the revenue that its members alone brought, a win is shared
equally by the different ones that had a part in it, however often each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.feedback.attribution.journeys import Dimension, Journey, Touch

HALF_LIFE = timedelta(days=7)
"""What time decay takes unless told otherwise; the field's usual value."""

_LEAD_STAGES = frozenset({"lead", "mql", "sal"})
_OPPORTUNITY_STAGES = frozenset({"sql", "opportunity"})
_U = {"first": 0.4, "lead": 0.4}
_W = {"first": 0.3, "lead": 0.3, "opportunity": 0.3}


def first(journey: Journey) -> list[float]:
    """Everything to the touch that began it."""
    return _single(journey, 0)


def last(journey: Journey) -> list[float]:
    """Everything to the touch before the win."""
    return _single(journey, len(journey.touches) - 1)


def linear(journey: Journey) -> list[float]:
    """The same to each touch."""
    return [1 / len(journey.touches)] * len(journey.touches)


def u_shaped(journey: Journey) -> list[float]:
    """40 % to the first touch, 40 % to the one that made a lead of him, 20 % spread over the others.

    Where no touch has a stage that says which one made the lead, the last one stands for it.
    """
    return _by_milestones(journey.touches, _U)


def w_shaped(journey: Journey) -> list[float]:
    """30 % each to the first touch, the one that made a lead and the one that made an opportunity, 10 % over the others.

    Where no touch says which one made the opportunity, the last one stands for it; where none says which one made the
    lead, the middle one does.
    """
    return _by_milestones(journey.touches, _W)


def time_decay(journey: Journey, half_life: timedelta = HALF_LIFE) -> list[float]:
    """Half as much for each half-life that a touch lies before the win."""
    assert journey.win is not None
    ages = [(journey.win.at - touch.at) / half_life for touch in journey.touches]
    youngest = min(ages)  # relative to it, so that no sum of years-old touches is zero
    raw = [2.0 ** (youngest - age) for age in ages]
    return [weight / sum(raw) for weight in raw]


def shapley(journey: Journey, dimension: Dimension) -> dict[str, float]:
    """By name, not by touch: its share of this win."""
    names = dict.fromkeys(touch.of(dimension) for touch in journey.touches)
    return {name: 1 / len(names) for name in names}


def _single(journey: Journey, index: int) -> list[float]:
    return [float(i == index) for i in range(len(journey.touches))]


def _by_milestones(touches: Sequence[Touch], shares: Mapping[str, float]) -> list[float]:
    """A touch that is several milestones has the sum of their shares; without others, theirs grow in proportion."""
    weights = [0.0] * len(touches)
    for milestone, share in shares.items():
        weights[_milestone(touches, milestone, shares)] += share
    others = [i for i, weight in enumerate(weights) if weight == 0.0]
    for i in others:
        weights[i] = (1 - sum(shares.values())) / len(others)
    return [weight / sum(weights) for weight in weights]


def _milestone(touches: Sequence[Touch], milestone: str, shares: Mapping[str, float]) -> int:
    if milestone == "first":
        return 0
    is_last_of_model = milestone == list(shares)[-1]
    stages = _LEAD_STAGES if milestone == "lead" else _OPPORTUNITY_STAGES
    found = next((i for i, touch in enumerate(touches) if (touch.stage or "").lower() in stages), None)
    if found is not None:
        return found
    return len(touches) - 1 if is_last_of_model else len(touches) // 2
