"""`leadloop review`: the sheet that both departments read before the next campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from services.console.options import AsJson, Data, doors_of
from services.console.terminal import Refused, out, say_json

_STYLES = {"keep": "green", "stop": "red", "try": "yellow"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(review)


def review(
    campaign: Annotated[str, typer.Argument(help="The campaign, as leads name it.")],
    html: Annotated[Path | None, typer.Option("--html", help="Write the page into this file.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as PDF into this file.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Say what a campaign cost and brought, whom it reached, what sales said, and what to keep, stop and try."""
    doors, name = doors_of(data), quote(campaign, safe="")
    answer = doors.get("feedback", f"/v1/campaigns/{name}/review")
    for file, path in ((html, f"/campaigns/{name}"), (pdf, f"/v1/campaigns/{name}/review.pdf")):
        if file is not None:
            _write(file, doors.fetch("feedback", path))
            if not as_json:
                out().print(f"written: {file}", style="dim", markup=False)
    if as_json:
        say_json(answer)
    else:
        _print(answer)


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Refused(f"{file} cannot be written ({error.strerror}): name a file in a folder that is there") from None


def _print(answer: dict[str, Any]) -> None:
    out().print(answer["name"], style="bold", markup=False)
    table = Table(show_edge=False, pad_edge=False)
    for column in ("stage", "leads", "of the stage before", "95 % interval", "median days"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for s in answer["stages"]:
        share, ends = s["of_previous"], s["interval"]
        table.add_row(
            s["stage"], f"{s['leads']:,}", "–" if share is None else f"{share:.1%}",
            f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else "–", "–" if s["median_days"] is None else f"{s['median_days']:,.2f}",
        )  # fmt: skip
    out().print(table)
    per = ", ".join(f"{_money(amounts)} per {what}" for what, amounts in answer["cost_per"].items() if amounts)
    out().print(f"cost: {_money(answer['cost']) or 'not said'}{f' ({per})' if per else ''}", markup=False)
    out().print(f"revenue: {_money(answer['revenue']) or 'none'}", markup=False)
    for reason in answer["turned_down"]:
        out().print(f"turned down: {reason['count']:,} {reason['title']} ({reason['kind']})", markup=False)
    for what, style in _STYLES.items():
        for one in answer[what]:
            out().print(one["sentence"], style=style, markup=False)
    for remark in [*answer["reach"]["remarks"], *answer["remarks"]]:
        out().print(remark, style="dim", markup=False)


def _money(amounts: list[dict[str, str]]) -> str:
    return " and ".join(f"{one['amount']} {one['currency']}" for one in amounts)
