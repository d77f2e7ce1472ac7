"""Conditions of an agreement: structured data, and what they say of a lead's facts, each with its explanation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.durations import PositiveLength, say_duration
from schemas.agreement.facts import Facts, Held, as_number, listed, say
from schemas.agreement.part import Part as Part
from schemas.agreement.part import as_list
from schemas.agreement.whereabouts import LanguageIs, NamedAccountIs, StageIs, TerritoryIs
from schemas.ids import CampaignId
from schemas.vocabulary import AttributeName, CountryCode, Grade, NonPersonalText, Slug


def _plain_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str) or as_number(value) is None:
        raise PydanticCustomError("bad_number", "{value} is no number", {"value": repr(value)[:80]})
    return as_number(value)


Number = Annotated[Decimal, BeforeValidator(_plain_number)]
Value = bool | int | Decimal | NonPersonalText


class All(Part):
    all: Annotated[tuple[Condition, ...], Field(min_length=1)]

    def held(self, facts: Facts) -> Held:
        reasons = []
        for part in self.all:
            held = part.held(facts)
            if not held.holds:
                return held
            reasons.append(held.because)
        return Held(True, " and ".join(reasons))


class AnyOf(Part):
    any: Annotated[tuple[Condition, ...], Field(min_length=1)]

    def held(self, facts: Facts) -> Held:
        reasons = []
        for part in self.any:
            held = part.held(facts)
            if held.holds:
                return held
            reasons.append(held.because)
        return Held(False, " and ".join(reasons))


class Not(Part):
    not_: Condition = Field(alias="not")

    def held(self, facts: Facts) -> Held:
        held = self.not_.held(facts)
        return Held(not held.holds, held.because)


class Always(Part):
    always: Literal[True] = True

    def held(self, facts: Facts) -> Held:
        return Held(True, "always")


class Bounds(Part):
    """From `at_least` to `at_most`, both included."""

    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _something(self) -> Bounds:
        if self.at_least is None and self.at_most is None:
            raise PydanticCustomError("no_test", "neither at_least nor at_most is given")
        return self

    def held(self, name: str, number: Decimal) -> Held:
        return _within(name, number, self.at_least, self.at_most)


def _within(name: str, number: Decimal, at_least: Decimal | None, at_most: Decimal | None) -> Held:
    if at_least is not None and number < at_least:
        return Held(False, f"{name} is {say(number)}, not at least {say(at_least)}")
    if at_most is not None and number > at_most:
        return Held(False, f"{name} is {say(number)}, not at most {say(at_most)}")
    bounds = [f"at least {say(at_least)}"] if at_least is not None else []
    bounds += [f"at most {say(at_most)}"] if at_most is not None else []
    return Held(True, f"{name} is {say(number)}, {' and '.join(bounds)}")


def _among(name: str, value: object, wanted: Sequence[object]) -> Held:
    if value in wanted or (not isinstance(value, bool) and as_number(value) is not None and as_number(value) in wanted):
        return Held(True, f"{name} is {say(value)}")
    return Held(False, f"{name} is {say(value)}, not {'one of ' if len(wanted) > 1 else ''}{listed(wanted)}")


class AttributeIs(Part):
    """A test of an attribute. An attribute that nobody has told fails every test but `present: false`."""

    attribute: AttributeName
    equals: Value | None = None
    in_: Annotated[tuple[Value, ...], Field(min_length=1)] | None = Field(default=None, alias="in")
    at_least: Number | None = None
    at_most: Number | None = None
    contains: NonPersonalText | None = None
    starts_with: NonPersonalText | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> AttributeIs:
        if all(v is None for k, v in self.__dict__.items() if k != "attribute"):
            raise PydanticCustomError("no_test", "no test of the attribute is given")
        return self

    def held(self, facts: Facts) -> Held:
        name = self.attribute
        value = facts.attributes.get(name)
        if name == "country" and value is None:
            value = facts.country
        if value is None:
            return Held(self.present is False, f"{name} is not known")
        if self.present is False:
            return Held(False, f"{name} is known")
        held = Held(True, f"{name} is known")
        for test in self._tests(name, value):
            if not test.holds:
                return test
            held = test
        return held

    def _tests(self, name: str, value: Any) -> Iterator[Held]:
        if self.equals is not None:
            yield _among(name, value, (self.equals,))
        if self.in_ is not None:
            yield _among(name, value, self.in_)
        if self.at_least is not None or self.at_most is not None:
            number = as_number(value)
            yield (
                Held(False, f"{name} is no number")
                if number is None
                else _within(name, number, self.at_least, self.at_most)
            )
        if self.contains is not None:
            found = self.contains.casefold() in str(value).casefold()
            yield Held(found, f"{name} {'contains' if found else 'does not contain'} {say(self.contains)}")
        if self.starts_with is not None:
            found = str(value).casefold().startswith(self.starts_with.casefold())
            yield Held(found, f"{name} {'starts' if found else 'does not start'} with {say(self.starts_with)}")


class Engaged(Part):
    """The prospect was seen doing this at least so often (`within`: lately)."""

    engagement: Slug
    at_least: Annotated[int, Field(ge=1, le=1000)] = 1
    within: PositiveLength | None = None

    @cached_property
    def _within_ms(self) -> int | None:
        return None if self.within is None else self.within // timedelta(milliseconds=1)

    def counted(self, facts: Facts) -> tuple[int, int | None]:
        """How often it counts now, and the ms at which that alone drops below `at_least` (None: never)."""
        window = self._within_ms
        oldest = -(1 << 62) if window is None else round(facts.now.timestamp() * 1000) - window
        count, ends = 0, None
        for seen in facts.engagements.get(self.engagement, ()):
            if seen.at_ms <= oldest:
                break
            if count < self.at_least <= count + seen.quantity and window is not None:
                ends = seen.at_ms + window
            count += seen.quantity
        return count, ends

    def held(self, facts: Facts) -> Held:
        count, _ = self.counted(facts)
        lately = f" within {say_duration(self.within)}" if self.within is not None else ""
        seen = f"{self.engagement} was seen {count} {'time' if count == 1 else 'times'}{lately}"
        if count >= self.at_least:
            return Held(True, seen)
        return Held(False, f"{seen}, not at least {self.at_least}")


class TouchedBy(Part):
    """One of these campaigns has touched the lead, with a submission or an engagement."""

    touched_by: Annotated[tuple[CampaignId, ...], BeforeValidator(as_list), Field(min_length=1)]

    def held(self, facts: Facts) -> Held:
        for campaign in self.touched_by:
            if campaign in facts.campaigns:
                return Held(True, f"campaign {say(campaign)} has touched it")
        return Held(False, f"no campaign of {listed(self.touched_by)} has touched it")


class ScoreIs(Part):
    score: Bounds

    def held(self, facts: Facts) -> Held:
        return self.score.held("the score", facts.score or Decimal(0))


class FitIs(Part):
    fit: Bounds

    def held(self, facts: Facts) -> Held:
        return self.fit.held("the fit", facts.fit or Decimal(0))


class EngagementPointsAre(Part):
    points_of_engagement: Bounds

    def held(self, facts: Facts) -> Held:
        return self.points_of_engagement.held("the engagement's points", facts.engagement or Decimal(0))


class OneOfGrades(Part):
    in_: Annotated[tuple[Grade, ...], BeforeValidator(as_list), Field(min_length=1)] = Field(alias="in")


class GradeIs(Part):
    grade: OneOfGrades

    def held(self, facts: Facts) -> Held:
        if facts.grade is None:
            return Held(False, "the grade is not known")
        return _among("the grade", facts.grade, self.grade.in_)


class SourceIs(Part):
    """A test of where the latest submission came from."""

    source: Literal["channel", "campaign", "medium", "term", "content", "utm_source"]
    equals: NonPersonalText | None = None
    in_: Annotated[tuple[NonPersonalText, ...], Field(min_length=1)] | None = Field(default=None, alias="in")

    @model_validator(mode="after")
    def _something(self) -> SourceIs:
        if (self.equals is None) == (self.in_ is None):
            raise PydanticCustomError("no_test", "either equals or in is to be given")
        return self

    def held(self, facts: Facts) -> Held:
        value = facts.source.get(self.source)
        if value is None:
            return Held(False, f"the source's {self.source} is not known")
        wanted = self.in_ if self.in_ is not None else (self.equals,)
        return _among(f"the source's {self.source}", value, wanted)


class OneOfCountries(Part):
    in_: Annotated[tuple[CountryCode, ...], BeforeValidator(as_list), Field(min_length=1)] = Field(alias="in")


class CountryIs(Part):
    country: OneOfCountries

    def held(self, facts: Facts) -> Held:
        if facts.country is None:
            return Held(False, "the country is not known")
        return _among("the country", facts.country, self.country.in_)


class CustomerIs(Part):
    """Whether the person is a customer already: the lead was won before, or a submission has said so.

    A submission says so by the attribute `existing_customer` (boolean), if the agreement declares it.
    """

    existing_customer: bool

    def held(self, facts: Facts) -> Held:
        known = is_customer(facts)
        return Held(known is self.existing_customer, "is a customer already" if known else "is not known as a customer")


def is_customer(facts: Facts) -> bool:
    """Whether the log or a submission knows the person as a customer."""
    return facts.customer or facts.attributes.get(CUSTOMER_ATTRIBUTE) is True


CUSTOMER_ATTRIBUTE = AttributeName("existing_customer")


TAGS: dict[str, type[Part]] = {
    "<all>": All,
    "<any>": AnyOf,
    "<not>": Not,
    "<always>": Always,
    "<attribute>": AttributeIs,
    "<engagement>": Engaged,
    "<touched_by>": TouchedBy,
    "<score>": ScoreIs,
    "<fit>": FitIs,
    "<points_of_engagement>": EngagementPointsAre,
    "<grade>": GradeIs,
    "<source>": SourceIs,
    "<country>": CountryIs,
    "<existing_customer>": CustomerIs,
    "<territory>": TerritoryIs,
    "<language>": LanguageIs,
    "<named_account>": NamedAccountIs,
    "<stage>": StageIs,
}
"""The kinds of condition by the key that makes them; the tags appear in pydantic's error locations."""


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((tag for tag in TAGS if tag[1:-1] in value), None)
    return next((tag for tag, model in TAGS.items() if isinstance(value, model)), None)


