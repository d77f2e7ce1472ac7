"""Reading and writing many rows by key: one statement and one parameter list each, its text compiled once.

SQLAlchemy's Core writes the statements, the driver executes them: what Core does per row and parameter at each execution
cost more than the database itself. Types with a conversion of their own in SQLAlchemy (booleans read from SQLite) do not pass
here; what is written needs none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

Row = Mapping[str, Any]

_SQLITE = sqlite.dialect()
_POSTGRESQL = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Collection[Row], kept: frozenset[str] = frozenset()
) -> None:
    """Write rows (every column in each): new ones, and in the place of what has their key.

    kept: columns that the first row of a key says, and later ones do not.
    """
    if rows:
        text, values = _upsert(connection.dialect.name, table, kept)
        connection.exec_driver_sql(text, [values(row) for row in rows])


def delete_by(connection: sa.Connection, column: sa.Column[Any], keys: Collection[str]) -> None:
    """Delete the rows in which `column` is one of `keys`."""
    if keys:
        connection.exec_driver_sql(_delete(connection.dialect, column), _parameter(connection, keys))


def select_by(
    connection: sa.Connection, column: sa.Column[Any], keys: Collection[str], *columns: sa.Column[Any]
) -> Sequence[Any]:
    """The rows in which `column` is one of `keys`: the columns asked for, or all of the table in its order."""
    if not keys:
        return []
    text = _select(connection.dialect, column, columns or tuple(column.table.columns))
    return connection.exec_driver_sql(text, _parameter(connection, keys)).all()


@lru_cache(maxsize=256)
def _delete(dialect: sa.Dialect, column: sa.Column[Any]) -> str:
    table = dialect.identifier_preparer.format_table(column.table)
    return f"DELETE FROM {table} WHERE {_among(dialect, column)}"


@lru_cache(maxsize=256)
def _select(dialect: sa.Dialect, column: sa.Column[Any], columns: tuple[sa.Column[Any], ...]) -> str:
    prepare = dialect.identifier_preparer
    names, table = ", ".join(map(prepare.format_column, columns)), prepare.format_table(column.table)
    return f"SELECT {names} FROM {table} WHERE {_among(dialect, column)}"


def _among(dialect: sa.Dialect, column: sa.Column[Any]) -> str:
    """One parameter for all keys, so that the statement is the same whatever their number."""
    name = dialect.identifier_preparer.format_column(column)
    return f"{name} IN (SELECT value FROM json_each(?))" if dialect.name == "sqlite" else f"{name} = ANY(%s)"


def _parameter(connection: sa.Connection, keys: Collection[str]) -> tuple[Any, ...]:
    listed = list(map(str, keys))
    return (json.dumps(listed),) if connection.dialect.name == "sqlite" else (listed,)


@lru_cache(maxsize=256)
def _upsert(dialect: str, table: sa.Table, kept: frozenset[str]) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
    """The statement's text, and what takes its parameters out of a row."""
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    keys = [c.name for c in table.primary_key.columns]
    names = [c.name for c in table.columns]
    changed = {name: insert.excluded[name] for name in names if name not in keys and name not in kept}
    insert = insert.values({name: sa.bindparam(name) for name in names})
    whole = (
        insert.on_conflict_do_update(index_elements=keys, set_=changed) if changed else insert.on_conflict_do_nothing()
    )
    compiled = whole.compile(dialect=_SQLITE if dialect == "sqlite" else _POSTGRESQL)
    order = compiled.positiontup
    take = itemgetter(*order)
    return compiled.string, take if len(order) > 1 else lambda row: (take(row),)
