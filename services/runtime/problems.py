"""What is said when a request cannot be served: RFC 9457 problem documents, each a sentence with place and remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS_SHOWN = 20


class Request(BaseModel):
    """The base of what people send in: strict, so that a misspelt field is named and never silently dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Problem(Exception):
    """A request that is answered by a problem document. `extra` becomes further members of the document."""

    def __init__(
        self, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers, self.extra = dict(headers or {}), extra


def document(problem: Problem, *, instance: str, trace_id: str) -> Response:
    """The HTTP answer to a problem."""
    content = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "trace_id": trace_id,
        **problem.extra,
    }
    return Response(orjson.dumps(content, default=str), problem.status, problem.headers, MEDIA_TYPE)


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem of a request that pydantic refused: one sentence a field, naming the field and the remedy."""
    first = errors[0]
    if first["type"] == "json_invalid":
        place = f" at character {first['loc'][1]}" if len(first["loc"]) > 1 else ""
        why = first.get("ctx", {}).get("error", "it cannot be read")
        return Problem(
            400, "The body is no JSON", f"The body is no JSON: {why}{place}; correct it there and send it again."
        )
    if tuple(first["loc"]) == ("path", "lead_id"):
        return Problem(
            404, "No such lead", "There is no lead of that id: check it; the answer to its submission named it."
        )
    sentences = [{"field": _field(e["loc"]), "message": _sentence(e)} for e in errors[:_MOST_ERRORS_SHOWN]]
    more = f" There are {len(errors) - 1} more." if len(errors) > 1 else ""
    return Problem(422, "The request does not hold what it must", sentences[0]["message"] + more, errors=sentences)


def _field(location: Sequence[str | int]) -> str:
    """`amount.currency` of ("body", "amount", "currency"); the body itself is called the body."""
    where, *path = location or ("body",)
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    if where == "body":
        return text or "the body"
    return text or str(where)


_KINDS = {"query": "query parameter", "path": "part of the path", "header": "header", "cookie": "cookie"}

_REMEDIES = {
    "missing": "is missing; add it",
    "extra_forbidden": "is not known here; check its spelling or leave it out",
    "string_type": "must be text; put it in quotation marks",
    "string_unicode": "is no valid Unicode text; send it as UTF-8",
    "string_too_long": "is too long; it takes at most {max_length} characters",
    "string_too_short": "is too short; it takes at least {min_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "decimal_parsing": 'must be a decimal number such as "12.00"',
    "decimal_type": 'must be a decimal number such as "12.00"',
    "decimal_max_digits": "has too many digits; it takes at most {max_digits}",
    "decimal_max_places": "has too many decimal places; it takes at most {decimal_places}",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object; write {{...}}",
    "model_type": "must be an object; write {{...}}",
    "model_attributes_type": "must be an object sent as JSON; write {{...}} and the header Content-Type: application/json",
    "list_type": "must be a list; write [...]",
    "tuple_type": "must be a list; write [...]",
    "too_long": "has too many entries; it takes at most {max_length}",
    "too_short": "has too few entries; it takes at least {min_length}",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "union_tag_not_found": "lacks the field that says which kind it is; add {discriminator}",
    "union_tag_invalid": "is of an unknown kind {tag}; use one of {expected_tags}",
    "datetime_parsing": "must be a time with its zone, such as 2026-03-01T09:30:00Z",
    "datetime_from_date_parsing": "must be a time with its zone, such as 2026-03-01T09:30:00Z",
    "datetime_type": "must be a time with its zone, such as 2026-03-01T09:30:00Z",
    "timezone_aware": "must say its time zone, such as 2026-03-01T09:30:00Z",
    "date_parsing": "must be a date such as 2026-03-01",
    "date_from_datetime_parsing": "must be a date such as 2026-03-01",
    "string_pattern_mismatch": "does not have the right shape; it must match {pattern}",
    "greater_than_equal": "is too small; it takes at least {ge}",
    "greater_than": "is too small; it takes more than {gt}",
    "less_than_equal": "is too large; it takes at most {le}",
    "less_than": "is too large; it takes less than {lt}",
    "uuid_parsing": "must be a UUID",
}


def _sentence(error: Mapping[str, Any]) -> str:
    field, place = _field(error["loc"]), error["loc"][0] if error["loc"] else "body"
    subject = "The body" if field == "the body" else f"The {_KINDS.get(str(place), 'field')} `{field}`"
    if error["type"] == "value_error":
        return f"{subject} is refused: {str(error['msg']).removeprefix('Value error, ')}."
    remedy = _REMEDIES.get(error["type"])
    if remedy is None:
        return f"{subject} is refused: {str(error['msg'])[:1].lower()}{str(error['msg'])[1:]}; correct it."
    return f"{subject} {remedy.format_map(_Known(error.get('ctx') or {}))}."


class _Known(dict[str, Any]):
    """Fields of a message; what pydantic does not tell is left out rather than failing the answer."""

    def __missing__(self, key: str) -> str:
        return "what the documentation says"
