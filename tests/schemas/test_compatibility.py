"""The compatibility checker: what must fail fails with its sentence, what must pass passes, and pydantic agrees.

Each case is a model before and after. The verdict is checked twice: against what the case says, and against what
really happens when a reader of one decodes what a writer of the other writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, StringConstraints, ValidationError, create_model

from schemas.base import Event, Model
from schemas.history.compatibility import breaks, log_breaks, running_breaks
from schemas.history.frozen import schema_of
from schemas.ids import PoolId, RepId
from schemas.vocabulary import Slug


class Few(StrEnum):
    RED = "red"
    BLUE = "blue"


class Many(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Cat(Model):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Model):
    kind: Literal["dog"] = "dog"
    name: Slug


class DogWithAge(Model):
    kind: Literal["dog"] = "dog"
    name: Slug
    age: int


class Bird(Model):
    kind: Literal["bird"] = "bird"


CatOrDog = Annotated[Cat | Dog, Field(discriminator="kind")]
CatDogOrBird = Annotated[Cat | Dog | Bird, Field(discriminator="kind")]
CatOrOlderDog = Annotated[Cat | DogWithAge, Field(discriminator="kind")]

_REQUIRED = ...


@dataclass(frozen=True)
class Case:
    """A change of one event, and what the checker says of it: per direction the sentence's heart, or none."""

    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    log: str | None = None
    running: str | None = None
    examples: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = ()
    """Contents that a writer of before, and of after, may write: enough of them to show each break."""
    cautious: bool = False
    """The checker refuses although pydantic happens to manage."""


def field(kind: Any, default: Any = _REQUIRED) -> dict[str, Any]:
    return {"x": (kind, default)}


def change(name: str, before: Any, after: Any, examples: list[tuple[Any, Any]], **verdict: Any) -> Case:
    """A change of the type of one required field."""
    return Case(name, field(before), field(after), examples=tuple(({"x": b}, {"x": a}) for b, a in examples), **verdict)


