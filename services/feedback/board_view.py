"""The board as HTML: every text that comes from outside is escaped here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from services.feedback.audit import Audit

_MAIN = (
    ("new", "New", "just submitted", "ask"),
    ("waiting", "Waiting", "MQL without an owner", "ask"),
    ("assigned", "Assigned", "offered to one rep", ""),
    ("accepted", "Accepted", "SAL", ""),
    ("working", "Working", "being contacted", ""),
    ("won", "Won", "closed-won", "good"),
)
_BACK = (
    ("nurtured", "Nurtured", "not ready yet", "sleep"),
    ("recycled", "Recycled", "back to marketing, comes again", "sleep"),
    ("lost", "Lost", "closed-lost", "stop"),
    ("disqualified", "Disqualified", "DQ", "out"),
    ("retired", "Retired", "not to come again", "out"),
)
_APART = (
    ("suppressed", "Suppressed", "nobody may work it", "out"),
    ("merged", "Merged", "is another lead", "out"),
    ("erased", "Erased", "asked to be forgotten", "out"),
)
TONES = {status: tone for status, _, _, tone in (*_MAIN, *_BACK, *_APART)}
_MARK = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true">'
    '<path d="M4 12a8 8 0 0 1 13.7-5.6L20 8.6"/><path d="M20 3.5v5.1h-5.1"/><path d="M20 12a8 8 0 0 1-13.7 5.6L4 15.4"/>'
    '<path d="M4 20.5v-5.1h5.1"/></svg>'
)
_GOOD = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" aria-hidden="true"><path d="m5 12.5 4.5 4.5L19 7.5"/></svg>'
_WRONG = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" aria-hidden="true"><path d="M12 6v8m0 4v.5"/></svg>'


@dataclass(frozen=True)
class Picture:
    """What the board shows at one moment."""

    by_status: Mapping[str, int]
    changes: Sequence[Mapping[str, Any]]
    rejections: Mapping[str, Any]
    funnel: Mapping[str, Any]


def header(what: str, home: str) -> str:
    """The bar at the top; the same on every page."""
    return (
        f'<a class="skip" href="#content">To the content</a><a class="mark" href="{home}">{_MARK}leadloop</a>'
        f'<span class="what">{escape(what)}</span><span class="gap"></span><a href="{home}/agreement">Agreement</a>'
    )


def loop(picture: Picture, before: Picture | None, home: str) -> str:
    """The statuses as the way that leads go, and the ways back."""
    apart = [t for t in _APART if picture.by_status.get(t[0])]

    def lane(name: str, tiles: Sequence[tuple[str, str, str, str]]) -> str:
        return f'<div class="lane {name}">{"".join(_tile(picture, before, home, *t) for t in tiles)}</div>'

    return f'<div class="loop">{lane("main", _MAIN)}{lane("back", (*_BACK, *apart))}</div>'


def _tile(picture: Picture, before: Picture | None, home: str, status: str, label: str, means: str, tone: str) -> str:
    number = picture.by_status.get(status, 0)
    moved = before is not None and before.by_status.get(status, 0) != number
    kind = f"tile {tone}{' moved' if moved else ''}{'' if number else ' none'}"
    return (
        f'<a class="{kind}" href="{home}/leads?status={status}" aria-label="{number} {label}: {means}">'
        f"<b>{number}</b><span>{label}</span><small>{means}</small></a>"
    )


def moving(picture: Picture, before: Picture | None, home: str) -> str:
    """The latest changes of status, the newest first."""
    if not picture.changes:
        return '<p class="empty"><b>No lead has come in yet</b>As soon as one does, every step that it takes is shown here.</p>'
    known = {_place(change) for change in before.changes} if before is not None else None
    return f'<ol class="moving">{"".join(_change(c, known, home) for c in picture.changes)}</ol>'


def _place(change: Mapping[str, Any]) -> tuple[Any, Any]:
    return change["lead_id"], change["position"]


def _change(change: Mapping[str, Any], known: set[tuple[Any, Any]] | None, home: str) -> str:
    fresh = known is not None and _place(change) not in known
    lead = escape(change["lead_id"])
    before, after = change.get("previous_status"), change["lead_status"]
    steps = badge(after) if before in (None, after) else f"{badge(before)} → {badge(after)}"
    at = escape(change["changed_at"])
    return (
        f'<li{" class=fresh" if fresh else ""}><a href="{home}/leads/{lead}"><time datetime="{at}">{at[11:19]}</time>'
        f'<code>{lead[:8]}</code><span class="steps">{steps}</span><p>{escape(change["because"])}</p></a></li>'
    )


def badge(status: str) -> str:
    """A status as a small coloured word."""
    return f'<span class="badge {TONES.get(status, "")}">{escape(status)}</span>'


def reasons(picture: Picture) -> str:
    """Why leads are turned down."""
    rows = picture.rejections["reasons"][:8]
    if not rows:
        return '<p class="empty"><b>Nobody has turned a lead down</b>When a rep does, his reason is here within two seconds.</p>'
    most = max(row["count"] for row in rows)
    tones = {"rejected": "stop", "recycled": "sleep", "lost": "stop", "disqualified": "out"}
    return (
        '<ul class="bars">'
        + "".join(
            f'<li class="{tones.get(row["kind"], "")}"><span>{escape(row["reason"].replace("_", " "))} <em>{escape(row["kind"])}</em></span>'
            f'<b>{row["count"]}</b><span class="track"><i style="width:{100 * row["count"] / most:.1f}%"></i></span></li>'
            for row in rows
        )
        + "</ul>"
    )


def funnel(picture: Picture) -> str:
    """How far leads come."""
    stages = picture.funnel["stages"]
    most = max(1, stages[0]["leads"])
    return (
        '<ul class="bars">'
        + "".join(
            f"<li><span>{escape(stage['means'])} <em>{escape(stage['stage'].upper() if len(stage['stage']) == 3 else stage['stage'])}</em></span>"
            f"<b>{stage['leads']}{_percent(stage['of_previous']) if i else ''}</b>"
            f'<span class="track"><i style="width:{100 * stage["leads"] / most:.1f}%"></i></span></li>'
            for i, stage in enumerate(stages)
        )
        + "</ul>"
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f" <em>{share:.0%}</em>"


def audit_line(audit: Audit | None) -> str:
    """Whether every lead is accounted for, in one line."""
    if audit is None:
        return '<div class="audit"><span>Counting …</span></div>'
    at = datetime.now(UTC).strftime("%H:%M:%S")
    missing = f"{audit.unaccounted[0].lead_id[:8]}: {audit.unaccounted[0].because}; " if audit.unaccounted else ""
    how = missing + (
        f"{audit.compared_records} records of the log folded anew"
        if audit.compared_records
        else "each row compared with its memory"
    )
    return (
        f'<div class="audit{"" if audit.clean else " wrong"}" role="status">{_GOOD if audit.clean else _WRONG}'
        f"<span>{escape(audit.sentence)}<small>{how}, {at} UTC</small></span></div>"
    )


def lead_list(page: Mapping[str, Any], home: str) -> str:
    """Leads of one status."""
    if not page["leads"]:
        return '<p class="empty"><b>No lead is here now</b></p>'
    rows = "".join(
        f'<li><a href="{home}/leads/{escape(lead["lead_id"])}"><time>{escape((lead["status_since"] or "")[11:19])}</time>'
        f'<code>{escape(lead["lead_id"][:8])}</code><span class="steps">{badge(lead["lead_status"])} {escape(lead["grade"] or "")}</span>'
        f"<p>{escape(_about(lead))}</p></a></li>"
        for lead in page["leads"]
    )
    return f'<ol class="moving">{rows}</ol>'


def _about(lead: Mapping[str, Any]) -> str:
    parts = [
        f"with {lead['owner']}" if lead["owner"] else "",
        f"campaign {lead['campaign']}" if lead["campaign"] else "",
        f"cycle {lead['cycle']}" if lead["cycle"] > 1 else "",
        f"owed {lead['owed']}" if lead["owed"] else "",
    ]
    return ", ".join(part for part in parts if part)


def facts(lead: Mapping[str, Any]) -> str:
    """What is known of one lead now."""
    shown = {
        "Status": badge(lead["lead_status"]),
        "Stage": escape(lead["lifecycle_stage"].upper()),
        "Owner": escape(lead["owner"] or "–"),
        "Grade": escape(lead["grade"] or "–"),
        "Score": "–" if lead["score"] is None else f"{lead['score']:.1f}".removesuffix(".0"),
        "Cycle": str(lead["cycle"]),
        "Campaign": escape(lead["campaign"] or "–"),
        "Submissions": str(lead["submissions"]),
    }
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())
        + "</dl>"
    )


def story(timeline: Mapping[str, Any]) -> str:
    """Every event of one lead, in its order."""
    return (
        '<ol class="story">'
        + "".join(
            f'<li class="{event["effect"]}"><time datetime="{escape(event["at"])}">{escape(event["at"][:10])} {escape(event["at"][11:19])}</time>'
            f"<div><p>{escape(event['sentence'])}</p><small>{escape(event['type'])}"
            f"{' – void: it came too late to have an effect' if event['void'] else ''}</small></div></li>"
            for event in timeline["events"]
        )
        + "</ol>"
    )
