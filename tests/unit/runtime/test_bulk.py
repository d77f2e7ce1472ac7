"""Many rows by key in one statement: what is new is added, what is there is replaced, what the first row said is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.runtime.bulk import delete_by, select_by, upsert

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("first", sa.Text),
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'things.sqlite'}")
    TABLE.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def rows(connection: sa.Connection) -> set[tuple[str, int, str | None]]:
    return {tuple(row) for row in connection.execute(sa.select(TABLE))}  # type: ignore[misc]


def test_the_last_row_of_a_key_stands_and_keeps_what_the_first_said(connection: sa.Connection) -> None:
    upsert(connection, TABLE, [{"name": "a", "offset": 1, "first": "x"}, {"name": "b", "offset": 2, "first": None}])
    upsert(connection, TABLE, [{"name": "a", "offset": 3, "first": "y"}], frozenset({"first"}))
    assert rows(connection) == {("a", 3, "x"), ("b", 2, None)}


def test_rows_are_found_and_deleted_by_any_number_of_keys(connection: sa.Connection) -> None:
    upsert(connection, TABLE, [{"name": f"n'{n}", "offset": n, "first": None} for n in range(3000)])
    keys = [f"n'{n}" for n in range(1000, 3500)]
    found = select_by(connection, TABLE.c.name, keys, TABLE.c.offset)
    assert sorted(offset for (offset,) in found) == list(range(1000, 3000))
    delete_by(connection, TABLE.c.name, keys)
    assert len(rows(connection)) == 1000


def test_nothing_asked_is_no_statement(connection: sa.Connection) -> None:
    upsert(connection, TABLE, [])
    delete_by(connection, TABLE.c.name, [])
    assert select_by(connection, TABLE.c.name, []) == []
