"""The words of a message: subject and body from sandboxed templates; ids, times and reasons, never a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from schemas.events.alerting import AlertKind, AlertReleased
from schemas.ids import AlertId

_WORDS = {
    AlertKind.CLOCK_WARNED: "a clock is running out",
    AlertKind.CLOCK_BREACHED: "a clock ran out",
    AlertKind.LEAD_QUEUED: "nobody takes a lead",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered."""

    alert_id: AlertId
    subject: str
    body: str

    @property
    def message_id(self) -> str:
        """The Message-ID of a mail: the same at every attempt."""
        return f"<{self.alert_id}@leadloop>"


class Writer:
    """Writes messages with links to the desk at `desk_url` (none: no links)."""

    def __init__(self, desk_url: str) -> None:
        self._desk_url = desk_url.rstrip("/")
        environment = SandboxedEnvironment(
            loader=jinja2.PackageLoader("services.alerting"), undefined=jinja2.StrictUndefined, autoescape=False
        )
        self._subject = environment.get_template("subject.txt.j2")
        self._body = environment.get_template("body.txt.j2")

    def write(self, released: AlertReleased) -> Message:
        """The message of one release."""
        words = {
            "lines": released.lines,
            "words": _WORDS,
            "counts": Counter(line.kind for line in released.lines).most_common(),
            "desk_url": self._desk_url,
            "alert_id": released.alert_id,
        }
        return Message(released.alert_id, self._subject.render(words).strip(), self._body.render(words).strip() + "\n")
