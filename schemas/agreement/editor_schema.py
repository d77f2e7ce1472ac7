"""The JSON Schema of an agreement file, for editors: generated from the models, put as people write the file.

`python -m schemas.agreement.editor_schema` writes it to deploy/agreements/agreement.schema.json. It knows shapes and
words; what the pieces must be to each other is said by `check`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.agreement.calendars import WEEKDAYS
from schemas.agreement.conditions import TAGS
from schemas.agreement.terms import Terms

FILE = Path(__file__).parents[2] / "deploy" / "agreements" / "agreement.schema.json"

_LENGTH = {
    "type": "string",
    "pattern": "^([0-9]{1,9}(ms|w|d|h|m|s))+$",
    "description": "A length of time: a number with a unit (ms, s, m, h, d, w), such as 4h, 90d or 1h30m.",
}
_SPAN = {
    "type": "string",
    "pattern": "^ *[0-2][0-9]:[0-5][0-9] *- *[0-2][0-9]:[0-5][0-9] *$",
    "description": "A span within one day: HH:MM-HH:MM.",
}
_DAY = "(" + "|".join(WEEKDAYS) + ")"
_ONE_OR_MORE = ("OneOfGrades", "OneOfCountries", "TouchedBy")
_SECTIONS = {
    "name": "The agreement's name; its versions are counted by it.",
    "title": "What the two departments call it.",
    "attributes": "What a submission may say of a lead. Only what is not personal may be asked for by rules.",
    "engagements": "What a prospect can be seen doing.",
    "intake": "What counts as the same submission.",
    "forms": "Forms by name, with what each says of every lead.",
    "scoring": "Points for who a lead is (fit) and what it does (engagement).",
    "definition": "What is qualified: the first rule that holds gives the verdict; the last has no when.",
    "stages": "Buying stages; a lead is in the first that holds.",
    "teams": "Teams by name. Who is in them is the roster's.",
    "pools": "Pools by name: to whom leads go.",
    "routing": "Which pool a lead goes to: the first rule of its role that holds.",
    "owners": "Who has the lead or its company already comes first, if he can take it.",
    "undo_within": "So long an action can be undone.",
    "calendars": "When promises run.",
    "clocks": "Promises with a deadline, for every assignment.",
    "detected_late": "What follows for clocks that fell due while the service was down.",
    "giving_up": "How often a lead must have been tried before it is given up for some reasons.",
    "reasons": "Reasons that people may give, and what follows.",
    "learning": "What is learned from outcomes, and whether it counts.",
    "recycling": "How often and how long leads go round.",
    "channels": "Where alerts go: apprise URLs (${NAME} is taken from the environment) or rotas; their hours, and what comes next.",
    "to_reps": "How a rep is told by an escalation: how much at once, how often, in which words.",
    "templates": "The words of messages, with what of the person they may say.",
    "alerts": "Who is told of what.",
    "escalations": "Who is told while a lead stays unworked: steps after a clock's warnings and its breach.",
    "forecasts": "Who is told of clocks that will probably be breached, and from which probability on.",
    "tools": "Which tools of reps hear of leads: webhooks, CRMs, and notices to the rep.",
    "content": "What to show prospects, by buying stage.",
    "goals": "What each department promises, and the revenue that they share.",
}


def editor_schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    schema = _as_written(Terms.model_json_schema(by_alias=True, mode="validation"))
    parts = schema["$defs"]
    parts["Condition"] = {
        "description": "A condition: one of " + ", ".join(tag[1:-1] for tag in TAGS) + ".",
        "anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in TAGS.values()] + [{"const": "always"}],
    }
    parts["OpenSpan"] = _SPAN
    week = {"anyOf": [{"type": "array", "items": _SPAN}, _SPAN]}
    parts["Calendar"]["properties"]["open"] = {
        "anyOf": [
            {"const": "always"},
            {"type": "object", "patternProperties": {f"^{_DAY}(-{_DAY})?$": week}, "additionalProperties": False},
        ]
    }
    for name in _ONE_OR_MORE:
        for field, many in parts[name]["properties"].items():
            parts[name]["properties"][field] = {"anyOf": [many, many["items"]]}
    for section, description in _SECTIONS.items():
        schema["properties"][section]["description"] = description
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "leadloop agreement",
        "description": "What marketing and sales have agreed on: one file, approved by both.",
    }


def editor_schema_text() -> str:
    """The schema as it stands in the file."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"


def _as_written(value: Any) -> Any:
    """A generated schema in the words of the file: lengths as 4h, conditions by one name, no titles made of names."""
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("format") == "duration":
        return {**_LENGTH, **{k: v for k, v in value.items() if k == "default"}}
    if _lists_conditions(value):
        return {"$ref": "#/$defs/Condition"}
    out = {k: _as_written(v) for k, v in value.items() if not (k == "title" and isinstance(v, str))}
    if out.get("type") == "array" and "minLength" in out:
        out["minItems"] = out.pop("minLength")
    if isinstance(out.get("description"), str):
        out["description"] = " ".join(out["description"].split())
    return out


def _lists_conditions(value: Mapping[str, Any]) -> bool:
    alternatives = value.get("oneOf")
    return isinstance(alternatives, list) and {"$ref": "#/$defs/Not"} in alternatives


if __name__ == "__main__":
    FILE.write_text(editor_schema_text(), encoding="utf-8")
    sys.stdout.write(f"{FILE} is written\n")
