"""The journey of a lead in sentences: what happened, when, who did it, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from schemas import ids
from schemas.ids import LeadId
from services.console.options import settings_by
from services.console.terminal import Refused

_TIME_WIDTH = 23
_QUIET = frozenset({"TimerDue"})

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One sentence of the journey, with the reasons that it gives."""

    at: str
    said: str
    reasons: tuple[str, ...] = ()
    void: bool = False
    """It came too late, or was not allowed where it stands: it changed nothing."""


def find_lead(text: str, data: Path | None) -> LeadId:
    """The lead of an id, an e-mail address or a telephone number with country code. Raises Refused."""
    text = text.strip()
    if re.fullmatch(LeadId.PATTERN, text.lower()):
        return LeadId(text.lower())
    return ids.lead_id(settings_by(data).lead_namespace, _normal_form(text))


def _normal_form(text: str) -> str:
    """As intake writes it (services/intake/identity.py; a test holds both together)."""
    if "@" in text:
        try:
            return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
        except EmailNotValidError as error:
            raise Refused(f"{text} is no e-mail address: {error}") from error
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise Refused(
            f"{text!r} is no lead: name its id, its e-mail address, or its telephone number with country code, "
            "such as +49 30 901820"
        ) from None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def journey(now: Content, events: Sequence[Content], everything: bool) -> list[Line]:
    """The timeline that feedback gives, told. Without `everything`, what changed nothing for a reader is left out."""
    lines, scored, version = [], None, None
    for entry in events:
        content = entry["event"]
        same_score = entry["type"] == "LeadScored" and (content["score"], content["grade"]) == scored
        if entry["type"] == "LeadScored":
            scored = (content["score"], content["grade"])
        if everything or not (same_score or entry["type"] in _QUIET):
            lines.append(_line(entry, new_version=content.get("agreement_version") not in (None, version)))
            version = content.get("agreement_version") or version
    return [*lines, Line("now".ljust(_TIME_WIDTH), _standing(now))]


ROUTING: Final = (
    "LeadRouted", "LeadAssigned", "LeadQueued", "AssignmentWithdrawn", "ActionRefused", "LeadRejected", "LeadHandedOver",
    "ReassignmentOrdered",
)  # fmt: skip
"""What is told of a lead's routing: what routing decided, and what made it decide again."""


def routing(events: Sequence[Content]) -> list[dict[str, Any]]:
    """Each decision about the lead's pool and rep: the rule that fired, those before it that did not and why, the
    candidates and why each was not taken; void ones are marked."""
    return [_decision(entry) for entry in events if entry["type"] in ROUTING]


def _decision(entry: Content) -> dict[str, Any]:
    content = entry["event"]
    said = {name: content[name] for name in _SAID_OF_ROUTING if content.get(name) is not None}
    ask = content.get("ask") or {}
    return {
        "at": entry["at"],
        "type": entry["type"],
        "void": bool(entry["void"]),
        "said": entry["sentence"],
        **({"pool_id": ask["pool_id"]} if ask.get("pool_id") else {}),
        **said,
    }


_SAID_OF_ROUTING = (
    "team_id", "pool_id", "rep_id", "rule", "because", "passed_over", "candidates", "chosen_by", "reason", "cause", "until",
    "accept_by", "account_id", "request_id", "assignment_id", "to", "to_role", "agreement", "agreement_version",
)  # fmt: skip


def _line(entry: Content, *, new_version: bool) -> Line:
    void = bool(entry["void"])
    said = str(entry["sentence"]) + (
        " – void: it was not allowed any more where it stands, and changed nothing" if void else ""
    )
    content = entry["event"]
    by = [f"by the agreement {content['agreement']}, version {content['agreement_version']}"] if new_version else []
    return Line(_time(entry["at"]), said, (*_reasons(content), *by), void)


def _reasons(content: Content) -> Iterator[str]:
    """What else was looked at, and why it was not taken."""
    for part in content.get("contributions") or ():
        yield f"{_points(part['points'])} for {part['part']}: {part['because']}"
    learned = content.get("learned")
    if learned:
        yield f"model {learned['model_version']} {'counts' if learned['counts'] else 'does not count'}: {learned['because']}"
        for part in learned["contributions"]:
            yield f"{_points(part['log_odds'])} of log-odds: {part['because']}"
    for rule in content.get("passed_over") or ():
        yield f"not by the rule {rule['rule']}: {rule['because']}"
    for candidate in content.get("candidates") or ():
        yield f"{'' if candidate['taken'] else 'not '}{candidate['rep_id']}: {candidate['because']}"
    if content.get("wakes_on"):
        yield f"wakes earlier on {', '.join(content['wakes_on'])}"
    for many in content.get("wakes_on_many") or ():
        yield f"wakes earlier on {many['at_least']} times {many['engagement']}"
    if content.get("wakes_from_score"):
        yield f"wakes earlier from a score of {_points(content['wakes_from_score'])}"
    if content.get("wakes_on_campaigns"):
        yield f"wakes earlier on the campaign {', '.join(content['wakes_on_campaigns'])}"


def _standing(now: Content) -> str:
    parts = [f"the lead is {now['lead_status']}", f"stage {now['lifecycle_stage']}", f"cycle {now['cycle']}"]
    if now.get("grade"):
        parts.append(f"grade {now['grade']} with {_points(now.get('score'))} points")
    parts.append(f"with {now['owner']}" if now.get("owner") else "with nobody")
    if now.get("owed"):
        parts.append(f"owed next: {now['owed']}")
    return ", ".join(parts)


def _time(text: str) -> str:
    """An instant as a person reads it, in UTC with milliseconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).strftime("%Y-%m-%d %H:%M:%S.%f")[:_TIME_WIDTH]


def _points(value: Any) -> str:
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
