"""The agreement as HTML: what is in force in sentences, and what a proposal would change. Escaped here, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from schemas.agreement import Agreement, Condition
from schemas.agreement.difference import Difference
from schemas.agreement.life import THE_BEGINNING, Course, Proposed, Published
from schemas.agreement.wording import clock_in_words, in_words, reason_in_words, scoring_in_words
from schemas.events.console import DEPARTMENTS


def in_force(published: Published) -> str:
    """Which version it is, since when, and who approved it."""
    agreement = published.agreement
    since = "the beginning" if published.effective_at == THE_BEGINNING else _time(published.effective_at)
    given = [f"{d} ({a.by or 'unnamed'}, {_time(a.at)})" for d, a in published.approvals.items()]
    facts = (
        ("Agreement", agreement.title or agreement.name),
        ("Version", str(agreement.version)),
        ("In force since", since),
        ("Approved by", ", ".join(given) or "nobody: it is the first"),
        ("Content (SHA-256)", published.content[:16] + "…"),
    )
    return '<dl class="facts">' + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts) + "</dl>"


def sections(agreement: Agreement) -> str:
    """What it says, section by section."""
    return "".join(
        (
            _section(
                "What is a qualified lead? The first rule that holds decides",
                (
                    f"<b>{escape(r.verdict.value)}</b> {escape(_when(r.when))} <em>{escape(r.because)}</em>"
                    for r in agreement.definition
                ),
            ),
            _section(
                "How leads are scored",
                (
                    f"<b>{escape(r.id)}</b> ({part}): {escape(scoring_in_words(r))} <em>{escape(r.because)}</em>"
                    for part, r in agreement.scoring_rules
                ),
            ),
            _section(
                "Who gets them? The first rule that holds decides, for each role",
                (
                    f"<b>{escape(r.pool)}</b>{f' (role {escape(r.role)})' if r.role else ''} "
                    f"{escape(_when(r.when))} <em>{escape(r.because)}</em>"
                    for r in agreement.routing
                ),
            ),
            _section(
                "By when",
                (f"<b>{escape(c.title or c.id)}</b>: {escape(clock_in_words(c))}" for c in agreement.clocks),
            ),
            _section(
                "Reasons, and what follows from them",
                (f"<b>{escape(r.title)}</b> {escape(reason_in_words(r))}" for r in agreement.reasons.values()),
            ),
        )
    )


def proposals(course: Course, previews: Sequence[tuple[Proposed, Difference | str]], now: datetime) -> str:
    """Every version that waits, with what it would change and who has approved it."""
    coming = [p for p in course.published if p.effective_at > now]
    said = [
        f'<p class="audit"><span>Version {p.agreement.version} is published and comes into force at '
        f"{_time(p.effective_at)}.</span></p>"
        for p in coming
    ]
    if not previews and not coming:
        return (
            '<p class="empty"><b>Nothing is proposed</b>A change is proposed with <code>leadloop agreement propose FILE</code> '
            "and shown here before anybody approves it.</p>"
        )
    return "".join((*said, *(_proposal(course, proposed, preview, now) for proposed, preview in previews)))


def _proposal(course: Course, proposed: Proposed, preview: Difference | str, now: datetime) -> str:
    given = course.approvals.of(proposed.name, proposed.version, proposed.content, now)
    stand = "".join(
        f"<li><b>{d}</b> "
        + (
            f"approved by {escape(given[d].by or 'unnamed')}, {_time(given[d].at)}"
            if d in given
            else "has not approved"
        )
        + "</li>"
        for d in DEPARTMENTS
    )
    head = (
        f"<h3>Version {proposed.version}</h3><p>proposed {_time(proposed.at)} by {escape(proposed.by or 'unnamed')}; "
        f"content <code>{proposed.content}</code></p>"
    )
    if isinstance(preview, str):
        changes = f'<p class="empty">{escape(preview)}</p>'
    else:
        changes = _list(escape(s) for s in preview.sentences) + _list(
            f"<b>{escape(e.says)}</b> <em>before: {escape(e.before)}; after: {escape(e.after)}</em> "
            f"<code>{escape(e.lead_json())}</code>"
            for e in preview.examples
        )
    ready = len(given) == len(DEPARTMENTS)
    publish = f"<p>Both approve: <code>leadloop agreement publish {proposed.version}</code></p>" if ready else ""
    return f'<article class="terms">{head}<ul>{stand}</ul><h4>What would change</h4>{changes}{publish}</article>'


def _when(condition: Condition | None) -> str:
    return "for everybody else" if condition is None else f"when {in_words(condition)}"


def _section(title: str, lines: Iterable[str]) -> str:
    return f'<article class="terms"><h3>{escape(title)}</h3>{_list(lines)}</article>'


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
