"""`leadloop score`: the answer to tools, its exactness, and what it says of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SOFTWARE = ROOT / "deploy" / "agreements" / "software.yaml"
LEAD: dict[str, Any] = {
    "email": "someone@example.com",
    "attributes": {"employees": 60, "budget": "12000.50", "job_title": "Head of Sales"},
    "country": "DE",
    "source": {"campaign": "partner-day", "cost": {"amount": "3.00", "currency": "EUR"}},
    "submitted_at": "2026-02-20T10:00:00Z",
    "engagements": [
        {"kind": "pricing_viewed", "at": "2026-02-15T00:00:00+01:00"},
        {"kind": "page_viewed", "occurred_at": "2026-02-22T00:00:00Z", "quantity": 2},
        {"kind": "pricing_viewed", "at": "2026-04-01T00:00:00Z"},
    ],
}


def score(tmp_path: Path, lead: Any, *options: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "lead.json"
    file.write_text(lead if isinstance(lead, str) else json.dumps(lead))
    command = "from services.console.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, "score", "--agreement", str(SOFTWARE), "--lead", str(file), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


def test_the_answer_adds_up_and_names_what_is_missing(tmp_path: Path) -> None:
    done = score(tmp_path, LEAD, "--at", "2026-03-01T00:00:00+01:00", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert sum(Decimal(c["points"]) for c in answer["contributions"]) == Decimal(answer["score"])
    by_rule = {(c["rule"], c["points"]) for c in answer["contributions"]}
    assert {("prices", "12"), ("prices", "-6"), ("pages", "4"), ("partner", "5"), ("has-budget", "10")} <= by_rule
    assert (answer["verdict"], answer["stage"], answer["grade"]) == ("nurtured", "consideration", "B3")
    assert answer["to_qualify"]
    assert all(c.keys() == {"part", "rule", "points", "because"} for c in answer["contributions"])


def test_what_is_said_to_qualify_it_does(tmp_path: Path) -> None:
    answer = json.loads(score(tmp_path, LEAD, "--at", "2026-03-01T00:00:00Z", "--json").stdout)
    way = next(w for w in answer["to_qualify"] if w["changes"] == [{"engagement": "demo_requested", "times": 1}])
    more = {"kind": "demo_requested", "at": "2026-03-01T00:00:00Z"}
    changed = {**LEAD, "engagements": [*LEAD["engagements"], more]}
    after = score(tmp_path, changed, "--at", "2026-03-01T00:00:00Z", "--json")
    assert (json.loads(after.stdout)["verdict"], json.loads(after.stdout)["score"]) == ("qualified", way["score"])


def test_it_is_told_in_sentences(tmp_path: Path) -> None:
    done = score(tmp_path, LEAD, "--at", "2026-03-01T00:00:00Z")
    assert done.returncode == 0
    assert "faded since, by half every 14d: looked at prices" in done.stdout
    assert "it would be qualified with" in done.stdout


@pytest.mark.parametrize(
    ("lead", "options", "says"),
    [
        ("{", (), "is no JSON (line 1"),
        ("[1]", (), "the file"),
        ({"attributes": {"employes": 60}}, (), "did you mean employees?"),
        ({"attributes": {"employees": "many"}}, (), "attributes.employees is 'many': this is no number"),
        ({"attributes": {"employees": [1]}}, (), "write one value"),
        ({"attribute": {}}, (), "nobody knows attribute here"),
        ({"engagements": [{"kind": "price_viewed", "at": "2026-03-01T00:00:00Z"}]}, (), "did you mean pricing_viewed?"),
        ({"engagements": [{"kind": "page_viewed", "at": "2026-03-01T00:00:00"}]}, (), "0.at names no time zone"),
        ({"submitted_at": "2026-03-01"}, (), "submitted_at"),
        ({"submitted_at": "2026-03-02T00:00:00Z"}, ("--at", "2026-03-01T00:00:00Z"), "ask for a later --at"),
        ({}, ("--at", "2026-03-01T00:00:00"), "names no time zone: end it with Z"),
        ({}, ("--at", "soon"), "is no instant"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(tmp_path: Path, lead: Any, options: tuple[str, ...], says: str) -> None:
    done = score(tmp_path, lead, *options, "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
