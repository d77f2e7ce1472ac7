"""`leadloop agreement message`: how a template of an agreement file reads, with sample leads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.agreement.explaining import suggestion
from schemas.agreement.message_words import sample_written
from schemas.agreement.templating import TemplateFailed
from services.console.first_agreement import choose
from services.console.options import AsJson
from services.console.terminal import Refused, out, say_json


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("message")(message)


def message(
    file: Annotated[Path, typer.Argument(help="The agreement (YAML).")],
    template: Annotated[str, typer.Argument(help="One of its templates.")],
    lines: Annotated[int, typer.Option(min=1, max=500, help="How many alerts the message has; 500 are a storm.")] = 1,
    sparse: Annotated[bool, typer.Option("--sparse", help="With nothing known that may be missing: no rep, no grade, nobody's name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the message that a template makes of sample leads; nobody is told, and no installation is needed."""
    templates = choose(file).agreement.templates
    found = next((terms for name, terms in templates.items() if name == template), None)
    if found is None:
        meant = suggestion(template, [str(name) for name in templates])
        has = f"did you mean {meant}?" if meant else f"it has {', '.join(templates) or 'none'}"
        raise Refused(f"{file} has no template {template!r}; {has}")
    try:
        subject, body = sample_written(found, lines, sparse=sparse)
    except TemplateFailed as failed:
        raise Refused(f"the template {template} cannot be written with {lines} alerts: {failed}") from failed
    if as_json:
        say_json({"template": template, "subject": subject, "body": body, "personal": [field.value for field in found.personal]})
        return
    out().print(f"Subject: {subject}\n", markup=False, highlight=False)
    out().print(body, markup=False, highlight=False, soft_wrap=True)
