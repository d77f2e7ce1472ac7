"""Settings, parsed once at the edge from `LEADLOOP_*` variables and handed down."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from schemas.topics import DEFAULT_PARTITIONS, Topic

PREFIX = "LEADLOOP_"


class SettingsRefused(ValueError):
    """One or more settings are missing or wrong; the text names each variable and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process of an installation is told when it starts."""

    bootstrap_servers: str
    secret: bytes = field(repr=False)
    token: str = field(repr=False)
    data_dir: Path
    namespace: str = "leadloop"
    partitions: int = DEFAULT_PARTITIONS
    database_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    """0: a free one; the chosen port is written to `data_dir/run/<service>.port`."""
    log_format: str = "json"
    log_level: str = "INFO"
    intake_url: str = ""
    desk_url: str = ""
    feedback_url: str = ""
    desk_door_url: str = ""
    """Where services reach the desk, if people reach it elsewhere; none: `desk_url`."""
    agreement_freshness: timedelta = timedelta(seconds=5)
    session_timeout: timedelta = timedelta(seconds=10)
    broker_patience: timedelta = timedelta(seconds=30)
    """How long a write to the broker may take before its caller is told that the broker is away."""
    group_size: int = 500
    dead_letter_share: float = 0.2
    """The share of dead letters among the last thousand records at which a processor stops."""
    audit_every: timedelta = timedelta(minutes=10)
    """How often feedback audits by itself whether every lead is accounted for."""
    learning: bool = True
    """Whether scoring learns from outcomes in the background."""
    import_rate: float = 10.0
    """Leads a second that an import takes in at least, however busy the loop is."""
    webhook_delays: tuple[float, ...] = ()
    """Seconds between the attempts at a webhook or CRM; none: the table of Standard Webhooks, over three days."""
    webhook_within: timedelta | None = None
    """How long a webhook may take to answer; none: 15 seconds."""
    tools_file: Path | None = None
    """Operations' file of reps' addresses and CRMs; none: `tools.yaml` in the data folder."""
    equal_content_window: timedelta = timedelta(hours=1)
    """Within this time an equal submission without Idempotency-Key is the same submission."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Parse the variables. Raises SettingsRefused naming every one that is missing or wrong."""
        mistakes: list[str] = []
        values: dict[str, Any] = {}

        def take(name: str, parse: Callable[[str], Any], *, also: str | None = None) -> None:
            raw = environment.get(PREFIX + name.upper()) or (environment.get(also) if also else None)
            if not raw:
                return
            try:
                values[name] = parse(raw)
            except ValueError as error:
                mistakes.append(f"{PREFIX}{name.upper()} is {raw!r}: {error}")

        take("bootstrap_servers", str, also="KAFKA_BOOTSTRAP_SERVERS")
        take("secret", _secret)
        take("token", str)
        take("data_dir", Path)
        take("namespace", _namespace)
        take("partitions", _whole(1, 1000))
        take("database_url", str)
        take("host", str)
        take("port", _whole(0, 65535))
        take("log_format", _one_of("json", "console"))
        take("log_level", _one_of("DEBUG", "INFO", "WARNING", "ERROR"))
        take("intake_url", str)
        take("desk_url", str)
        take("feedback_url", str)
        take("desk_door_url", str)
        take("agreement_freshness", _seconds)
        take("session_timeout", _seconds)
        take("broker_patience", _seconds)
        take("group_size", _whole(1, 10_000))
        take("dead_letter_share", _share)
        take("equal_content_window", _seconds)
        take("audit_every", _seconds)
        take("learning", _on_or_off)
        take("import_rate", _per_second)
        take("webhook_delays", _delays)
        take("webhook_within", _seconds)
        take("tools_file", Path)
        required = {
            "bootstrap_servers": "the brokers, such as localhost:9092",
            "secret": "the installation's secret, 64 hexadecimal digits",
            "token": "the bearer token of the HTTP doors",
            "data_dir": "a folder that the service may write to",
        }
        mistakes += [
            f"{PREFIX}{n.upper()} is missing: set it to {what}"
            for n, what in required.items()
            if n not in values and not any(m.startswith(PREFIX + n.upper()) for m in mistakes)
        ]
        if mistakes:
            raise SettingsRefused("; ".join(mistakes))
        return cls(**values)

    def topic(self, topic: Topic) -> str:
        """The topic's name on the cluster."""
        return f"{self.namespace}.{topic.name}"

    def logical(self, name: str) -> str:
        """The topic's name in the registry, from its name on the cluster."""
        return name.removeprefix(f"{self.namespace}.")

    def group(self, processor: str) -> str:
        """The consumer group of a processor."""
        return f"{self.namespace}.{processor}"

    def partitions_of(self, topic: Topic) -> int:
        return topic.partitions or self.partitions

    @property
    def lead_namespace(self) -> uuid.UUID:
        """The secret namespace of lead ids."""
        return uuid.UUID(bytes=hashlib.sha256(b"leadloop lead ids" + self.secret).digest()[:16])

    @property
    def dead_letter_key(self) -> bytes:
        """32 bytes for sealing dead letters."""
        return hashlib.sha256(b"leadloop dead letters" + self.secret).digest()

    def database(self, projection: str) -> str:
        """The SQLAlchemy URL of a projection's database."""
        return self.database_url or f"sqlite:///{self.data_dir / (projection + '.sqlite')}"


def _secret(raw: str) -> bytes:
    try:
        secret = bytes.fromhex(raw)
    except ValueError:
        secret = b""
    if len(secret) < 16:
        raise ValueError("it takes at least 32 hexadecimal digits")
    return secret


def _namespace(raw: str) -> str:
    if not raw.replace("-", "").replace("_", "").isalnum() or len(raw) > 60:
        raise ValueError("it takes letters, digits, dashes and underscores, at most 60")
    return raw


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not raw.isdigit() or not low <= int(raw) <= high:
            raise ValueError(f"it takes a whole number from {low} to {high}")
        return int(raw)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in words:
            raise ValueError(f"it takes one of {', '.join(words)}")
        return raw

    return parse


def _on_or_off(raw: str) -> bool:
    if raw not in ("on", "off"):
        raise ValueError("it takes on or off")
    return raw == "on"


def _seconds(raw: str) -> timedelta:
    try:
        seconds = float(raw)
    except ValueError:
        seconds = -1.0
    if seconds <= 0:
        raise ValueError("it takes a number of seconds above zero")
    return timedelta(seconds=seconds)


def _per_second(raw: str) -> float:
    try:
        rate = float(raw)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 10_000:
        raise ValueError("it takes a number a second above 0 and at most 10000")
    return rate


def _delays(raw: str) -> tuple[float, ...]:
    return tuple(_seconds(each).total_seconds() for each in raw.split(","))


def _share(raw: str) -> float:
    try:
        share = float(raw)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError("it takes a share above 0 and at most 1")
    return share
