"""What pages that are read and printed are made of. Every text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

_STYLES = (Path(__file__).parent / "pages" / "sheet.css").read_text()
_TONES = {True: ("kept", "✓ kept"), False: ("broken", "✗ not kept"), None: ("open", "○ open")}
NOTHING = "–"


def page(title: str, what: str, body: str) -> str:
    """A whole page that needs nothing else. body: markup."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>leadloop – {escape(title)}</title><style>{_STYLES}</style></head><body>'
        '<a class="skip" href="#content">To the content</a><header><a href="/board/">leadloop</a>'
        f'<a href="/scorecard">Scorecard</a><a href="/audience">Whom to target</a><span>{escape(what)}</span></header>'
        f'<main id="content">{body}</main></body></html>'
    )


def tone(ok: bool | None) -> str:
    """The class of what was kept, broken, or is open."""
    return _TONES[ok][0]


def mark(ok: bool | None) -> str:
    """The verdict as a sign and a word: colour alone says nothing to some."""
    return f'<span class="mark {tone(ok)}">{_TONES[ok][1]}</span>'


def items(sentences: Iterable[str]) -> str:
    """Sentences as a list."""
    found = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul>{found}</ul>" if found else ""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """A table whose cells are text. words: so many columns from the left are words, the others numbers."""

    def cells(row: Sequence[str], name: str, more: str = "") -> str:
        return "".join(
            f'<{name}{more}{"" if i < words else " class=n"}>{escape(cell)}</{name}>' for i, cell in enumerate(row)
        )

    body = "".join(f'<tr><th scope="row">{escape(row[0])}</th>{cells(row, "td")[len(cells(row[:1], "td")):]}</tr>' for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{cells(head, 'th', ' scope=col')}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def bar(share: float, label: str, *, at: float | None = None) -> str:
    """A bar that is filled by a share, with a line at another one."""
    line = f'<line class="gone" x1="{600 * min(at, 1):.1f}" x2="{600 * min(at, 1):.1f}" y1="0" y2="26"/>' if at is not None else ""
    return (
        f'<svg viewBox="0 0 600 26" role="img" aria-label="{escape(label)}"><rect class="track" x="0" y="5" width="600" height="16" rx="8"/>'
        f'<rect class="fill" x="0" y="5" width="{600 * max(0.0, min(share, 1)):.1f}" height="16" rx="8"/>{line}</svg>'
    )


def trend(label: str, points: Sequence[tuple[str, float | None, bool]], goal: float | None, *, percent: bool) -> str:
    """A line over weeks, from zero, with the goal dashed. points: week, value, whether it is over; gaps stay gaps."""
    values = [value for _, value, _ in points if value is not None]
    if not values:
        return ""
    most = 1.0 if percent else max([*values, goal or 0.0, 1.0]) * 1.1
    step = 350 / max(len(points) - 1, 1)

    def said(value: float) -> str:
        return f"{value:.0%}" if percent else f"{value:,.0f}"

    def y(value: float) -> float:
        return 118 - 106 * min(value / most, 1.0)

    runs: list[list[str]] = [[]]
    dots = []
    for i, (_, value, over) in enumerate(points):
        if value is None:
            runs.append([])
            continue
        x = 50 + step * i
        runs[-1].append(f"{x:.1f},{y(value):.1f}")
        dots.append(f'<circle class="dot{"" if over else " running"}" cx="{x:.1f}" cy="{y(value):.1f}" r="4"/>')
    lines = "".join(f'<polyline class="line" points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
    agreed = (
        f'<line class="goal" x1="50" x2="400" y1="{y(goal):.1f}" y2="{y(goal):.1f}"/><text x="0" y="{y(goal) + 4:.1f}">{said(goal)}</text>'
        if goal is not None
        else f'<text x="0" y="16">{said(most)}</text>'
    )
    return (
        f'<svg viewBox="0 0 406 140" role="img" aria-label="{escape(label)}"><line class="base" x1="50" x2="400" y1="118" y2="118"/>'
        f'<text x="0" y="122">0</text>{agreed}{lines}{"".join(dots)}<text x="50" y="136">{escape(points[0][0])}</text>'
        f'<text x="400" y="136" text-anchor="end">{escape(points[-1][0])}</text></svg>'
    )
