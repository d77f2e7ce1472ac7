"""All possible leads: everything that rules can tell apart, as the variables of a solver, and back as a lead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

import z3

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
from schemas.agreement.proof.cells import Values, attribute_cells, country_cells, places_of, source_cells
from schemas.agreement.proof.leads import Lead, Value
from schemas.agreement.proof.logic import conjunction, disjunction
from schemas.agreement.proof.texts import OtherTexts
from schemas.agreement.proof.times import EVER, Kind, Stretch
from schemas.agreement.terms import AttributeType, CountedRule
from schemas.agreement.whereabouts import (
    COMPANY_DOMAIN,
    LANGUAGE,
    POSTCODE,
    REGION,
    LanguageIs,
    NamedAccountIs,
    TerritoryIs,
)

_MS = timedelta(milliseconds=1)
COUNTRY = "country"


def window_of(within: timedelta | None) -> int:
    """A window in ms."""
    return EVER if within is None else within // _MS


class Chain:
    """One respect with its cells in a row: the solver says from which cell on the lead's is."""

    def __init__(self, name: str, values: Values) -> None:
        self.name, self.values = name, values
        self.from_on = [z3.Bool(f"{name} from {i}") for i in range(1, len(values))]

    def constraints(self) -> Iterator[Any]:
        for lower, higher in pairwise(self.from_on):
            yield z3.Implies(higher, lower)

    def among(self, cells: Iterable[int]) -> Any:
        """That the lead's cell is one of these."""
        chosen, runs = set(cells), []
        for cell in sorted(chosen):
            if cell - 1 not in chosen:
                end = next(i for i in range(cell + 1, len(self.values) + 1) if i not in chosen)
                runs.append(self._run(cell, end))
        return disjunction(runs)

    def _run(self, start: int, end: int) -> Any:
        parts = [self.from_on[start - 1]] if start else []
        parts += [z3.Not(self.from_on[end - 1])] if end < len(self.values) else []
        return conjunction(parts)

    def cell(self, model: Any) -> int:
        return sum(z3.is_true(model.eval(each)) for each in self.from_on)


class Space:
    """The leads that an agreement can tell apart."""

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = agreement
        asked = [part for condition in conditions_of(agreement) for part in parts_of(condition)]
        self.customer = z3.Bool("customer")
        self.attributes: dict[str, Chain] = {}
        self.texts: dict[str, OtherTexts] = {}
        self._attributes(asked)
        self.country = Chain(COUNTRY, self._country_cells(asked))
        self.sources = {name: Chain(f"source {name}", cells) for name, cells in _sources(asked)}
        self.campaigns = {
            str(name): z3.Bool(f"touched {name}")
            for part in asked
            if isinstance(part, TouchedBy)
            for name in part.touched_by
        }
        self.kinds = {name: Kind(name, *wanted) for name, wanted in _kinds(agreement, asked)}

    def _attributes(self, asked: Sequence[Condition]) -> None:
        tests: dict[str, list[AttributeIs]] = {}
        others = dict(_well_known(asked))
        for name in others:
            tests.setdefault(name, [])
        for part in asked:
            if isinstance(part, AttributeIs):
                tests.setdefault(str(part.attribute), []).append(part)
            elif isinstance(part, CustomerIs):
                tests.setdefault(str(CUSTOMER_ATTRIBUTE), [])
        for name, own in tests.items():
            attribute = next((a for n, a in self.agreement.attributes.items() if n == name and not a.personal), None)
            if attribute is None:
                continue
            if not own and name == CUSTOMER_ATTRIBUTE:
                own = [AttributeIs.model_validate({"attribute": name, "equals": True})]
            values = attribute_cells(name, attribute, own, others.get(name, ()))
            if attribute.type is AttributeType.TEXT:
                self.texts[name] = OtherTexts(name, attribute, own)
                values = (*values, "")
            self.attributes[name] = Chain(name, values)

    @staticmethod
    def _country_cells(asked: Sequence[Condition]) -> Values:
        tests: list[Condition] = [p for p in asked if isinstance(p, CountryIs) or (isinstance(p, AttributeIs) and p.attribute == COUNTRY)]
        tests += [place for p in asked if isinstance(p, TerritoryIs) for place in places_of(p) if place.territory.countries]
        named: list[str] = []
        for part in tests:
            if isinstance(part, CountryIs):
                named += [str(c) for c in part.country.in_]
            elif isinstance(part, TerritoryIs):
                named += [str(c) for c in part.territory.countries]
            elif isinstance(part, AttributeIs):
                named += [str(v) for v in (*(part.in_ or ()), part.equals) if v is not None]
        in_texts = any(isinstance(p, AttributeIs) and (p.contains or p.starts_with) for p in tests)
        return country_cells(named, tests, in_texts)

    @cached_property
    def constraints(self) -> tuple[Any, ...]:
        """What holds of every lead."""
        parts: list[Chain | Kind | OtherTexts] = [*self.attributes.values(), self.country, *self.sources.values()]
        parts += [*self.kinds.values(), *self.texts.values()]
        out = [c for part in parts for c in part.constraints()]
        chain = self.sources.get("campaign")
        for name, touched in self.campaigns.items():
            if chain is not None and name in chain.values:
                out.append(z3.Implies(chain.among([chain.values.index(name)]), touched))
        return tuple(out)

    def lead(self, model: Any) -> tuple[Lead, dict[str, tuple[Stretch, ...]]]:
        """The lead of a model without its engagements, and where they lie. Raises Unspeakable."""
        attributes = {name: v for name, chain in self.attributes.items() if (v := self._value(name, chain, model)) is not None}
        source = {name: str(v) for name, c in self.sources.items() if (v := c.values[c.cell(model)]) is not None}
        touched = [n for n, said in self.campaigns.items() if z3.is_true(model.eval(said)) and n != source.get("campaign")]
        country = self.country.values[self.country.cell(model)]
        lead = Lead(
            attributes,
            None if country is None else str(country),
            source,
            tuple(touched),
            z3.is_true(model.eval(self.customer)),
        )
        seen = {name: where for name, kind in self.kinds.items() if (where := kind.stretches(model))}
        return lead, seen

    def _value(self, name: str, chain: Chain, model: Any) -> Value | None:
        cell = chain.cell(model)
        return self.texts[name].text(model) if name in self.texts and cell == len(chain.values) - 1 else chain.values[cell]


