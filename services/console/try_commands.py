"""`leadloop try`: any CRM's export, looked at off line; nothing needs to run and nothing leaves the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.agreement import Agreement
from services.console.first_agreement import DEFAULT, SAMPLES, choose
from services.console.options import AsJson
from services.console.terminal import BadInput, Refused, news, out, say_json
from services.console.trying.columns import (
    Meanings,
    NotUnderstood,
    activity_meanings,
    lead_meanings,
    refuse_no_names,
)
from services.console.trying.judging import judge
from services.console.trying.leads import Did, Export, Reading, take_activities, take_leads
from services.console.trying.report import report
from services.console.trying.text import lines
from services.console.trying.words import Activity, Standing, plain_word
from services.intake.imports.files import FileRefused, Kind, Table, read_table

_SAMPLES = (DEFAULT, SAMPLES / "software.yaml", SAMPLES / "school.yaml")
_CLOCKS_DIFFER = timedelta(days=1)
"""By so much may an export be ahead of this machine's clock."""
_STATUSES = {s.name.lower(): s for s in Standing if s is not Standing.UNKNOWN}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("try")(try_)


def try_(
    export: Annotated[Path, typer.Argument(help="A CRM's export of leads: CSV with a line of column names.")],
    activities: Annotated[
        Path | None, typer.Option("--activities", help="Its export of activities (CSV): calls, mails, meetings, page views.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="What a column means: 'Inquiry=submitted_at', 'Origin=source.channel,attributes.topic', 'Notes=-'."),
    ] = None,
    activity_columns: Annotated[
        list[str] | None, typer.Option("--map-activities", help="The same of the file of activities: 'Lead No=lead_id'.")
    ] = None,
    statuses: Annotated[
        list[str] | None, typer.Option("--status", help=f"What a status means: 'Parked=rejected'; one of {', '.join(_STATUSES)}.")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--activity", help="What a type of activity is: 'Letter=touch', 'Fair visit=webinar_attended', 'Log=neither'."),
    ] = None,
    agreement: Annotated[
        Path | None, typer.Option("--agreement", help="The agreement (YAML); without it the sample that most columns fit.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report to this file, as one page.")] = None,
    zone: Annotated[str, typer.Option("--zone", help="Of times that name no zone, such as Europe/Berlin.")] = "UTC",
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of files that are not UTF-8, such as windows-1252.")] = None,
    as_json: AsJson = False,
) -> None:
    """See in your own data how many leads went unworked, how fast sales answered, and what an agreement would have done.

    Columns are guessed and shown. Nothing leaves this machine, nothing is kept, and the report holds counts, no people.
    """
    try:
        answer = _answer(export, activities, columns, activity_columns, statuses, kinds, agreement, zone, encoding)
    except NotUnderstood as error:
        raise BadInput(str(error)) from None
    if html is not None:
        _write(html, answer)
    if as_json:
        say_json(answer)
    else:
        for line, style in lines(answer):
            out().print(line, style=style, markup=False)


def _answer(
    file: Path,
    activity_file: Path | None,
    columns: list[str] | None,
    activity_columns: list[str] | None,
    statuses: list[str] | None,
    kinds: list[str] | None,
    agreement_file: Path | None,
    zone: str,
    encoding: str | None,
) -> dict[str, Any]:
    where, now = _zone(zone), datetime.now(UTC)
    wished, wished_too = _wishes(columns, "--map"), _wishes(activity_columns, "--map-activities")
    if wished_too and activity_file is None:
        raise BadInput("--map-activities goes with --activities FILE.csv")
    with _progress() as step:
        table = _table(file, encoding, step)
        agreement = choose(agreement_file).agreement if agreement_file is not None else fitting(table, wished)
        meanings = _in_file(file, lambda: lead_meanings(table.columns, _asked_for(agreement), wished))
        reading = Reading(agreement, where, now + _CLOCKS_DIFFER, _statuses(statuses), _kinds(kinds, agreement))
        read = Export()
        with step("reading leads", len(table.rows)) as did:
            take_leads(read, table, meanings, reading, file.name, did)
        if not read.leads:
            raise Refused(f"{file}: {read.problems[0] if read.problems else 'no row is a lead'}")
        others: Meanings | None = None
        if activity_file is not None:
            more = _table(activity_file, encoding, step)
            others = _in_file(activity_file, lambda: activity_meanings(more.columns, wished_too))
            with step("reading activities", len(more.rows)) as did:
                take_activities(read, more, others, reading, activity_file.name, did)
        read.settle()
        as_of = read.as_of or now.replace(hour=0, minute=0, second=0, microsecond=0)
        with step("judging leads", len(read.leads)) as did:
            judged = judge(read.leads, agreement, as_of, did)
    return report(read, judged, agreement, meanings, others, as_of)


def fitting(table: Table, wished: Mapping[str, tuple[str, ...]]) -> Agreement:
    """The sample agreement that most columns have something to say to; the default one if others are no better."""
    best, most = choose(DEFAULT).agreement, -1
    for sample in _SAMPLES:
        agreement = choose(sample).agreement
        try:
            meanings = lead_meanings(table.columns, _asked_for(agreement), wished)
        except NotUnderstood:
            continue  # a column was mapped to an attribute of another sample
        number = sum(meaning.startswith("attributes.") for several in meanings.values() for meaning in several)
        if number > most:
            best, most = agreement, number
    return best


def _asked_for(agreement: Agreement) -> list[str]:
    return [str(name) for name, attribute in agreement.attributes.items() if not attribute.personal]


def _table(file: Path, encoding: str | None, step: _Step) -> Table:
    with step(f"opening {file.name}", None):
        try:
            raw = file.read_bytes()
        except OSError as error:
            raise Refused(f"{file} cannot be read ({error.strerror}): name a CSV file that your CRM exported") from None
        try:
            table = read_table(raw, Kind.CSV, encoding)
        except FileRefused as error:
            raise Refused(f"{file}: {error}") from None
    _in_file(file, lambda: refuse_no_names(table.columns))
    return table


def _in_file(file: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except NotUnderstood as error:
        raise NotUnderstood(f"{file}: {error}") from None


def _wishes(words: Iterable[str] | None, option: str) -> dict[str, tuple[str, ...]]:
    return {column: tuple(m.strip() for m in meant.split(",")) for column, meant in _pairs(words, option)}


def _pairs(words: Iterable[str] | None, option: str) -> Iterator[tuple[str, str]]:
    for word in words or ():
        name, sign, meant = word.rpartition("=")
        if not sign or not name.strip() or not meant.strip():
            raise BadInput(f"{option} {word!r} is not NAME=MEANING; see: leadloop try --help")
        yield name.strip(), meant.strip()


def _statuses(words: Iterable[str] | None) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for name, meant in _pairs(words, "--status"):
        if meant not in _STATUSES:
            raise BadInput(f"--status {name}={meant}: a status means one of {', '.join(_STATUSES)}")
        found[plain_word(name)] = _STATUSES[meant]
    return found


def _kinds(words: Iterable[str] | None, agreement: Agreement) -> dict[str, str]:
    known = {*map(str, Activity), *map(str, agreement.engagements)}
    found = {}
    for name, meant in _pairs(words, "--activity"):
        if meant not in known:
            raise BadInput(f"--activity {name}={meant}: an activity is one of {', '.join(sorted(known))}")
        found[plain_word(name)] = meant
    return found


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # names that are none, and names of folders
        raise BadInput(f"--zone: there is no time zone {name!r}; name one such as Europe/Berlin") from None


def _write(file: Path, answer: Mapping[str, Any]) -> None:
    from services.console.trying.page import page

    try:
        file.write_text(page(answer), encoding="utf-8")
    except OSError as error:
        raise Refused(f"{file} cannot be written ({error.strerror}): name a file in a folder of yours") from error
    news(f"the report is in {file}; it holds counts only and loads nothing from elsewhere")


_Step = Any
"""Called with what is done and how much there is of it; a context that gives whom to tell."""


@contextmanager
def _progress() -> Iterator[_Step]:
    """A bar on a terminal, silence elsewhere."""
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True) as bar:

        @contextmanager
        def step(what: str, total: int | None) -> Iterator[Did]:
            task = bar.add_task(what, total=total)
            yield lambda number: bar.advance(task, number)
            bar.remove_task(task)

        yield step
