"""`leadloop backtest`: the recorded log under a proposed agreement, or under those that were in force, byte for byte."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from schemas.agreement import AgreementRefused, load
from services.console.backtest.report import headline
from services.console.backtest.running import Progress as Told
from services.console.backtest.running import recording_of, under, verified
from services.console.backtest.tally import LISTED
from services.console.options import AsJson, Data, settings_by
from services.console.score_commands import instant
from services.console.terminal import EXIT_REFUSED, Refused, news, out, say_json

_SHOWN = 12


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(backtest)


def backtest(
    agreement: Annotated[
        Path | None, typer.Option(help="The proposed agreement (YAML); without it history is verified.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="As if in force from this instant on, such as 2026-03-01T09:00:00Z.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Say everything again under the agreements that were in force.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="With --verify: only this service's decisions, such as routing.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report to this file, as one page.")] = None,
    listed: Annotated[
        int, typer.Option("--list", min=0, help="How many changed leads are told one by one, the latest.")
    ] = LISTED,
    workers: Annotated[int, typer.Option(min=0, max=64, help="How many processes; 0: one a core.")] = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Replay the recorded log under a proposed agreement: how many leads more or fewer, which ones, and why.

    Without --agreement: under the agreements that were in force, by which everything that was said must come out again,
    byte for byte. Exits 1 when it does not.
    """
    if verify or agreement is None:
        if agreement is not None or since is not None or html is not None:
            raise typer.BadParameter("--verify replays what was in force: leave out --agreement, --since and --html")
        _verify(data, workers, as_json, only or [])
        return
    if only:
        raise typer.BadParameter("--only goes with --verify")
    text = _text_of(agreement)
    from_then = instant(since) if since is not None else None
    recording = recording_of(settings_by(data))
    with _progress() as told:
        answer = under(text, recording, since=from_then, progress=told, workers=workers, listed=listed)
    if html is not None:
        _write(html, answer)
    if as_json:
        say_json(answer)
    else:
        _show(answer)


def _verify(data: Path | None, workers: int, as_json: bool, only: list[str]) -> None:
    recording = recording_of(settings_by(data))
    with _progress() as told:
        answer = verified(recording, progress=told, workers=workers, only=only)
    if as_json:
        say_json(answer)
    else:
        for line in _verdict(answer):
            out().print(line, style="green" if answer["identical"] else "red", markup=False)
    if not answer["identical"]:
        raise typer.Exit(EXIT_REFUSED)


def _verdict(answer: dict[str, Any]) -> Iterator[str]:
    if answer["identical"]:
        yield (
            f"all {answer['said_again']:,} events that were decided come out again, byte for byte, from "
            f"{answer['events']:,} records under {len(answer['agreements'])} agreements"
        )
        return
    yield f"{answer['same']:,} of {answer['said_again']:,} events come out again, byte for byte"
    for key, what in (
        ("lost", "are said now and are not recorded (if they answer the last moments: try again when it is quiet)"),
        ("extra", "are recorded and are not said now"),
        ("other_bytes", "are said now in other bytes than recorded"),
    ):
        if answer[key]["events"]:
            yield f"{answer[key]['events']:,} {what}, such as {', '.join(answer[key]['such_as'])}"


def _text_of(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
        load(text, 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror}): name an agreement file") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no UTF-8 text: name an agreement file") from error
    except AgreementRefused as refused:
        first = next(f for f in refused.findings if f.severity == "error")
        raise Refused(f"{file} is refused: {first} For all findings: leadloop agreement check {file}") from refused
    return text


def _write(file: Path, answer: dict[str, Any]) -> None:
    from services.console.backtest.page import page

    try:
        file.write_text(page(answer), encoding="utf-8")
    except OSError as error:
        raise Refused(f"{file} cannot be written ({error.strerror}): name a file in a folder of yours") from error
    news(f"the report is in {file}")


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on a terminal, silence elsewhere."""
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("records"), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("replaying", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(answer: dict[str, Any]) -> None:
    out().print(headline(answer), style="bold", markup=False)
    for name, key in (("campaign", "campaigns"), ("pool", "pools"), ("team", "teams")):
        _table(name, answer[key])
    for reason in answer["why"][:_SHOWN]:
        out().print(
            f"{reason['leads']:>7,} {reason['kind']}: {reason['rule_then'] or 'not judged'} then, "
            f"{reason['rule_now'] or 'not judged'} here",
            markup=False,
        )
    for one in answer["changed"][:_SHOWN]:
        out().print(f"{one['kind']:>7}  {one['lead_id']}  {one['because']}", markup=False)
    rest = max(0, len(answer["changed"]) - _SHOWN) + answer["not_listed"]
    if rest:
        out().print(f"and {rest:,} more: --json and --html tell them one by one", style="dim")
    for remark in answer["remarks"]:
        out().print(remark, style="dim", markup=False)


def _table(name: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(name, overflow="fold")
    for column in ("qualified then", "here", "more", "fewer"):
        table.add_column(column, justify="right")
    for row in rows[:_SHOWN]:
        table.add_row(str(row[name]), *(f"{row[key]:,}" for key in ("then", "now", "more", "fewer")))
    out().print(table)
