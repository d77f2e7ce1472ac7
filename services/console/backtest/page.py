"""A backtest's answer as one HTML page that needs nothing else: every text that comes from outside is escaped here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from services.console.backtest.report import headline

_KINDS = {"more": "more", "fewer": "fewer", "both": "at another time"}


def page(answer: Mapping[str, Any]) -> str:
    """The page."""
    q = answer["qualified"]
    listed = len(answer["changed"])
    rest = f"{answer['not_listed']:,} more changed and are not listed; --list tells more." if answer["not_listed"] else ""
    return Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(": ".join(filter(None, (answer["agreement"]["name"], answer["agreement"]["title"])))),
        instead_of=escape(answer["agreement"]["instead_of"]),
        span=escape(f"from {answer['since']}" if answer["since"] else "from the beginning"),
        headline=escape(headline(answer)),
        tiles="".join(
            _tile(number, label, tone)
            for number, label, tone in (
                (q["then"], "qualified then", ""),
                (q["now"], "qualified here", ""),
                (q["more"], "more", "more"),
                (q["fewer"], "fewer", "fewer"),
                (q["earlier"], "earlier", ""),
                (q["later"], "later", ""),
            )
        ),
        remarks="".join(f"<li>{escape(r)}</li>" for r in answer["remarks"]),
        campaigns=_groups("campaign", answer["campaigns"]),
        teams=_groups("team", answer["teams"]),
        pools=_groups("pool", answer["pools"]),
        why=_table(
            ("leads", "Change", "Rule then", "Rule here"),
            [(f"{w['leads']:,}", w["kind"], w["rule_then"] or "not judged", w["rule_now"] or "not judged") for w in answer["why"]],
            first=1,
        ),
        points=_table(
            ("Rule", "Part", "Change", "Leads", "Points on average"),
            [(p["rule"], p["part"], p["kind"], f"{p['leads']:,}", p["points_on_average"]) for p in answer["points"]],
        ),
        leads="".join(_lead(one) for one in answer["changed"]) or '<p class="soft">No lead changes.</p>',
        not_listed=escape(rest if listed else ""),
        events=f"{answer['events']:,}",
        until=escape(answer["until"]),
        seconds=escape(str(answer["seconds"])),
    )


def _tile(number: int, label: str, tone: str) -> str:
    return f'<div class="tile {tone}"><b>{number:,}</b>{escape(label)}</div>'


def _groups(what: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return '<p class="soft">Nobody was qualified on either side.</p>'
    most = max(max(row["more"], row["fewer"]) for row in rows) or 1
    body = "".join(
        f'<tr><td>{escape(str(row[what]))}</td><td>{row["then"]:,}</td><td>{row["now"]:,}</td>'
        f'<td class="more">{row["more"]:,}</td><td class="fewer">{row["fewer"]:,}</td>'
        f'<td><div class="bar" role="img" aria-label="{row["fewer"]} fewer, {row["more"]} more">'
        f'<i style="width:{100 * row["fewer"] / most:.1f}%"></i><i style="width:{100 * row["more"] / most:.1f}%"></i></div></td></tr>'
        for row in rows
    )
    head = "".join(f'<th scope="col">{h}</th>' for h in (what.capitalize(), "Then", "Here", "More", "Fewer", "Fewer | more"))
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], first: int = 0) -> str:
    """first: the column that comes first, for it names the row."""
    if not rows:
        return '<p class="soft">None.</p>'
    order = [first, *(i for i in range(len(heads)) if i != first)]
    head = "".join(f'<th scope="col">{escape(heads[i].capitalize())}</th>' for i in order)
    body = "".join(f"<tr>{''.join(f'<td>{escape(row[i])}</td>' for i in order)}</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _lead(one: Mapping[str, Any]) -> str:
    kind = one["kind"]
    differing = _table(
        ("Rule", "Part", "Then", "Here", "Because"),
        [(c["rule"], c["part"], c["then"], c["now"], c["because"]) for c in one["contributions"]],
    )
    place = f"{one['pool'] or 'no pool'}, team {one['team'] or 'none'}"
    return (
        f'<details data-is="{kind}"><summary><span class="mark {kind}">{_KINDS[kind]}</span><code>{escape(one["lead_id"])}</code>'
        f'<span class="soft">{escape(one["campaign"])}</span><span class="grow">{escape(one["because"])}</span></summary>'
        f'<div class="inside"><p class="soft">{escape(one["at"])} · {escape(place)}</p>'
        f"{_side('then', one['then'])}{_side('here', one['now'])}{differing}</div></details>"
    )


def _side(when: str, side: Mapping[str, Any]) -> str:
    if not side["verdict"]:
        return f"<p><b>{when}:</b> not judged</p>"
    return (
        f"<p><b>{when}:</b> {escape(side['verdict'])} with {escape(side['score'])} points, grade {escape(str(side['grade']))}, "
        f"by {escape(str(side['rule']))}: {escape(str(side['because']))}</p>"
    )
