"""The kinds of leads that two agreements can tell apart: for each thing that a condition names, the values between its bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.agreement.agreement import Agreement
from schemas.agreement.conditions import (
    CUSTOMER_ATTRIBUTE,
    AttributeIs,
    Condition,
    CountryIs,
    CustomerIs,
    Engaged,
    SourceIs,
    TouchedBy,
    parts_of,
)
from schemas.agreement.durations import say_duration
from schemas.agreement.facts import Facts, Seen, as_number, say
from schemas.agreement.listing import any_of, times
from schemas.agreement.terms import Attribute, AttributeType, CountedRule
from schemas.agreement.whereabouts import (
    COMPANY_DOMAIN,
    LANGUAGE,
    POSTCODE,
    REGION,
    LanguageIs,
    NamedAccountIs,
    TerritoryIs,
)

NOW = datetime(2026, 1, 14, 9, tzinfo=UTC)
"""When example leads are judged. Rules ask only how long ago something was, so one instant stands for all."""
_COUNTRIES = ("FR", "US", "JP", "BR")
_NUMBERS = frozenset({AttributeType.INTEGER, AttributeType.DECIMAL})
_NAMED = 5
"""So many of the named accounts are tried: what holds of one holds of all."""
_FRESH = timedelta(hours=1)

Plain = bool | int | Decimal | str


@dataclass(frozen=True, slots=True)
class Cell:
    """Leads that neither agreement tells apart in one respect, by one of them."""

    words: str
    attributes: tuple[tuple[str, Plain], ...] = ()
    country: str | None = None
    source: tuple[tuple[str, str], ...] = ()
    campaign: str | None = None
    engagement: tuple[str, timedelta, int] | None = None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Respect:
    """One thing that conditions ask for, with its cells; the first is that nothing is known of it."""

    name: str
    kind: str
    cells: tuple[Cell, ...]

    def words(self, chosen: Sequence[int]) -> str:
        """The leads of these cells, after the word `leads`."""
        if self.kind == "number":
            return self._numbers(sorted(chosen))
        left = [i for i in range(len(self.cells)) if i not in chosen]
        if self.kind == "engagement" and 0 in chosen:
            return f"who were not lately seen in {self.name}"
        if self.kind == "engagement":
            return "who were " + any_of([self.cells[i].words for i in sorted(chosen)])
        if self.kind == "campaign":
            return self.cells[chosen[0]].words
        named = [self.cells[i].words for i in sorted(chosen)]
        but = [self.cells[i].words for i in left]
        whose = "from" if self.kind == "country" else f"whose {self.name} is"
        not_whose = "not from" if self.kind == "country" else f"whose {self.name} is not"
        if len(but) < len(named) and 0 not in left:
            return f"{not_whose} {any_of(but)}"
        return f"{whose} {any_of(named)}"

    def _numbers(self, chosen: list[int]) -> str:
        """`with fewer than 50 employees`; what is not known and too small are one to whoever reads it."""
        known = [i for i in chosen if i]
        runs: list[tuple[int, int]] = []
        for i in known:
            if runs and runs[-1][1] == i - 1:
                runs[-1] = (runs[-1][0], i)
            else:
                runs.append((i, i))
        said = [self._run(self.cells[a], self.cells[b]) for a, b in runs]
        if 0 in chosen and known == list(range(1, len(known) + 1)) and known:
            return f"with fewer than {say(self.cells[known[-1] + 1].low)} or unknown {self.name}"
        if 0 in chosen:
            said.append(f"whose {self.name} is not known")
        return any_of(said)

    def _run(self, first: Cell, last: Cell) -> str:
        if first.low is None and last.high is None:
            return f"with known {self.name}"
        if first.low is None:
            return f"with fewer than {say(self.cells[self.cells.index(last) + 1].low)} {self.name}"
        if last.high is None:
            return f"with at least {say(first.low)} {self.name}"
        if first.low == last.high:
            return f"with {say(first.low)} {self.name}"
        return f"with {say(first.low)} to {say(last.high)} {self.name}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One lead made of cells."""

    cells: tuple[Cell, ...] = field(default=())

    def facts(self) -> Facts:
        """What the rules may ask for, without a score."""
        seen: dict[str, list[Seen]] = {}
        for position, (kind, ago, number) in enumerate(c.engagement for c in self.cells if c.engagement is not None):
            seen[kind] = [Seen(round((NOW - ago).timestamp() * 1000), position, number)]
        return Facts(
            now=NOW,
            attributes={name: value for c in self.cells for name, value in c.attributes},
            country=next((c.country for c in self.cells if c.country is not None), None),
            source=self._source(),
            campaigns=tuple(c.campaign for c in self.cells if c.campaign is not None),
            engagements=seen,
        )

    def _source(self) -> dict[str, str]:
        said = {name: value for c in self.cells for name, value in c.source}
        campaign = next((c.campaign for c in self.cells if c.campaign is not None), None)
        return said if campaign is None else {"campaign": campaign, **said}

    def document(self) -> dict[str, Any]:
        """As a lead file of `leadloop score`, to be judged at `NOW`."""
        facts = self.facts()
        engagements = [
            {"kind": kind, "at": _iso(NOW - ago), "quantity": number}
            for kind, ago, number in (c.engagement for c in self.cells if c.engagement is not None)
        ]
        attributes = {k: format(v, "f") if isinstance(v, Decimal) else v for k, v in facts.attributes.items()}
        told = {"attributes": attributes, "country": facts.country, "source": dict(facts.source)}
        return {k: v for k, v in {**told, "engagements": engagements}.items() if v} | {"submitted_at": _iso(NOW)}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def respects(agreements: Sequence[Agreement], conditions: Iterable[Condition], counted: bool) -> list[Respect]:
    """Everything that these conditions ask for (`counted`: and that scoring rules count), each once."""
    asked = [part for condition in conditions for part in parts_of(condition)]
    out = [*_country(asked), *_attributes(agreements, asked), *_whereabouts(agreements, asked)]
    out += [*_sources(asked), *_campaigns(asked)]
    return [*out, *_engagements(agreements if counted else (), asked)]


