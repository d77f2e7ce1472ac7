"""The scorecard as a page: the shared goal first, then both departments side by side, neither leading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from services.feedback.sheet import NOTHING, bar, mark, page, table, tone, trend

_OWES = {"marketing": "What marketing owes sales", "sales": "What sales owes marketing"}
_TRENDS = {
    "marketing": (("Qualified leads", "qualified", False), ("Accepted by sales, of the qualified", "acceptance_rate", True)),
    "sales": (("Clocks kept", "response_in_time", True), ("Turned down with a reason", "with_reason", True)),
}


def shown(answer: Mapping[str, Any]) -> str:
    """The answer of the scorecard's door as a page that needs nothing else."""
    weeks = answer["weeks"]
    sides = "".join(_side(name, answer["owes"][name], weeks) for name in ("marketing", "sales"))
    period = f"Weeks begin on Monday ({answer['zone']}). A lead counts in the week in which it was qualified, a clock in which it was decided."
    return page(
        "scorecard",
        "Scorecard of both departments",
        f'{_goal(answer["revenue"])}<div class="sides">{sides}</div><section><h2>Week by week</h2>{_weeks(weeks)}'
        f'<p class="soft">{escape(period)} A week that runs is marked, and its numbers are no verdict.</p></section>',
    )


def _goal(revenue: Mapping[str, Any] | None) -> str:
    if revenue is None:
        return "<h1>No goals are agreed</h1><p>Write <code>goals</code> into the agreement: both departments sign it, and this page compares.</p>"
    won, goal = (f"{float(revenue[what]['amount']):,.0f}" for what in ("won", "goal"))
    heading = f"{won} of {goal} {revenue['goal']['currency']} this {revenue['per']}"
    label = f"{revenue['share']:.1%} of the goal is reached, {revenue['period_gone']:.1%} of the {revenue['per']} is gone"
    return (
        f"<h1>{escape(heading)}</h1>{bar(revenue['share'], label, at=revenue['period_gone'])}<p>{escape(revenue['sentence'])} "
        f'<span class="soft">The bar is what was won by both together since {revenue["from"]}, the line is today.</span></p>'
    )


def _side(name: str, owes: Sequence[Mapping[str, Any]], weeks: Sequence[Mapping[str, Any]]) -> str:
    promises = "".join(f'<li class="{tone(one["ok"])}">{mark(one["ok"])} {escape(one["sentence"])}</li>' for one in owes)
    charts = "".join(_trend(name, title, what, percent, weeks) for title, what, percent in _TRENDS[name])
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{name.capitalize()}</h2><h3>{_OWES[name]}</h3>'
        f"{f'<ul>{promises}</ul>' if promises else '<p>Nothing is agreed.</p>'}{charts}</section>"
    )


def _trend(side: str, title: str, what: str, percent: bool, weeks: Sequence[Mapping[str, Any]]) -> str:
    points = [(week["week"], week[side][what]["value"], week["over"]) for week in weeks]
    goal = next((week[side][what]["goal"] for week in weeks), None)
    said = [_value(value, percent) for _, value, _ in points if value is not None]
    if not said:
        return ""
    agreed = f", dashed: the goal of {_value(goal, percent)}" if goal is not None else ""
    label = f"{title} by week from {points[0][0]} to {points[-1][0]}: {', '.join(said)}"
    return f'<h3>{escape(title)}</h3>{trend(label, points, goal, percent=percent)}<p class="soft">By week{escape(agreed)}.</p>'


def _value(value: float | None, percent: bool) -> str:
    return NOTHING if value is None else f"{value:.0%}" if percent else f"{value:,g}"


def _weeks(weeks: Sequence[Mapping[str, Any]]) -> str:
    if not weeks:
        return "<p>Nothing has happened yet.</p>"
    rows = [
        [
            week["week"] + ("" if week["over"] else " (runs)"),
            _cell(week, "marketing", "qualified", False),
            _cell(week, "marketing", "acceptance_rate", True),
            _cell(week, "sales", "response_in_time", True),
            f"{week['sales']['tried_as_agreed']['leads']:,} of {week['sales']['tried_as_agreed']['of']:,}",
            _cell(week, "sales", "with_reason", True),
        ]
        for week in reversed(weeks)
    ]
    head = ("Week", "Marketing: qualified", "Marketing: accepted", "Sales: clocks kept", "Sales: tried as agreed", "Sales: reasons given")
    return table("✓ the goal was reached, ✗ it was not; the latest week first", head, rows)


def _cell(week: Mapping[str, Any], side: str, what: str, percent: bool) -> str:
    one = week[side][what]
    sign = {True: " ✓", False: " ✗", None: ""}[one["ok"] if week["over"] else None]
    return _value(one["value"], percent) + sign
