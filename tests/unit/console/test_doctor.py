"""The doctor says what is there, what is missing and what to do about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from services.console.broker.java import major_of
from services.console.doctor import Finding, diagnose, doctor
from services.console.installation import Installation

BARE = {"PATH": "/nonexistent", "HOME": "/nonexistent"}


def named(findings: list[Finding], subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


def test_the_python_that_runs_is_found(tmp_path: Path) -> None:
    assert sys.executable in named(diagnose(tmp_path), "Python").found


def test_a_machine_with_nothing_has_each_missing_thing_named_with_a_remedy(tmp_path: Path) -> None:
    findings = diagnose(tmp_path, BARE)
    for subject in ("Java", "Maven"):
        assert named(findings, subject).found == "none"
        assert named(findings, subject).remedy.startswith("install ")
    assert named(findings, "jars of Kafka").remedy == "run make setup"


def test_a_named_kafka_that_does_not_answer_is_missing(tmp_path: Path) -> None:
    findings = diagnose(tmp_path, {**BARE, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"})
    assert named(findings, "a broker").verdict == "missing"
    assert named(findings, "a broker").remedy == "start that Kafka or unset KAFKA_BOOTSTRAP_SERVERS"


def test_an_installation_that_does_not_run_is_told(tmp_path: Path) -> None:
    installation = Installation.open(tmp_path)
    assert named(diagnose(tmp_path), "installation").found == f"{installation.installation_id}: not running"


def test_a_damaged_installation_is_missing(tmp_path: Path) -> None:
    (tmp_path / "installation.json").write_text("{")
    assert named(diagnose(tmp_path), "installation").verdict == "missing"


def test_a_data_folder_below_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert named(diagnose(tmp_path / "data" / "folder"), "data folder").verdict == "missing"


def test_json_says_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = doctor(json=True, data_dir=tmp_path)
    told = [Finding(**document) for document in json.loads(capsys.readouterr().out)]
    assert status == (1 if any(finding.verdict == "missing" for finding in told) else 0)
    doctor(data_dir=tmp_path)
    table = capsys.readouterr().out
    assert all(finding.subject.split()[0] in table for finding in told)


@pytest.mark.parametrize(
    ("version", "major"), [("1.8.0_392", 8), ("11.0.22", 11), ("17", 17), ("17.0.15", 17), ("25-ea", 25)]
)
def test_the_major_number_of_a_java_is_read_from_every_form_of_version(version: str, major: int) -> None:
    assert major_of(version) == major
