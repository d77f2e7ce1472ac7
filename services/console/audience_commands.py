"""`leadloop audience`: which segments convert, whom to target next, and what to stop paying for."""

from __future__ import annotations

import typer
from rich.table import Table

from services.console.options import AsJson, Data, doors_of
from services.console.terminal import out, say_json

_SHOWN = 20


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(audience)


def audience(data: Data = None, as_json: AsJson = False) -> None:
    """Say which segments of leads are won and which are not, with intervals, and nothing that chance explains."""
    answer = doors_of(data).get("feedback", "/v1/reports/audience")
    if as_json:
        say_json(answer)
        return
    out().print(f"{answer['won']:,} of {answer['leads']:,} leads were won ({answer['rate']:.1%})", style="bold", markup=False)
    for key, style in (("target_next", "green"), ("stop_paying_for", "red")):
        for sentence in answer[key]:
            out().print(sentence, style=style, markup=False)
    if answer["segments"]:
        table = Table(show_edge=False, pad_edge=False)
        for column in ("segment", "won", "leads", "rate", "95 % interval", "lift", "verdict"):
            table.add_column(column, overflow="fold", justify="left" if column in ("segment", "verdict") else "right")
        for s in answer["segments"][:_SHOWN]:
            low, high = s["interval"]
            table.add_row(
                ", ".join(f"{name} {value}" for name, value in s["segment"].items()), f"{s['won']:,}", f"{s['leads']:,}",
                f"{s['rate']:.1%}", f"{low:.1%} to {high:.1%}", "–" if s["lift"] is None else f"{s['lift']:.2f}", s["verdict"],
            )  # fmt: skip
        out().print(table)
    for remark in answer["remarks"]:
        out().print(remark, style="dim", markup=False)
