"""An archive of the classes that Kafka loads, beside its jars: a start with it takes a third less of the processors.

Java (17 and newer) writes it when a broker ends in order, and reads it at every later start (JEP 350). One that does not
fit is passed over by Java, and one that cannot be written costs nothing but time: so nothing here ever fails.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path

from services.console.broker.java import Java

_QUIETLY = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")
"""Java names every class that it leaves out, and an archive that does not fit, where one looks for what went wrong."""

_ABANDONED_SECONDS = 3600.0


class ClassArchive:
    """The archive of one Java for one folder of jars."""

    def __init__(self, jars: Path, java: Java) -> None:
        self._file = jars / f"classes-{java.version.replace('/', '_')}.jsa"
        self._draft = self._file.with_suffix(f".{uuid.uuid4().hex}.draft")

    def reading(self) -> tuple[str, ...]:
        """What Java is to be told to read it, if it is there."""
        return (f"-XX:SharedArchiveFile={self._file}", "-Xshare:auto", *_QUIETLY) if self._file.exists() else ()

    def reading_or_writing(self) -> tuple[str, ...]:
        """The same, or where it is not there, what Java is to be told to write it at its orderly end."""
        return self.reading() or (f"-XX:ArchiveClassesAtExit={self._draft}", *_QUIETLY)

    def settle(self, exit_status: int) -> None:
        """The broker has ended: put what it wrote into its place. What a killed one (status below zero) wrote goes."""
        with contextlib.suppress(OSError):  # it ended otherwise and wrote nothing, or the cache is read-only
            if exit_status >= 0:
                self._draft.rename(self._file)
            else:
                self._draft.unlink()
        for draft in self._file.parent.glob("*.draft"):  # of brokers that outlived whoever had started them
            with contextlib.suppress(OSError):
                if draft.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    draft.unlink()
