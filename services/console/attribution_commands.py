"""`leadloop attribution`: which campaigns brought the revenue, for any CSV of touches; nothing needs to run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from services.console.options import AsJson
from services.console.terminal import Refused, out, say_json
from services.feedback.attribution.answering import answer
from services.feedback.attribution.crediting import MEANS, Model, attribute
from services.feedback.attribution.journeys import NAMELESS, Dimension, Journey
from services.feedback.attribution.touch_file import TouchFileRefused, read

_MODELS = "; ".join(f"{model.value}: {means}" for model, means in MEANS.items())


def _model(text: str) -> Model:
    try:
        return Model.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(attribution)


def attribution(
    touches: Annotated[
        Path,
        typer.Option(
            "--touches",
            help="A CSV file: lead, at, campaign, channel, stage, won_at, amount (also collateral and currency). "
            "One line per touch; times in ISO 8601, without an offset UTC.",
        ),
    ],
    model: Annotated[
        Model, typer.Option("--model", parser=_model, metavar="MODEL", help=f"How a win is shared out. {_MODELS}.")
    ] = Model.LINEAR,
    by: Annotated[
        list[Dimension] | None,
        typer.Option("--by", help="What revenue is credited to; may be repeated.  [default: all that the file names]"),
    ] = None,
    half_life: Annotated[
        float, typer.Option("--half-life", min=0.001, help="Of time decay, in days.")
    ] = 7.0,
    currency: Annotated[
        str, typer.Option("--currency", help="Of amounts whose line has no currency.")
    ] = "EUR",
    as_json: AsJson = False,
) -> None:
    """Share out the revenue of won leads over the touches that led to it; the shares sum exactly to the revenue."""
    try:
        journeys = read(_lines(touches), currency)
    except TouchFileRefused as error:
        raise Refused(f"{touches}: {error}") from None
    results = [attribute(journeys, model, one, timedelta(days=half_life)) for one in by or _named(journeys)]
    said = answer(results)
    if as_json:
        say_json(said)
    else:
        _print(said)


def _named(journeys: Sequence[Journey]) -> list[Dimension]:
    """What the file says anything of; campaigns in any case."""
    touches = [touch for journey in journeys for touch in journey.touches]
    return [d for d in Dimension if d is Dimension.CAMPAIGN or any(touch.of(d) != NAMELESS for touch in touches)]


def _lines(file: Path) -> Iterator[str]:
    number = 1
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for line in lines:
                yield line
                number += 1
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror}): name a CSV file of touches") from None
    except UnicodeDecodeError:
        raise Refused(f"{file}, line {number} or after: this is no UTF-8; save the file as UTF-8") from None


def _print(said: dict[str, Any]) -> None:
    out().print(f"{said['model']}: {said['means']}", style="bold", markup=False)
    for dimension, credited in said["by"].items():
        table = Table(show_edge=False, pad_edge=False)
        for column in (dimension, "revenue", "share", "wins", "leads touched", "of them won"):
            table.add_column(column, justify="left" if column == dimension else "right")
        for credit in credited:
            share = ", ".join(f"{share:.1%}" for share in credit["share"].values())
            table.add_row(
                credit["name"], _money(credit["revenue"]), share,
                f"{credit['wins']:.2f}", f"{credit['leads_touched']:,}", f"{credit['leads_won']:,}",
            )  # fmt: skip
        out().print(table)
    out().print(f"won in all: {_money(said['revenue']) or 'nothing'}, {said['wins']:,} won", markup=False)
    untouched, late = said["unattributed"], said["touches_after_win"]
    if untouched["wins"]:
        what = f"not credited: {_money(untouched['revenue'])}, {untouched['wins']:,} won without a touch before"
        out().print(what, style="yellow", markup=False)
    if late:
        out().print(f"left out: {late:,} touches after the win", style="yellow", markup=False)


def _money(amounts: list[dict[str, str]]) -> str:
    return ", ".join(f"{one['amount']} {one['currency']}" for one in amounts)
