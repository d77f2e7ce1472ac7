"""CSV files of all sorts become histories; what cannot is refused in one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from services.scoring.learning.history import HistoryRefused, read_history


def _file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "leads.csv"
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("packed", [False, True])
def test_separators_quotes_byte_order_marks_and_gzip_are_understood(
    separator: str, packed: bool, tmp_path: Path
) -> None:
    lines = [["name", "won"], [f'"a{separator} ""b"""', "yes"], ["", "no"]]
    text = "\ufeff" + "\r\n".join(separator.join(line) for line in lines) + "\r\n\r\n"
    file = tmp_path / "leads"
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())

    history = read_history(file, "won", "yes")

    assert history.attributes == ("name",)
    assert history.rows == [[f'a{separator} "b"'], [""]]
    assert history.won == [True, False]


def test_a_time_column_orders_the_leads_and_is_no_attribute(tmp_path: Path) -> None:
    file = _file(tmp_path, "day,x,won\n2024-03-01,c,1\n2023-12-31,a,0\n2024-01-02 10:00,b,1\n")

    history = read_history(file, "won", "1", time="day")

    assert history.attributes == ("x",)
    assert history.rows == [["a"], ["b"], ["c"]]


def test_a_date_becomes_days_a_weekday_and_a_month(tmp_path: Path) -> None:
    file = _file(tmp_path, "seen;won\n24.12.2024;1\n31.12.2024;0\n;0\n")

    history = read_history(file, "won", "1")

    assert history.attributes == ("seen", "seen (weekday)", "seen (month)")
    assert history.rows[1][0] == history.rows[0][0] + 7  # type: ignore[operator]
    assert [row[1:] for row in history.rows] == [["Tue", "Dec"], ["Tue", "Dec"], ["", ""]]


def test_rows_without_an_outcome_are_left_out_and_a_shift_leaves_strings_alone(tmp_path: Path) -> None:
    file = _file(tmp_path, "calls,won\n3,yes\nmany,no\n4,NA\n")

    history = read_history(file, "won", "yes", shift=[("calls", -1.0)])

    assert history.rows == [[2.0], ["many"]]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "is empty"),
        ("a,won\n", {}, "no leads"),
        ("a,won\n1,yes\n", {"target": "outcome"}, "no column 'outcome'; it has a, won"),
        ("a,won\n1,yes\n", {"exclude": ["b"]}, "no column 'b'"),
        ("a,won\n1,yes\n", {"positive": "ja"}, "never occurs in the column 'won' of leads.csv; it holds yes"),
        ("a,won\n1,yes\n2\n", {}, "lead 2 of leads.csv has 1 cells, the header has 2"),
        ("a,a,won\n1,1,yes\n", {}, "the column 'a' more than once"),
        ("a,won\n1,yes\n", {"exclude": ["a"]}, "no attribute left"),
        ("a,won\nsoon,yes\n", {"time": "a"}, "neither a date nor a number"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    text: str, options: dict[str, object], said: str, tmp_path: Path
) -> None:
    arguments = {"target": "won", "positive": "yes", **options}

    with pytest.raises(HistoryRefused) as refused:
        read_history(_file(tmp_path, text), **arguments)  # type: ignore[arg-type]

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HistoryRefused, match=r"nowhere\.csv cannot be read"):
        read_history(tmp_path / "nowhere.csv", "won", "yes")
