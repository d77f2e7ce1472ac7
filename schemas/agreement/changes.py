"""What could be otherwise about a lead, so that the rules answer otherwise: what an agreement's conditions name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
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
from schemas.agreement.facts import Facts, Seen, as_number, listed, say
from schemas.agreement.reckoning import milliseconds
from schemas.agreement.terms import Attribute, AttributeType, CountedRule

TIMES_MORE = 3
"""How many more times of what counts each time are thought of."""
_NEWEST = 1 << 62


@dataclass(frozen=True)
class Change:
    """One thing that could be otherwise."""

    about: str
    """Two changes about the same are alternatives."""
    says: str
    document: Mapping[str, Any]
    attributes: Mapping[str, bool | int | Decimal | str] = field(default_factory=dict)
    country: str | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    campaign: str | None = None
    engagement: str | None = None
    times: int = 0

    def of(self, facts: Facts) -> Facts:
        """The facts as they would be."""
        engagements: Mapping[str, Any] = facts.engagements
        if self.engagement is not None:
            more = Seen(milliseconds(facts), _NEWEST, self.times)
            engagements = {**engagements, self.engagement: (more, *engagements.get(self.engagement, ()))}
        return replace(
            facts,
            attributes={**facts.attributes, **self.attributes} if self.attributes else facts.attributes,
            country=self.country or facts.country,
            source={**facts.source, **self.source} if self.source else facts.source,
            campaigns=(*facts.campaigns, self.campaign) if self.campaign is not None else facts.campaigns,
            engagements=engagements,
        )


def thinkable(agreement: Agreement, facts: Facts) -> list[Change]:
    """Every change that some condition of scoring or definition names, what prospects can do first; none twice."""
    found: dict[tuple[str, str], Change] = {}
    asked = list(_asked(agreement))
    for change in (*_doings(agreement, asked, facts), *_tellings(agreement, asked, facts)):
        found.setdefault((change.about, repr(sorted(change.document.items(), key=str))), change)
    return list(found.values())


def one_of(changes: list[Change]) -> Change:
    """Alternatives that come to the same, as one: its document names all values, and the first is the one made."""
    first = changes[0]
    if len(changes) == 1 or not first.attributes:
        return first
    name = next(iter(first.attributes))
    values = [next(iter(c.attributes.values())) for c in changes]
    if not all(isinstance(v, str) for v in values):
        return first
    return replace(first, says=f"{name} is one of {listed(values)}", document={"attribute": name, "one_of": values})


def _asked(agreement: Agreement) -> Iterator[Condition]:
    for _, scoring in agreement.scoring_rules:
        yield from parts_of(scoring.when)
    for definition in agreement.definition:
        yield from parts_of(definition.when)


def _doings(agreement: Agreement, asked: Iterable[Condition], facts: Facts) -> Iterator[Change]:
    wanted: dict[str, set[int]] = {}
    for condition in asked:
        if isinstance(condition, Engaged):
            missing = condition.at_least - condition.counted(facts)[0]
            wanted.setdefault(str(condition.engagement), set()).add(max(missing, 1))
    for _, rule in agreement.scoring_rules:
        if isinstance(rule, CountedRule):
            wanted.setdefault(str(rule.each), set()).update(range(1, TIMES_MORE + 1))
    for kind, numbers in wanted.items():
        for times in sorted(numbers):
            says = f"{'one' if times == 1 else times} more {kind}"
            document = {"engagement": kind, "times": times}
            yield Change(f"engagement {kind}", says, document, engagement=kind, times=times)


def _tellings(agreement: Agreement, asked: Iterable[Condition], facts: Facts) -> Iterator[Change]:
    for condition in asked:
        match condition:
            case AttributeIs() if condition.attribute in agreement.attributes:
                yield from _attribute(condition, agreement.attributes[condition.attribute], facts)
            case AttributeIs() if condition.attribute == "country":
                values = condition.in_ or ((condition.equals,) if condition.equals is not None else ())
                yield from (_country(str(v)) for v in values if str(v) != facts.country)
            case CountryIs():
                yield from (_country(c) for c in condition.country.in_ if c != facts.country)
            case SourceIs():
                where = condition.source
                for told in condition.in_ if condition.in_ is not None else (condition.equals,):
                    document: dict[str, Any] = {"source": where, "value": told}
                    yield Change(f"source {where}", f"the {where} is {told}", document, source={where: str(told)})
            case TouchedBy():
                for campaign in condition.touched_by:
                    if campaign not in facts.campaigns:
                        says = f"touched by the campaign {say(campaign)}"
                        document = {"touched_by": str(campaign)}
                        yield Change(f"campaign {campaign}", says, document, campaign=str(campaign))
            case CustomerIs() if CUSTOMER_ATTRIBUTE in agreement.attributes and not facts.customer:
                known = facts.attributes.get(CUSTOMER_ATTRIBUTE)
                if known is not condition.existing_customer:
                    yield _value(str(CUSTOMER_ATTRIBUTE), condition.existing_customer, facts)


def _country(code: str) -> Change:
    return Change("country", f"country is {code}", {"country": code}, country=code)


def _attribute(condition: AttributeIs, attribute: Attribute, facts: Facts) -> Iterator[Change]:
    name = str(condition.attribute)
    if attribute.type in (AttributeType.INTEGER, AttributeType.DECIMAL):
        yield from _numbers(condition, attribute, name, facts)
        return
    values: list[Any] = [*(condition.in_ or ()), *([condition.equals] if condition.equals is not None else [])]
    values += [t for t in (condition.contains, condition.starts_with) if t is not None]
    if attribute.type is AttributeType.BOOLEAN:
        values = [True, False]
    elif attribute.type is AttributeType.CHOICE:
        values = list(attribute.choices)
    for value in values:
        if facts.attributes.get(name) != value:
            yield _value(name, value if isinstance(value, bool) else str(value), facts)


def _value(name: str, value: bool | str, facts: Facts) -> Change:
    says = f"{name} is {say(value)}"
    return Change(f"attribute {name}", says, {"attribute": name, "value": value}, attributes={name: value})


def _numbers(condition: AttributeIs, attribute: Attribute, name: str, facts: Facts) -> Iterator[Change]:
    """Just enough to pass each bound, and just enough to fail it."""
    step = Decimal(1) if attribute.type is AttributeType.INTEGER else Decimal("0.01")
    now = as_number(facts.attributes.get(name))
    told: list[tuple[str, Decimal]] = []
    if condition.at_least is not None:
        low = condition.at_least.quantize(step, ROUND_CEILING)
        told += [("at least", low), ("at most", low - step)]
    if condition.at_most is not None:
        high = condition.at_most.quantize(step, ROUND_FLOOR)
        told += [("at most", high), ("at least", high + step)]
    exact = (*(condition.in_ or ()), *((condition.equals,) if condition.equals is not None else ()))
    told += [("is", number) for value in exact if (number := as_number(value)) is not None]
    for how, number in told:
        if attribute.minimum is not None and number < attribute.minimum:
            continue
        if attribute.maximum is not None and number > attribute.maximum:
            continue
        if now is not None and ((how == "at least" and now >= number) or (how == "at most" and now <= number)):
            continue
        value = int(number) if attribute.type is AttributeType.INTEGER else number.normalize() + 0
        document = {"attribute": name, "value": value if isinstance(value, int) else format(value, "f")}
        yield Change(f"attribute {name}", f"{name} {how} {say(number)}", document, attributes={name: value})
