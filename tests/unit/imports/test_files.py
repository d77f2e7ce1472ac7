"""Files as people save them: delimiters, encodings, quotes, what is wrong with a line and what with all of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.intake.imports.files import FileRefused, Kind, read_table
from services.intake.imports.understanding import Order, Understood, understand

SECRET, NAMESPACE = bytes(range(32)), uuid.UUID(int=7)


def understood(text: str | bytes, kind: Kind = Kind.CSV, **how: Any) -> Understood:
    """What the file means where the agreement knows employees and topic."""
    order = Order(
        kind=kind,
        charset=how.get("charset"),
        columns=how.get("columns", {}),
        fixed=how.get("fixed", {}),
        zone=ZoneInfo(how.get("zone", "UTC")),
        latest=datetime(2026, 12, 1, tzinfo=UTC),
    )
    raw = text.encode() if isinstance(text, str) else text
    return understand(raw, order, {"employees", "topic"}, SECRET, NAMESPACE)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spreadsheet_s_csv_is_read_whatever_it_puts_between_cells(delimiter: str, encoding: str) -> None:
    raw = f'E-Mail{delimiter}Firma\r\nzoë@example.org{delimiter}"A{delimiter}\r\nB"\r\n\r\n'.encode(encoding)
    (row,) = read_table(raw, Kind.CSV).rows
    assert (row.line, row.cells["E-Mail"], row.cells["Firma"]) == (2, "zoë@example.org", f"A{delimiter}\r\nB")


def test_lines_are_counted_as_an_editor_counts_them_past_cells_with_line_breaks() -> None:
    found = understood('email,message\na@example.org,"one\ntwo\nthree"\nnobody,x\n')
    assert list(found.refused) == [5]


def test_a_bad_row_is_told_with_its_remedy_and_does_not_stop_the_rest() -> None:
    found = understood(
        "Work email,Phone,country,Employees,Created\n"
        "a@example.org,,,12,2026-03-01\n"
        "not an address,,,12,\n"
        ",,,12,\n"
        "b@example.org,123,,12,\n"
        "c@example.org,,Germany,12,\n"
        "d@example.org,,,12,2027-01-01T00:00:00Z\n"
        "e@example.org,,,12,yesterday\n"
        "f@example.org,,,12\n"
        "g@example.org,,,12,2026-03-02 09:00\n"
    )
    assert [row.line for row in found.rows] == [2, 10]
    told = found.refused
    assert sorted(told) == [3, 4, 5, 6, 7, 8, 9]
    assert "'Work email'" in told[3]
    assert "correct it" in told[3]
    assert "a lead needs an email or a phone" in told[4]
    assert "'Phone'" in told[5]
    assert "+49" in told[5]
    assert "'country'" in told[6]
    assert "'Created'" in told[7]
    assert "has not come yet" in told[7]
    assert "2026-03-01" in told[8]
    assert "4 cells" in told[9]
    assert "5 columns" in told[9]
    assert not any("not an address" in message for message in told.values()), "a report must not repeat personal data"


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "is empty"),
        (b"email,name\n", "holds no rows"),
        (b"name,email\nJo\xe4,jo@example.org\n", "line 2 is no utf-8 text"),
        (b"email,email\na@example.org,b@example.org\n", "two columns are called 'email'"),
        (b"jo@example.org,Jo\nbo@example.org,Bo\n", "holds an e-mail address where the names"),
        (b"name,city\nJo,Rome\n", "--map"),
    ],
)
def test_a_file_that_is_none_is_refused_with_place_and_remedy(raw: bytes, what: str) -> None:
    with pytest.raises(FileRefused, match=what):
        understood(raw)


def test_an_encoding_can_be_named() -> None:
    found = understood("email,name\njo@example.org,Jörg\n".encode("cp1252"), charset="windows-1252")
    assert "Jörg" in found.rows[0].body
    with pytest.raises(FileRefused, match="no encoding 'nonsense'"):
        understood(b"email\xff\n", charset="nonsense")


def test_columns_are_guessed_by_name_by_the_agreement_and_by_what_stands_in_them() -> None:
    found = understood(
        "Kontakt;Vorname;Nachname;Employees;utm_campaign;consent_newsletter;Schuhgröße\n"
        "jo@example.org;Jo;Beck;12;spring;ja;42\n"
    )
    assert found.meaning == {
        "Kontakt": "email",
        "Vorname": "first_name",
        "Nachname": "last_name",
        "Employees": "attributes.employees",
        "utm_campaign": "source.campaign",
        "consent_newsletter": "consent.newsletter",
        "Schuhgröße": None,
    }
    assert '"name":"Jo Beck"' in found.rows[0].body
    assert any("Schuhgröße" in note for note in found.notes)


def test_columns_can_be_mapped_left_out_and_filled_with_what_holds_for_all() -> None:
    found = understood(
        "mail,second mail,size,note\na@example.org,b@example.org,12,hello\n",
        columns={"second mail": "email", "mail": "-", "size": "attributes.employees", "note": "-"},
        fixed={"source.channel": "fair", "source.cost.amount": "3.50", "source.cost.currency": "EUR"},
    )
    assert '"email":"b@example.org"' in found.rows[0].body
    assert '"channel":"fair"' in found.rows[0].body
    assert "hello" not in found.rows[0].body


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"size": "email"}, "no column 'size'"),
        ({"email": "attributes.No Name"}, "is no field"),
        ({"email": "name", "name": "name"}, "two columns are mapped to name"),
    ],
)
def test_a_wrong_mapping_is_refused(columns: dict[str, str], what: str) -> None:
    with pytest.raises(FileRefused, match=what):
        understood("email,name\na@example.org,A\n", columns=columns)


def test_json_lines_may_be_flat_or_as_the_api_takes_them() -> None:
    found = understood(
        '{"email": "a@example.org", "attributes": {"employees": 12, "vip": true}, "source": {"channel": "fair"}}\n'
        '{"email": "b@example.org", "company": "B", "employees": 3}\n'
        "[1]\n"
        "{broken\n"
        '{"email": ["c@example.org"]}\n',
        Kind.JSONL,
    )
    assert [row.line for row in found.rows] == [1, 2]
    assert '"employees":12' in found.rows[0].body
    assert '"channel":"fair"' in found.rows[0].body
    assert sorted(found.refused) == [3, 4, 5]
    with pytest.raises(FileRefused, match="one object a line"):
        understood("[{}]", Kind.JSONL)


def test_the_same_row_twice_is_one_submission_and_the_same_file_one_import() -> None:
    text = "email,name\na@example.org,A\n A@Example.ORG ,A\nb@example.org,B\n"
    found = understood(text)
    assert [row.line for row in found.rows] == [2, 4]
    assert list(found.repeated) == [3]
    assert found.digest == understood(text).digest
    assert found.digest != understood(text, fixed={"source.campaign": "spring"}).digest


def test_clocks_that_run_backwards_are_told_and_the_older_row_does_not_overwrite_the_newer() -> None:
    found = understood(
        "email,phone,created\n"
        "a@example.org,+49 30 901820,2026-03-03\n"
        "a@example.org,+49 30 901821,2026-03-01\n"
        "b@example.org,,\n"
        "c@example.org,,2026-03-02\n"
    )
    assert [row.line for row in found.rows] == [3, 5, 2, 4]
    assert any("run backwards in line 3" in note for note in found.notes)


def test_times_without_a_zone_are_read_in_the_zone_that_was_named_also_when_clocks_change() -> None:
    text = "email,created\na@example.org,2026-03-29 01:30\nb@example.org,2026-03-29 02:30\nc@example.org,2026-10-25 02:30\n"
    bodies = [row.body for row in understood(text, zone="Europe/Berlin").rows]
    assert "2026-03-29T01:30:00+01:00" in bodies[0]
    assert all("submitted_at" in body for body in bodies)
