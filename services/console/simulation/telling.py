"""How simulations speak at the terminal: decisions as they come, remarks, a bar, a report."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.console.simulation.decisions import Decision, Name, document, sentences
from services.console.simulation.differing import headline
from services.console.terminal import news, out

_REMARKS_AT_MOST = 20
_SHOWN = 12
_SHORT = 2_000
"""So little is done before a bar is seen."""


def say_decisions(decisions: Iterable[Decision], as_json: bool, name: Name = str) -> Counter[str]:
    """Print every decision as it comes; how many of each kind."""
    counted: Counter[str] = Counter()
    gc.freeze()  # what a history leaves behind is freed by reference counts; walks through it find nothing
    gc.set_threshold(100_000, 50, 100)
    for decision in decisions:
        counted[type(decision).__name__] += 1
        if as_json:
            say_line(document(decision, name))
        else:
            for line in sentences(decision, name):
                out().print(line, markup=False)
    sys.stdout.flush()
    return counted


def say_line(told: Mapping[str, Any]) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(orjson.dumps(told).decode() + "\n")


def tell_remarks(remarks: Sequence[str]) -> None:
    """What had no effect, on standard error."""
    for remark in remarks[:_REMARKS_AT_MOST]:
        news(f"leadloop: {remark}")
    if len(remarks) > _REMARKS_AT_MOST:
        news(f"leadloop: and {len(remarks) - _REMARKS_AT_MOST} more such lines")


def show_report(report: Mapping[str, Any]) -> None:
    """Where two courses differ, for a person."""
    out().print(headline(report), style="bold", markup=False)
    for name, key in (("rep", "reps"), ("pool", "pools")):
        table = Table(show_edge=False, pad_edge=False)
        table.add_column(name, overflow="fold")
        for column in ("leads then", "here"):
            table.add_column(column, justify="right")
        for row in report[key]:
            table.add_row(row["id"], f"{row['then']:,}", f"{row['here']:,}")
        if table.row_count:
            out().print(table)
    for side in ("then", "here"):
        w = report["waiting"][side]
        out().print(
            f"{side}: {w['leads']:,} leads waited, {w['mean_seconds']:g} s in the mean, {w['longest_seconds']:g} s at most; "
            f"{w['still']:,} wait still",
            markup=False,
        )
    for one in report["changed"][:_SHOWN]:
        out().print(f"{one['lead_id']}: {_course(one['then'])} then, {_course(one['here'])} here", markup=False)
    more = max(0, len(report["changed"]) - _SHOWN) + report["not_listed"]
    if more:
        out().print(f"and {more:,} more: --json tells them one by one", style="dim")
    for remark in report["remarks"]:
        out().print(remark, style="dim", markup=False)


def _course(steps: Sequence[Mapping[str, Any]]) -> str:
    words = {"assignment": "to {rep}", "wait": "waits for {pool}", "withdrawal": "taken from {rep}"}
    return ", ".join(words[step["type"]].format(**step) for step in steps) or "not routed"


@contextmanager
def progress_bar(what: str, of: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, silence elsewhere; told how many are done."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(of), TimeRemainingColumn())
    hidden = not sys.stderr.isatty() or (total is not None and total < _SHORT)
    with Progress(*columns, console=Console(file=sys.stderr), disable=hidden, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
