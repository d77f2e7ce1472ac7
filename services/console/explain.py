"""The journey of a lead in sentences: what happened, when, who did it, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from schemas import ids
from schemas.ids import LeadId
from services.console.options import settings_by
from services.console.terminal import Refused

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One sentence of the journey."""

    at: str
    said: str
    void: bool
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
        raise Refused(f"{text!r} is no lead: name its id, its e-mail address, or its telephone number with country code, such as +49 30 901820") from None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def journey(now: Content, events: Any, everything: bool) -> list[Line]:
    """The timeline that feedback gives, told. Without `everything`, what changed nothing for a reader is left out."""
    told = [_line(event) for event in events] if isinstance(events, list) else [_line(event) for event in events["events"]]
    lines = [line for line, quiet in told if everything or not quiet]
    return [*lines, Line("now".ljust(19), _standing(now), void=False)]


def _line(entry: Content) -> tuple[Line, bool]:
    kind = str(entry.get("type", "")).removeprefix("leadloop.").partition(".")[0]
    content = entry.get("event") or entry.get("content") or entry.get("data") or entry
    at = _time(str(entry.get("at") or entry.get("recorded_at") or entry.get("time") or ""))
    void = bool(entry.get("void")) or entry.get("effect") == "void"
    teller = _TOLD.get(kind)
    sentence = teller(content) if teller is not None else _words(kind)
    because = str(entry.get("void_because") or "")
    if void:
        sentence += f" – void: {because}" if because else " – void: it came when it was no longer allowed, and changed nothing"
    return Line(at, sentence, void), teller is None or kind in _QUIET


def _standing(now: Content) -> str:
    owner = now.get("owner")
    owner = owner.get("rep_id") if isinstance(owner, dict) else owner
    parts = [f"the lead is {now.get('lead_status')}", f"stage {now.get('lifecycle_stage')}", f"cycle {now.get('cycle')}"]
    if now.get("grade"):
        parts.append(f"grade {now['grade']} with {_points(now.get('score'))} points")
    parts.append(f"with {owner}" if owner else "with nobody")
    return ", ".join(parts)


