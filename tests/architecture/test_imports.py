"""Who may import whom: import-linter's contracts in pyproject.toml hold, and a breach of each would be found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

_ROOT = Path(__file__).resolve().parents[2]
_LINTER = Path(sys.executable).with_name("lint-imports")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_LINTER), "--no-cache", "--config", str(folder / "pyproject.toml")],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_contracts_hold() -> None:
    linted = _lint(_ROOT)

    assert linted.returncode == 0, linted.stdout
    assert "0 broken" in linted.stdout


_BREACHES = {
    "The published language imports nothing of ours": ("schemas/ids.py", "import services.runtime.protocol"),
    "A service never imports another one": ("services/sla/state.py", "import services.scoring.state"),
    "The runtime imports schemas and no service": ("services/runtime/settings.py", "import services.sla.state"),
    "The published language touches no broker, clock, chance or log": ("schemas/lifecycle.py", "import time"),
    "What decides, and all that it needs, touches no broker, clock, chance or log": (
        "services/sla/deadlines.py",
        "import random",
    ),
    "YAML is read in one place, and written in one": ("schemas/agreement/conditions.py", "import ruamel.yaml"),
    "Only the runtime knows Faust": ("services/alerting/sender.py", "import faust"),
}


@pytest.mark.parametrize("contract", _BREACHES)
def test_a_breach_of_a_contract_is_found(contract: str, tmp_path: Path) -> None:
    for package in ("schemas", "services"):
        shutil.copytree(
            _ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    file, line = _BREACHES[contract]
    with (tmp_path / file).open("a") as module:
        module.write(f"\n{line}\n")

    linted = _lint(tmp_path)

    assert linted.returncode == 1, linted.stdout
    assert f"{contract} BROKEN" in " ".join(linted.stdout.split())


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("schemas", "services", cache_dir=None)


def _decide_rooms(graph: grimp.ImportGraph) -> list[str]:
    return sorted(module for module in graph.modules if module.startswith("services.") and module.endswith(".decide"))


def test_every_processing_service_has_a_room_that_decides(graph: grimp.ImportGraph) -> None:
    services = {room.split(".")[1] for room in _decide_rooms(graph)}

    assert services >= {"scoring", "routing", "sla", "recycling", "alerting"}


def test_what_decides_needs_nothing_of_the_runtime_but_the_protocol(graph: grimp.ImportGraph) -> None:
    needed = {
        (room, module)
        for room in _decide_rooms(graph)
        for module in graph.find_upstream_modules(room)
        if module.startswith("services.runtime.") and module != "services.runtime.protocol"
    }

    assert needed == set()


def test_every_contract_has_a_breach_that_shows_it() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    named = [contract["name"] for contract in project["tool"]["importlinter"]["contracts"]]

    assert sorted(named) == sorted(_BREACHES)
