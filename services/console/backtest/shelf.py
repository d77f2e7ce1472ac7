"""Values by key in bounded memory: those used last are at hand, the others lie in a file that ends with the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec

from schemas.ids import from_plain, to_plain

T = TypeVar("T")

AT_HAND = 20_000
"""How many values stay decoded in memory."""
_CACHE_KIB = 8_192


class Shelf(Generic[T]):
    """A mapping of keys to values of one msgspec type."""

    def __init__(self, of: Any, at_hand: int = AT_HAND) -> None:
        """of: the type of the values; at_hand: how many of them stay in memory, at least 2."""
        self._at_hand = at_hand
        self._hot: dict[str, T] = {}
        self._encode = msgspec.msgpack.Encoder(enc_hook=to_plain).encode
        self._decode = msgspec.msgpack.Decoder(of, dec_hook=from_plain).decode
        self._file: sqlite3.Connection | None = None

    def get(self, key: str) -> T | None:
        """The value, or None."""
        found = self._hot.pop(key, None)
        if found is None and self._file is not None:
            row = self._file.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
            found = self._decode(row[0]) if row is not None else None
        if found is not None:
            self[key] = found
        return found

    def __setitem__(self, key: str, value: T) -> None:
        self._hot.pop(key, None)
        self._hot[key] = value
        if len(self._hot) > self._at_hand:
            self._put_away()

    def items(self) -> Iterator[tuple[str, T]]:
        """Every key once, with its value, in the order of the keys; nothing may be changed meanwhile."""
        if self._file is None:
            yield from sorted(self._hot.items())
            return
        self._away(list(self._hot))
        for key, value in self._file.execute("SELECT key, value FROM kept ORDER BY key"):
            yield key, self._decode(value)

    def close(self) -> None:
        """Let the file go."""
        self._hot.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put_away(self) -> None:
        """The older half goes into the file."""
        self._away(list(islice(self._hot, len(self._hot) // 2)))

    def _away(self, keys: list[str]) -> None:
        if self._file is None:
            self._file = sqlite3.connect("", isolation_level=None)  # a file without a name, gone when it is closed
            self._file.execute("PRAGMA journal_mode = OFF")
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._file.execute("CREATE TABLE kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        self._file.execute("BEGIN")
        self._file.executemany(
            "INSERT OR REPLACE INTO kept VALUES (?, ?)", ((key, self._encode(self._hot.pop(key))) for key in keys)
        )
        self._file.execute("COMMIT")