CASES = [
    Case("nothing", field(int), field(int), examples=(({"x": 1}, {"x": 1}),)),
    Case("a field added with a default", {}, field(int, 0), examples=(({}, {"x": 1}),)),
    Case(
        "a field added without a default",
        {},
        field(int),
        log="the field was added without a default",
        examples=(({}, {"x": 1}),),
    ),
    Case(
        "a nullable field added without a default",
        {},
        field(int | None),
        log="the field was added without a default",
        examples=(({}, {"x": None}),),
    ),
    Case("a field with a default removed", field(int, 0), {}, examples=(({"x": 1}, {}),)),
    Case(
        "a field without a default removed",
        field(int),
        {},
        running="the field was removed and had no default",
        examples=(({"x": 1}, {}),),
    ),
    Case("a default taken away", field(int, 0), field(int), examples=(({"x": 1}, {"x": 1}),)),
    Case("a default given", field(int), field(int, 0), examples=(({"x": 1}, {"x": 1}),)),
    Case(
        "a field renamed",
        field(int),
        {"y": (int, ...)},
        log="it was renamed to y, and what stands under the old name is lost",
        running="the field was removed and had no default",
        examples=(({"x": 1}, {"y": 1}),),
    ),
    Case(
        "a field with a default renamed",
        field(int, 0),
        {"y": (int, 0)},
        log="it was renamed to y, and what stands under the old name is lost",
        examples=(({"x": 1}, {"y": 1}),),
        cautious=True,
    ),
    change("a type widened, int to float", int, float, [(1, 1.5)], running="its type was integer and is number"),
    change("a type narrowed, float to int", float, int, [(1.5, 1)], log="its type was number and is integer"),
    change(
        "a type changed, text to number",
        str,
        int,
        [("a", 1)],
        log="its type was string and is integer",
        running="its type was string and is integer",
    ),
    change(
        "a type changed, text to time",
        str,
        datetime,
        [("a", "2026-01-01T00:00:00Z")],
        log="its format was free and is date-time",
    ),
    change(
        "a type changed, time to duration",
        datetime,
        timedelta,
        [("2026-01-01T00:00:00Z", "PT1H")],
        log="its format was date-time and is duration",
        running="its format was date-time and is duration",
    ),
    change(
        "a scalar becomes a list",
        int,
        tuple[int, ...],
        [(1, [1])],
        log="its type was integer and is array",
        running="its type was integer and is array",
    ),
    change("it may be null now", int, int | None, [(1, None)], running="it may be null now"),
    change("it may no longer be null", int | None, int, [(None, 1)], log="it may no longer be null"),
    change("an enum value added", Few, Many, [("red", "green")], running="the value 'green' is new"),
    change("an enum value removed", Many, Few, [("green", "red")], log="the value 'green' was taken away"),
    change("a literal becomes an enum of the same", Literal["red", "blue"], Few, [("red", "blue")]),
    change(
        "an enum becomes a text", Few, str, [("red", "pink")], running="its type was one of 'red', 'blue' and is string"
    ),
    change(
        "a text becomes an enum", str, Few, [("pink", "red")], log="its type was string and is one of 'red', 'blue'"
    ),
    change(
        "a union member added",
        CatOrDog,
        CatDogOrBird,
        [({"kind": "cat", "lives": 7}, {"kind": "bird"})],
        running="'bird' is new in the union",
    ),
    change(
        "a union member removed",
        CatDogOrBird,
        CatOrDog,
        [({"kind": "bird"}, {"kind": "cat", "lives": 7})],
        log="'bird' is no member of the union any more",
    ),
    change(
        "a union member changed inside",
        CatOrDog,
        CatOrOlderDog,
        [({"kind": "dog", "name": "rex"}, {"kind": "dog", "name": "rex", "age": 3})],
        log="the field was added without a default",
    ),
    change(
        "a union that is not tagged grows",
        int | bool,
        int | bool | str,
        [(1, "a")],
        running="string is new in the union",
    ),
    change("a single type becomes a union", int, int | str, [(1, "a")], running="string is new in the union"),
    change(
        "members in another order",
        CatOrDog,
        Annotated[Dog | Cat, Field(discriminator="kind")],
        [({"kind": "cat", "lives": 1}, {"kind": "dog", "name": "rex"})],
    ),
    change(
        "a limit tightened",
        Annotated[int, Field(le=100)],
        Annotated[int, Field(le=10)],
        [(50, 5)],
        log="its maximum was 100 and is 10",
    ),
    change(
        "a limit loosened",
        Annotated[int, Field(le=10)],
        Annotated[int, Field(le=100)],
        [(5, 50)],
        running="its maximum was 10 and is 100",
    ),
    change("a limit set", int, Annotated[int, Field(ge=0)], [(-1, 1)], log="its minimum was free and is 0"),
    change("a limit lifted", Annotated[int, Field(ge=0)], int, [(1, -1)], running="its minimum was 0 and is free"),
    change(
        "a text may be longer",
        Annotated[str, StringConstraints(max_length=2)],
        Annotated[str, StringConstraints(max_length=3)],
        [("ab", "abc")],
        running="its maxLength was 2 and is 3",
    ),
    change(
        "a text must be shorter",
        Annotated[str, StringConstraints(max_length=3)],
        Annotated[str, StringConstraints(max_length=2)],
        [("abc", "ab")],
        log="its maxLength was 3 and is 2",
    ),
    change("a pattern set", str, PoolId, [("Not A Pool!", "inbound")], log="its pattern was free and is"),
    change(
        "a pattern changed",
        PoolId,
        Slug,
        [("inbound", "In Bound")],
        log="its pattern was",
        running="its pattern was",
        cautious=True,
    ),
    change("one id for another of the same shape", PoolId, RepId, [("inbound", "mira")]),
    change(
        "a list's items change",
        tuple[int, ...],
        tuple[str, ...],
        [([1], ["a"])],
        log="its type was integer and is string",
        running="its type was integer and is string",
    ),
    change(
        "a list becomes a row",
        tuple[int, ...],
        tuple[int, int],
        [([1, 2, 3], [1, 2])],
        log="it was a list of any length and is a fixed row of values",
        running="it was a list of any length and is a fixed row of values",
        cautious=True,
    ),
    change(
        "a row grows",
        tuple[int, int],
        tuple[int, int, int],
        [([1, 2], [1, 2, 3])],
        log="its minItems was 2 and is 3",
        running="its maxItems was 2 and is 3",
    ),
    change(
        "a map's values change",
        dict[PoolId, int],
        dict[PoolId, str],
        [({"a": 1}, {"a": "b"})],
        log="its type was integer and is string",
        running="its type was integer and is string",
    ),
    change(
        "a map's keys tighten",
        dict[str, int],
        dict[PoolId, int],
        [({"A B": 1}, {"a": 1})],
        log="its pattern was free and is",
    ),
    change(
        "a field added inside, with a default",
        Bird,
        create_model("Bird", __base__=Model, kind=(Literal["bird"], "bird"), wings=(int, 2)),
        [({"kind": "bird"}, {"kind": "bird", "wings": 2})],
    ),
    change(
        "a decimal becomes a number",
        Decimal,
        float,
        [("1.50", 1.5)],
        log="string is no member of the union any more",
        cautious=True,
    ),
]


def _event(fields: dict[str, Any]) -> type[Event]:
    return create_model("Changed", __base__=Event, **fields)


def _decodes(reader: type[Event], content: dict[str, Any]) -> bool:
    try:
        reader.model_validate(content, strict=False)
    except ValidationError:
        return False
    return True


def _by_name(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name.replace(" ", "_"))


@_by_name(CASES)
def test_the_verdict_is_the_expected_one_in_both_directions(case: Case) -> None:
    before, after = schema_of(_event(case.before)), schema_of(_event(case.after))
    for expected, found in ((case.log, log_breaks(before, after)), (case.running, running_breaks(before, after))):
        if expected is None:
            assert [b.what for b in found] == []
        else:
            assert any(expected in b.what for b in found), [b.what for b in found]


