"""`leadloop agreement propose, approve, publish, history, diff`: how a new agreement comes to be in force."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.agreement import Agreement, load
from schemas.agreement.difference import Difference, difference
from schemas.agreement.life import NOTICE, THE_BEGINNING, Course, Line, NoAgreement, Proposed
from schemas.events.console import DEPARTMENTS, AgreementProposed, AgreementPublished
from schemas.ids import ApproverId, digest
from services.console import approver_keys, first_agreement
from services.console.agreement_proof import proven
from services.console.approver_keys import department_of, key_in
from services.console.first_agreement import Chosen
from services.console.options import AsJson, Data, settings_by
from services.console.saying import By, person, speak
from services.console.terminal import Refused, out, say_json
from services.runtime.approving import approval_of

DEFAULT_LEAD = timedelta(seconds=60)
CURRENT = "current"

Version = Annotated[int | None, typer.Argument(help="The proposed version; the only open one otherwise.")]


def add_to(app: typer.Typer) -> None:
    """Put the commands below `leadloop agreement`."""
    app.command("propose")(propose)
    app.command("approve")(approve)
    app.command("publish")(publish)
    app.command("history")(history)
    app.command("diff")(diff)
    app.add_typer(approver_keys.app, name="keys")


def propose(
    file: Annotated[Path, typer.Argument(help="The new agreement (YAML).")],
    data: Data = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Put a new version before both departments. It gets the next number, and says what would change.

    Refused where a proof over all possible leads finds that its rules cannot be meant so (leadloop agreement prove).
    """
    chosen, settings = first_agreement.choose(file), settings_by(data)
    course = _course(data)
    now = course.publication(datetime.now(UTC))
    if now.text == chosen.text:
        raise Refused(f"{file} says what is in force already (version {now.agreement.version}); change it first")
    if (same := next((p for p in course.open_proposals() if p.text == chosen.text), None)) is not None:
        raise Refused(
            f"{file} is proposed already, as version {same.version}: leadloop agreement approve {same.version}"
        )
    doubts = proven(file, chosen.text)
    event = proposal_of(chosen, course, person(by))
    speak(settings, course, event)
    changes = difference(now.agreement, chosen.agreement)
    if as_json:
        told = [asdict(doubt) for doubt in doubts]
        say_json({"version": event.agreement_version, "content": event.content, "doubts": told, **changes.document()})
        return
    out().print(f"proposed as version {event.agreement_version}, content {event.content}\n", markup=False)
    _tell(changes)
    for doubt in doubts:
        out().print(f"doubtful: {file}:{doubt.line} {doubt.path}: {doubt.message} {doubt.remedy}", markup=False)
    out().print(f"\nnow: leadloop agreement approve {event.agreement_version} --as marketing --key marketing.key")


