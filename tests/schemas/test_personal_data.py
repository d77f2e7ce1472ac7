"""No event outside of `profiles` can hold a person: every field of every event is walked and its type vetted.

A type is vetted here, by name, and proves it: it must refuse an e-mail address and a telephone number.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.types import Base64Bytes
from typing_extensions import TypeAliasType

from schemas.base import Event, Model, PersonalMark
from schemas.events import console, runtime
from schemas.ids import Identifier
from schemas.personal import looks_personal, spells_phone_number
from schemas.topics import PROFILES, REGISTRY
from schemas.vocabulary import Because, CurrencyCode, NonPersonalText, PersonalText, Slug

ADDRESS, NUMBER = "jane.doe@example.com", "+49 170 1234567"

HARMLESS = (bool, int, float, Decimal, datetime, AwareDatetime, timedelta)
"""Types that no address and no telephone number with its + or blanks can be put into."""

ALLOWED: Mapping[tuple[type[Event], str], str] = {
    (
        console.AgreementProposed,
        "text",
    ): "the agreement is written and signed by both departments, never by a prospect; "
    "addresses of channels come from the environment",
    (console.AgreementPublished, "text"): "the same text, once it is signed",
    (
        runtime.DeadLettered,
        "sealed",
    ): "the failed record may hold a person, so it is encrypted with the installation's key and gone after 30 days",
}
"""Fields that could hold a person and do not, each with the reason why it may stand."""


@dataclass(frozen=True)
class Place:
    """One type somewhere in an event."""

    event: type[Event]
    path: str
    type: Any
    marks: tuple[Any, ...]

    @property
    def field(self) -> str:
        return self.path.split(".")[0].split("[")[0]

    def __str__(self) -> str:
        return f"{self.event.__name__}.{self.path}"


def places(event: type[Event]) -> Iterator[Place]:
    """Every type that a value inside the event can have, through models, unions, containers and aliases."""
    for name, field in event.model_fields.items():
        yield from _inside(event, name, field.annotation, tuple(field.metadata))


def _inside(event: type[Event], path: str, kind: Any, marks: tuple[Any, ...]) -> Iterator[Place]:
    if isinstance(kind, TypeAliasType):
        yield from _inside(event, path, kind.__value__, marks)
        return
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _inside(event, path, get_args(kind)[0], (*marks, *kind.__metadata__))
    elif origin in (Union, types.UnionType):
        for option in get_args(kind):
            yield from _inside(event, path, option, marks)
    elif origin in (tuple, list, set, frozenset):
        for item in get_args(kind):
            if item is not Ellipsis:
                yield from _inside(event, f"{path}[]", item, marks)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        key, value = get_args(kind)
        yield from _inside(event, f"{path}(key)", key, marks)
        yield from _inside(event, f"{path}(value)", value, marks)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from _inside(event, f"{path}.{name}", field.annotation, (*marks, *field.metadata))
    else:
        yield Place(event, path, kind, marks)


def objection(place: Place) -> str | None:
    """Why this type may not stand here; none: it holds no person."""
    kind, marks = place.type, place.marks
    if any(isinstance(mark, PersonalMark) for mark in marks):
        return "is marked Personal: only an event of the profiles topic may hold it"
    if kind in HARMLESS or kind is type(None) or get_origin(kind) is Literal:
        return None
    if isinstance(kind, type) and issubclass(kind, Identifier | Enum):
        return None  # each of them is put to the proof below
    if kind is str and any(_pattern(mark) for mark in marks):
        return None
    name = getattr(kind, "__name__", kind)
    return f"is {name}, which could hold anything: use a type of schemas/ids.py or schemas/vocabulary.py"


def _pattern(mark: Any) -> str | None:
    return getattr(mark, "pattern", None)


def leaks(event: type[Event]) -> list[str]:
    """What of an event could hold a person."""
    return [
        f"{p} {why}" for p in places(event) if (why := objection(p)) is not None and (event, p.field) not in ALLOWED
    ]


OUTSIDE = [entry.event for entry in REGISTRY if entry.topics != (PROFILES,)]


@pytest.mark.parametrize("event", OUTSIDE, ids=lambda e: e.__name__)
def test_an_event_outside_of_profiles_holds_no_person(event: type[Event]) -> None:
    assert leaks(event) == []


def test_every_exception_is_needed_and_has_its_reason() -> None:
    found = {(p.event, p.field) for event in OUTSIDE for p in places(event) if objection(p) is not None}

    assert found == set(ALLOWED)
    assert all(len(reason) > 20 for reason in ALLOWED.values())


def test_only_profiles_holds_personal_types_and_the_walk_sees_them_there() -> None:
    personal = {
        entry.event.__name__
        for entry in REGISTRY
        for place in places(entry.event)
        if any(isinstance(mark, PersonalMark) for mark in place.marks)
    }

    assert personal == {"LeadProfile", "ProfileNote"}


class _Leaky(Model):
    text: str


_LEAKS: dict[str, Any] = {
    "a bare text": str,
    "a text that may be missing": str | None,
    "a text with a length only": Annotated[str, StringConstraints(max_length=10)],
    "anything": Any,
    "an object": object,
    "bytes": bytes,
    "a bare dict": dict,
    "a dict with free keys": dict[str, int],
    "a dict with free values": dict[Slug, str],
    "a list of texts": tuple[str, ...],
    "a text inside a model": _Leaky,
    "a text inside a list of models of a union": tuple[Annotated[_Leaky | None, Field()], ...],
    "a type marked as personal": PersonalText,
    "sealed or not, base64 is bytes": Base64Bytes,
}


@pytest.mark.parametrize("kind", _LEAKS.values(), ids=_LEAKS.keys())
def test_the_walk_finds_every_way_to_leak(kind: Any) -> None:
    event = type("Leaking", (Event,), {"__annotations__": {"lead": kind}, "__module__": __name__})

    assert len(leaks(event)) == 1, f"the walk did not see {kind}"


# Each vetted type proves it.

_IN_USE = sorted(
    {
        place.type
        for event in OUTSIDE
        for place in places(event)
        if isinstance(place.type, type) and issubclass(place.type, Identifier | Enum)
    },
    key=lambda kind: kind.__name__,
)
_PATTERNED = sorted({_pattern(m) for e in OUTSIDE for p in places(e) if p.type is str for m in p.marks if _pattern(m)})


@pytest.mark.parametrize("person", [ADDRESS, NUMBER])
@pytest.mark.parametrize("kind", [*_IN_USE, *HARMLESS], ids=lambda kind: kind.__name__)
def test_a_vetted_type_refuses_a_person(kind: type, person: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_json(f'"{person}"')


@pytest.mark.parametrize("person", [ADDRESS, NUMBER])
@pytest.mark.parametrize("pattern", _PATTERNED)
def test_a_text_with_a_pattern_refuses_a_person(pattern: str, person: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)]).validate_python(person)


@pytest.mark.parametrize("person", [ADDRESS, NUMBER])
def test_every_identifier_there_is_refuses_a_person(person: str) -> None:
    def all_of(kind: type[Identifier]) -> Iterator[type[Identifier]]:
        for one in kind.__subclasses__():
            yield one
            yield from all_of(one)

    kinds = list(all_of(Identifier))
    assert len(kinds) > 20
    for kind in kinds:
        with pytest.raises(ValueError):
            kind.parse(person)


@pytest.mark.parametrize("kind", [Because, NonPersonalText, Slug], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "number",
    [
        "+49 170 1234567",
        "+491701234567",
        "0170/1234567",
        "0049 170 1234567",
        "(030) 123 45 67",
        "(212) 555-1234",
        "212-555-1234",
        "+1-212-555-1234",
        "01701234567",
        "+49 (0)170 1234567",
        "call 0170 1234567 now",
    ],
)
def test_a_telephone_number_is_refused_however_it_is_written(kind: type, number: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(number)


def test_a_refusal_does_not_quote_the_person() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Because).validate_python(NUMBER)

    [error] = refused.value.errors(include_input=False)
    assert NUMBER not in error["msg"]
    assert "belongs into the profile" in error["msg"]


@pytest.mark.parametrize(
    "sentence",
    [
        "the score is 42.500000: 25.000000 for size, 17.500000 for prices",
        "the clock first-response ran out at 2026-03-02 13:00 UTC, the lead is taken from mira",
        "between 2026-03-02 09:00:00 and 2026-03-02T17:00:00.123456Z",
        "offset 123456789 of lead 4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11.17",
        "the budget of 1,000,000 EUR is at least 10000",
        "open mon 09:00-17:00, 8 of 10 places taken",
        "version 12 is in force since 2026-03-02",
    ],
)
def test_a_reason_may_speak_of_points_times_and_ids(sentence: str) -> None:
    assert TypeAdapter(Because).validate_python(sentence) == sentence


@pytest.mark.parametrize(
    "text", ["spring-fair-2026-03-02", "50-1000", "10.000-50.000", "A1", "2026", "brand | search | 20261124"]
)
def test_a_senders_words_are_not_taken_for_numbers(text: str) -> None:
    assert not looks_personal(text)


def test_a_senders_text_may_not_hide_a_number_without_its_plus_but_an_advertisers_campaign_may_be_a_number() -> None:
    assert looks_personal("491701234567")
    assert not spells_phone_number("20147483647")


def test_a_currency_is_three_letters() -> None:
    assert TypeAdapter(CurrencyCode).validate_python("EUR") == "EUR"
