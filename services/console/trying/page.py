"""A tried export's answer as one HTML page that needs nothing else: every text of the file is escaped here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from services.console.trying.text import NOTHING_LEAVES, consequence, duration, headline, interval, percent


def page(answer: Mapping[str, Any]) -> str:
    """The page."""
    return Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8")).substitute(
        headline=escape(headline(answer)),
        consequence=escape(consequence(answer)),
        nothing_leaves=escape(NOTHING_LEAVES),
        tiles=_tiles(answer),
        speed=_speed(answer["speed_to_lead"]),
        outcome=_outcome(answer),
        sources=_sources(answer["conversion"]),
        agreement=escape(f"{answer['agreement']['name']}: {answer['agreement']['title']}"),
        verdicts=_verdicts(answer["agreement"]),
        rules=_rules(answer["agreement"]),
        pools=_pools(answer["agreement"]),
        remarks="".join(f"<li>{escape(one)}</li>" for one in _remarks(answer)) or "<li>Nothing was doubtful.</li>",
        columns=_columns(answer),
        words=_words(answer),
        as_of=escape(answer["as_of"]),
        rows=f"{answer['rows']:,}",
        leads=f"{answer['leads']:,}",
    )


def _tiles(answer: Mapping[str, Any]) -> str:
    tiles = [_tile(f"{answer['leads']:,}", "leads", "")]
    if (unworked := answer["unworked"]) is not None:
        tiles.append(_tile(percent(unworked["share"]), f"unworked: {unworked['leads']:,}", "bad"))
    if (speed := answer["speed_to_lead"]) is not None and speed["median_seconds"] is not None:
        tiles.append(_tile(duration(speed["median_seconds"]), "median speed to lead", ""))
        tiles.append(_tile(duration(speed["p90_seconds"]), "p90 speed to lead", ""))
    if (accepted := answer["acceptance"]) is not None:
        tiles.append(_tile(percent(accepted["share"]), f"accepted of {accepted['of']:,} decided", "good"))
    if (conversion := answer["conversion"]) is not None:
        tiles.append(_tile(percent(conversion["share"]), f"converted: {conversion['leads']:,}", "good"))
    return "".join(tiles)


def _tile(figure: str, label: str, tone: str) -> str:
    return f'<div class="tile {tone}"><b>{escape(figure)}</b>{escape(label)}</div>'


def _speed(speed: Mapping[str, Any] | None) -> str:
    if speed is None:
        return _none("Not known from these files.")
    rows = [("answered at all", speed["answered"]), *((f"within {one['within']}", one) for one in speed["within"])]
    return _shares("First answer", rows)


def _outcome(answer: Mapping[str, Any]) -> str:
    rows = []
    if answer["unworked"] is not None:
        rows.append(("unworked", answer["unworked"]))
    if (accepted := answer["acceptance"]) is not None:
        rows.append((f"accepted, of those decided ({accepted['undecided']:,} are not)", accepted))
    if answer["conversion"] is not None:
        rows.append(("converted", answer["conversion"]))
    return _shares("What became of them", rows) if rows else _none("Not known from these files.")


def _sources(conversion: Mapping[str, Any] | None) -> str:
    if conversion is None:
        return _none("Not known from these files.")
    most = max((row["high"] or 0) for row in conversion["by_source"]) or 1
    rows = [
        (
            escape(row["source"]), f"{row['of']:,}", f"{row['converted']:,}", percent(row["share"]), interval(row),
            "–" if row["unworked"] is None else f"{row['unworked']:,}", _whiskers(row, most),
        )
        for row in conversion["by_source"]
    ]  # fmt: skip
    table = _table("Conversion by source", ("Source", "Leads", "Converted", "Share", "95 % interval", "Unworked", "0 to the highest"), rows)
    if conversion["free_text"]:
        table += '<p class="soft">The sources read like free text, so they are not told one by one.</p>'
    return table


def _whiskers(row: Mapping[str, Any], most: float) -> str:
    """The share as a dot on its interval."""
    left, right, at = (100 * (row[k] or 0) / most for k in ("low", "high", "share"))
    label = f"{percent(row['share'])}, between {interval(row)}"
    return (
        f'<div class="whisker" role="img" aria-label="{label}"><i style="left:{left:.1f}%;width:{max(right - left, 0.5):.1f}%"></i>'
        f'<b style="left:{at:.1f}%"></b></div>'
    )


def _shares(title: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return _table(
        title,
        (title, "Leads", "Of", "Share", "95 % interval", "0 to 100 %"),
        [
            (escape(name), f"{one['leads']:,}", f"{one['of']:,}", percent(one["share"]), interval(one), _whiskers(one, 1))
            for name, one in rows
        ],
    )


def _verdicts(told: Mapping[str, Any]) -> str:
    named = [v for v in told["verdicts"] if v["leads"]]
    if not named:
        return _none("No lead could be judged.")
    parts = "".join(
        f'<i class="{v["verdict"]}" style="flex-grow:{v["leads"]}"></i>' for v in named
    )
    label = ", ".join(f"{v['leads']:,} {v['verdict']}" for v in named)
    legend = "".join(f'<li><i class="{v["verdict"]}"></i>{v["verdict"]} {v["leads"]:,} ({percent(v["share"])})</li>' for v in told["verdicts"])
    return f'<div class="stack" role="img" aria-label="{label}">{parts}</div><ul class="legend">{legend}</ul>'


def _rules(told: Mapping[str, Any]) -> str:
    rows = [
        (
            escape(rule["rule"]), rule["verdict"], f"{rule['leads']:,}", percent(rule["share"]),
            "–" if rule["unworked"] is None else f"{rule['unworked']:,}",
            "–" if rule["converted"] is None or rule["converted"]["share"] is None else
            f"{percent(rule['converted']['share'])} ({interval(rule['converted'])})",
            escape(rule["because"]),
        )
        for rule in told["rules"]
    ]  # fmt: skip
    return _table("Rules", ("Rule", "Verdict", "Leads", "Share", "Unworked", "Converted (95 %)", "Because"), rows)


def _pools(told: Mapping[str, Any]) -> str:
    if not told["pools"]:
        return ""
    rows = [(escape(one["pool"]), f"{one['leads']:,}") for one in told["pools"]]
    return _table("Where the qualified would have gone", ("Pool", "Leads"), rows)


def _remarks(answer: Mapping[str, Any]) -> list[str]:
    problems = answer["problems"]
    more = problems["in_all"] - len(problems["listed"])
    return [*answer["remarks"], *problems["listed"], *([f"And {more:,} more of the kind."] if more else [])]


def _columns(answer: Mapping[str, Any]) -> str:
    out = ""
    for title, columns in (("Leads", answer["columns"]), ("Activities", answer["activity_columns"] or ())):
        if columns:
            rows = [(escape(c["column"]), escape(" and ".join(c["meanings"])) or "not looked at") for c in columns]
            out += _table(title, (f"Column of {title.lower()}", "Read as"), rows)
    return out


def _words(answer: Mapping[str, Any]) -> str:
    out = ""
    for title, words in (("Status", answer["statuses"]), ("Type of activity", answer["activity_types"])):
        if words:
            rows = [(escape(w["called"]) or "(blank)", escape(w["read_as"]), f"{w['rows']:,}") for w in words]
            out += _table(title, (title, "Read as", "Rows"), rows)
    return out


def _table(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already; the first of each row names it."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _none(sentence: str) -> str:
    return f'<p class="soft">{escape(sentence)}</p>'
