"""`leadloop agreement check` and `prove`: every mistake of a file, and what its rules mean for all possible leads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.agreement import load
from schemas.agreement.findings import Finding
from services.console.options import AsJson
from services.console.terminal import EXIT_REFUSED, Refused, err, out, say_json

if TYPE_CHECKING:
    from schemas.agreement.proof import Proof

BYTES_AT_MOST = 20_000_000
"""Of a file that is read at all; an agreement is refused from a fortieth of that on, in a sentence of its own."""
_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}

File = Annotated[Path, typer.Argument(help="The agreement (YAML).")]


def add_to(app: typer.Typer) -> None:
    """Put the commands below `leadloop agreement`."""
    app.command("check")(check_file)
    app.command("prove")(prove_file)


def check_file(file: File, as_json: AsJson = False) -> None:
    """Name every mistake of an agreement file with its line and its remedy. Exits 1 when there is one.

    Rules that never fire, leads that no rule covers and thresholds out of reach are found by proof; for everything that
    a proof can say: leadloop agreement prove.
    """
    asked = _asked(file, None, quick=True)
    _answer(file, None, [(f, file) for f in asked.agreement if f.severity != "info"], {}, as_json)


def prove_file(
    file: File,
    roster: Annotated[
        Path | None, typer.Option(help="Who is in which pool (YAML): also finds hours at which nobody is at work.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove an agreement over all possible leads before it goes live. Exits 1 when there is an error.

    Finds rules that never fire or overlap, leads that no rule covers, thresholds that no lead or every lead reaches,
    pools with nobody at work, people in two teams, clocks that cannot be met, reasons that nobody can give and streams
    in which nothing wakes a lead. Each finding shows a lead: save it and try leadloop score --agreement FILE --lead it.
    """
    asked = _asked(file, roster, quick=False)
    findings = [(f, file) for f in asked.agreement] + [(f, roster or file) for f in asked.roster]
    _answer(file, roster, findings, {"proven": asked.complete}, as_json)


def proven(file: Path, text: str) -> tuple[Finding, ...]:
    """What a proof leaves doubtful of the text of a file that holds.

    Raises Refused, naming the file, if it finds that the rules cannot be meant so.
    """
    findings = _proof(text, None, quick=True).agreement
    wrong = [finding for finding in findings if finding.severity == "error"]
    if wrong:
        first = wrong[0]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise Refused(
            f"{file}:{first.line} {first.path or 'the file'}: {first.message} {first.remedy}{more} "
            f"All of it: leadloop agreement prove {file}"
        )
    return tuple(finding for finding in findings if finding.severity == "warning")


def _asked(file: Path, roster: Path | None, *, quick: bool) -> Proof:
    from schemas.agreement.proof import Proof

    text, reps = _text(file, "FILE"), None if roster is None else _text(roster, "--roster")
    if isinstance(text, Finding) or isinstance(reps, Finding):
        return Proof(_only_findings(text), _only_findings(reps), complete=False)
    return _proof(text, reps, quick=quick)


def _proof(text: str, reps: str | None, *, quick: bool) -> Proof:
    from schemas.agreement.proof import prove  # the solver is loaded by these commands alone

    with _bar("rules asked") as progress:
        return prove(text, datetime.now(UTC).replace(second=0, microsecond=0), reps, progress, quick=quick)


def _only_findings(text: str | Finding | None) -> tuple[Finding, ...]:
    return (text,) if isinstance(text, Finding) else ()


def _text(file: Path, what: str) -> str | Finding:
    """The file's text, or the finding that it is none. Raises BadParameter for one that cannot be read."""
    try:
        with file.open("rb") as there:
            content = there.read(BYTES_AT_MOST)
    except OSError as refusal:
        message = f"{file} cannot be read ({refusal.strerror}); name a file that is there"
        raise typer.BadParameter(message, param_hint=what) from refusal
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        return Finding("error", "not_utf8", "", line, f"the file is not UTF-8 (byte {fault.start}).", "Save it as UTF-8.")


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _answer(
    file: Path, roster: Path | None, findings: list[tuple[Finding, Path]], more: dict[str, Any], as_json: bool
) -> None:
    wrong = sum(finding.severity == "error" for finding, _ in findings)
    if as_json:
        named = {"file": str(file)} | ({} if roster is None else {"roster": str(roster)})
        told = [asdict(finding) | ({} if roster is None else {"file": str(place)}) for finding, place in findings]
        say_json({**named, "ok": not wrong, **more, "findings": told})
    else:
        for finding, place in findings:
            _tell(finding, place)
        _sum_up(file, [finding for finding, _ in findings], more)
    if wrong:
        raise typer.Exit(EXIT_REFUSED)


def _tell(finding: Finding, file: Path) -> None:
    out().print(f"[{_COLOURS[finding.severity]}]{finding.severity}[/] ", end="")
    out().print(f"{file}:{finding.line} {finding.path or 'the file'}: {finding.message} {finding.remedy}", markup=False)
    if finding.example:
        out().print(f"    for example: {finding.example}", markup=False)


def _sum_up(file: Path, findings: list[Finding], more: dict[str, Any]) -> None:
    counts = {s: sum(f.severity == s for f in findings) for s in _COLOURS}
    if counts["error"]:
        unasked = "" if more.get("proven", True) else "; its rules can be asked once they are mended"
        out().print(f"[red]{counts['error']} mistake{'s' if counts['error'] > 1 else ''}[/]{unasked}")
        return
    agreement = load(str(_text(file, "FILE")), 1)
    named = (("doubt", counts["warning"]), ("note", counts["info"]))
    doubts = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for word, n in named if n)
    out().print(
        f"[green]holds[/]: {len(agreement.definition)} rules of the definition, {len(agreement.routing)} of routing, "
        f"{len(agreement.clocks)} clocks, {len(agreement.reasons)} reasons" + (f" ({doubts})" if doubts else "")
    )