def _time(text: str) -> str:
    """An instant as a person reads it, in UTC."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text[:19].ljust(19)


# -- sentences -------------------------------------------------------------------------------------------------------


def _because(content: Content) -> str:
    return f": {content['because']}" if content.get("because") else ""


def _points(value: Any) -> str:
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _by(content: Content) -> str:
    by = content.get("by") or {}
    return str(by.get("rep_id") or by.get("manager_id") or by.get("system") or "somebody")


def _money(content: Content) -> str:
    amount = content.get("amount")
    return f" for {amount['amount']} {amount['currency']}" if amount else ""


def _reason(content: Content) -> str:
    return f": {str(content['reason']).replace('_', ' ')}" if content.get("reason") else ""


def _submitted(content: Content) -> str:
    source = content.get("source") or {}
    through = source.get("campaign") or source.get("channel") or source.get("utm_source")
    form = f" by the form {content['form']}" if content.get("form") else ""
    return f"sent in{form}" + (f", from {through}" if through else "") + (f", about {content['attributes']['topic']}" if "topic" in content.get("attributes", {}) else "")


def _scored(content: Content) -> str:
    entries = ", ".join(f"{_points(c['points'])} as it {c['because']}" for c in content.get("contributions", ()))
    return f"scored {_points(content['score'])} (grade {content['grade']})" + (f": {entries}" if entries else "")


def _verdict(word: str) -> Callable[[Content], str]:
    return lambda content: f"{word} by the rule {content['rule']}{_because(content)} (agreement {content['agreement']} version {content['agreement_version']})"


def _routed(content: Content) -> str:
    ask = content["ask"]
    to = f"the pool {ask['pool_id']}" if ask["kind"] == "pool" else f"{ask['rep_id']}, by order"
    passed = "; ".join(f"not {p['rule']}, as {p['because']}" for p in content.get("passed_over", ()))
    return f"routed to {to} by the rule {content['rule']}{_because(content)}" + (f" ({passed})" if passed else "")


def _assigned(content: Content) -> str:
    others = "; ".join(f"not {c['rep_id']}, as {c['because']}" for c in content.get("candidates", ()) if not c["taken"])
    return f"assigned to {content['rep_id']}{_because(content)}" + (f" ({others})" if others else "")


def _withdrawn(content: Content) -> str:
    return f"taken away from its rep{_because(content)}"


def _clock(told: str) -> Callable[[Content], str]:
    return lambda content: f"the clock {content['clock']} of {content['rep_id']} {told}".format(**{k: _time(v) if str(k).endswith("_at") and isinstance(v, str) else v for k, v in content.items()}) + _because(content)


def _meeting(content: Content) -> str:
    return f"{_by(content)} recorded a meeting: {str(content['outcome']).replace('_', ' ')}" + (f", at {_time(content['meeting_at'])}" if content.get("meeting_at") else "")


def _returned(content: Content) -> str:
    return f"{_by(content)} {'rejected' if content.get('rejected') else 'gave'} it back to marketing{_reason(content)}"


def _recycled(content: Content) -> str:
    until = f", until {_time(content['wakes_at'])}" if content.get("wakes_at") else ""
    wakes = f" or {' or '.join(content['wakes_on'])}" if content.get("wakes_on") else ""
    return f"recycled into the stream {content['stream']}{until}{wakes}{_because(content)}"


def _woken(content: Content) -> str:
    woken = content["woken_by"]
    by = {"date": "its date has come", "submission": "it was sent in again"}.get(woken["kind"]) or f"it was seen again: {woken.get('engagement')}"
    return f"back as cycle {content['cycle']}, since {by}"


_TOLD: Mapping[str, Callable[[Content], str]] = {
    "LeadSubmitted": _submitted,
    "EngagementObserved": lambda c: f"seen: {str(c['kind']).replace('_', ' ')}" + (f" ({c['asset']})" if c.get("asset") else ""),
    "ConsentChanged": lambda c: f"consent to {c['purpose']} {'given' if c['granted'] else 'withdrawn'}",
    "LeadSuppressed": lambda c: f"suppressed{_reason(c)}",
    "LeadsMerged": lambda c: f"merged into {c['survivor']}",
    "LeadsUnmerged": lambda c: f"no longer merged into {c['survivor']}",
    "LeadErased": lambda c: "erased: what was known of the person is gone",
    "LeadScored": _scored,
    "LeadQualified": _verdict("qualified"),
    "LeadNurtured": _verdict("nurtured"),
    "LeadDisqualified": _verdict("disqualified"),
    "LeadRouted": _routed,
    "LeadAssigned": _assigned,
    "LeadQueued": lambda c: f"waiting in the queue of {c.get('pool_id') or c['team_id']}{_because(c)}",
    "AssignmentWithdrawn": _withdrawn,
    "ActionRefused": lambda c: f"the action {c['action']} was refused{_because(c)}",
    "LeadAccepted": lambda c: f"{_by(c)} accepted it",
    "LeadRejected": lambda c: f"{_by(c)} rejected it{_reason(c)}",
    "ContactAttempted": lambda c: f"{_by(c)} tried by {c['channel']}: {str(c['disposition']).replace('_', ' ')}",
    "LeadConnected": lambda c: f"{_by(c)} reached the person by {c['channel']}",
    "MeetingRecorded": _meeting,
    "NoteAdded": lambda c: f"{_by(c)} wrote a note",
    "NextStepSet": lambda c: f"{_by(c)} set the next step for {_time(c['due_at'])}",
    "OpportunityOpened": lambda c: f"{_by(c)} opened an opportunity{_money(c)}",
    "LeadHandedOver": lambda c: f"{_by(c)} handed it over to the role {c['to_role']}{_reason(c)}",
    "LeadReturned": _returned,
    "ReassignmentOrdered": lambda c: f"{_by(c)} ordered it to {c.get('to') or 'somebody else'}{_reason(c)}",
    "ActionUndone": lambda c: f"{_by(c)} undid the last action",
    "LeadWon": lambda c: f"{_by(c)} won it{_money(c)}",
    "LeadLost": lambda c: f"{_by(c)} lost it{_reason(c)}",
    "ClockStarted": _clock("runs, until {deadline_at}"),
    "ClockWarned": _clock("warned: due at {deadline_at}"),
    "ClockBreached": _clock("was breached: due at {deadline_at}"),
    "ClockMet": _clock("was met at {met_at}, before {deadline_at}"),
    "ClockPaused": _clock("paused"),
    "ClockResumed": _clock("runs again, until {deadline_at}"),
    "ClockCancelled": _clock("has nothing more to watch"),
    "ClockCorrected": _clock("was met in time after all"),
    "LeadRecycled": _recycled,
    "LeadReactivated": _woken,
    "LeadRetired": lambda c: f"retired{_because(c)}",
    "TimerDue": lambda c: f"a deadline of {c['processor']} came",
}

_QUIET = frozenset({"TimerDue"})


def _words(kind: str) -> str:
    """An event that has no sentence yet, by its name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower() or "something happened"
