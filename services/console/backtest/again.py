"""Everything that processors said, decided once more from the log, and compared with what is recorded, byte for byte.

A processor's words may lie in another topic than what they answer, so what was said and what is recorded are noted by id
and digest in files, and compared when all partitions are read: memory does not grow with the log.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

from schemas.wire import CausePosition, Record, UndecodableRecord
from services.console.backtest.shelf import AT_HAND, Shelf
from services.runtime.protocol import Processor
from services.runtime.replay import AgreementsInMemory, Hosted
from services.runtime.step import DecideFailed, KeyRecord, Said
from services.runtime.versions import writer_version

EXAMPLES = 5
_NOTES_AT_ONCE = 5_000
_WRITER = "ce_writer"
Note = tuple[str, bytes, str]
"""Event id, digest, processor."""


@dataclass
class Again:
    """What one partition, or all together, came to."""

    events: int = 0
    said: Counter[str] = field(default_factory=Counter)
    """By processor."""
    recorded: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    """Records that make a processor fail: it says nothing then, nor does it now."""
    writers: Counter[str] = field(default_factory=Counter)
    """By which code, time zones and holidays what is recorded was decided."""

    def take(self, other: Again) -> None:
        """Add another partition's."""
        self.events += other.events
        for mine, theirs in (
            (self.said, other.said),
            (self.recorded, other.recorded),
            (self.dead_letters, other.dead_letters),
            (self.writers, other.writers),
        ):
            mine.update(theirs)


class SaidAgain:
    """One partition of a log and its processors; a context, for it keeps a file open."""

    def __init__(
        self,
        processors: Sequence[Processor[Any]],
        agreements: AgreementsInMemory,
        *,
        topic: str,
        namespace: str,
        incarnation: str,
        ends: Mapping[str, tuple[int, ...]],
        file: Path,
        at_hand: int = AT_HAND,
    ) -> None:
        self._agreements, self._namespace, self._incarnation, self._ends = agreements, namespace, incarnation, ends
        self._logs = {str(p.name): p.log.name for p in processors}
        self._hosted: list[Hosted] = []
        self._shelves: list[Shelf[KeyRecord[Any]]] = []
        for processor in processors:
            if processor.log.name == topic:
                shelf: Shelf[KeyRecord[Any]] = Shelf(KeyRecord[processor.state], at_hand)  # type: ignore[name-defined]
                hosted = Hosted.of(processor)
                hosted.keys = shelf  # type: ignore[assignment]  # it asks for keys and sets them, nothing else
                self._hosted.append(hosted)
                self._shelves.append(shelf)
        self._notes = _Notes(file)
        self.counted = Again()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._notes.close()
        for shelf in self._shelves:
            shelf.close()

    def take(self, record: Record) -> None:
        """Note a record if a processor said it, and what all processors say of it."""
        self.counted.events += 1
        self._note_recorded(record)
        for hosted in self._hosted:
            processor = hosted.processor
            try:
                done = hosted.work(
                    record,
                    self._agreements,
                    incarnation=self._incarnation,
                    source=f"/leadloop/{self._namespace}/{processor.service}",
                    writer=writer_version(processor.service),
                )
            except (DecideFailed, UndecodableRecord):
                self.counted.dead_letters[processor.name] += 1
                continue
            for said in done.said if done is not None else ():
                self.counted.said[processor.name] += 1
                self._notes.said(said.envelope.event_id, digest_of_said(said), processor.name)

    def _note_recorded(self, record: Record) -> None:
        raw = record.header("ce_cause")
        if raw is None:
            return
        cause = CausePosition.parse(raw)
        processor, _, partition = cause.source.split("/")
        if processor not in self._logs:
            return  # of a processor that is not asked
        ends = self._ends.get(self._logs.get(processor, ""), ())
        if int(partition) < len(ends) and cause.offset >= ends[int(partition)]:
            return  # the answer to something that is not looked at
        self.counted.recorded[processor] += 1
        self.counted.writers[(record.header(_WRITER) or b"").decode()] += 1
        self._notes.recorded((record.header("ce_id") or b"").decode(), digest_of(record), processor)