@_by_name(CASES)
def test_pydantic_agrees_with_the_verdict(case: Case) -> None:
    before, after = _event(case.before), _event(case.after)
    old, new = zip(*case.examples, strict=True)
    assert all(_decodes(before, content) for content in old)
    assert all(_decodes(after, content) for content in new)
    read_from_log = all(_decodes(after, content) for content in old)
    read_by_running = all(_decodes(before, content) for content in new)
    if case.log is None:
        assert read_from_log
    elif not case.cautious:
        assert not read_from_log
    if case.running is None:
        assert read_by_running
    elif not case.cautious:
        assert not read_by_running


def test_a_value_that_becomes_free_text_must_keep_the_limits_of_the_text() -> None:
    few, short, roomy = Few, Annotated[str, StringConstraints(max_length=3)], Annotated[str, StringConstraints(max_length=4)]
    before = schema_of(_event({"x": (few, ...)}))

    [broken] = log_breaks(before, schema_of(_event({"x": (short, ...)})))

    assert broken.what == "the value 'blue' is beyond its maxLength, 3"
    assert not log_breaks(before, schema_of(_event({"x": (roomy, ...)})))


_KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-100, 100)),
    (Annotated[int, Field(ge=0, le=9)], st.integers(0, 9)),
    (float, st.floats(-10, 10, allow_nan=False)),
    (bool, st.booleans()),
    (str, st.text(max_size=5)),
    (Annotated[str, StringConstraints(max_length=2)], st.text(max_size=2)),
    (PoolId, st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)),
    (Slug, st.from_regex(r"[A-Za-z][A-Za-z ]{0,5}", fullmatch=True)),
    (int | None, st.none() | st.integers(0, 5)),
    (Few, st.sampled_from(["red", "blue"])),
    (Many, st.sampled_from(["red", "blue", "green"])),
    (CatOrDog, st.sampled_from([{"kind": "cat", "lives": 1}, {"kind": "dog", "name": "rex"}])),
    (CatDogOrBird, st.sampled_from([{"kind": "cat", "lives": 1}, {"kind": "bird"}])),
    (tuple[int, ...], st.lists(st.integers(0, 5), max_size=3)),
    (dict[PoolId, int], st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 5))),
]
_FIELDS = st.dictionaries(
    st.sampled_from(["x", "y", "z"]), st.tuples(st.sampled_from(range(len(_KINDS))), st.booleans()), max_size=3
)
_DEFAULT: Any = None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=_FIELDS, after=_FIELDS, data=st.data())
def test_what_the_checker_lets_pass_is_always_read(before: Any, after: Any, data: st.DataObject) -> None:
    """Random pairs of models: a verdict without a break is a promise that every written content decodes."""

    def model(fields: Any) -> type[Event]:
        return _event({n: (_KINDS[k][0], _DEFAULT if optional else ...) for n, (k, optional) in fields.items()})

    def written(fields: Any) -> dict[str, Any]:
        return {n: data.draw(_KINDS[k][1]) for n, (k, _) in fields.items()}

    older, newer = model(before), model(after)
    if not log_breaks(schema_of(older), schema_of(newer)):
        assert _decodes(newer, written(before))
    if not running_breaks(schema_of(older), schema_of(newer)):
        assert _decodes(older, written(after))


def test_a_sentence_about_the_log_names_the_place_and_all_that_is_to_be_done() -> None:
    [found] = breaks(schema_of(_event({})), schema_of(_event({"reason": (str, ...)})))

    assert found.sentence("LeadRejected", 1) == (
        "LeadRejected.v1, reason: the field was added without a default, so records in the log could no longer be "
        "read. Take the change back, or set `version = 2` in LeadRejected, lift version 1 in "
        "schemas/history/upcasters.py and run `python -m schemas.history freeze`."
    )


def test_a_sentence_about_running_readers_names_the_place_and_all_that_is_to_be_done() -> None:
    [found] = breaks(schema_of(_event(field(Few))), schema_of(_event(field(Many))))

    assert found.sentence("LeadRejected", 1) == (
        "LeadRejected.v1, x: the value 'green' is new, so a process that still runs the version before could not "
        "read what is written. Take the change back, or let every reader run this version first and only then "
        "write it: `python -m schemas.history freeze --readers-first LeadRejected` records that."
    )


def test_a_break_deep_inside_is_named_by_its_path() -> None:
    inner = create_model("Inner", __base__=Model, reps=(tuple[Few, ...], ...))
    wider = create_model("Inner", __base__=Model, reps=(tuple[Many, ...], ...))
    [found] = breaks(schema_of(_event(field(inner))), schema_of(_event(field(wider))))

    assert found.where == "x.reps[]"


def test_a_keyword_that_the_checker_does_not_know_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(NotImplementedError, match="does not know the keyword not"):
        breaks(
            {"type": "object", "properties": {"x": {"not": {"type": "string"}}}},
            {"type": "object", "properties": {"x": {"type": "string"}}},
        )
