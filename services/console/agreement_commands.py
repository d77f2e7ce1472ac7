"""`leadloop agreement`: check a file, show the one in force, begin a new one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from schemas.agreement import Agreement, say_duration
from services.console import agreement_life, agreement_proof, first_agreement, message_commands
from services.console.options import AsJson, Data, doors_of, one_line, settings_by
from services.console.terminal import Refused, out, say_json
from services.runtime.agreements import NoAgreement, Published

app = typer.Typer(
    no_args_is_help=True,
    help="The agreement of marketing and sales: what is a qualified lead, who gets it, and by when.",
)


agreement_life.add_to(app)
agreement_proof.add_to(app)
message_commands.add_to(app)


@app.command("show")
def show(
    data: Data = None,
    as_json: AsJson = False,
    text: Annotated[bool, typer.Option("--text", help="The agreement's own text instead of a summary.")] = False,
) -> None:
    """Show the agreement in force: teams, pools, reps, reasons, clocks."""
    published = _in_force(data)
    if text and not as_json:
        print(published.text, end="")
        return
    reps = _reps(data)
    if as_json:
        say_json(_as_document(published, reps) | ({"text": published.text} if text else {}))
    else:
        _tell(published.agreement, published, reps)


@app.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="Where to write it; nothing is overwritten.")],
    data: Data = None,
    in_force: Annotated[
        bool, typer.Option("--in-force", help="Begin with the one in force instead of the default sample.")
    ] = False,
) -> None:
    """Begin a new agreement file: a copy of the default sample, or of the one in force, to be edited and checked."""
    text = _in_force(data).text if in_force else first_agreement.read_text(first_agreement.DEFAULT)
    try:
        with file.open("x", encoding="utf-8") as there:
            there.write(text)
    except FileExistsError:
        raise Refused(f"{file} is there already; name another file") from None
    except OSError as refusal:
        raise Refused(f"{file} cannot be written ({refusal.strerror}); name another file") from refusal
    out().print(f"{file} is written: edit it, then: leadloop agreement check {file}", markup=False)


def _in_force(data: Path | None) -> Published:
    publications = asyncio.run(first_agreement.read(settings_by(data)))
    now = datetime.now(UTC)
    try:
        version = publications.in_force(now).version
    except NoAgreement as none:
        raise Refused(str(none)) from none
    return next(published for published in publications if published.agreement.version == version)


def _reps(data: Path | None) -> list[dict[str, Any]]:
    answer = doors_of(data).get("desk", "/v1/roster")
    reps = answer.get("reps", answer) if isinstance(answer, dict) else answer
    return list(reps)


def _as_document(published: Published, reps: list[dict[str, Any]]) -> dict[str, Any]:
    terms = published.agreement.terms.model_dump(mode="json", by_alias=True)
    named = {
        "version": published.agreement.version,
        "effective_at": None if published.effective_at.year == 1 else published.effective_at.isoformat(),
    }
    return {
        "name": terms.get("name"),
        **named,
        **{key: value for key, value in terms.items() if key != "name"},
        "reps": reps,
    }


def _tell(agreement: Agreement, published: Published, reps: list[dict[str, Any]]) -> None:
    since = "the beginning" if published.effective_at.year == 1 else f"{published.effective_at:%Y-%m-%d %H:%M} UTC"
    out().print(
        f"[bold]{agreement.title or agreement.name}[/] ({agreement.name}, version {agreement.version}, in force "
        f"since {since})\n"
    )
    out().print(
        _table(
            "definition: the first that holds",
            "rule",
            "verdict",
            "because",
            rows=[(r.id, r.verdict, r.because) for r in agreement.definition],
        )
    )
    out().print(
        _table(
            "pools",
            "pool",
            "team",
            "role",
            "mode",
            rows=[(name, p.team, p.role, p.mode) for name, p in agreement.pools.items()],
        )
    )
    out().print(_table("clocks", "clock", "starts on", "within", "met by", "on breach", rows=[
        (c.id, c.starts_on, say_duration(c.within), ", ".join(c.met_by), c.on_breach) for c in agreement.clocks
    ]))  # fmt: skip
    out().print(
        _table(
            "reasons",
            "reason",
            "title",
            "for",
            rows=[(r.id, r.title, ", ".join(r.for_)) for r in agreement.reasons.values()],
        )
    )
    out().print(_table("reps", "rep", "team", "role", "pools", "available", rows=[
        tuple(one_line(rep.get(key, "")) for key in ("id", "team", "role", "pools", "available")) for rep in reps
    ]))  # fmt: skip


def _table(title: str, *columns: str, rows: list[tuple[object, ...]]) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    return table
