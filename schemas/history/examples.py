"""A complete, readable example of every event: every field filled, made from the model's own JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from schemas.base import Event
from schemas.wire import encode

Schema = Mapping[str, Any]

_LEAD = "4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"
_BY_NAME: dict[str, Any] = {
    "lead_id": _LEAD,
    "survivor": "9b1c7a60-2f4d-5b8e-8c3a-7d6e5f4a3b2c",
    "submission_id": "0d6c1b52-9a3e-5f47-8b21-6e5d4c3b2a19",
    "request_id": f"{_LEAD}.17",
    "assignment_id": f"{_LEAD}.17",
    "clock_id": f"{_LEAD}.17.first-response.18",
    "alert_id": f"{_LEAD}.17.first-response.18.breached.managers",
    "event_id": "sla.Yk3Zp0.3.41.0",
    "rep_id": "mira",
    "manager_id": "tom",
    "owner": "mira",
    "team_id": "sales",
    "pool_id": "inbound",
    "to_role": "ae",
    "role": "sdr",
    "recipient": "managers",
    "rule": "size",
    "clock": "first-response",
    "calendar": "office",
    "agreement": "default",
    "reason": "no_budget",
    "stream": "budget",
    "stage": "consideration",
    "channel": "phone",
    "medium": "cpc",
    "utm_source": "search",
    "campaign": "spring-fair-2026",
    "disposition": "no answer",
    "kind": "pricing_viewed",
    "engagement": "pricing_viewed",
    "purpose": "newsletter",
    "system": "crm",
    "form": "demo",
    "asset": "price-list",
    "term": "lead routing",
    "because": "the company has at least 50 people",
    "email": "jane.doe@example.com",
    "phone": "+491701234567",
    "company": "Example Ltd",
    "message": "Please call me back.",
    "text": "Wants to see the second edition first.",
    "processor": "routing.lead",
    "topic": "leads",
    "event_type": "leadloop.LeadScored.v1",
    "error": "ValidationError",
    "action": "accept",
    "score": "42.500000",
    "points": "25.000000",
    "amount": "1200.00",
    "currency": "EUR",
    "country": "DE",
    "grade": "B2",
    "sealed": "c2VhbGVk",
    "signature": "5f" * 64,
    "approved_by": "mira",
    "proposed_by": "mira",
    "published_by": "tom",
    "registered_by": "tom",
    "external_ids value": "0061t00000Ab12",
    "attributes value": "120",
    "excluded": "tom",
    "wakes_on": "pricing_viewed",
    "wakes_on_campaigns": "spring-fair",
    "wakes_from_score": "60.000000",
    "first": "2026-08-03",
    "last": "2026-08-14",
    "zone": "Europe/Berlin",
    "domains": "example.com",
    "account_id": "0015g00000XyZ12",
    "opportunity_id": "0065g00000XyZ34",
    "owners": "mira",
    "skills": "de",
    "start": 720,
    "end": 780,
    "days": 4,
    "per": "day",
    "cycle": 1,
    "key": _LEAD,
}
_KEYS = {
    "attributes": "employees",
    "consent": "newsletter",
    "external_ids": "crm",
    "pools": "inbound",
    "weights": "size",
}
_BY_SHAPE: tuple[str, ...] = (
    "inbound",
    _LEAD,
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "EUR",
    "DE",
    "sla.Yk3Zp0.3.41.0",
)
_BY_FORMAT = {"date-time": "2026-03-02T09:30:00Z", "duration": "PT1H", "base64": "c2VhbGVk"}


def example(event: type[Event]) -> Event:
    """An instance with every field filled. Raises ValueError if a field's shape has no example: add its name above."""
    schema = event.model_json_schema()
    return event.model_validate_json(orjson.dumps(_value(schema, schema.get("$defs", {}), event.__name__)))


def example_json(event: type[Event]) -> str:
    """The example as it travels, indented."""
    content = orjson.loads(encode(example(event)))
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n"


def _value(schema: Schema, defs: Schema, name: str) -> Any:
    if "$ref" in schema:
        return _value(defs[schema["$ref"].removeprefix("#/$defs/")], defs, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _BY_NAME[name] if _BY_NAME.get(name) in schema["enum"] else schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            branches = [b for b in schema[union] if b.get("type") != "null"]
            texts = [b for b in branches if b.get("type") == "string"]
            return _value((texts if name in ("score", "points", "amount") and texts else branches)[0], defs, name)
    if schema.get("type") == "object":
        return _object(schema, defs, name)
    if schema.get("type") == "array":
        return _array(schema, defs, name)
    return _scalar(schema, name)


def _object(schema: Schema, defs: Schema, name: str) -> dict[str, Any]:
    if "patternProperties" in schema:
        [inner] = schema["patternProperties"].values()
        return {_KEYS.get(name, "inbound"): _value(inner, defs, f"{name} value")}
    if "properties" not in schema and isinstance(schema.get("additionalProperties"), dict):
        return {"inbound": _value(schema["additionalProperties"], defs, name)}
    return {field: _value(inner, defs, field) for field, inner in schema.get("properties", {}).items()}


def _array(schema: Schema, defs: Schema, name: str) -> list[Any]:
    if "prefixItems" in schema:
        return [_value(inner, defs, name) for inner in schema["prefixItems"]]
    return [_value(schema["items"], defs, name)]


def _scalar(schema: Schema, name: str) -> Any:
    kind = schema.get("type")
    if kind == "string":
        return _text(schema, name)
    if kind == "boolean":
        return True
    if kind == "integer":
        return max(int(_BY_NAME[name]) if isinstance(_BY_NAME.get(name), int) else 3, schema.get("minimum", 0))
    if kind == "number":
        return 0.5
    raise ValueError(f"no example for {name}: {dict(schema)}")


def _text(schema: Schema, name: str) -> str:
    if name == "name":
        return "default" if "pattern" in schema else "Jane Doe"
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    pattern = schema.get("pattern", "")
    for candidate in (_BY_NAME.get(name), *_BY_SHAPE):
        if isinstance(candidate, str) and re.search(pattern, candidate):
            return candidate
    raise ValueError(f"no example text for {name} of the shape {pattern}: name one in schemas/history/examples.py")
