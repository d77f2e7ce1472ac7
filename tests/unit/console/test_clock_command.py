"""`leadloop clock`: the answer to tools, whose hours it goes by, and what it says of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from services.console.main import app
from services.console.terminal import Refused
from tests.builders import TERMS

ROOT = Path(__file__).parents[3]
CLOCKS: list[dict[str, Any]] = [
    {"id": "office", "met_by": ["accepted"], "within": "4h", "calendar": "berlin", "warn_at": [0.5]},
    {"id": "own", "met_by": ["accepted"], "within": "4h", "calendar": "berlin", "calendar_of": "rep"},
    {"id": "team", "met_by": ["accepted"], "within": "4h", "calendar": "berlin", "calendar_of": "team"},
    {"id": "there", "met_by": ["accepted"], "within": "4h", "calendar": "there"},
]
HOURS = {"mon-fri": ["09:00-12:00", "13:00-17:00"]}
CALENDARS = {
    "berlin": {"zone": "Europe/Berlin", "open": HOURS, "holidays": {"country": "DE", "subdivision": "BE"}},
    "new-york": {"zone": "America/New_York", "open": {"mon-fri": ["09:00-17:00"]}},
    "there": {"zone": "Europe/Berlin", "zone_of": "prospect", "open": {"mon-fri": ["09:00-17:00"]}},
}
REPS = [
    {"id": "anna", "team": "sales", "pools": {"inbound": 1}, "calendar": "new-york", "breaks": {"mon": "12:00-13:00"}},
    {
        "id": "ben",
        "team": "sales",
        "pools": {"inbound": 1},
        "calendar": "berlin",
        "leave": [{"first": "2026-03-02", "last": "2026-03-03"}],
    },
]
MONDAY = "2026-03-02T15:00:00+01:00"


@pytest.fixture
def agreement(tmp_path: Path) -> Path:
    file = tmp_path / "a.yaml"
    teams = {"sales": {"calendar": "berlin"}}
    file.write_text(yaml.safe_dump({**TERMS, "clocks": CLOCKS, "calendars": {**TERMS["calendars"], **CALENDARS}, "teams": teams}))
    (tmp_path / "a-roster.yaml").write_text(yaml.safe_dump({"reps": REPS}))
    return file


def ask(file: Path, clock: str, *more: str, start: str = MONDAY) -> Any:
    """The answer as a tool reads it. Raises what the command raises."""
    words = ["clock", "--agreement", str(file), "--clock", clock, "--start", start, *more, "--json"]
    done = CliRunner().invoke(app, words, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout)


def test_the_answer_to_tools(agreement: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.console.main", "clock", "--agreement", str(agreement), "--clock", "office",
         "--start", "2026-04-02T15:00:00+02:00", "--at", "2026-04-02T16:30:00+02:00", "--json"],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer == {
        "deadline": "2026-04-07T09:00:00Z",  # two hours on Maundy Thursday, two on the Tuesday after Easter
        "warn_at": ["2026-04-02T15:00:00Z"],
        "open_minutes_left": 150,
        "because": "office promises one of accepted within 4h of the calendar berlin (Europe/Berlin): it starts "
        "Thu 2026-04-02 15:00 CEST, and that time is over Tue 2026-04-07 11:00 CEST",
    }


def test_what_is_left_is_counted_from_now_or_from_a_start_to_come(agreement: Path) -> None:
    assert ask(agreement, "office")["open_minutes_left"] == 0
    assert ask(agreement, "office", start="2126-03-04T10:00:00Z")["open_minutes_left"] == 240
    assert ask(agreement, "office", "--at", "2026-03-02T16:59:30+01:00")["open_minutes_left"] == 120.5


def test_it_goes_by_the_rep_his_team_or_where_the_prospect_is(agreement: Path) -> None:
    assert ask(agreement, "office", "--rep", "anna")["deadline"] == "2026-03-03T10:00:00Z"
    assert ask(agreement, "own", "--rep", "anna")["deadline"] == "2026-03-02T19:00:00Z"  # 9:00 to 12:00, 13:00 to 14:00
    assert ask(agreement, "own", "--rep", "ben")["deadline"] == "2026-03-04T13:00:00Z"  # after his leave
    assert ask(agreement, "team", "--rep", "anna")["deadline"] == "2026-03-03T10:00:00Z"
    assert ask(agreement, "there", "--country", "JP")["deadline"] == "2026-03-03T04:00:00Z"
    assert ask(agreement, "there", "--country", "US")["deadline"] == "2026-03-03T10:00:00Z"  # several zones: Berlin
    assert "calendar new-york (America/New_York) without the rep's breaks" in ask(agreement, "own", "--rep", "anna")["because"]


def test_pauses_do_not_count_in_whatever_order_and_however_they_overlap(agreement: Path) -> None:
    pauses = ["2026-03-03T09:30:00+01:00/2026-03-03T11:00:00+01:00", "2026-03-02T16:00:00+01:00/2026-03-03T09:30:00+01:00"]
    answers = [
        ask(agreement, "office", *(word for p in order for word in ("--pause", p)), "--at", MONDAY)
        for order in (pauses, pauses[::-1], [*pauses, "2026-03-02T16:30:00+01:00/2026-03-02T16:40:00+01:00"])
    ]
    assert {a["deadline"] for a in answers} == {"2026-03-03T14:00:00Z"}  # 1 h on Monday, 1 + 2 h on Tuesday
    assert {a["open_minutes_left"] for a in answers} == {240}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--clock", "offcie"], "did you mean office?"),
        (["--start", "2026-03-02T15:00:00"], "names no time zone"),
        (["--start", "yesterday"], "is no instant"),
        (["--pause", "2026-03-02T15:00:00Z"], "write FROM/TO"),
        (["--pause", "2026-03-02T15:00:00Z/2026-03-02T14:00:00Z"], "ends before it begins"),
        (["--rep", "ana"], "did you mean anna?"),
        (["--roster", "nowhere.yaml", "--rep", "anna"], "cannot be read"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(agreement: Path, words: list[str], said: str) -> None:
    with pytest.raises(Refused, match=said.replace("?", r"\?")):
        ask(agreement, "office", *words)


def test_without_a_roster_only_a_clock_that_goes_by_the_rep_is_refused(agreement: Path) -> None:
    (agreement.parent / "a-roster.yaml").unlink()
    assert ask(agreement, "office", "--rep", "whoever")["deadline"] == "2026-03-03T10:00:00Z"
    with pytest.raises(Refused, match="name the roster"):
        ask(agreement, "own", "--rep", "anna")
