"""`leadloop learn evaluate` as a person runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.learning.histories import made


def _written(folder: Path) -> Path:
    history, _ = made(2_500)
    lines = [",".join([*history.attributes, "outcome"])]
    lines += [
        ",".join([*map(str, row), "won" if won else "lost"]) for row, won in zip(history.rows, history.won, strict=True)
    ]
    file = folder / "leads <b>.csv"
    file.write_text("\n".join(lines))
    return file


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.console.main", "learn", "evaluate", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_answer_is_one_json_document_and_the_report_needs_nothing_else(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    words = ["--target", "outcome", "--positive", "won", "--train-share", "0.5", "--test-share", "0.4", "--delay", "5"]
    done = _run("--data", str(_written(tmp_path)), *words, "--exclude", "id", "--html", str(report), "--json")

    answer = json.loads(done.stdout)
    page = report.read_text()
    assert done.returncode == 0
    assert done.stderr == ""
    assert answer.keys() >= {"rows", "roc_auc", "pr_auc", "brier", "ece", "lift_10", "lift_20", "leaks", "learned"}
    assert (answer["rows"], answer["tested"], answer["leaks"], answer["learned"]) == (2_500, 1_000, [], True)
    assert page.count("<svg") == 6
    assert "interest" in page
    assert "<b>.csv" not in page
    assert not re.search(r"(src|href)=|url\(|https?://", page)


def test_shares_above_one_are_wrong_usage_and_a_missing_column_is_a_refusal(tmp_path: Path) -> None:
    file = str(_written(tmp_path))
    shares = ["--train-share", "0.8", "--test-share", "0.4"]
    wrong = _run("--data", file, "--target", "outcome", "--positive", "won", *shares)
    refused = _run("--data", file, "--target", "y", "--positive", "won", "--train-share", "0.5", "--test-share", "0.4")

    assert (wrong.returncode, refused.returncode) == (2, 1)
    assert "sum to more than 1" in wrong.stderr
    assert "has no column 'y'" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
