"""What rules can tell apart in one respect: for each attribute, the country, a field of the source, its cells.

A cell is a set of values of which every test of the agreement says the same; one value stands for it. The tests are the
engine's own compiled ones, so a cell means what the engine means. The first cell is that nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise, product
from math import ceil, floor
from string import ascii_uppercase
from typing import Any

from pydantic import ValidationError

from schemas.agreement.compiling import compiled
from schemas.agreement.conditions import AttributeIs, Condition
from schemas.agreement.facts import Facts, as_number
from schemas.agreement.proof.leads import Value, plain
from schemas.agreement.terms import Attribute, AttributeType
from schemas.agreement.whereabouts import LanguageIs, NamedAccountIs, Territory, TerritoryIs
from schemas.vocabulary import Source

THEN = datetime(2026, 1, 14, 9, tzinfo=UTC)
NUMBERS = frozenset({AttributeType.INTEGER, AttributeType.DECIMAL})
Values = tuple[Value | None, ...]
"""One value a cell."""


def attribute_cells(
    name: str, attribute: Attribute, tests: Sequence[AttributeIs], others: Sequence[Condition] = ()
) -> Values:
    """The cells of an attribute under these tests of it; of a text only what the tests name whole.

    others: conditions that read it by its well-known name, each about this attribute alone.
    """
    candidates = _candidates(attribute, tests)
    named = [text for other in others for text in named_whole(other)]
    if attribute.type is AttributeType.TEXT:
        candidates += [text for text in named if said_so(attribute, text)]
    elif attribute.type in NUMBERS:
        candidates += [int(text) for text in named if text.isdigit() and _read_as(attribute, text)]
    return grouped(candidates, lambda value: Facts(THEN, {name: plain(value)}), [*tests, *others])


def _read_as(attribute: Attribute, text: str) -> bool:
    try:
        return attribute.read(text) == int(text)
    except ValueError:
        return False


def places_of(condition: TerritoryIs) -> list[TerritoryIs]:
    """A territory as tests of one respect each, which must all hold."""
    said = condition.territory
    parts: list[dict[str, Any]] = [{"countries": said.countries}, {"regions": said.regions}, {"postcodes": said.postcodes}]
    return [TerritoryIs(territory=Territory(**part)) for part in parts if next(iter(part.values()))]


def named_whole(condition: Condition) -> list[str]:
    """Texts by which the tests of well-known attributes can be told apart: what is named, and its neighbours."""
    match condition:
        case TerritoryIs():
            territory = condition.territory
            return [*(str(r) for r in territory.regions), *(str(c) for c in territory.countries), *_around(territory)]
        case LanguageIs():
            return [text for word in condition.language for text in (str(word), f"{word}-x")]
        case NamedAccountIs():
            return [str(domain) for domain in condition.named_account]
    return []


_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _around(territory: Territory) -> Iterator[str]:
    """Of each end of a range of postcodes: it and its beginnings, the first and the last that go on from it, its neighbours."""
    for end in {end for postcodes in territory.ranges for end in postcodes}:
        yield from (end[:length] for length in range(1, len(end) + 1))
        for code in (end, _beside(end, -1), _beside(end, 1)):
            yield from (code + sign * (_LONGEST - len(code)) for sign in "0Z" if code)


_LONGEST = 10


def _beside(code: str, step: int) -> str:
    """The next code of the same length in one direction; empty if there is none."""
    number = 0
    for sign in code:
        number = number * len(_SIGNS) + _SIGNS.index(sign)
    number += step
    if not 0 <= number < len(_SIGNS) ** len(code):
        return ""
    out = ""
    for _ in code:
        number, rest = divmod(number, len(_SIGNS))
        out = _SIGNS[rest] + out
    return out


def grouped(candidates: Iterable[Value], facts_of: Callable[[Value], Facts], tests: Sequence[Condition]) -> Values:
    """Nothing known, and of the candidates one for each way to answer the tests, in their order."""
    asked = [compiled(test) for test in tests]
    seen: dict[tuple[bool, ...], Value | None] = {}
    out: list[Value | None] = [None]
    for value in candidates:
        facts = facts_of(value)
        answers = tuple(ask(facts, 0) for ask in asked)
        if answers not in seen:
            seen[answers] = value
            out.append(value)
    return tuple(out)


def _candidates(attribute: Attribute, tests: Sequence[AttributeIs]) -> list[Value]:
    match attribute.type:
        case AttributeType.BOOLEAN:
            return [False, True]
        case AttributeType.CHOICE:
            return [str(choice) for choice in attribute.choices]
        case AttributeType.TEXT:
            return [text for text in _named(tests) if said_so(attribute, text)]
        case _:
            return _numbers(attribute, tests)


def _named(tests: Sequence[AttributeIs]) -> list[str]:
    values = [v for t in tests for v in (*(t.in_ or ()), t.equals) if v is not None]
    return list(dict.fromkeys(str(v) for v in values))


def said_so(attribute: Attribute, text: str) -> bool:
    """Whether a submission can say exactly this."""
    try:
        return attribute.read(text) == text
    except ValueError:
        return False


def _numbers(attribute: Attribute, tests: Sequence[AttributeIs]) -> list[Value]:
    """Every bound, and a number in each gap between bounds and beyond them, as far as the attribute allows, rising."""
    bounds = {n for t in tests for n in (t.at_least, t.at_most, *_exact(t)) if n is not None}
    whole = attribute.type is AttributeType.INTEGER
    low, high = attribute.minimum, attribute.maximum
    named = sorted(bounds | {n for n in (low, high, Decimal(0)) if n is not None})
    numbers = {*named, Decimal(floor(named[0]) - 1), Decimal(ceil(named[-1]) + 1)}
    for one, other in pairwise(named):
        numbers |= {Decimal(floor(one) + 1), (one + other) / 2} if whole else {(one + other) / 2}
    allowed = sorted(n for n in numbers if _allowed(n, low, high, whole))
    return [int(n) if whole else n for n in allowed]


def _allowed(number: Decimal, low: Decimal | None, high: Decimal | None, whole: bool) -> bool:
    inside = (low is None or number >= low) and (high is None or number <= high)
    return inside and as_number(number) is not None and (not whole or number == number.to_integral_value())


def _exact(test: AttributeIs) -> list[Decimal]:
    values = [*(test.in_ or ()), *([test.equals] if test.equals is not None else [])]
    return [n for v in values if (n := as_number(int(v) if isinstance(v, bool) else v)) is not None]


def country_cells(named: Iterable[str], tests: Sequence[Condition], text_tests: bool) -> Values:
    """The cells of the submission's country: the codes that are named, and one that is not (all, if texts are asked)."""
    every = ["".join(pair) for pair in product(ascii_uppercase, repeat=2)]
    told = [c for c in dict.fromkeys(named) if c in set(every)]
    others = every if text_tests else [next(c for c in ("FR", "JP", "BR", *every) if c not in told)]
    return grouped([*told, *others], lambda code: Facts(THEN, country=str(code)), tests)


def source_cells(field: str, named: Iterable[str]) -> Values:
    """The cells of one field of the source: what is named, if a source can say it, and something else."""
    told = [v for v in dict.fromkeys(named) if _source_says(field, v)]
    other = next(v for v in ("-", "--", "---", "else") if v not in told)
    return (None, *told, other)


def _source_says(field: str, value: str) -> bool:
    try:
        return str(getattr(Source.model_validate({field: value}), field)) == value
    except ValidationError:
        return False