def _attributes(agreements: Sequence[Agreement], asked: Sequence[Condition]) -> Iterator[Respect]:
    known: dict[str, Attribute] = {}
    for agreement in agreements:
        known.update({str(n): a for n, a in agreement.attributes.items() if not a.personal})
    tests: dict[str, list[AttributeIs]] = {}
    for condition in asked:
        if isinstance(condition, AttributeIs) and condition.attribute in known:
            tests.setdefault(str(condition.attribute), []).append(condition)
        if isinstance(condition, CustomerIs) and CUSTOMER_ATTRIBUTE in known:
            tests.setdefault(str(CUSTOMER_ATTRIBUTE), [])
    for name, own in tests.items():
        if name == "country":
            continue
        if known[name].type in _NUMBERS:
            yield _number(name, known[name], own)
        else:
            yield _words(name, known[name], own)


def _number(name: str, attribute: Attribute, tests: Sequence[AttributeIs]) -> Respect:
    whole = attribute.type is AttributeType.INTEGER
    named = [n for t in tests for n in (t.at_least, t.at_most, *_exact(t)) if n is not None]
    finest = min([0, *(int(n.as_tuple().exponent) for n in named)]) if not whole else 0
    step = Decimal(1) if whole else min(Decimal("0.01"), Decimal(1).scaleb(finest))
    starts = {n for t in tests for n in (t.at_least, *_exact(t)) if n is not None}
    starts |= {n + step for t in tests for n in (t.at_most, *_exact(t)) if n is not None}
    low, high = attribute.minimum, attribute.maximum
    inside = sorted(s for s in starts if (low is None or s > low) and (high is None or s <= high))
    cells = [Cell("not known")]
    for start, end in zip([None, *inside], [*inside, None], strict=True):
        last = None if end is None else end - step
        shown = start if start is not None else last if last is not None else low or Decimal(0)
        value: Plain = int(shown) if shown == int(shown) and whole else shown
        cells.append(Cell(say(shown), ((name, value),), low=start, high=last))
    return Respect(name, "number", tuple(cells))


def _exact(test: AttributeIs) -> list[Decimal]:
    values = [*(test.in_ or ()), *([test.equals] if test.equals is not None else [])]
    return [n for v in values if (n := as_number(v)) is not None]


def _words(name: str, attribute: Attribute, tests: Sequence[AttributeIs]) -> Respect:
    cells = [Cell("not known")]
    if attribute.type is AttributeType.BOOLEAN:
        cells += [Cell(say(truth), ((name, truth),)) for truth in (True, False)]
        return Respect(name, "word", tuple(cells))
    told: list[str] = []
    for test in tests:
        told += [str(v) for v in (*(test.in_ or ()), test.equals, test.contains, test.starts_with) if v is not None]
    told = list(dict.fromkeys(told))
    if attribute.type is AttributeType.CHOICE:
        told = [*told, *(str(c) for c in attribute.choices if c not in told)]
        cells += [Cell(value, ((name, value),)) for value in told if value in attribute.choices]
    else:
        cells += [Cell(value, ((name, value),)) for value in told]
        cells.append(Cell("something else", ((name, "-"),)))
    return Respect(name, "word", tuple(cells))


def _country(asked: Sequence[Condition]) -> Iterator[Respect]:
    named: dict[str, None] = {}
    for condition in asked:
        if isinstance(condition, CountryIs):
            named.update(dict.fromkeys(str(c) for c in condition.country.in_))
        if isinstance(condition, TerritoryIs):
            named.update(dict.fromkeys(str(c) for c in condition.territory.countries))
        if isinstance(condition, AttributeIs) and condition.attribute == "country":
            told = (*(condition.in_ or ()), condition.equals, condition.starts_with)
            named.update(dict.fromkeys(str(v) for v in told if v is not None))
    if named:
        other = next(c for c in (*_COUNTRIES, "CH", "CA") if c not in named)
        cells = [Cell("nowhere known"), *(Cell(c, country=c) for c in named), Cell("another country", country=other)]
        yield Respect("country", "country", tuple(cells))


