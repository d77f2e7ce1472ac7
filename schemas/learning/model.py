"""A published model, made ready to answer: the log-odds of winning as a sum of whole millionths, one part an attribute.

Nothing in it depends on the machine: products and sums of IEEE doubles, rounded to millionths; the probability comes out of
decimal arithmetic, whose exponential is correctly rounded everywhere (that of C libraries differs in the last bit).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import NamedTuple

from schemas.agreement.facts import Facts, say, sentence
from schemas.learning.cells import LARGEST, Value, place_and_number
from schemas.learning.published import CardAttribute, LearnedPart, ModelCard
from schemas.learning.traits import reader_of
from schemas.vocabulary import Slug

MILLION = 1_000_000
ALWAYS = Slug("always")
_FARTHEST = 4.0
_MILLIONTH = Decimal("0.000001")
_EXACT = Context(prec=24)
_CACHE_AT_MOST = 20_000
_MOST_LOG_ODDS = 40 * MILLION


class ModelRefused(ValueError):
    """A card that nobody can answer by."""


class Part(NamedTuple):
    """What one attribute does for one value: millionths of log-odds, and its words; none if it does nothing."""

    number: int
    said: LearnedPart | None


class ReadyModel:
    """Answers by one card."""

    def __init__(self, version: int, card: ModelCard) -> None:
        """Raises ModelRefused."""
        if not len(card.places) == len(card.rates) == len(card.tokens):
            raise ModelRefused("its places, rates and tokens are not equally many")
        self.version, self.always = version, card.always
        self._values = dict(zip(card.places, zip(card.rates, card.tokens, strict=True), strict=True))
        self.attributes = tuple(_Attribute(attribute, self._values) for attribute in card.attributes)
        self._always = _part(ALWAYS, card.always, "how leads fare in general, of late")

    def parts(self, facts: Facts) -> list[Part]:
        """What each attribute contributes."""
        return [attribute.part(attribute.read(facts)) for attribute in self.attributes]

    def total(self, parts: Sequence[Part]) -> int:
        """The log-odds in millionths."""
        return self.always + sum([part[0] for part in parts])

    def said(self, parts: Sequence[Part]) -> tuple[LearnedPart, ...]:
        """The entries that add up to the log-odds; those that add nothing are left out."""
        return (self._always, *[part[1] for part in parts if part[1] is not None])


class _Attribute:
    """One attribute of the card, with what it has answered before: the same values come again and again."""

    __slots__ = ("_answered", "_card", "_values", "name", "read")

    def __init__(self, card: CardAttribute, values: Mapping[int, tuple[int, int]]) -> None:
        self.name, self.read = str(card.name), reader_of(str(card.name))
        self._card, self._values = card, values
        self._answered: dict[object, Part] = {}

    def part(self, value: Value) -> Part:
        """What it does for this value."""
        key = value if type(value) is str else (type(value), value)  # True is 1, and is said otherwise
        found = self._answered.get(key)
        if found is None:
            found = self._made(value)
            if len(self._answered) < _CACHE_AT_MOST:
                self._answered[key] = found
        return found

    def _made(self, value: Value) -> Part:
        number = self._reckoned(value)
        if not number:
            return Part(0, None)
        known = "is not known" if value is None or value == "" else f"is {say(value)}"
        return Part(number, _part(self.name, number, f"{self.name} {known}"))

    def _reckoned(self, value: Value) -> int:
        card = self._card
        place, number = place_and_number(self.name, value, card.edges)
        rate, token = self._values.get(place, (0, 0))
        total = card.rate_weight * rate + token
        if number == number and card.deviation > 0:
            distance = (max(-LARGEST, min(LARGEST, number)) - card.mean) / card.deviation
            total += card.number_weight * max(-_FARTHEST, min(_FARTHEST, distance)) * MILLION
        return round(max(-float(_MOST_LOG_ODDS), min(float(_MOST_LOG_ODDS), total)))


def probability(log_odds: int) -> Decimal:
    """Of being won, for log-odds in millionths; to a millionth."""
    limited = max(-_MOST_LOG_ODDS, min(_MOST_LOG_ODDS, log_odds))
    odds_against = _EXACT.exp(Decimal(-limited) * _MILLIONTH)
    return _EXACT.divide(Decimal(1), _EXACT.add(Decimal(1), odds_against)).quantize(_MILLIONTH)


def decimal(millionths: int) -> Decimal:
    """Millionths as a decimal, exactly."""
    return millionths * _MILLIONTH


def _part(name: str, number: int, because: str) -> LearnedPart:
    return LearnedPart.model_construct(attribute=Slug(name), log_odds=decimal(number), because=sentence(because))
