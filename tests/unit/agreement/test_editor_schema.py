"""The JSON Schema for editors: current, and of one mind with the check about every sample and every wrong shape."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.agreement import check
from schemas.agreement.editor_schema import FILE, editor_schema, editor_schema_text
from schemas.agreement.reading import read

ROOT = Path(__file__).parents[3]
SAMPLES = sorted(p for p in (ROOT / "deploy" / "agreements").glob("*.yaml") if not p.stem.endswith("-roster"))
VALIDATOR = Draft202012Validator(editor_schema())


def data_of(path: Path) -> Any:
    """What an editor sees: YAML's decimals as numbers."""
    return _plain(read(path.read_text()).data)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, str | bool | int) else float(value)


def test_the_file_for_editors_is_current() -> None:
    assert FILE.read_text() == editor_schema_text(), "run: python -m schemas.agreement.editor_schema"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(editor_schema())


@pytest.mark.parametrize("path", [*SAMPLES, ROOT / "tests" / "chaos" / "agreement.yaml"], ids=lambda p: p.stem)
def test_every_sample_is_valid(path: Path) -> None:
    assert [e.message for e in VALIDATOR.iter_errors(data_of(path))] == []


@pytest.mark.parametrize("name", ["software", "school"])
def test_the_samples_name_the_schema_for_editors(name: str) -> None:
    first = (ROOT / "deploy" / "agreements" / f"{name}.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={FILE.name}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("definition", 0, "verdict"), "qualifed"),
        (("clocks", 0, "within"), "4 hours"),
        (("clocks", 0, "within"), 4),
        (("scoring", "fit", 0, "points"), "many"),
        (("scoring", "fit", 0, "when"), {"atribute": "employees"}),
        (("scoring", "engagement", 2, "each"), 3),
        (("calendars", "berlin", "open"), {"someday": ["09:00-10:00"]}),
        (("content", 0, "because"), "unknown here"),
        (("goals", "marketing", "acceptance_rate"), "most"),
        (("stages",), "awareness"),
    ],
)
def test_a_wrong_shape_is_wrong_for_the_editor_and_for_the_check(path: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(data_of(ROOT / "deploy" / "agreements" / "software.yaml"))
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not VALIDATOR.is_valid(data)
    assert any(f.severity == "error" for f in check(_yaml(data)))


def _yaml(data: Any) -> str:
    """JSON is YAML."""
    return json.dumps(data)