def _whereabouts(agreements: Sequence[Agreement], asked: Sequence[Condition]) -> Iterator[Respect]:
    """What conditions read of attributes with well-known names: a value for each thing that they name."""
    told: dict[str, dict[str, None]] = {}
    for condition in asked:
        if isinstance(condition, TerritoryIs):
            territory = condition.territory
            told.setdefault(REGION, {}).update(dict.fromkeys(map(str, territory.regions)))
            told.setdefault(POSTCODE, {}).update(dict.fromkeys(codes.first for codes in territory.ranges))
        if isinstance(condition, LanguageIs):
            told.setdefault(LANGUAGE, {}).update(dict.fromkeys(map(str, condition.language)))
        if isinstance(condition, NamedAccountIs):
            told.setdefault(COMPANY_DOMAIN, {}).update(dict.fromkeys(map(str, condition.named_account[:_NAMED])))
    declared = {str(name) for agreement in agreements for name, a in agreement.attributes.items() if not a.personal}
    asked_plainly = {str(c.attribute) for c in asked if isinstance(c, AttributeIs)}
    for name, values in told.items():
        if values and name in declared and name not in asked_plainly:
            cells = [Cell("not known"), *(Cell(value, ((name, value),)) for value in values)]
            yield Respect(name, "word", (*cells, Cell("something else", ((name, "-"),))))


def _sources(asked: Sequence[Condition]) -> Iterator[Respect]:
    named: dict[str, dict[str, None]] = {}
    for condition in asked:
        if isinstance(condition, SourceIs):
            wanted = condition.in_ if condition.in_ is not None else (condition.equals,)
            named.setdefault(condition.source, {}).update(dict.fromkeys(str(v) for v in wanted))
    for where, values in named.items():
        cells = [Cell("not known"), *(Cell(v, source=((where, v),)) for v in values)]
        yield Respect(f"source's {where}", "word", (*cells, Cell("something else", source=((where, "-"),))))


def _campaigns(asked: Sequence[Condition]) -> Iterator[Respect]:
    named = dict.fromkeys(str(n) for c in asked if isinstance(c, TouchedBy) for n in c.touched_by)
    for name in named:
        cells = Cell(f"not touched by the campaign {name}"), Cell(f"touched by the campaign {name}", campaign=name)
        yield Respect(f"campaign {name}", "campaign", cells)


def _engagements(agreements: Sequence[Agreement], asked: Sequence[Condition]) -> Iterator[Respect]:
    numbers: dict[str, set[int]] = {}
    ages: dict[str, set[timedelta]] = {}
    for condition in asked:
        if isinstance(condition, Engaged):
            numbers.setdefault(str(condition.engagement), set()).add(condition.at_least)
            if condition.within is not None:
                ages.setdefault(str(condition.engagement), set()).add(condition.within)
    for agreement in agreements:
        for _, rule in agreement.scoring_rules:
            if isinstance(rule, CountedRule):
                numbers.setdefault(str(rule.each), set()).update({1, 2, min(3, rule.times_at_most)})
                longest = {length for length in (rule.within, rule.half_life) if length is not None}
                ages.setdefault(str(rule.each), set()).update(longest)
    for kind in numbers:
        cells = [Cell(f"not seen in {kind}")]
        for ago in (_FRESH, *(age + _FRESH for age in sorted(ages.get(kind, ())))):
            when = "" if ago == _FRESH else f" {say_duration(ago)} ago"
            cells += [
                Cell(f"seen in {kind} {times(n)}{when}", engagement=(kind, ago, n)) for n in sorted(numbers[kind])
            ]
        yield Respect(kind, "engagement", tuple(cells))


def named_conditions(agreement: Agreement, *, routing: bool) -> Iterator[Condition]:
    """What the verdict hangs on; or, for `routing`, the pool."""
    scored = any(_asks_for_points(r.when) for r in agreement.routing)
    if not routing or scored:
        yield from (r.when for _, r in agreement.scoring_rules if r.when is not None)
    if routing:
        yield from (r.when for r in agreement.routing if r.when is not None)
    else:
        yield from (r.when for r in agreement.definition if r.when is not None)


def _asks_for_points(condition: Condition | None) -> bool:
    points = {"ScoreIs", "FitIs", "EngagementPointsAre", "GradeIs"}
    return any(type(part).__name__ in points for part in parts_of(condition))


__all__ = ["NOW", "Cell", "Mapping", "Respect", "Sample", "named_conditions", "respects"]
