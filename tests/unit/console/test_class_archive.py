"""The archive of Kafka's classes: written by one broker's orderly end, read by the next start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.console.broker.class_archive import ClassArchive
from services.console.broker.java import Java

JAVA = Java("java", "17.0.15", 17)


def draft_of(archive: ClassArchive) -> Path:
    """Where Java is told to write."""
    flag, *_ = archive.reading_or_writing()
    name, _, path = flag.partition("=")
    assert name == "-XX:ArchiveClassesAtExit"
    return Path(path)


def test_an_archive_that_is_not_there_is_written_and_then_read(tmp_path: Path) -> None:
    archive = ClassArchive(tmp_path, JAVA)
    assert archive.reading() == ()
    draft_of(archive).write_bytes(b"classes")
    archive.settle(143)
    flag, *_ = ClassArchive(tmp_path, JAVA).reading_or_writing()
    assert Path(flag.partition("=")[2]).read_bytes() == b"classes"


def test_what_a_killed_broker_wrote_is_thrown_away(tmp_path: Path) -> None:
    archive = ClassArchive(tmp_path, JAVA)
    draft_of(archive).write_bytes(b"half of the cla")
    archive.settle(-9)
    assert list(tmp_path.iterdir()) == []


def test_two_brokers_that_end_at_once_do_not_write_the_same_file(tmp_path: Path) -> None:
    assert draft_of(ClassArchive(tmp_path, JAVA)) != draft_of(ClassArchive(tmp_path, JAVA))


def test_another_java_has_another_archive(tmp_path: Path) -> None:
    archive = ClassArchive(tmp_path, JAVA)
    draft_of(archive).write_bytes(b"classes")
    archive.settle(143)
    assert ClassArchive(tmp_path, Java("java", "21.0.2", 21)).reading() == ()


def test_drafts_that_nobody_settled_are_cleared_away(tmp_path: Path) -> None:
    abandoned = draft_of(ClassArchive(tmp_path, JAVA))
    abandoned.write_bytes(b"classes")
    os.utime(abandoned, (0, 0))
    being_written = draft_of(ClassArchive(tmp_path, JAVA))
    being_written.write_bytes(b"half of the cla")
    ClassArchive(tmp_path, JAVA).settle(143)
    assert list(tmp_path.iterdir()) == [being_written]


@pytest.mark.parametrize("status", [0, 1, 143, -9])
def test_a_broker_that_wrote_nothing_leaves_nothing(tmp_path: Path, status: int) -> None:
    ClassArchive(tmp_path, JAVA).settle(status)
    assert list(tmp_path.iterdir()) == []