def conditions_of(agreement: Agreement) -> Iterator[Condition]:
    """Every condition that the agreement asks of a lead."""
    for _, rule in agreement.scoring_rules:
        yield from (rule.when,) if rule.when is not None else ()
    for ordered in (agreement.definition, agreement.stages, agreement.routing):
        for each in ordered:
            yield from (each.when,) if each.when is not None else ()


def _well_known(asked: Sequence[Condition]) -> Iterator[tuple[str, list[Condition]]]:
    """The conditions that read an attribute by its well-known name, by that name."""
    out: dict[str, list[Condition]] = {}
    for part in asked:
        if isinstance(part, TerritoryIs):
            for place in places_of(part):
                said = place.territory
                name = COUNTRY if said.countries else str(REGION if said.regions else POSTCODE)
                out.setdefault(name, []).append(place)
        elif isinstance(part, LanguageIs | NamedAccountIs):
            out.setdefault(str(LANGUAGE if isinstance(part, LanguageIs) else COMPANY_DOMAIN), []).append(part)
    yield from out.items()


def _sources(asked: Sequence[Condition]) -> Iterator[tuple[str, Values]]:
    named: dict[str, list[str]] = {}
    for part in asked:
        if isinstance(part, SourceIs):
            wanted = part.in_ if part.in_ is not None else (part.equals,)
            named.setdefault(part.source, []).extend(str(v) for v in wanted)
    for name, values in named.items():
        yield name, source_cells(name, values)


def _kinds(agreement: Agreement, asked: Sequence[Condition]) -> Iterator[tuple[str, tuple[list[int], list[int], int]]]:
    wanted: dict[str, tuple[list[int], list[int], list[int]]] = {}
    for part in asked:
        if isinstance(part, Engaged):
            windows, numbers, _ = wanted.setdefault(str(part.engagement), ([], [], [0]))
            windows.append(window_of(part.within))
            numbers.append(part.at_least)
    for _, rule in agreement.scoring_rules:
        if isinstance(rule, CountedRule):
            windows, numbers, fading = wanted.setdefault(str(rule.each), ([], [], [0]))
            windows.append(window_of(rule.within))
            numbers += range(1, rule.times_at_most + 1)
            fading.append(0 if rule.half_life is None else rule.half_life // _MS)
    for name, (windows, numbers, fading) in wanted.items():
        yield name, (windows, numbers, max(fading))
