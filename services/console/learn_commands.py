"""`leadloop learn`: what the learner has learned in the running loop, and what it would have been worth on a recorded history."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.console.options import AsJson, Data, doors_of
from services.console.terminal import Refused, err, out, say_json

if TYPE_CHECKING:
    from services.scoring.learning.evaluation import Evaluation, Plan

_SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="The score that learns: what it has learned, and would have been worth.")


@app.command("status")
def status(data: Data = None, as_json: AsJson = False) -> None:
    """Say what was learned from outcomes so far, how good it is over time, and whether it counts."""
    answer = doors_of(data).get("feedback", "/v1/reports/learning")
    if as_json:
        say_json(answer)
        return
    out().print(f"{answer['outcomes']:,} outcomes with {answer['wins']:,} wins: {answer['because']}", style="bold", markup=False)
    decides = "the model decides where the definition goes by points" if answer["model_decides"] else "the rules decide"
    out().print(f"{decides} (the agreement says: counts: {answer['counts']})", markup=False)
    for leak in answer["leaks"]:
        out().print(f"not used: {leak['because']}", style="yellow", markup=False)
    if answer["series"]:
        out().print(_over_time(answer["series"][-_SHOWN:]))
    if answer["strongest"]:
        out().print("strongest: " + ", ".join(f"{s['attribute']} {s['log_odds']}" for s in answer["strongest"][:8]), markup=False)


def _over_time(series: list[dict[str, Any]]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    columns = {
        "roc_auc": "ROC-AUC", "rules_roc_auc": "of the rules", "pr_auc": "PR-AUC", "brier": "Brier", "ece": "calibration",
        "lift_10": "lift 10 %", "lift_20": "lift 20 %",
    }  # fmt: skip
    for column in ("published", "model", "outcomes", *columns.values(), ""):
        table.add_column(column, justify="left" if column in ("published", "") else "right")
    for point in series:
        figures = ["–" if point.get(name) is None else f"{point[name]:.3f}" for name in columns]
        said = "better than the rules" if point["better_than_rules"] else "learned" if point["learned"] else "nothing learned"
        table.add_row(point["at"][:19], str(point["model_version"]), f"{point['outcomes']:,}", *figures, said)
    return table


@app.command("evaluate")
def evaluate(
    data: Annotated[Path, typer.Option("--data", help="The history (CSV, also .gz): one line per lead, oldest first.")],
    target: Annotated[str, typer.Option("--target", help="The column that says what became of the lead.")],
    positive: Annotated[str, typer.Option("--positive", help="Its value for a lead that was won.")],
    train_share: Annotated[
        float, typer.Option("--train-share", help="The share of first rows to learn from, such as 0.7.")
    ],
    test_share: Annotated[
        float, typer.Option("--test-share", help="The share of last rows to test on; what lies between is not seen.")
    ],
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="A column not to use; may be repeated.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The column to sort by; else the file's order is the order of time.")
    ] = None,
    delay: Annotated[int, typer.Option("--delay", help="After how many rows an outcome becomes known.")] = 0,
    shift: Annotated[
        list[str] | None, typer.Option("--shift", help="COLUMN=NUMBER to add to a column, such as campaign=-1.")
    ] = None,
    rules: Annotated[
        str | None, typer.Option("--rules", help="A column with the rules' score, to compare with.")
    ] = None,
    keep_leaks: Annotated[
        bool, typer.Option("--keep-leaks", help="Measure with the attributes that know the future, too.")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write a report with curves to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the learner over a history in the order of time; each row is scored before its outcome is known.

    Attributes that know the future are named, and left out.
    """
    from services.scoring.learning.history import HistoryRefused, read_history

    plan = _plan(train_share, test_share, delay)
    shifts = [_shift(word) for word in shift or []]
    try:
        history = read_history(data, target, positive, exclude=exclude or [], time=time, champion=rules, shift=shifts)
        found = _run(history, plan, keep_leaks)
    except HistoryRefused as refusal:
        raise Refused(str(refusal)) from refusal
    if html is not None:
        _report(html, found, f"{data.name}: {target} = {positive}", plan)
    if as_json:
        say_json(answer(found))
    else:
        _tell(found)
        if html is not None:
            out().print(f"the report is in {html}", markup=False)


def answer(found: Evaluation) -> dict[str, object]:
    """The evaluation as JSON; figures without a meaning (one class alone) are null."""
    metrics = {k: _finite(v) for k, v in asdict(found.metrics).items() if k not in ("rows", "wins")}
    return {
        "rows": found.rows,
        **metrics,
        "leaks": [leak.attribute for leak in found.leaks],
        "learned": found.verdict.learned,
        "because": found.verdict.because,
        "better_than_rules": found.verdict.better_than_champion,
        "tested": found.tested,
        "wins": found.metrics.wins,
        "why_leaks": {leak.attribute: leak.because for leak in found.leaks},
        "left_out": list(found.left_out),
        "strongest": [{"attribute": name, "log_odds": round(weight, 4)} for name, weight in found.strongest[:20]],
        "series": [{k: _finite(v) for k, v in asdict(point).items()} for point in found.series],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plan(train_share: float, test_share: float, delay: int) -> Plan:
    from services.scoring.learning.evaluation import Plan
    from services.scoring.learning.history import HistoryRefused

    try:
        return Plan(train_share, test_share, delay)
    except HistoryRefused as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--train-share, --test-share, --delay") from None


def _shift(word: str) -> tuple[str, float]:
    column, sign, number = word.rpartition("=")
    try:
        if sign and column and math.isfinite(float(number)):
            return column, float(number)
    except ValueError:
        pass
    raise typer.BadParameter(f"{word!r} is not COLUMN=NUMBER, such as campaign=-1", param_hint="--shift")


def _run(history: object, plan: Plan, keep_leaks: bool) -> Evaluation:
    from services.scoring.learning.evaluation import evaluate as run
    from services.scoring.learning.history import History

    assert isinstance(history, History)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("rows scored and learned", total=None)
        return run(
            history, plan, keep_leaks=keep_leaks, progress=lambda done, of: bar.update(task, completed=done, total=of)
        )


def _report(file: Path, found: Evaluation, title: str, plan: Plan) -> None:
    from services.console.learn_report import report

    try:
        file.write_text(report(found, title, plan), encoding="utf-8")
    except OSError as fault:
        raise Refused(f"{file} cannot be written ({fault.strerror}); name another file after --html") from fault


def _tell(found: Evaluation) -> None:
    metrics = found.metrics
    table = Table(show_edge=False, pad_edge=False, show_header=False)
    for name, value in (
        ("rows", f"{found.rows:,}, of which {found.tested:,} tested with {metrics.wins:,} wins"),
        ("ROC-AUC", f"{metrics.roc_auc:.3f}"),
        ("PR-AUC", f"{metrics.pr_auc:.3f}"),
        ("Brier score", f"{metrics.brier:.4f}"),
        ("calibration error", f"{metrics.ece:.4f}"),
        ("lift at 10 and 20 %", f"{metrics.lift_10:.2f} and {metrics.lift_20:.2f}"),
        ("strongest", ", ".join(name for name, _ in found.strongest[:5])),
        ("verdict", found.verdict.because),
    ):
        table.add_row(name, value)
    out().print(table)
    for leak in found.leaks:
        out().print(f"leak: {leak.because}", markup=False)
    if found.left_out:
        out().print(f"left out for that: {', '.join(found.left_out)} (--keep-leaks measures with them)", markup=False)
