"""Leads that two agreements answer otherwise: found among the kinds that they can tell apart, judged by the real rules.

What is found is true of the leads that are shown, and of the leads that a sentence speaks of as far as they were tried;
where some of those tried were answered alike, the sentence says `some leads`. It is a search, not a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from math import prod

from schemas.agreement.agreement import Agreement
from schemas.agreement.conditions import All, AnyOf, Condition, Not
from schemas.agreement.facts import Facts
from schemas.agreement.kinds_of_leads import Respect, Sample, named_conditions, respects

TRIED_AT_MOST = 6_000
_SENTENCES_A_CHANGE, _SENTENCES = 3, 8
_TRIED_TO_GENERALISE = 120
_LACKING_TOLD = 3

Point = tuple[int, ...]
Answer = Callable[[Facts], str]
Change = tuple[str, str]
Box = tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Leads answered otherwise: who they are, the two answers, and one of them."""

    who: str
    before: str
    after: str
    lead: Sample


def answered_otherwise(
    before: Agreement, after: Agreement, one: Answer, other: Answer, *, routing: bool = False
) -> list[Otherwise]:
    """Kinds of leads to which `one` (of `before`) and `other` (of `after`) answer differently, the plainest first."""
    conditions = [c for a in (before, after) for c in named_conditions(a, routing=routing)]
    search = _Search(respects((before, after), conditions, counted=not routing), one, other)
    return search.found(conditions)


class _Search:
    def __init__(self, asked: Sequence[Respect], one: Answer, other: Answer) -> None:
        self._asked, self._one, self._other = asked, one, other
        self._known: dict[Point, Change] = {}

    def found(self, conditions: Sequence[Condition]) -> list[Otherwise]:
        boxes: list[tuple[Change, Box]] = []
        out: list[Otherwise] = []
        told: dict[Change, int] = {}
        for point in islice(self._points(conditions), TRIED_AT_MOST):
            change = self._change(point)
            if change[0] == change[1] or told.get(change, 0) >= _SENTENCES_A_CHANGE:
                continue
            if any(c == change and all(i in s for i, s in zip(point, b, strict=True)) for c, b in boxes):
                continue
            point = self._reduced(point, change)
            box = self._widened(point, self._box(point, change), change)
            boxes.append((change, box))
            told[change] = told.get(change, 0) + 1
            out.append(Otherwise(self._who(box, change, point), *change, self._sample(point)))
            if len(out) == _SENTENCES:
                break
        return out

    def _sample(self, point: Point) -> Sample:
        return Sample(tuple(r.cells[i] for r, i in zip(self._asked, point, strict=True)))

    def _change(self, point: Point) -> Change:
        known = self._known.get(point)
        if known is None:
            facts = self._sample(point).facts()
            known = self._known[point] = self._one(facts), self._other(facts)
        return known

    # ------------------------------------------------------------------ where to look

    def _points(self, conditions: Sequence[Condition]) -> Iterator[Point]:
        """All of them if they are few; else what is near to a lead of which nothing is known, or to what a rule asks for."""
        sizes = [len(r.cells) for r in self._asked]
        if prod(sizes) <= TRIED_AT_MOST:
            yield from sorted(product(*(range(n) for n in sizes)), key=lambda p: sum(i > 0 for i in p))
            return
        nothing: Point = (0,) * len(sizes)
        seeds = list(dict.fromkeys((nothing, *(self._witness(c, nothing) for c in conditions))))
        yield from seeds
        for seed in seeds:
            yield from self._near(seed, 1)
        for rich in self._rich(seeds):
            yield from self._near(rich, 2)
        for one, other in combinations(seeds, 2):
            yield tuple(b or a for a, b in zip(one, other, strict=True))
        for seed in seeds[:3]:
            yield from self._near(seed, 2)
        for three in combinations(seeds, 3):
            yield tuple(max(together) for together in zip(*three, strict=True))

    def _rich(self, seeds: Sequence[Point]) -> Iterator[Point]:
        """Leads of which as much holds as can: all that two seeds say together, and all that any says, by either end."""
        yield tuple(max(s[place] for s in seeds) for place in range(len(self._asked)))
        yield tuple(next((s[place] for s in seeds if s[place]), 0) for place in range(len(self._asked)))

    def _near(self, seed: Point, steps: int) -> Iterator[Point]:
        for places in combinations(range(len(seed)), steps):
            for values in product(*(range(len(self._asked[p].cells)) for p in places)):
                near = list(seed)
                for place, value in zip(places, values, strict=True):
                    near[place] = value
                yield tuple(near)

    def _witness(self, condition: Condition, seed: Point, wanted: bool = True) -> Point:
        """A lead of which the condition holds (or not), as far as each of its parts can be met alone."""
        if isinstance(condition, Not):
            return self._witness(condition.not_, seed, not wanted)
        if isinstance(condition, All | AnyOf):
            parts = condition.all if isinstance(condition, All) else condition.any
            for part in parts if isinstance(condition, All) is wanted else parts[:1]:
                seed = self._witness(part, seed, wanted)
            return seed
        tries = (seed, *self._near(seed, 1))
        return next((p for p in tries if condition.held(self._sample(p).facts()).holds is wanted), seed)

    # ------------------------------------------------------------------ who they are

    def _box(self, point: Point, change: Change) -> Box:
        """In each respect the cells that come to the same, everything else being as in `point`."""
        out = []
        for place, respect in enumerate(self._asked):
            same = {
                i for i in range(len(respect.cells)) if self._change((*point[:place], i, *point[place + 1 :])) == change
            }
            out.append(frozenset(same))
        return tuple(out)

    def _reduced(self, point: Point, change: Change) -> Point:
        """The same change with as little known as possible."""
        for place in range(len(point)):
            less = (*point[:place], 0, *point[place + 1 :])
            if point[place] and self._change(less) == change:
                point = less
        return point

    def _widened(self, point: Point, box: Box, change: Change) -> Box:
        """Without the respects that do not matter to leads that were answered so before.

        "Leads from DE are no longer qualified" speaks of leads that were, whatever it was that qualified them.
        """
        for place in sorted(range(len(box)), key=lambda p: 0 not in box[p]):
            every = frozenset(range(len(self._asked[place].cells)))
            wider = (*box[:place], every, *box[place + 1 :])
            if box[place] != every and self._answers(point, wider, change):
                box = wider
        return box

    def _answers(self, point: Point, box: Box, change: Change) -> bool:
        """Whether all leads tried in the box that were answered as in `change` before are answered as in it now."""
        put = {tuple(i if i in s else p for i, p, s in zip(k, point, box, strict=True)) for k in self._tried()}
        answers = [self._change(p) for p in sorted(put)]
        return all(now == change[1] for was, now in answers if was == change[0])

    def _tried(self) -> list[Point]:
        """Points of all kinds that have been judged, spread over the search."""
        known = list(self._known)
        return known[:: max(1, len(known) // _TRIED_TO_GENERALISE)]

    def _who(self, box: Box, change: Change, point: Point) -> str:
        sides = [
            (respect.words(sorted(chosen)), 0 in chosen)
            for respect, chosen in zip(self._asked, box, strict=True)
            if len(chosen) < len(respect.cells)
        ]
        lacking = [words for words, nothing_known in sides if nothing_known]
        words = [words for words, nothing_known in sides if not nothing_known or len(lacking) <= _LACKING_TOLD]
        if len(lacking) > _LACKING_TOLD:
            words.append("otherwise as in the example")
        everybody = "all leads" if not words else "leads" if self._answers(point, box, change) else "some leads"
        return " ".join([everybody, " and ".join(words)]).strip()
