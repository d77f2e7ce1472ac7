"""A tried export's answer as lines for a terminal, and the sentences that the page shares with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NOTHING_LEAVES = "Nothing left this machine: the files were read here, nothing was sent or kept, and this report holds counts, no people."


def headline(answer: Mapping[str, Any]) -> str:
    """The one sentence that one would tell a colleague."""
    leads, unworked, speed = answer["leads"], answer["unworked"], answer["speed_to_lead"]
    parts = []
    if unworked is not None:
        parts.append(f"{unworked['leads']:,} of {_leads(leads)} went unworked")
    if speed is not None and speed["median_seconds"] is not None:
        parts.append(f"the median answer took {duration(speed['median_seconds'])}")
    if not parts:
        return f"{_leads(leads)}."
    return f"{'; '.join(parts)}."


def consequence(answer: Mapping[str, Any]) -> str:
    """What the agreement would have done, in one sentence."""
    qualified = next(v for v in answer["agreement"]["verdicts"] if v["verdict"] == "qualified")
    sentence = f"The agreement would have called {qualified['leads']:,} of {_leads(answer['leads'])} qualified"
    if qualified["unworked"] is not None:
        sentence += f"; of these {qualified['unworked']:,} went unworked"
    return f"{sentence}."


def duration(seconds: float) -> str:
    """`4 min`, `2.5 h`, `3.1 days`."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def percent(value: float | None) -> str:
    """A share, or a dash where there is none."""
    return "–" if value is None else f"{value:.1%}"


def interval(shared: Mapping[str, Any]) -> str:
    """The 95 % interval of a share."""
    return "" if shared["low"] is None else f"{shared['low']:.1%} to {shared['high']:.1%}"


def lines(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each line with its style."""
    yield headline(answer), "bold"
    yield consequence(answer), "bold"
    yield "", ""
    yield from _columns("Columns", answer["columns"])
    if answer["activity_columns"] is not None:
        yield from _columns("Columns of activities", answer["activity_columns"])
    for title, words in (("Statuses", answer["statuses"]), ("Activities", answer["activity_types"])):
        if words:
            yield f"{title}: " + ", ".join(f"{w['called']} = {w['read_as']} ({w['rows']:,})" for w in words), ""
    yield "", ""
    yield from _figures(answer)
    yield "", ""
    yield from _agreement(answer["agreement"])
    yield "", ""
    for remark in answer["remarks"]:
        yield remark, "yellow"
    problems = answer["problems"]
    for problem in problems["listed"]:
        yield problem, "yellow"
    if problems["in_all"] > len(problems["listed"]):
        yield f"and {problems['in_all'] - len(problems['listed']):,} more of the kind", "yellow"
    yield NOTHING_LEAVES, "dim"


def _columns(title: str, columns: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    read = [f"{c['column']} = {' and '.join(c['meanings'])}" for c in columns if c["meanings"]]
    left = [c["column"] for c in columns if not c["meanings"]]
    yield f"{title}: {', '.join(read) or 'none was understood'}", ""
    if left:
        yield f"  not looked at: {', '.join(left)}", "dim"


def _figures(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (unworked := answer["unworked"]) is not None:
        yield f"unworked          {_share(unworked)}", ""
    if (speed := answer["speed_to_lead"]) is not None:
        yield f"answered          {_share(speed['answered'])}", ""
        if speed["median_seconds"] is not None:
            yield f"speed to lead     median {duration(speed['median_seconds'])}, p90 {duration(speed['p90_seconds'])}", ""
        for one in speed["within"]:
            yield f"within {one['within']:<10} {_share(one)}", ""
    if (accepted := answer["acceptance"]) is not None:
        yield f"accepted          {_share(accepted)} that were decided; {accepted['undecided']:,} are undecided", ""
    if (conversion := answer["conversion"]) is not None:
        yield f"converted         {_share(conversion)}", ""
        for row in conversion["by_source"]:
            yield f"  {row['source']:<32} {_share({**row, 'leads': row['converted']})}", ""


def _agreement(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"Under the agreement {told['name']}: {told['title']}", "bold"
    for verdict in told["verdicts"]:
        yield f"{verdict['verdict']:<17} {_share(verdict)}", ""
        for rule in told["rules"]:
            if rule["verdict"] == verdict["verdict"]:
                unworked = "" if rule["unworked"] is None else f", {rule['unworked']:,} of them unworked"
                yield f"  {rule['rule']:<15} {rule['leads']:>7,}  {rule['because']}{unworked}", ""
    if told["pools"]:
        yield "routed to         " + ", ".join(f"{p['pool']} {p['leads']:,}" for p in told["pools"]), ""


def _share(shared: Mapping[str, Any]) -> str:
    if shared["share"] is None:
        return "none"
    return f"{shared['leads']:>7,} of {shared['of']:,}  {shared['share']:.1%} (95 %: {interval(shared)})"


def _leads(number: int) -> str:
    return f"{number:,} lead{'' if number == 1 else 's'}"