def digest_of(record: Record) -> bytes:
    """Of everything that a record is but its place, and but the version of the code that wrote it."""
    return _digest(record.topic, record.key or b"", record.value or b"", record.headers)


def digest_of_said(said: Said) -> bytes:
    """The same of what a processor says."""
    return _digest(said.topic.name, said.key.encode(), said.value, said.envelope.headers())


def _digest(topic: str, key: bytes, value: bytes, headers: Iterable[tuple[str, bytes]]) -> bytes:
    made = blake2b(topic.encode(), digest_size=16)
    for piece in (key, value, *(part for name, text in headers if name != _WRITER for part in (name.encode(), text))):
        made.update(len(piece).to_bytes(8, "big"))
        made.update(piece)
    return made.digest()


class _Notes:
    """Two tables in a file: what was said, and what is recorded."""

    def __init__(self, file: Path) -> None:
        self._file = sqlite3.connect(file, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        for table in ("said", "recorded"):
            self._file.execute(f"CREATE TABLE {table} (id TEXT NOT NULL, digest BLOB NOT NULL, processor TEXT NOT NULL)")
        self._said: list[Note] = []
        self._recorded: list[Note] = []

    def said(self, event_id: str, digest: bytes, processor: str) -> None:
        self._said.append((event_id, digest, processor))
        if len(self._said) >= _NOTES_AT_ONCE:
            self._write()

    def recorded(self, event_id: str, digest: bytes, processor: str) -> None:
        self._recorded.append((event_id, digest, processor))
        if len(self._recorded) >= _NOTES_AT_ONCE:
            self._write()

    def close(self) -> None:
        self._write()
        self._file.close()

    def _write(self) -> None:
        self._file.execute("BEGIN")
        self._file.executemany("INSERT INTO said VALUES (?, ?, ?)", self._said)
        self._file.executemany("INSERT INTO recorded VALUES (?, ?, ?)", self._recorded)
        self._file.execute("COMMIT")
        self._said.clear()
        self._recorded.clear()


@dataclass(frozen=True)
class Compared:
    """How the replay and the recording differ. Each: how many, and a few ids."""

    same: int
    lost: tuple[int, tuple[str, ...]]
    """Said now and not recorded."""
    extra: tuple[int, tuple[str, ...]]
    """Recorded and not said now."""
    other: tuple[int, tuple[str, ...]]
    """With other bytes."""

    @property
    def identical(self) -> bool:
        return not (self.lost[0] or self.extra[0] or self.other[0])


def compare(files: Iterable[Path], together: Path) -> Compared:
    """Compare what is noted in the files. `together`: a file that is made for it."""
    db = sqlite3.connect(together, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA temp_store = FILE")
        for table in ("said", "recorded"):
            db.execute(f"CREATE TABLE {table} (id TEXT NOT NULL, digest BLOB NOT NULL)")
        for file in files:
            db.execute("ATTACH DATABASE ? AS part", (str(file),))
            for table in ("said", "recorded"):
                db.execute(f"INSERT INTO {table} SELECT id, digest FROM part.{table}")
            db.execute("DETACH DATABASE part")
        for table in ("said", "recorded"):
            db.execute(f"CREATE INDEX {table}_by_id ON {table} (id, digest)")
        (same,) = db.execute("SELECT count(*) FROM said WHERE (id, digest) IN (SELECT id, digest FROM recorded)").fetchone()
        return Compared(
            same,
            _found(db, "SELECT DISTINCT id FROM said WHERE id NOT IN (SELECT id FROM recorded)"),
            _found(db, "SELECT DISTINCT id FROM recorded WHERE id NOT IN (SELECT id FROM said)"),
            _found(db, "SELECT DISTINCT r.id FROM recorded r JOIN said s ON s.id = r.id WHERE s.digest != r.digest"),
        )
    finally:
        db.close()


def _found(db: sqlite3.Connection, query: str) -> tuple[int, tuple[str, ...]]:
    (number,) = db.execute(f"SELECT count(*) FROM ({query})").fetchone()
    return number, tuple(row[0] for row in db.execute(f"{query} ORDER BY 1 LIMIT {EXAMPLES}"))
