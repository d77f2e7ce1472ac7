"""docs/asyncapi.yaml says what the code says, and the AsyncAPI initiative's own parser understands it."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from schemas import asyncapi
from schemas.history.examples import example
from schemas.ids import EventId
from schemas.topics import REGISTRY, TOPICS
from schemas.wire import CausePosition, Envelope, new_trace

_VALIDATOR = Path(__file__).resolve().parents[2] / "deploy" / "asyncapi" / "validate.mjs"


def _validate(file: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip(
            "no node on the PATH: install Node.js 18 or newer to check docs/asyncapi.yaml with AsyncAPI's parser"
        )
    if not (_VALIDATOR.parent / "node_modules").exists():
        pytest.fail("AsyncAPI's parser is not installed: run `make setup`")
    return subprocess.run([node, str(_VALIDATOR), str(file)], capture_output=True, text=True, timeout=100, check=False)


def test_the_committed_document_is_current() -> None:
    assert asyncapi.FILE.read_text() == asyncapi.text(), (
        "docs/asyncapi.yaml is out of date: run `make schemas` and commit it"
    )


def test_the_parser_accepts_the_document_and_finds_every_topic_and_event() -> None:
    checked = _validate(asyncapi.FILE)

    assert checked.returncode == 0, checked.stderr
    understood = json.loads(checked.stdout)
    assert understood["version"] == "3.0.0"
    assert understood["channels"] == sorted(topic.name for topic in TOPICS)
    assert understood["messages"] == sorted(entry.event.type_name() for entry in REGISTRY)
    assert understood["operations"] == len(asyncapi.document()["operations"])
    assert "warning" not in checked.stderr


@pytest.mark.parametrize(
    ("path", "broken"),
    [
        (("channels", "leads", "messages", "LeadScored", "$ref"), "#/components/messages/Nowhere"),
        (("operations", "intakeSendsLeads", "action"), "shout"),
        (("components", "schemas", "LeadErased", "type"), "nonsense"),
    ],
)
def test_the_parser_refuses_a_broken_document(tmp_path: Path, path: tuple[str, ...], broken: Any) -> None:
    document = asyncapi.document()
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = broken
    file = tmp_path / "broken.yaml"
    file.write_text(json.dumps(document))

    assert _validate(file).returncode == 1


def test_operations_say_who_sends_and_who_receives() -> None:
    operations = asyncapi.document()["operations"]

    def events(operation: str) -> set[str]:
        return {message["$ref"].rsplit("/", 1)[1] for message in operations[operation]["messages"]}

    assert events("slaSendsLeads") >= {"ClockStarted", "ClockBreached"}
    assert "ClockBreached" in events("routingReceivesLeads")
    assert "ClockStarted" not in events("routingReceivesLeads")
    assert events("feedbackSendsLeads") == {"BreachForeseen", "RejectionContested"}
    assert {o["action"] for o in operations.values()} == {"send", "receive"}


def test_every_header_that_is_written_is_documented() -> None:
    [event] = [example(entry.event) for entry in REGISTRY if entry.event.__name__ == "LeadScored"]
    envelope = Envelope(
        EventId("e1"),
        event.type_name(),
        "/s",
        datetime(2026, 3, 2, tzinfo=UTC),
        "k",
        "c",
        new_trace("e1"),
        "w",
        "e0",
        CausePosition("s", 1, 0),
        "routing.lead",
        "e9",
        "void",
    )
    described = asyncapi.document()["components"]["messageTraits"]["cloudEvent"]["headers"]

    assert {name for name, _ in envelope.headers()} == set(described["properties"])


def test_the_file_is_plain_yaml() -> None:
    assert YAML(typ="safe").load(asyncapi.FILE.read_text())["asyncapi"] == "3.0.0"
