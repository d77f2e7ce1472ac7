"""AsyncAPI 3 of the whole language, generated from the registry and the models: `python -m schemas.asyncapi`.

Channels are topics, messages are events with their headers, operations are what each service sends and receives.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from schemas.base import Event
from schemas.history.examples import example_json
from schemas.topics import REGISTRY, TOPICS, Cleanup, Entry, Topic

FILE = Path(__file__).resolve().parent.parent / "docs" / "asyncapi.yaml"

_DESCRIPTION = """\
What leadloop's services say to one another, and what anybody may read. One log per lead: every fact about a lead,
whoever states it, stands in `leads` under the lead's key. An event takes effect at its own position if the life of the
lead allows it there; otherwise it is void, for every reader alike (docs/lifecycle.md). Personal data is in `profiles`
only. Records are CloudEvents 1.0 in Kafka's binary mode.
"""

_HEADERS: Mapping[str, tuple[str, bool]] = {
    "ce_specversion": ("CloudEvents' version: 1.0", True),
    "ce_id": ("The event's id, derived from its cause; unique with the source", True),
    "ce_type": ("The event's type with its version", True),
    "ce_source": ("Who says it: /leadloop/NAMESPACE/PROCESSOR", True),
    "ce_time": ("When it was said, in the log's time", True),
    "ce_subject": ("The record's key", True),
    "content-type": ("application/json", True),
    "traceparent": ("W3C trace context: one trace from the form post to the marketer's screen", True),
    "ce_correlationid": ("The lead's journey: the id of the event that began it", True),
    "ce_writer": ("Versions of code, time zones and holidays that said it", False),
    "ce_causationid": ("The id of the event that this answers", False),
    "ce_cause": ("source|offset|index of the record that this answers: how a repetition is known", False),
    "ce_for": ("The one processor that this is for; without it, everybody", False),
    "ce_replayof": ("The id of the dead letter that this appends anew", False),
    "ce_replayeffect": ("What the dead letter's event did to the lead's life at its first place", False),
}


def document() -> dict[str, Any]:
    """The AsyncAPI document as plain data."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "leadloop",
            "version": version("leadloop"),
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "Topics carry the installation's namespace before their name: NAMESPACE.leads.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "`leadloop up` prints it"}},
            }
        },
        "channels": {_camel(topic.name): _channel(topic) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {
            "messages": {entry.event.__name__: _message(entry) for entry in REGISTRY},
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
            "schemas": _schemas(),
        },
    }


def text() -> str:
    """The document as YAML, the same at every call."""
    yaml = YAML()
    yaml.width = 120
    yaml.default_flow_style = False
    yaml.representer.ignore_aliases = lambda *_: True
    out = io.StringIO()
    out.write("# Generated from schemas/ by `make schemas`; change the models, not this file.\n")
    yaml.dump(document(), out)
    return out.getvalue()


def write(file: Path = FILE) -> None:
    """Write the document."""
    file.write_text(text())


def _channel(topic: Topic) -> dict[str, Any]:
    retention = -1 if topic.retention is None else int(topic.retention.total_seconds() * 1000)
    kafka: dict[str, Any] = {
        "topicConfiguration": {"cleanup.policy": [topic.cleanup.value], "retention.ms": retention},
        "bindingVersion": "0.5.0",
    }
    if topic.partitions is not None:
        kafka["partitions"] = topic.partitions
    kept = "the newest record of a key is kept" if topic.cleanup is Cleanup.COMPACT else "every record is kept"
    if topic.retention is not None:
        kept = f"records are kept for {topic.retention.days} days"
    said = [entry for entry in REGISTRY if topic in entry.topics]
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.what} Keyed by {topic.key}; {kept}.",
        "messages": {e.event.__name__: {"$ref": f"#/components/messages/{e.event.__name__}"} for e in said},
        "bindings": {"kafka": kafka},
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """What each service sends and receives, a topic each."""
    services = dict.fromkeys([e.writer for e in REGISTRY] + sorted({r for e in REGISTRY for r in e.readers}))
    for service in services:
        for topic in TOPICS:
            here = [entry for entry in REGISTRY if topic in entry.topics]
            sent = [entry for entry in here if entry.writer == service]
            received = [entry for entry in here if service in entry.readers]
            for action, entries in (("send", sent), ("receive", received)):
                if entries:
                    yield (
                        f"{service}{action.title()}s{_camel(topic.name).title()}",
                        _operation(service, action, topic, entries),
                    )


def _operation(service: str, action: str, topic: Topic, entries: list[Entry]) -> dict[str, Any]:
    channel = f"#/channels/{_camel(topic.name)}"
    return {
        "action": action,
        "summary": f"{service} {'writes to' if action == 'send' else 'reads'} {topic.name}",
        "channel": {"$ref": channel},
        "tags": [{"name": service}],
        "messages": [{"$ref": f"{channel}/messages/{entry.event.__name__}"} for entry in entries],
    }


def _message(entry: Entry) -> dict[str, Any]:
    event = entry.event
    readers = ", ".join(sorted(entry.readers)) or "nobody yet"
    said = f"Said by {entry.writer} alone; read by {readers}."
    message: dict[str, Any] = {
        "name": event.type_name(),
        "title": event.__name__,
        "summary": said,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "examples": [{"name": "complete", "payload": YAML(typ="safe").load(example_json(event))}],
    }
    if description := _own_words(event):
        message["description"] = description
    return message


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": what} for name, (what, _) in _HEADERS.items()},
        "required": [name for name, (_, required) in _HEADERS.items() if required],
    }


def _schemas() -> dict[str, Any]:
    """The JSON Schema of every event and of every model inside one, by name."""
    found: dict[str, Any] = {}
    for entry in REGISTRY:
        schema = entry.event.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, inner in {**schema.pop("$defs", {}), entry.event.__name__: schema}.items():
            inner = _for_asyncapi(inner)
            if found.setdefault(name, inner) != inner:
                raise ValueError(f"two models are called {name}: rename one, for AsyncAPI knows them by their names")
    return dict(sorted(found.items()))


def _for_asyncapi(schema: Any) -> Any:
    """AsyncAPI's discriminator is the property's name alone."""
    if isinstance(schema, list):
        return [_for_asyncapi(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    out = {keyword: _for_asyncapi(inner) for keyword, inner in schema.items()}
    if isinstance(out.get("discriminator"), dict):
        out["discriminator"] = out["discriminator"]["propertyName"]
    return out


def _own_words(event: type[Event]) -> str | None:
    return " ".join(event.__doc__.split()) if "__doc__" in vars(event) and event.__doc__ else None


def _camel(name: str) -> str:
    return re.sub(r"-(\w)", lambda found: found[1].upper(), name)


if __name__ == "__main__":
    write()
    sys.stdout.write(f"written: {FILE.relative_to(FILE.parent.parent)}\n")