def _always(value: Any) -> Any:
    return {"always": True} if value == "always" else value


Condition = Annotated[
    Annotated[All, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Always, Tag("<always>")]
    | Annotated[AttributeIs, Tag("<attribute>")]
    | Annotated[Engaged, Tag("<engagement>")]
    | Annotated[TouchedBy, Tag("<touched_by>")]
    | Annotated[ScoreIs, Tag("<score>")]
    | Annotated[FitIs, Tag("<fit>")]
    | Annotated[EngagementPointsAre, Tag("<points_of_engagement>")]
    | Annotated[GradeIs, Tag("<grade>")]
    | Annotated[SourceIs, Tag("<source>")]
    | Annotated[CountryIs, Tag("<country>")]
    | Annotated[CustomerIs, Tag("<existing_customer>")]
    | Annotated[TerritoryIs, Tag("<territory>")]
    | Annotated[LanguageIs, Tag("<language>")]
    | Annotated[NamedAccountIs, Tag("<named_account>")]
    | Annotated[StageIs, Tag("<stage>")],
    Discriminator(_kind, custom_error_type="unknown_condition", custom_error_message="this is no condition"),
    BeforeValidator(_always),
]

All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()


def evaluate(condition: Condition | None, facts: Facts) -> Held:
    """Whether `condition` holds of `facts`, with the sentence that says why. No condition always holds."""
    return Held(True, "always") if condition is None else condition.held(facts)


def campaigns_of(conditions: Iterable[Condition]) -> frozenset[str]:
    """The campaigns that these conditions, without what is inside them, ask for."""
    return frozenset(str(name) for c in conditions if isinstance(c, TouchedBy) for name in c.touched_by)


def parts_of(condition: Condition | None) -> Iterator[Condition]:
    """The condition and every condition inside it."""
    if condition is None:
        return
    yield condition
    if isinstance(condition, All):
        inner: Sequence[Condition] = condition.all
    elif isinstance(condition, AnyOf):
        inner = condition.any
    else:
        inner = (condition.not_,) if isinstance(condition, Not) else ()
    for part in inner:
        yield from parts_of(part)


def changes_at(windows: Sequence[Engaged], facts: Facts) -> datetime | None:
    """The next instant at which the passing of time alone makes one of `windows` fail."""
    ends = [end for _, end in (w.counted(facts) for w in windows) if end is not None]
    return datetime.fromtimestamp(min(ends) / 1000, UTC) if ends else None
