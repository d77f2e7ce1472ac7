"""The engine replaces parts of Faust and aiokafka: when a pinned version changes, somebody reads those parts again."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

READ_FOR = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}
"""The versions that the engine was written against."""

STAND_INS = ("transport", "restore", "hosting", "sending", "fencing", "timers", "dead_letters", "cancellation")
"""Modules of services/runtime that say in their first lines which part of a library they stand in for, and why."""


@pytest.mark.parametrize(("package", "read_for"), READ_FOR.items())
def test_the_engine_was_written_for_the_version_that_is_installed(package: str, read_for: str) -> None:
    assert version(package) == read_for, (
        f"{package} is {version(package)} now, written for {read_for}: read again what the first lines of "
        f"services/runtime/{{{','.join(STAND_INS)}}}.py name, run `make chaos`, and then change READ_FOR in {__file__}"
    )


@pytest.mark.parametrize("package", READ_FOR)
def test_the_version_is_pinned_exactly(package: str) -> None:
    assert f"{package}=={READ_FOR[package]}" in (ROOT / "requirements.in").read_text().splitlines()


@pytest.mark.parametrize("module", STAND_INS)
def test_a_module_that_stands_in_for_a_library_says_for_which_part(module: str) -> None:
    doc = (ROOT / "services" / "runtime" / f"{module}.py").read_text().split('"""')[1]
    assert ".py" in doc
    assert any(word in doc for word in ("faust", "Faust", "aiokafka"))
