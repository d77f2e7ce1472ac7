"""What a template of the agreement is filled with, of a real message or of a sample. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.agreement.message_terms import Template
from schemas.agreement.templating import LINES_SHOWN, Moment, write, write_subject
from schemas.events.alerting import AlertKind, AlertLine, AlertReleased
from schemas.ids import AlertId, AssignmentId, ClockName, LeadId, RecipientId, RepId, TeamId
from schemas.vocabulary import Because, Slug, as_number

WHAT = {
    AlertKind.CLOCK_WARNED: "a clock is running out",
    AlertKind.CLOCK_BREACHED: "a clock ran out",
    AlertKind.LEAD_QUEUED: "nobody takes a lead",
    AlertKind.BREACH_LIKELY: "a clock will probably run out",
}
_PERSON_AT_MOST, _LONG_AT_MOST = 200, 2_000
_LONG = frozenset({"message"})


@dataclass(frozen=True, slots=True)
class Links:
    """Where the reader of an alert can act; empty: nowhere."""

    open: str = ""
    accept: str = ""
    reject: str = ""


Linking = Callable[[AlertLine], Links]
People = Mapping[LeadId, Mapping[str, Any]]
"""By lead: what may be said of its person, as far as it is known."""


def written(template: Template, released: AlertReleased, desk_url: str, links: Linking, people: People) -> tuple[str, str]:
    """Subject and body by the template. Raises TemplateFailed."""
    words = _words(template, released, desk_url, links, people)
    return write_subject(template.subject, words), write(template.body, words).strip() + "\n"


def _words(
    template: Template, released: AlertReleased, desk_url: str, links: Linking, people: People
) -> dict[str, Any]:
    """Every value that a template may name: texts, empty where nothing is known, and numbers."""
    counts = Counter(line.kind for line in released.lines).most_common()
    return {
        "lines": [_line(template, line, links(line), people.get(line.lead_id, {})) for line in released.lines[:LINES_SHOWN]],
        "count": len(released.lines),
        "more": max(0, len(released.lines) - LINES_SHOWN),
        "counts": [{"number": number, "what": WHAT[kind]} for kind, number in counts],
        "recipient": str(released.recipient),
        "alert_id": str(released.alert_id),
        "desk_url": desk_url,
    }


def _line(template: Template, line: AlertLine, links: Links, person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "alert_id": str(line.alert_id),
        "kind": line.kind.value,
        "what": WHAT[line.kind],
        "lead_id": str(line.lead_id),
        "because": str(line.because),
        "rep": line.rep_id or "",
        "team": line.team_id or "",
        "clock": line.clock or "",
        "grade": line.grade or "",
        "score": "" if line.score is None else str(as_number(line.score)),
        "buying_stage": line.buying_stage or "",
        "deadline": Moment(line.deadline_at),
        "happened": Moment(line.happened_at),
        "probability": "" if line.probability is None else f"{line.probability:.0%}",
        "meant_for": line.via[0] if line.via else "",
        "escalation": line.escalation or "",
        "open": links.open,
        "accept": links.accept,
        "reject": links.reject,
        "person": {field.value: _of_person(field.value, person.get(field.value)) for field in template.personal},
    }


def _of_person(field: str, value: Any) -> str:
    """One field of a person in one line: what he wrote himself must not look like more lines of the message."""
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} {number}" for name, number in value.items())
    plain = "".join(letter if letter.isprintable() else " " for letter in str(value or ""))
    return " ".join(plain.split())[: _LONG_AT_MOST if field in _LONG else _PERSON_AT_MOST]


def sample_release(lines: int, recipient: str, sparse: bool = False) -> AlertReleased:
    """A message about leads that are none. sparse: with nothing that may be missing."""
    at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    kinds = (AlertKind.CLOCK_BREACHED, AlertKind.CLOCK_WARNED)
    made = []
    for n in range(lines):
        known: dict[str, Any] = {
            "team_id": TeamId("sales"),
            "assignment_id": AssignmentId(f"5f0c3f0e-0000-5000-8000-{n:012d}"),
            "grade": "A1",
            "score": Decimal(72),
            "buying_stage": Slug("decision"),
        }
        made.append(
            AlertLine(
                alert_id=AlertId(f"alert.sample-{n + 1}"),
                kind=AlertKind.LEAD_QUEUED if sparse else kinds[n % 2],
                lead_id=LeadId(f"00000000-0000-5000-8000-{n + 1:012d}"),
                rep_id=None if sparse else RepId("anna"),
                clock=None if sparse else ClockName("first-response"),
                deadline_at=None if sparse else at + timedelta(minutes=n),
                happened_at=at + timedelta(minutes=n),
                because=Because("the clock first-response ran out at 2026-03-02 09:30 UTC, anna has not worked it"),
                **({} if sparse else known),
            )
        )
    alert_id = made[0].alert_id if lines == 1 else AlertId("digest.sample")
    return AlertReleased(recipient=RecipientId(recipient), alert_id=alert_id, lines=tuple(made))


SAMPLE_PERSON: Mapping[str, Any] = {
    "email": "ada@example.com",
    "phone": "+44 20 7946 0000",
    "name": "Ada Sample",
    "company": "Sample Ltd",
    "country": "GB",
    "message": "Please call me about the larger plan.",
    "external_ids": {"crm": "00Q1"},
}
"""A person who is none."""


def sample_links(line: AlertLine) -> Links:
    """Links that lead nowhere."""
    desk = "https://desk.example.com"
    return Links(f"{desk}/manager?lead={line.lead_id}", f"{desk}/answer/sample/accept", f"{desk}/answer/sample/reject")


def sample_written(template: Template, lines: int = 1, recipient: str = "managers", sparse: bool = False) -> tuple[str, str]:
    """Subject and body as a sample lead would make them. Raises TemplateFailed."""
    released = sample_release(lines, recipient, sparse)
    people: People = {} if sparse else {line.lead_id: SAMPLE_PERSON for line in released.lines}
    return written(template, released, "https://desk.example.com", sample_links, people)
