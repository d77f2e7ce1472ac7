"""What decides is a pure function of the log: no clock, no chance, no environment, nothing that differs by process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

_ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = {
    "datetime.now": "time is the log's: use context.now",
    "datetime.utcnow": "time is the log's: use context.now",
    "datetime.today": "time is the log's: use context.now",
    "date.today": "time is the log's: use context.now",
    "uuid1": "ids are derived from the cause",
    "uuid4": "ids are derived from the cause",
    "hash": "it differs from process to process: use hashlib",
    "id": "it differs from process to process",
    "open": "what decides reads nothing but the log",
    "print": "what decides says nothing but events",
    "input": "what decides reads nothing but the log",
    "eval": "rules are data",
    "exec": "rules are data",
}
FORBIDDEN_ROOTS = {"random", "time", "secrets", "os", "logging"}


def _pure_modules() -> list[str]:
    """All rooms that decide, the engine's step, and everything of ours that they need."""
    graph = grimp.build_graph("schemas", "services", cache_dir=None)
    rooms = [m for m in graph.modules if m.startswith("services.") and m.endswith(".decide")]
    rooms += ["services.runtime.protocol", "services.runtime.step", "schemas.lifecycle"]
    return sorted({m for room in rooms for m in (room, *graph.find_upstream_modules(room))})


def _file(module: str) -> Path:
    path = _ROOT / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def breaches(source: str) -> Iterator[str]:
    """Every call in `source` that a pure function may not make, with its line and the remedy."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        for forbidden, remedy in FORBIDDEN.items():
            if name == forbidden or name.endswith(f".{forbidden}"):
                if "." not in forbidden and "." in name and forbidden not in ("uuid1", "uuid4"):
                    continue  # a method that happens to be called `id` or `open`
                yield f"line {node.lineno}: {name}(): {remedy}"
        if "." in name and name.split(".")[0] in FORBIDDEN_ROOTS:
            yield f"line {node.lineno}: {name}(): what decides has no clock, no chance and no environment"


@pytest.mark.parametrize("module", _pure_modules())
def test_a_module_that_decides_is_pure(module: str) -> None:
    assert list(breaches(_file(module).read_text())) == []


@pytest.mark.parametrize(
    "impure",
    [
        "datetime.now(UTC)",
        "datetime.datetime.now()",
        "dt.date.today()",
        "uuid.uuid4()",
        "uuid4()",
        "random.choice(x)",
        "time.time()",
        "hash(name)",
        "sorted(x, key=lambda y: hash(y))",
        "os.environ.get('X')",
        "open('f')",
        "print(1)",
    ],
)
def test_an_impure_call_is_found(impure: str) -> None:
    assert list(breaches(f"def decide(state, event, context):\n    return {impure}\n"))


@pytest.mark.parametrize(
    "pure", ["context.now", "uuid.uuid5(n, s)", "timedelta(hours=1)", "agreement.open(x)", "time(9, 30)"]
)
def test_a_pure_call_is_let_pass(pure: str) -> None:
    assert not list(breaches(f"def decide(state, event, context):\n    return {pure}\n"))


def test_the_walk_reaches_the_rules_and_the_language() -> None:
    modules = set(_pure_modules())

    assert {
        "services.sla.deadlines",
        "services.alerting.by_recipient.pacing",
        "schemas.vocabulary",
        "schemas.wire",
    } <= modules
