"""The words of a message: by the agreement's template, else by built-in ones of ids, times and reasons, never a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import jinja2
import structlog
from jinja2.sandbox import SandboxedEnvironment

from schemas.agreement import Agreement
from schemas.agreement.clock_terms import ActionWord
from schemas.agreement.message_words import WHAT, Links, People, written
from schemas.agreement.templating import TemplateFailed
from schemas.events.alerting import AlertLine, AlertReleased, News, NewsKind, ToolKind
from schemas.ids import AlertId
from schemas.vocabulary import as_number
from services.runtime.answer_links import Choice, Offered, link
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_REPETITION = "This message is {}; if it comes twice, it is the same one.\n"
_ANSWER_WITHIN = timedelta(hours=24)
"""So long the links of an alert answer, where the agreement says nothing of notices."""


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

    def write(self, released: AlertReleased, agreement: Agreement, people: People = {}) -> Message:  # noqa: B006 - read only
        """The message of one release. people: what the template of the recipient may say of the leads' persons. A template that
        cannot be written, come what may, gives way to the built-in words: an alert is never lost for its wording."""
        links = partial(self._links_of, released, agreement)
        template = agreement.template_of(released.recipient)
        if template is not None:
            try:
                subject, body = written(template, released, self._desk_url, links, people)
            except TemplateFailed as failed:
                log.error("template_failed", alert_id=released.alert_id, because=str(failed))
            else:
                return Message(released.alert_id, subject, f"{body}\n{_REPETITION.format(released.alert_id)}")
        words = {
            "lines": [(line, links(line)) for line in released.lines],
            "words": WHAT,
            "counts": Counter(line.kind for line in released.lines).most_common(),
            "number": as_number,
        }
        body = self._body.render(words).strip()
        return Message(released.alert_id, self._subject.render(words).strip(), f"{body}\n\n{_REPETITION.format(released.alert_id)}")

    def _links_of(self, released: AlertReleased, agreement: Agreement, line: AlertLine) -> Links:
        """A rep gets to his inbox and, while accepting is what the clock waits for, may answer at once; others get to the lead."""
        if not self._desk_url:
            return Links()
        if line.rep_id is None or not released.recipient.startswith(f"{ToolKind.REP.value}."):
            return Links(f"{self._desk_url}/manager?lead={line.lead_id}")
        inbox, clock = f"{self._desk_url}/rep/{line.rep_id}", agreement.clock(line.clock or "")
        if line.assignment_id is None or clock is None or ActionWord.ACCEPTED not in clock.met_by:
            return Links(inbox)
        notices = agreement.tools.notices
        until = line.happened_at + (notices.answer_within if notices is not None else _ANSWER_WITHIN)
        offered = Offered(line.alert_id, line.lead_id, line.assignment_id, line.rep_id, until)
        return Links(inbox, *(link(self._settings, offered, choice) for choice in (Choice.ACCEPT, Choice.REJECT)))

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
