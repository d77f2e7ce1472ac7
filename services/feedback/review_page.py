"""A campaign's review as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from services.feedback.sheet import NOTHING, bar, items, page, table

NO_ADVICE = {
    "keep": "Nothing is shown yet that should be kept.",
    "stop": "Nothing is shown that should be stopped.",
    "try": "The rules name nothing to try.",
}
_TONES = {"keep": "kept", "stop": "broken", "try": "open"}
STAGE_HEAD = ("Stage", "Leads", "Of previous", "95 % interval", "Median time")
REASON_HEAD = ("Reason", "About", "Who", "Leads", "Share", "95 % interval")
COST_HEAD = ("", "In all", "Per lead", "Per qualified", "Per win")


def shown(answer: Mapping[str, Any]) -> str:
    """The answer of the review's door as a page that needs nothing else."""
    verdicts = "".join(
        f'<section class="{_TONES[what]}"><h2>{what.capitalize()}</h2>{_advice(answer[what]) or f"<p>{NO_ADVICE[what]}</p>"}</section>'
        for what in ("keep", "stop", "try")
    )
    return page(
        f"review of {answer['name']}",
        "Campaign review",
        f'<h1>{escape(answer["name"])}</h1><p class="soft">{escape(lead_in(answer))}</p><div class="sides verdicts">{verdicts}</div>'
        f'<div class="sides"><section><h2>What it brought</h2>{_funnel(answer["stages"])}'
        f"{table('How far its leads came', STAGE_HEAD, stage_rows(answer))}</section>"
        f"<section><h2>What it cost</h2>{table('Currencies are never added', COST_HEAD, cost_rows(answer))}"
        f"<h2>What sales said</h2>{_reasons(answer)}</section></div>"
        f"<section><h2>Whom it reached, against whom it should have</h2>{_reach(answer['reach'])}</section>"
        f"<section><h2>How to read this</h2>{items(answer['remarks'])}</section>",
    )


def lead_in(answer: Mapping[str, Any]) -> str:
    """When and where it ran, and when this was read."""
    ran = f"ran from {answer['from']}" + (f" to {answer['to']}" if answer["to"] else "") if answer["from"] else "was not described"
    by = f" by {answer['channel']}" if answer["channel"] else ""
    return f"Campaign {answer['campaign']} {ran}{by}. Read at {answer['read_at']}."


def stage_rows(answer: Mapping[str, Any]) -> list[list[str]]:
    """As the head says."""
    return [
        [s["stage"].capitalize(), f"{s['leads']:,}", _percent(s["of_previous"]), interval(s["interval"]), days(s["median_days"])]
        for s in answer["stages"]
    ]


def reason_rows(answer: Mapping[str, Any]) -> list[list[str]]:
    """As the head says."""
    return [
        [
            r["title"], r["about"] or NOTHING, "sales, " + r["kind"] if r["by_sales"] else "the definition",
            f"{r['count']:,}", _percent(r["count"] / r["of"]), interval(r["interval"]),
        ]
        for r in answer["turned_down"]
    ]  # fmt: skip


def cost_rows(answer: Mapping[str, Any]) -> list[list[str]]:
    """As the head says; revenue last."""
    per = answer["cost_per"]
    rows = [
        ["Cost", money(one), *(_of(per[what], one["currency"]) for what in ("lead", "qualified", "win"))] for one in answer["cost"]
    ] or [["Cost", "not said", NOTHING, NOTHING, NOTHING]]
    return rows + [["Revenue", money(one), NOTHING, NOTHING, NOTHING] for one in answer["revenue"]]


def reach_rows(answer: Mapping[str, Any]) -> list[list[str]]:
    """What the target says and what came of it."""
    return [
        [one["dimension"].replace("_", " "), one["wanted"], f"{one['reached']:,} of {one['of']:,}", _percent(one["share"]),
         interval(one["interval"]), f"{one['unknown']:,}"]
        for one in answer["dimensions"]
    ]  # fmt: skip


REACH_HEAD = ("", "Should be", "Reached", "Share", "95 % interval", "Unknown")


def money(one: Mapping[str, str]) -> str:
    """`1,200.00 EUR`."""
    return f"{float(one['amount']):,.2f} {one['currency']}"


def interval(ends: Sequence[float] | None) -> str:
    """`20.0% to 31.5%`."""
    return f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else NOTHING


def days(value: float | None) -> str:
    """Days, or hours where it was quicker."""
    return NOTHING if value is None else f"{value:,.1f} days" if value >= 1 else f"{value * 24:,.1f} hours"


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def _of(amounts: Sequence[Mapping[str, str]], currency: str) -> str:
    return next((money(one) for one in amounts if one["currency"] == currency), NOTHING)


def _advice(said: Sequence[Mapping[str, str]]) -> str:
    found = "".join(f'<li>{escape(one["sentence"])} <span class="soft">Rule: {escape(one["rule"])}.</span></li>' for one in said)
    return f"<ul>{found}</ul>" if found else ""


def _funnel(stages: Sequence[Mapping[str, Any]]) -> str:
    whole = stages[0]["leads"] or 1
    return "".join(
        f"<h3>{s['stage'].capitalize()}: {s['leads']:,}</h3>"
        + bar(s["leads"] / whole, f"{s['leads']:,} {s['stage']} of {whole:,} leads")
        for s in stages
    )


def _reasons(answer: Mapping[str, Any]) -> str:
    if not answer["turned_down"]:
        return "<p>No lead was turned down.</p>"
    return table("Why leads were turned down, in the agreement's words", REASON_HEAD, reason_rows(answer), words=3)


def _reach(reach: Mapping[str, Any]) -> str:
    parts = [
        f"<h3>{one['reached']:,} of {one['wanted']:,} {escape(one['of'])}</h3>"
        + bar(one["reached"] / max(one["wanted"], 1), f"{one['reached']:,} of {one['wanted']:,} {one['of']}")
        for one in reach["numbers"]
    ]
    if reach["dimensions"]:
        everybody = reach["all"]
        parts.append(
            f"<p>{everybody['reached']:,} of {everybody['of']:,} leads are whom it should reach in every respect; of "
            f"{everybody['unknown']:,} that is unknown.</p>"
        )
        parts.append(table("The target against the leads", REACH_HEAD, reach_rows(reach), words=2))
        for one in reach["dimensions"]:
            rows = [[v["value"], {True: "yes", False: "no", None: NOTHING}[v["wanted"]], f"{v['leads']:,}"] for v in one["values"]]
            parts.append(table(f"By {one['dimension'].replace('_', ' ')}", ("Value", "Wanted", "Leads"), rows, words=2))
    if not parts and not reach["remarks"]:
        return "<p>Nobody has said whom the campaign should reach.</p>"
    return "".join(parts) + items(reach["remarks"])
