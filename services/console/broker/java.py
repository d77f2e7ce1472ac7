"""The machine's Java: where it is and whether it is new enough for Kafka 4."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from services.console.broker.faults import BrokerUnavailable

LEAST_MAJOR = 17
_ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Java:
    """A Java runtime."""

    executable: str
    version: str
    major: int


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """The Java of JAVA_HOME, else of the PATH; raises BrokerUnavailable when there is none or it is older than 17."""
    java = probe_java(environ)
    if java is None:
        raise BrokerUnavailable(
            f"there is no Java: install Java {LEAST_MAJOR} or newer (or set JAVA_HOME to one), "
            "or start a Docker engine, or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
        )
    if java.major < LEAST_MAJOR:
        raise BrokerUnavailable(
            f"{java.executable} is Java {java.version}, too old for Kafka: install Java {LEAST_MAJOR} or newer "
            "(or set JAVA_HOME to one), or start a Docker engine, or set KAFKA_BOOTSTRAP_SERVERS to a running Kafka"
        )
    return java


def probe_java(environ: Mapping[str, str] = os.environ) -> Java | None:
    """The first Java that runs, whatever its age: that of JAVA_HOME, else that of the PATH."""
    home = environ.get("JAVA_HOME")
    candidates = [os.path.join(home, "bin", "java")] if home else []
    candidates += [found] if (found := shutil.which("java", path=environ.get("PATH", os.defpath))) else []
    return next((java for java in map(_ask, candidates) if java is not None), None)


def _ask(executable: str) -> Java | None:
    try:
        answer = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "([^"]+)"', answer.stderr + answer.stdout)
    if answer.returncode != 0 or found is None:
        return None  # macOS keeps a /usr/bin/java that only says that there is none
    return Java(executable, found[1], major_of(found[1]))


def major_of(version: str) -> int:
    """The major number in a Java version: 8 of "1.8.0_392", 17 of "17.0.15", 25 of "25-ea"."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    return numbers[1] if len(numbers) > 1 and numbers[0] == 1 else numbers[0]
