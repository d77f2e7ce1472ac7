"""Texts that are not named whole by any rule, told apart by what they contain and how they start.

A text can be written for every choice of answers that is not refused by two patterns alone: the beginning, then what it
must contain, with a sign between that no pattern has. Whatever such a text contains lies within one of these pieces,
and every text has to contain it. So conditions on pairs of patterns say exactly which answers are possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import z3

from schemas.agreement.conditions import AttributeIs
from schemas.agreement.proof.cells import said_so
from schemas.agreement.proof.logic import conjunction
from schemas.agreement.terms import Attribute

_BETWEEN = "-/|+*~^=;:!?0123456789abcdefghijklmnopqrstuvwxyz"


class Unspeakable(Exception):
    """No submission may say the text that was put together, though its pieces allow it."""


class OtherTexts:
    """The patterns that rules ask of one text attribute, each true or false of a text."""

    def __init__(self, name: str, attribute: Attribute, tests: Sequence[AttributeIs]) -> None:
        self._attribute = attribute
        contained = dict.fromkeys(t.contains.casefold() for t in tests if t.contains is not None)
        starting = dict.fromkeys(t.starts_with.casefold() for t in tests if t.starts_with is not None)
        self.contains: Mapping[str, Any] = {p: z3.Bool(f"{name} contains {p}") for p in contained}
        self.starts: Mapping[str, Any] = {p: z3.Bool(f"{name} starts {p}") for p in starting}
        self._named = frozenset(str(v) for t in tests for v in (*(t.in_ or ()), t.equals) if v is not None)

    def holds(self, test: AttributeIs) -> Any | None:
        """When the test holds of a text that is not named; None if never."""
        if test.equals is not None or test.in_ is not None or test.present is False:
            return None
        if test.at_least is not None or test.at_most is not None:
            return None
        parts = [self.contains[test.contains.casefold()]] if test.contains is not None else []
        parts += [self.starts[test.starts_with.casefold()]] if test.starts_with is not None else []
        return conjunction(parts)

    def constraints(self) -> Iterator[Any]:
        """What two patterns mean to each other."""
        for one, said in self.contains.items():
            yield from _spoken(f"-{one}-", one, said)
            yield from (z3.Implies(said, other) for p, other in self.contains.items() if p != one and p in one)
        for one, said in self.starts.items():
            yield from _spoken(f"{one}-", one, said)
            yield from (z3.Implies(said, other) for p, other in self.contains.items() if p in one)
            for p, other in self.starts.items():
                if p != one and one.startswith(p):
                    yield z3.Implies(said, other)
                elif p != one and not p.startswith(one):
                    yield z3.Not(z3.And(said, other))

    def text(self, model: Any) -> str:
        """A text with these answers. Raises Unspeakable if a submission may not say it."""
        contained = [p for p, said in self.contains.items() if z3.is_true(model.eval(said))]
        starting = [p for p, said in self.starts.items() if z3.is_true(model.eval(said))]
        signs = "".join((*self.contains, *self.starts, *self._named))
        between = next((sign for sign in _BETWEEN if sign not in signs), "§")
        pieces = [max(starting, key=len, default="")]
        pieces += [p for p in contained if not any(p != q and p in q for q in contained) and p not in pieces[0]]
        text = between.join((*pieces, ""))
        if not said_so(self._attribute, text):
            raise Unspeakable(text)
        return text


def _spoken(within: str, pattern: str, said: Any) -> Iterator[Any]:
    """Nothing is in every text; what no submission can say, because its blanks are single, is in none."""
    if not pattern:
        yield said
    elif " ".join(within.split()) != within:
        yield z3.Not(said)