def approve(
    as_: Annotated[str, typer.Option("--as", help="marketing or sales")],
    key: Annotated[Path, typer.Option("--key", help="The department's key file.")],
    version: Version = None,
    data: Data = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Sign a proposal for a department: exactly this content as exactly this version."""
    department, settings = department_of(as_), settings_by(data)
    course = _course(data)
    proposed = _proposal(course, version)
    after = speak(settings, course, approval_of(proposed, department, key_in(key), person(by)))
    missing = _missing(after, proposed)
    if as_json:
        say_json(
            {"version": proposed.version, "content": proposed.content, "department": department, "missing": missing}
        )
    elif missing:
        out().print(f"{department} approves version {proposed.version}; still missing: {', '.join(missing)}")
    else:
        out().print(f"both approve version {proposed.version}: leadloop agreement publish {proposed.version}")


def publish(
    version: Version = None,
    effective_at: Annotated[
        str | None, typer.Option(help="From when on, with its zone: 2026-12-01T09:00:00+01:00; in a minute otherwise.")
    ] = None,
    data: Data = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Put a proposal that both approved in force from an instant on. No service is restarted."""
    settings = settings_by(data)
    at = _instant(effective_at)
    course = _course(data)
    proposed = _proposal(course, version)
    speak(settings, course, publication_of(proposed, at, person(by)))
    if as_json:
        say_json({"version": proposed.version, "content": proposed.content, "effective_at": _iso(at)})
    else:
        out().print(f"version {proposed.version} is in force from {_iso(at)} on")


def history(data: Data = None, as_json: AsJson = False) -> None:
    """Every version: who proposed, approved and published it, and from when until when it is in force."""
    course, now = _course(data), datetime.now(UTC)
    documents = [_line(course, line, now) for line in course.lines()]
    void = [{"said": v.said, "version": v.version, "at": _iso(v.at), "because": v.because} for v in course.void]
    if as_json:
        say_json({"versions": documents, "void": void})
        return
    for document in documents:
        out().print(f"version {document['version']}: {document['state']}", markup=False, style="bold")
        for said in ("proposed", "marketing", "sales", "published"):
            if (what := document[said]) is not None:
                word = f"{said} approved" if said in DEPARTMENTS else said
                who = f" by {what['by']}" if what["by"] else ""
                out().print(f"    {word} {what['at']}{who}", markup=False)
    for each in void:
        out().print(f"void: {each['said']} of version {each['version']}, {each['at']}: {each['because']}", markup=False)


def diff(
    before: Annotated[str, typer.Argument(help="A file, a version's number, or current.")],
    after: Annotated[str, typer.Argument(help="A file, a version's number, or current.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Say in sentences what would be otherwise, with leads that would be judged or routed otherwise."""
    course: list[Course] = []

    def named(word: str) -> Agreement:
        if word != CURRENT and not word.isdigit():
            return first_agreement.choose(Path(word)).agreement
        if not course:
            course.append(_course(data))
        return _of(course[0], word)

    changes = difference(named(before), named(after))
    if as_json:
        say_json(changes.document())
    else:
        _tell(changes)


# ------------------------------------------------------------------ what they share


def proposal_of(chosen: Chosen, course: Course, by: ApproverId) -> AgreementProposed:
    """A text put before both departments, as the next version."""
    return AgreementProposed(
        name=chosen.agreement.name,
        agreement_version=course.next_version(),
        content=digest(chosen.text.encode()),
        text=chosen.text,
        proposed_by=by,
    )


def publication_of(proposed: Proposed, at: datetime, by: ApproverId) -> AgreementPublished:
    """A proposal put in force from `at` on."""
    return AgreementPublished(
        name=proposed.name,
        agreement_version=proposed.version,
        content=proposed.content,
        text=proposed.text,
        effective_at=at,
        published_by=by,
    )


def _course(data: Path | None) -> Course:
    course = asyncio.run(first_agreement.read(settings_by(data))).course
    if not course.published:
        raise Refused("this installation has no agreement yet: leadloop up publishes the first")
    return course


def _of(course: Course, word: str) -> Agreement:
    if word == CURRENT:
        try:
            return course.publication(datetime.now(UTC)).agreement
        except NoAgreement as none:
            raise Refused(str(none)) from none
    number = int(word)
    found = next((p.agreement for p in course.published if p.agreement.version == number), None)
    if found is not None:
        return found
    proposed = course.proposal(number)
    if proposed is None:
        raise Refused(f"there is no version {number}; see: leadloop agreement history")
    return load(proposed.text, number)


def _proposal(course: Course, version: int | None) -> Proposed:
    waiting = course.open_proposals()
    if version is None:
        if len(waiting) == 1:
            return waiting[0]
        numbers = ", ".join(str(p.version) for p in waiting)
        raise Refused(
            f"several versions are proposed ({numbers}); name one"
            if waiting
            else "nothing is proposed; propose a file: leadloop agreement propose FILE"
        )
    proposed = course.proposal(version)
    if proposed is None:
        raise Refused(f"no version {version} is proposed; see: leadloop agreement history")
    if proposed not in waiting:
        newest = course.published[-1].agreement.version
        raise Refused(f"version {version} is not newer than version {newest}, which is published; propose it anew")
    return proposed


def _missing(course: Course, proposed: Proposed) -> list[str]:
    return list(course.approvals.missing(proposed.name, proposed.version, proposed.content, datetime.now(UTC)))


def _instant(text: str | None) -> datetime:
    now = datetime.now(UTC)
    if text is None:
        return now + DEFAULT_LEAD
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no point in time; write it as 2026-12-01T09:00:00+01:00") from error
    if at.tzinfo is None:
        raise Refused(f"{text} says no time zone; add it: {at.isoformat()}Z for UTC, or {at.isoformat()}+01:00")
    if at < now + NOTICE:
        raise Refused(
            f"{text} is less than {NOTICE.total_seconds():.0f} seconds ahead, and every service must know it before; "
            "name a later time"
        )
    return at.astimezone(UTC)


def _iso(at: datetime) -> str:
    return "the beginning" if at == THE_BEGINNING else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _line(course: Course, line: Line, now: datetime) -> dict[str, Any]:
    proposed, published = line.proposed, line.published
    given: Any = {}
    if published is not None:
        given = published.approvals
    elif proposed is not None:
        given = course.approvals.of(proposed.name, proposed.version, proposed.content, now)
    return {
        "version": line.version,
        "state": _state(line, [d for d in DEPARTMENTS if d not in given], now, course.published[-1].agreement.version),
        "content": published.content if published is not None else proposed.content if proposed is not None else None,
        "proposed": None if proposed is None else {"by": proposed.by, "at": _iso(proposed.at)},
        **{
            d: {"by": given[d].by, "at": _iso(given[d].at), "key": given[d].key} if d in given else None
            for d in DEPARTMENTS
        },
        "published": None if published is None else {"by": published.by, "at": _iso(published.published_at)},
        "in_force_from": None if published is None else _iso(published.effective_at),
        "in_force_until": None if line.until is None else _iso(line.until),
    }


def _state(line: Line, missing: list[str], now: datetime, newest: int) -> str:
    if line.published is None and line.version < newest:
        return f"never published: version {newest} is newer"
    if line.published is None:
        return f"proposed, {' and '.join(missing)} still to approve" if missing else "approved by both, not published"
    since, until = _iso(line.published.effective_at), line.until
    if line.published.effective_at > now:
        return f"in force from {since} on"
    if until is not None and until <= now:
        return f"was in force from {since} until {_iso(until)}"
    return f"in force since {since}" + (f" until {_iso(until)}" if until is not None else "")


def _tell(changes: Difference) -> None:
    if not changes.sentences and not changes.examples:
        out().print("nothing changes")
    for sentence in changes.sentences:
        out().print(f"- {sentence}", markup=False)
    for example in changes.examples:
        out().print(f"- {example.says}", markup=False)
        out().print(f"    for example {example.lead_json()}", markup=False)
        out().print(f"    before: {example.before}", markup=False)
        out().print(f"    after:  {example.after}", markup=False)
