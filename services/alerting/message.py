"""The words of a message: subject and body from sandboxed templates; ids, times and reasons, never a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from schemas.events.alerting import AlertKind, AlertReleased, News, NewsKind, ToolKind
from schemas.ids import AlertId
from schemas.vocabulary import as_number
from services.runtime.answer_links import Choice, Offered, link
from services.runtime.settings import Settings

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


_NOTICES = {
    NewsKind.ASSIGNED: "a lead for you",
    NewsKind.WITHDRAWN: "a lead was taken from you",
    NewsKind.ENDED: "a lead is not yours any more",
    NewsKind.CLOCK_WARNED: "a clock of yours is running out",
    NewsKind.CLOCK_BREACHED: "a clock of yours ran out",
}


class Writer:
    """Writes messages, with links to the desk where it is known where that is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._desk_url = settings.desk_url.rstrip("/")
        environment = SandboxedEnvironment(
            loader=jinja2.PackageLoader("services.alerting"), undefined=jinja2.StrictUndefined, autoescape=False
        )
        self._subject = environment.get_template("subject.txt.j2")
        self._body = environment.get_template("body.txt.j2")
        self._notice = environment.get_template("notice.txt.j2")

    def write(self, released: AlertReleased) -> Message:
        """The message of one release."""
        words = {
            "lines": released.lines,
            "words": _WORDS,
            "counts": Counter(line.kind for line in released.lines).most_common(),
            "desk_url": self._desk_url,
            "for_rep": released.recipient.startswith(f"{ToolKind.REP.value}."),
            "number": as_number,
            "alert_id": released.alert_id,
        }
        return Message(released.alert_id, self._subject.render(words).strip(), self._body.render(words).strip() + "\n")

    def notice(self, alert_id: AlertId, news: News, answer_within: timedelta) -> Message:
        """What a rep is told of his lead; an offer with the links that answer it. The same at every attempt."""
        what = _NOTICES.get(news.kind) or f"your lead: {news.kind.value.replace('_', ' ')}"
        words = {
            "news": news,
            "score": None if news.score is None else as_number(news.score),
            "what": what,
            "alert_id": alert_id,
            "desk_url": self._desk_url,
            "links": self._links(alert_id, news, answer_within),
        }
        grade = f", grade {news.grade}" if news.grade else ""
        return Message(alert_id, f"leadloop: {what}{grade}", self._notice.render(words).strip() + "\n")

    def _links(self, alert_id: AlertId, news: News, answer_within: timedelta) -> dict[str, str]:
        if news.kind is not NewsKind.ASSIGNED or news.assignment_id is None or news.rep_id is None or not self._desk_url:
            return {}
        offered = Offered(
            alert_id, news.lead_id, news.assignment_id, news.rep_id, news.happened_at + answer_within
        )
        return {choice.value: link(self._settings, offered, choice) for choice in Choice}
