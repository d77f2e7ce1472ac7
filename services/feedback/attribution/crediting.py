"""Revenue credited to campaigns, channels or collateral by one of the models; what is credited sums exactly to what was won."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from services.feedback.attribution import weights
from services.feedback.attribution.journeys import Dimension, Journey


class Model(StrEnum):
    """How a win is shared out."""

    FIRST = "first"
    LAST = "last"
    LINEAR = "linear"
    U = "u"
    W = "w"
    TIME_DECAY = "time-decay"
    MARKOV = "markov"
    SHAPLEY = "shapley"

    @classmethod
    def parse(cls, text: str) -> Model:
        """A model by its name or by another that the field has for it. Raises ValueError with the names that there are."""
        name = text.strip().lower().replace("_", "-").replace(" ", "-").removesuffix("-touch").removesuffix("-shaped")
        try:
            return cls(_ALSO.get(name, name))
        except ValueError:
            raise ValueError(f"{text!r} is no model of attribution; there are {', '.join(cls)}") from None


_ALSO = {"position-based": "u", "decay": "time-decay", "data-driven": "markov", "removal-effect": "markov"}

MEANS = {
    Model.FIRST: "all to the touch that began it",
    Model.LAST: "all to the touch before the win",
    Model.LINEAR: "the same to each touch",
    Model.U: "40 % first touch, 40 % the touch that made the lead, 20 % the others",
    Model.W: "30 % first touch, 30 % lead, 30 % opportunity, 10 % the others",
    Model.TIME_DECAY: "half as much for each half-life before the win",
    Model.MARKOV: "in proportion to the wins that would be lost without it (removal effect)",
    Model.SHAPLEY: "each win in equal parts to the different ones that had a part in it",
}

_SMALLEST = Decimal("0.01")


@dataclass(frozen=True)
class Credit:
    """What one campaign, channel or collateral is credited with."""

    name: str
    revenue: Mapping[str, Decimal]
    """By currency."""
    wins: Fraction
    """Wins by the same shares: 3 wins of which it has a half each are 3/2."""
    leads: int
    """How many leads it touched."""
    won: int
    """How many of these were won, whatever its share."""


@dataclass(frozen=True)
class Attribution:
    """What all of them are credited with, the largest first, and what could not be credited to anybody."""

    model: Model
    by: Dimension
    credits: tuple[Credit, ...]
    revenue: Mapping[str, Decimal]
    """All that was won, by currency: the sum of what is credited and what is not."""
    wins: int
    unattributed: Mapping[str, Decimal]
    """Of leads that were won and never touched before."""
    unattributed_wins: int
    touches_after_win: int


def attribute(
    journeys: Sequence[Journey], model: Model, by: Dimension, half_life: timedelta = weights.HALF_LIFE
) -> Attribution:
    """Share out every win of the journeys. Sums are exact: what rounding leaves goes to whom it would have favoured most."""
    won = [(j, _shares(j, model, by, half_life)) for j in journeys if j.win is not None and j.touches]
    if model is Model.MARKOV:
        from services.feedback.attribution.data_driven import (
            markov,  # it alone needs numpy, which takes a while to load
        )

        of_all = markov(journeys, by)
        won = [(journey, of_all) for journey, _ in won]
    revenue: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    wins: dict[str, Fraction] = defaultdict(Fraction)
    for name, currency, amount in _credited(won, model):
        revenue[name][currency] += amount
    for _, shares in won:
        for name, share in _exact(shares).items():
            wins[name] += share
    touched = _conversion(journeys, by)
    lost = [j for j in journeys if j.win is not None and not j.touches]
    credits_ = [Credit(name, dict(revenue[name]), wins[name], *touched[name]) for name in touched]
    return Attribution(
        model=model,
        by=by,
        credits=tuple(sorted(credits_, key=lambda c: (-sum(c.revenue.values()), -c.wins, c.name))),
        revenue=_sum(journeys),
        wins=len(won) + len(lost),
        unattributed=_sum(lost),
        unattributed_wins=len(lost),
        touches_after_win=sum(j.touches_after_win for j in journeys),
    )


def _shares(journey: Journey, model: Model, by: Dimension, half_life: timedelta) -> Mapping[str, float]:
    match model:
        case Model.SHAPLEY:
            return weights.shapley(journey, by)
        case Model.MARKOV:
            return {}
        case Model.FIRST:
            per_touch = weights.first(journey)
        case Model.LAST:
            per_touch = weights.last(journey)
        case Model.LINEAR:
            per_touch = weights.linear(journey)
        case Model.U:
            per_touch = weights.u_shaped(journey)
        case Model.W:
            per_touch = weights.w_shaped(journey)
        case Model.TIME_DECAY:
            per_touch = weights.time_decay(journey, half_life)
    together: dict[str, float] = defaultdict(float)
    for touch, weight in zip(journey.touches, per_touch, strict=True):
        together[touch.of(by)] += weight
    return together


def _credited(won: Sequence[tuple[Journey, Mapping[str, float]]], model: Model) -> list[tuple[str, str, Decimal]]:
    """(name, currency, amount). The removal effect is of all wins together, so their sum is shared out once."""
    if model is Model.MARKOV:
        shares = won[0][1] if won else {}
        return [
            (name, currency, amount)
            for currency, total in _sum(journey for journey, _ in won).items()
            for name, amount in apportion(total, shares).items()
        ]
    return [
        (name, journey.win.amount.currency, amount)
        for journey, shares in won
        if journey.win is not None and journey.win.amount.amount
        for name, amount in apportion(journey.win.amount.amount, shares).items()
    ]


def apportion(amount: Decimal, shares: Mapping[str, float]) -> dict[str, Decimal]:
    """`amount` in parts that sum exactly to it, each within a cent of its share (largest remainders, after Hamilton).

    An amount in smaller units than a hundredth is shared out in its own smallest unit. shares: sum to 1.
    """
    exponent = amount.as_tuple().exponent
    unit = min(_SMALLEST, Decimal(1).scaleb(exponent)) if isinstance(exponent, int) else _SMALLEST
    units = int(abs(amount) / unit)
    exact = {name: share * units for name, share in _exact(shares).items()}
    parts = {name: int(part) for name, part in exact.items()}
    left = units - sum(parts.values())
    for name in sorted(exact, key=lambda n: (parts[n] - exact[n], n))[:left]:
        parts[name] += 1
    sign = -1 if amount < 0 else 1
    return {name: sign * part * unit for name, part in parts.items()}


def _exact(shares: Mapping[str, float]) -> dict[str, Fraction]:
    """As fractions whose sum is exactly 1."""
    fractions = {name: Fraction(share).limit_denominator(10**9) for name, share in shares.items()}
    total = sum(fractions.values())
    return {name: fraction / total for name, fraction in fractions.items()} if total else {}


def _sum(journeys: Iterable[Journey]) -> dict[str, Decimal]:
    """By currency. A win for nothing, or whose amount nobody said, is a win and no revenue."""
    together: dict[str, Decimal] = defaultdict(Decimal)
    for journey in journeys:
        if journey.win is not None and journey.win.amount.amount:
            together[journey.win.amount.currency] += journey.win.amount.amount
    return dict(together)


def _conversion(journeys: Sequence[Journey], by: Dimension) -> Mapping[str, tuple[int, int]]:
    """By name: how many leads it touched, and how many of them were won."""
    touched: dict[str, set[str]] = defaultdict(set)
    won: dict[str, set[str]] = defaultdict(set)
    for journey in journeys:
        for name in {touch.of(by) for touch in journey.touches}:
            touched[name].add(journey.lead)
            if journey.win is not None:
                won[name].add(journey.lead)
    return {name: (len(leads), len(won[name])) for name, leads in touched.items()}
