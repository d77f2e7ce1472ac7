"""`leadloop route`: where a lead would go, and whole histories through routing's own code; nothing happens by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from services.console.lead_file import read_lead_file
from services.console.options import AsJson, Data
from services.console.score_commands import instant
from services.console.shadow_commands import add_to, replay_log
from services.console.simulation.differing import LISTED
from services.console.simulation.lines import History
from services.console.simulation.preview import preview
from services.console.simulation.running import Simulated, agreement_of, happenings_of, roster_of, simulated
from services.console.simulation.telling import progress_bar, say_decisions, tell_remarks
from services.console.terminal import out, say_json

app = typer.Typer(
    help="Where a lead would go and why; whole histories off line, through the code that routes live leads.",
)

_LEAD = 'The lead (JSON): {"attributes": {…}, "country", "source", "engagements": [{"kind", "at"}], "lead_id"}.'
Roster = Annotated[Path | None, typer.Option(help="Who is in which team and pool (YAML).")]


@app.callback(invoke_without_command=True)
def route(
    context: typer.Context,
    agreement: Annotated[Path | None, typer.Option(help="The agreement (YAML).")] = None,
    lead: Annotated[Path | None, typer.Option(help=_LEAD)] = None,
    roster: Annotated[
        Path | None,
        typer.Option(help="Who is in which team and pool (YAML); x-roster.yaml beside the agreement x.yaml otherwise."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="An instant such as 2026-03-02T09:00:00Z; the lead's own `at` or now otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where a lead would go and why: the rule that holds and those before it that do not, who would get it and why
    not the others. Nothing happens by it.

    Whole histories: leadloop route simulate.
    """
    if context.invoked_subcommand is not None:
        if (agreement, lead, roster, at, as_json) != (None, None, None, None, False):
            raise typer.BadParameter(f"write the options behind the command {context.invoked_subcommand}")
        return
    if agreement is None or lead is None:
        raise typer.BadParameter(f"missing option --{'agreement' if agreement is None else 'lead'}")
    rules = agreement_of(agreement)
    beside = agreement.with_name(f"{agreement.stem}-roster.yaml")
    named = roster or (beside if beside.exists() else None)
    told_of = read_lead_file(lead)
    asked = instant(at) if at is not None else told_of.at or datetime.now(UTC)
    answer = preview(rules, told_of, roster_of(named, rules) if named is not None else None, asked)
    if as_json:
        say_json(answer)
        return
    for line in _told(answer):
        out().print(line, markup=False)


def _told(answer: dict[str, Any]) -> Iterator[str]:
    yield f"{answer['verdict']} by the rule {answer['verdict_rule']}: {answer['verdict_because']} (grade {answer['grade']})"
    for passed in answer["passed_over"]:
        yield f"    not by the rule {passed['rule']}: {passed['because']}"
    yield f"to the pool {answer['pool']} of {answer['team']} by the rule {answer['rule']}: {answer['because']}"
    yield f"to {answer['rep']}: {answer['rep_because']}" if answer["rep"] else f"it would wait: {answer['rep_because']}"
    for candidate in answer["candidates"]:
        yield f"    {'' if candidate['taken'] else 'not '}{candidate['rep']}: {candidate['because']}"
    yield from answer["remarks"]


@app.command("simulate")
def simulate(
    agreement: Annotated[
        Path | None, typer.Option(help="The agreement (YAML); with --from-log those that were in force otherwise.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="What happens, one JSON object a line, in order of time; - is standard input.")
    ] = None,
    from_log: Annotated[
        bool, typer.Option("--from-log", help="Route what an installation has recorded, and say where it differs.")
    ] = False,
    roster: Roster = None,
    since: Annotated[
        str | None, typer.Option(help="With --from-log: as if the agreement were in force from here on.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="With --events: let time pass up to here after the last line.")] = None,
    clocks: Annotated[
        bool,
        typer.Option("--clocks", help="With --events: let the agreement's clocks run, too: they take leads from who is late."),
    ] = False,
    listed: Annotated[
        int, typer.Option("--list", min=0, help="With --from-log: how many leads that differ are told one by one.")
    ] = LISTED,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run a history off line: one line an assignment, wait or withdrawal, with its reasons.

    Lines: {"at", "type", ...} with a type of lead (lead, attributes, country, source), close (lead, outcome), reject
    (lead, rep, reason), accept (lead, rep), away (rep, until), back (rep), join (rep, weight, pool or pools, team, and
    what else a roster says), leave (rep), weight (rep, weight, pool).

    Every line of type lead is routed, whatever the definition says of it; its score and grade are the agreement's.
    Who joins without pools is in all pools of his team for his role, and in the team of the routing rule that always
    holds if the line names none. Exits 2 for a line that means nothing, before anything is answered.

    With --from-log the last line is the report: {"type": "report", ...}.
    """
    if from_log == (events is not None):
        raise typer.BadParameter("name what is to be simulated: either --events FILE or --from-log")
    if from_log:
        if until is not None or clocks:
            raise typer.BadParameter("--until and --clocks go with --events: a log has its own end and its own breaches")
        if since is not None and (agreement is None or roster is not None):
            raise typer.BadParameter("--since goes with --agreement, and without --roster")
        replay_log(agreement, roster, instant(since) if since is not None else None, data, listed, as_json)
        return
    if agreement is None or since is not None:
        raise typer.BadParameter("--events needs --agreement, and --since goes with --from-log")
    rules = agreement_of(agreement)
    history = History(rules, roster_of(roster, rules) if roster is not None else None)
    happenings = happenings_of(events, history) if events is not None else []
    last = instant(until) if until is not None else None
    with progress_bar("simulating", "lines", len(happenings)) as progress:
        run = simulated(rules, happenings, clocks=clocks, until=last, progress=progress)
        counted = _say_all(run, history, as_json)
    tell_remarks([*history.warnings.values(), *(run.world.remarks if run.world is not None else ())])
    if not as_json:
        _show(run, history, counted)


def _say_all(run: Simulated, history: History, as_json: bool) -> Counter[str]:
    """Print every decision as it comes; how many of each kind."""
    return say_decisions(run.decisions(), as_json, history.names.of)


def _show(run: Simulated, history: History, counted: Counter[str]) -> None:
    out().print(
        f"{counted['Assigned']:,} assignments, {counted['Waits']:,} waits, {counted['Withdrawn']:,} withdrawals", style="bold"
    )
    table = Table(show_edge=False, pad_edge=False)
    for column in ("rep", "pool"):
        table.add_column(column, overflow="fold")
    for column in ("weight", "assigned", "share", "shortfall", "open"):
        table.add_column(column, justify="right")
    for rep in run.standings():
        for pool in rep["pools"]:
            figures = (f"{pool['weight']:g}", str(pool["assigned"]), f"{pool['share']:.2f}", f"{pool['shortfall']:.2f}")
            table.add_row(history.names.of(rep["rep"]), pool["pool"], *figures, str(rep["open_leads"]))
    if table.row_count:
        out().print(table)


add_to(app)
