"""The jars of Apache Kafka: fetched once by Maven into the user's cache, shared by all clones and installations."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from services.console.broker.faults import BrokerUnavailable
from services.console.datafolder import DataFolderUnusable, make_folder, refusals_explained, write_whole

SOURCES = Path(__file__).resolve().parents[3] / "deploy" / "kafka"
"""Folder of the pom, the broker's properties and its log configuration."""

_FETCH_SECONDS = 900
_MANIFEST = "manifest.json"

Progress = Callable[[str], None]


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The per-user cache of leadloop, by the XDG base directory specification."""
    base = environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    return (Path(base) if os.path.isabs(base) else Path(environ.get("HOME") or Path.home()) / ".cache") / "leadloop"


def jars_folder(environ: Mapping[str, str] = os.environ, pom: Path = SOURCES / "pom.xml") -> Path:
    """Where the jars of this very pom belong: another pom, another folder, so clones of any age share the cache."""
    try:
        key = hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    except OSError as refusal:
        raise BrokerUnavailable(
            f"{pom} is missing ({refusal.strerror}): run leadloop from its source folder, or start a Docker engine, "
            "or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
        ) from refusal
    return cache_folder(environ) / f"kafka-{key}"


def cached(folder: Path) -> bool:
    """Whether all jars lie in `folder` in the sizes in which they were fetched."""
    try:
        sizes: dict[str, int] = json.loads((folder / _MANIFEST).read_bytes())
        return all((folder / jar).stat().st_size == size for jar, size in sizes.items())
    except (OSError, ValueError):
        return False


def find_maven(environ: Mapping[str, str] = os.environ) -> str | None:
    """The path of Maven, or None."""
    return shutil.which("mvn", path=environ.get("PATH", os.defpath))


def fetch_jars(progress: Progress = lambda _: None, environ: Mapping[str, str] = os.environ) -> Path:
    """Folder with the jars, fetched now where they are missing; two processes that do so at once fetch them once.

    Raises BrokerUnavailable in one sentence when they are missing and cannot be fetched.
    """
    folder = jars_folder(environ)
    if cached(folder):
        return folder
    maven = find_maven(environ)
    if maven is None:
        raise BrokerUnavailable(
            "there is no Maven (mvn) to fetch Apache Kafka with: install Maven, or start a Docker engine, "
            "or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
        )
    try:
        make_folder(folder.parent)
        with _one_at_a_time(folder.with_name(f"{folder.name}.lock")):
            if not cached(folder):
                progress("fetching Apache Kafka with Maven (about 43 MB, once)")
                _fetch(maven, folder, environ)
    except DataFolderUnusable as refusal:
        raise BrokerUnavailable(
            "the cache for Apache Kafka cannot be written: "
            + str(refusal).replace("with --data", "with XDG_CACHE_HOME")
        ) from refusal
    return folder


def _fetch(maven: str, folder: Path, environ: Mapping[str, str]) -> None:
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # what a killed fetch left; we hold the lock
    make_folder(draft)
    with refusals_explained(draft):
        shutil.copy(SOURCES / "pom.xml", draft / "pom.xml")
    _run_maven(maven, draft, environ)
    sizes = {jar.name: jar.stat().st_size for jar in sorted(draft.glob("*.jar"))}
    write_whole(draft / _MANIFEST, json.dumps(sizes, indent=1).encode())
    with refusals_explained(folder):
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        draft.rename(folder)


def _run_maven(maven: str, draft: Path, environ: Mapping[str, str]) -> None:
    command = [maven, "--batch-mode", "--no-transfer-progress", "--strict-checksums", "--quiet", "--file", "pom.xml",
               "dependency:copy-dependencies", f"-DoutputDirectory={draft}", "-DincludeScope=runtime"]  # fmt: skip
    try:
        answer = subprocess.run(
            command, cwd=draft, env=dict(environ), capture_output=True, text=True, timeout=_FETCH_SECONDS,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise BrokerUnavailable(
            f"Maven has not fetched Apache Kafka within {_FETCH_SECONDS // 60} minutes: look at the network and try "
            "again, "
            "or start a Docker engine, or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
        ) from late
    if answer.returncode != 0:
        said = (line for line in (answer.stdout + answer.stderr).splitlines() if "ERROR" in line)
        reason = next(said, "no reason given").replace("[ERROR]", "").strip()
        raise BrokerUnavailable(
            f"Maven could not fetch Apache Kafka ({reason[:300]}): repair that and try again, "
            "or start a Docker engine, or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
        )


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with refusals_explained(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main() -> int:
    """Fetch the jars from the command line; 1 and one sentence when that is impossible."""
    try:
        fetch_jars(lambda news: print(f"setup: {news}", flush=True))
    except BrokerUnavailable as reason:
        print(f"setup: {reason}", flush=True)
        return 1
    return 0
