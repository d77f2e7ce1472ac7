"""What pydantic says of a document, in sentences for the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from schemas.agreement.calendars import WEEKDAYS
from schemas.agreement.conditions import TAGS
from schemas.agreement.findings import Finding
from schemas.agreement.reading import Document, Path, at, spell
from schemas.agreement.terms import CountedRule, Often, Recycle, ScoringRule

_TAGGED: Mapping[str, type[BaseModel] | None] = {
    **TAGS,
    "<recycle>": Recycle,
    "<rule>": ScoringRule,
    "<each>": CountedRule,
    "<often>": Often,
    "<kind>": None,
    "<word>": None,
    "<week>": None,
}

_REMEDIES: dict[str, tuple[str, str]] = {
    "bad_duration": ("Write a number with a unit: ms, s, m, h, d or w.", "4h, 90d, 1h30m"),
    "bad_time_span": (
        "Write it as HH:MM-HH:MM within one day, in quotes; two spans for what crosses midnight.",
        '["09:00-12:00", "13:00-17:00"]',
    ),
    "bad_stages": ("Name the lifecycle stages (mql, sal, sql) with starts_on: stage, and only there.", "starts_on: stage, stages: [sql]"),
    "endless_pause": ("Say when it ends.", "pauses: [{on: attempted, dispositions: [awaiting_reply], at_most: 3d}]"),
    "bad_giving_up": ("Ask for at most as many channels as attempts.", "giving_up: {attempts: 6, channels: 2, reasons: [no_answer]}"),
    "bad_breaks": ("Leave some time between them; who is never there does not belong into the roster.", 'breaks: {mon-fri: "12:00-13:00"}'),
    "bad_closure": ("Write a day, or the first and the last day with a slash.", '["2026-12-24/2027-01-01"]'),
    "bad_weekday": ("Use mon, tue, wed, thu, fri, sat, sun, or a range, each day once.", 'mon-fri: ["09:00-17:00"]'),
    "bad_zone": ("Use a name of the IANA time zone database.", "zone: Europe/Berlin"),
    "never_open": ("Give at least one day a span, or say open: always.", 'open: {mon-fri: ["09:00-17:00"]}'),
    "unknown_country": (
        "Use an ISO 3166 code that the holidays package knows.",
        "holidays: {country: DE, subdivision: BE}",
    ),
    "unknown_condition": (
        "Use one of all, any, not, attribute, engagement, touched_by, score, fit, points_of_engagement, grade, source, "
        "country, existing_customer.",
        "{attribute: employees, at_least: 50}",
    ),
    "no_test": ("Say what it is to be compared with.", "{attribute: employees, at_least: 50}"),
    "bad_step": ("Take share away, or say on: warned.", "{on: warned, share: 0.5, to: [rep]}"),
    "bad_channel": ("Give it a url or a duty, and out_of_hours only with hours.", 'url: "${LEADLOOP_MANAGERS_URL}"'),
    "bad_since": ("Leave the offset out; zone says whose wall clock it is.", 'since: "2026-01-05T09:00"'),
    "bad_number": ("Write a plain number.", "points: 25"),
    "bad_url": ("Write an address that begins with https://, without a name or password in it.", "url: https://example.com/guide"),
    "bad_amount": ("Write a positive amount with at most two decimals.", '{amount: "120.00", currency: EUR}'),
    "bad_share": ("Write a number above 0 and at most 1.", "acceptance_rate: 0.7"),
    "bad_choices": (
        "Give choices for the type choice, and for no other type.",
        "{type: choice, choices: [demo, pricing]}",
    ),
}

_TYPES = {
    "string_type": ("a word", "a word"),
    "int_type": ("a whole number", "a whole number"),
    "int_parsing": ("a whole number", "a whole number"),
    "int_from_float": ("a whole number", "a whole number"),
    "bool_type": ("true or false", "true or false"),
    "bool_parsing": ("true or false", "true or false"),
    "float_type": ("a number", "a number"),
    "float_parsing": ("a number", "a number"),
    "dict_type": ("a section with keys", "keys with values"),
    "mapping_type": ("a section with keys", "keys with values"),
    "tuple_type": ("a list", "a list in brackets"),
    "list_type": ("a list", "a list in brackets"),
    "model_type": ("a section with keys", "keys with values"),
    "model_attributes_type": ("a section with keys", "keys with values"),
    "date_type": ("a date", "a date as 2026-12-24"),
    "date_parsing": ("a date", "a date as 2026-12-24"),
    "date_from_datetime_inexact": ("a date without a time", "a date as 2026-12-24"),
    "date_from_datetime_parsing": ("a date", "a date as 2026-12-24"),
    "decimal_type": ("a number", "a number"),
}


def explain_all(model: type[BaseModel], error: ValidationError, document: Document) -> Iterator[Finding]:
    """One finding for each error, none for the same piece twice."""
    done: set[tuple[Path, str]] = set()
    for item in error.errors(include_url=False, include_context=True, include_input=True):
        path = as_written(tuple(step for step in item["loc"] if step not in _TAGGED and step != "[key]"), document)
        finding = _explain(model, item, path, document)
        if (path, finding.code) not in done and not _follows(path, done):
            done.add((path, finding.code))
            yield finding


def as_written(path: Path, document: Document) -> Path:
    """The path with each weekday as its author wrote it, such as mon-fri."""
    for i, step in enumerate(path):
        around = at(document.data, path[:i]) if step in WEEKDAYS else None
        if isinstance(around, dict) and step not in around:
            written = next((key for key in around if step in _range(key)), step)
            path = (*path[:i], written, *path[i + 1 :])
    return path


def _range(key: str) -> tuple[str, ...]:
    first, _, last = key.partition("-")
    known = first in WEEKDAYS and last in WEEKDAYS
    return WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last) + 1] if known else ()


def _follows(path: Path, done: set[tuple[Path, str]]) -> bool:
    """Members of one untagged union fail together; the first says enough."""
    return any(len(path) >= len(p) > 1 and path[: len(p)] == p for p, code in done if code == "wrong_type")


def _explain(model: type[BaseModel], item: Any, path: Path, document: Document) -> Finding:
    kind, ctx, here = item["type"], item.get("ctx") or {}, document.line(path)
    key = spell(path[-2:]) if path and isinstance(path[-1], int) else str(path[-1]) if path else "the file"
    value = _shown(item.get("input"))

    def finding(code: str, message: str, remedy: str, example: str = "") -> Finding:
        return Finding("error", code, spell(path), here, message, remedy, example)

    if kind == "extra_forbidden" and " " in key and item.get("input") is None:
        return finding("unknown_key", f"nobody knows the key {key} here.", "Put a text with a comma in quotes.")
    if kind == "extra_forbidden":
        return finding(
            "unknown_key", f"nobody knows the key {key} here.", *_allowed(key, sorted(_keys(model, item["loc"])))
        )
    if kind == "missing" and len(path) == 1:
        return finding(
            "missing_section",
            f"the section {key} is missing.",
            "Add it; deploy/agreements/default.yaml shows how.",
            f"{key}:",
        )
    if kind == "missing":
        return finding("missing_key", f"the key {key} is missing.", f"Add {key}.", f"{key}: …")
    if kind in ("enum", "literal_error"):
        words = [w.strip().strip("'") for w in str(ctx.get("expected", "")).replace(" or ", ", ").split(",")]
        return finding("bad_value", f"{value} is no value of {key}.", *_allowed(str(item.get("input")), words))
    if kind == "unknown_condition" and isinstance(item.get("input"), dict):
        meant = next((s for k in item["input"] if (s := suggestion(str(k), [tag[1:-1] for tag in TAGS]))), None)
        if meant is not None:
            return finding(kind, "this is no condition.", f"Did you mean {meant}?", meant)
    if kind in _REMEDIES:
        return finding(kind, f"{item['msg']}.", *_REMEDIES[kind])
    if kind in _TYPES:
        is_what, write = _TYPES[kind]
        return finding("wrong_type", f"{value} is not {is_what}.", f"Write {write} for {key}.")
    if kind in ("string_pattern_mismatch", "string_too_long"):
        return finding(
            "bad_text",
            f"{value} cannot stand here.",
            "Write one short line without @; ids take letters, digits, dots, dashes and underscores.",
        )
    if kind == "value_error" and "names no person" in str(item["msg"]):
        return finding(
            "personal_text",
            f"{key} holds what looks like an e-mail address or telephone number.",
            "Leave it out: the agreement is in the log for ever and names no person.",
        )
    if kind in ("too_short", "string_too_short"):
        return finding("empty", f"{key} is empty.", f"Give {key} at least one entry, or leave the whole entry out.")
    return finding("bad_value", f"{value} cannot stand here: {item['msg'].lower()}.", f"Correct {key}.")


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list | tuple):
        return "a list"
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 60 else text[:59] + "…")


def suggestion(word: str, known: list[str]) -> str | None:
    """The known word that was probably meant."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), None)


def _allowed(word: str, known: list[str]) -> tuple[str, str]:
    meant = suggestion(word, known)
    if meant is not None:
        return f"Did you mean {meant}?", meant
    return (f"Use one of {', '.join(known[:20])}.", known[0]) if known else ("Remove it.", "")


def _keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> set[str]:
    """The keys that the piece around the last step of `loc` takes."""
    current: Any = model
    keyed = False
    for step in loc[:-1]:
        if isinstance(step, int) or keyed:
            keyed = False
        elif step in _TAGGED:
            current = _TAGGED[step]
        elif isinstance(current, type) and issubclass(current, BaseModel):
            field = next((f for n, f in current.model_fields.items() if step in (n, f.alias)), None)
            keyed = field is not None and get_origin(field.annotation) is Mapping
            current = _inside(field.annotation) if field is not None else None
    if not (isinstance(current, type) and issubclass(current, BaseModel)):
        return set()
    return {f.alias or n for n, f in current.model_fields.items()}


def _inside(annotation: Any) -> Any:
    """The model in an annotation such as Mapping[PoolId, Pool] or tuple[Clock, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is Annotated:
        return _inside(get_args(annotation)[0])
    for part in get_args(annotation):
        found = _inside(part)
        if found is not None:
            return found
    return None
