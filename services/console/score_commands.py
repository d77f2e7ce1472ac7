"""`leadloop score`: the score of a lead off line, taken apart, by an agreement that is a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.agreement import Agreement, AgreementRefused, load
from schemas.agreement.qualifying import explain
from services.console.lead_file import known_at, read_lead_file
from services.console.options import AsJson
from services.console.terminal import Refused, out, say_json

_LEAD = 'The lead (JSON): {"attributes": {…}, "country", "source", "engagements": [{"kind", "at"}], "submitted_at", "campaigns", "at"}.'


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(score)


def score(
    agreement: Annotated[Path, typer.Option(help="The agreement (YAML).")],
    lead: Annotated[Path, typer.Option(help=_LEAD)],
    at: Annotated[str | None, typer.Option(help="An instant such as 2026-03-01T09:00:00Z; the lead's own `at` or now otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a lead off line: the number, its parts, the verdict with its rule, and what would make it qualified."""
    rules = _agreement_in(agreement)
    told_of = read_lead_file(lead)
    asked = instant(at) if at is not None else told_of.at or datetime.now(UTC)
    explained = explain(rules, known_at(told_of, rules, asked), asked)
    if as_json:
        say_json(explained.document())
    else:
        for line in told(explained.document()):
            out().print(line, markup=False)


def _agreement_in(file: Path) -> Agreement:
    try:
        return load(file.read_text(encoding="utf-8"), 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror}): name an agreement file") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no UTF-8 text: name an agreement file") from error
    except AgreementRefused as refused:
        first = next(f for f in refused.findings if f.severity == "error")
        raise Refused(f"{file} is refused: {first} For all findings: leadloop agreement check {file}") from refused


def instant(text: str) -> datetime:
    """An instant with its time zone, in UTC. Raises Refused."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text!r} is no instant: write it as 2026-03-01T09:00:00Z") from None
    if at.tzinfo is None:
        raise Refused(f"{text!r} names no time zone: end it with Z or +01:00, such as {at.isoformat()}Z")
    return at.astimezone(UTC)


def told(document: dict[str, Any]) -> list[str]:
    """The same in sentences."""
    stage = f", stage {document['stage']}" if document["stage"] else ""
    lines = [
        f"{document['score']} points: fit {document['fit']}, engagement {document['engagement']}, "
        f"grade {document['grade']}{stage}",
        f"{document['verdict']} by the rule {document['rule']}: {document['because']}",
    ]
    if "agreement" in document:
        lines.append(f"by the agreement {document['agreement']}, version {document['agreement_version']}")
    lines += [f"{c['points']:>12}  {c['part']}: {c['because']}" for c in document["contributions"]]
    lines += _learned(document.get("learned"))
    since = document.get("since_last")
    if since and since["changes"]:
        lines.append(f"since {since['at']} it has changed by {since['points']} points")
        lines += [f"{c['points']:>12}  {c['part']}: {c['because']}" for c in since["changes"]]
    if document["to_qualify"]:
        lines.append("it would be qualified with")
        lines += [f"    {way['say']}: {way['score']} points, grade {way['grade']}" for way in document["to_qualify"]]
    if document["changes_at"]:
        lines.append(f"without any event it changes at {document['changes_at']}")
    return lines


def _learned(learned: dict[str, Any] | None) -> list[str]:
    """What the model says of it, if there is one."""
    if not learned:
        return []
    return [
        f"the model's probability of winning is {learned['probability']} (model {learned['model_version']}, log-odds "
        f"{learned['log_odds']}): {learned['because']}",
        *(f"{part['log_odds']:>12}  of log-odds: {part['because']}" for part in learned["contributions"]),
    ]
