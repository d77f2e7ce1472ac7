"""`leadloop route simulate --from-log` and `leadloop route shadow`: an agreement on leads that were or are being routed."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError

from schemas.agreement import AgreementRefused
from schemas.agreement.durations import parse_duration
from services.console.backtest.running import Recording, recording_of
from services.console.options import AsJson, Data, folder_of, settings_by
from services.console.score_commands import instant
from services.console.simulation.course import Course, agreements_for, look, proposed_as
from services.console.simulation.differing import LISTED
from services.console.simulation.running import agreement_of, roster_of, text_of
from services.console.simulation.shadowing import Shadow, file_of, keep, kept
from services.console.simulation.telling import progress_bar, say_decisions, say_line, show_report
from services.console.terminal import Refused, news, say_json
from services.runtime.settings import Settings

_SETTLES_AFTER = timedelta(seconds=3)
"""So long a lead's record may wait for what its team read because of it."""
_LOOK_EVERY_SECONDS = 2.0


def add_to(app: typer.Typer) -> None:
    """Put the command below `leadloop route`."""
    app.command("shadow")(shadow)


def replay_log(
    agreement: Path | None, roster: Path | None, since: datetime | None, data: Path | None, listed: int, as_json: bool
) -> None:
    """Route a recorded log again, and say where it differs. Raises Refused."""
    rules = agreement_of(agreement) if agreement is not None else None
    recording = recording_of(settings_by(data))
    text = text_of(agreement, "an agreement file") if agreement is not None else None
    proposed = proposed_as(recording, text, since) if text is not None else None
    agreements = agreements_for(recording, proposed)
    newest = rules or agreements.published[-1][1]
    course = Course(recording.source, agreements, roster_of(roster, newest) if roster is not None else None)
    with progress_bar("reading", "records", sum(p.records for p in recording.places)) as progress:
        _read(course, recording, progress)
    say_decisions(course.go_on(recording.until), as_json)
    report = course.report(since=since, listed=listed)
    if as_json:
        say_line({"type": "report", **report})
    else:
        show_report(report)


def _read(course: Course, recording: Recording, progress: Any) -> None:
    done = 0

    def did(number: int) -> None:
        nonlocal done
        done += number
        progress(done)

    try:
        course.read(recording.places, did)
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(f"the log cannot be read to its end ({type(fault).__name__}); see what runs with: leadloop status") from fault


def shadow(
    agreement: Annotated[
        Path | None, typer.Option(help="The proposed agreement (YAML); not needed to go on with a shadow that is kept.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the shadow is called; several can run side by side.")] = "shadow",
    since: Annotated[
        str | None, typer.Option(help="From when on the two are compared, such as 2026-03-02T09:00:00Z; now otherwise.")
    ] = None,
    for_: Annotated[str | None, typer.Option("--for", help="How long, such as 3d or 90m; until it is stopped otherwise.")] = None,
    every: Annotated[str, typer.Option(help="How often a report is said meanwhile, such as 10m.")] = "1h",
    once: Annotated[bool, typer.Option("--once", help="Say where it stands now, and end.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Forget a shadow that is kept.")] = False,
    listed: Annotated[int, typer.Option("--list", min=0, help="How many leads that differ are told one by one.")] = LISTED,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run a proposed agreement beside the live one on live leads, and report where they differ. It assigns nothing.

    Follows the log for as long as it runs and says a report every so often and at its end (Ctrl-C, SIGTERM or --for).
    The shadow is kept in the data folder: started again, also after kill -9, it goes on from its beginning to its end as
    if it had never stopped. With --json each report is one document.
    """
    file = file_of(folder_of(data), _named(name))
    if forget:
        file.unlink(missing_ok=True)
        news(f"the shadow {name} is forgotten")
        return
    pause, length = _length(every, "--every"), _length(for_, "--for") if for_ is not None else None
    settings = settings_by(data)
    recording = recording_of(settings)
    this = _settled(file, name, agreement, since, length)
    proposed = proposed_as(recording, this.text, this.since)
    try:
        course = Course(recording.source, agreements_for(recording, proposed))
    except AgreementRefused as refused:
        raise Refused(f"the agreement of the shadow {name} does not hold any more: {refused}") from refused
    with progress_bar("reading", "records", sum(p.records for p in recording.places)) as progress:
        _read(course, recording, progress)
    _follow(course, settings, this, recording.until, pause, once, lambda settled: _say(course, this, settled, listed, as_json))


def _follow(
    course: Course,
    settings: Settings,
    this: Shadow,
    recorded_until: datetime,
    pause: timedelta,
    once: bool,
    say: Callable[[datetime], None],
) -> None:
    """Look at the log again and again. recorded_until: how far it was read before."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        told = time.monotonic()
        now = recorded_until
        while True:
            end = min(now, this.until) if this.until is not None else now
            settled = end if once else min(end, now - _SETTLES_AFTER)
            for _ in course.go_on(settled, settled=settled):
                pass
            over = this.until is not None and now - _SETTLES_AFTER >= this.until
            if once or stopped or over:
                break
            if time.monotonic() - told >= pause.total_seconds():
                told = time.monotonic()
                say(settled)
            time.sleep(_LOOK_EVERY_SECONDS)
            looked = datetime.now(UTC)  # before the look: what was written by then is seen by it
            try:
                course.read(look(settings), lambda number: None)
                now = looked
            except (Refused, KafkaError, OSError, TimeoutError) as fault:
                news(f"leadloop: the log cannot be read now, and is tried again: {fault}")
        say(settled)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(course: Course, this: Shadow, settled: datetime, listed: int, as_json: bool) -> None:
    report = course.report(since=this.since, settled=settled, listed=listed)
    told = {
        "shadow": this.name,
        "since": this.since.isoformat(),
        "until": this.until.isoformat() if this.until is not None else None,
        "at": datetime.now(UTC).isoformat(),
        **report,
    }
    if as_json:
        say_json(told)
    else:
        show_report(report)


def _settled(
    file: Path, name: str, agreement: Path | None, since: str | None, length: timedelta | None
) -> Shadow:
    """The shadow that is kept, or a new one, which is kept from now on. Raises Refused."""
    known = kept(file)
    text = None
    if agreement is not None:
        agreement_of(agreement)
        text = text_of(agreement, "an agreement file")
    if known is not None:
        if text is not None and text != known.text:
            raise Refused(f"the shadow {name} runs another agreement: give this one another --name, or --forget that one")
        if since is not None or (length is not None and known.until is None):
            raise Refused(f"the shadow {name} runs since {known.since.isoformat()}: --forget it to begin anew")
        return known
    if text is None:
        raise Refused(f"there is no shadow {name} yet: name the proposed agreement with --agreement")
    began = instant(since) if since is not None else datetime.now(UTC)
    new = Shadow(name, text, began, None if length is None else datetime.now(UTC) + length)
    keep(file, new)
    return new


def _length(text: str, option: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError:
        length = timedelta(0)
    if length <= timedelta(0):
        raise typer.BadParameter(f"{text!r} is no length of time: write 90m, 12h or 3d", param_hint=option)
    return length


def _named(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise typer.BadParameter("a name takes lower-case letters, digits, dots, dashes and underscores", param_hint="--name")
    return name
