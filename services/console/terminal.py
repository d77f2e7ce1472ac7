"""What the person at the terminal is told: answers on stdout, refusals on stderr, colours only on a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

EXIT_REFUSED = 1
"""What was asked for could not be done, or what was looked at is not well."""
EXIT_WRONG_USAGE = 2


class Refused(Exception):
    """The command cannot do what it was asked; the message is one sentence with the place and the remedy."""


class BadInput(Refused):
    """What was handed in means nothing; the command exits as for wrong usage."""


def out() -> Console:
    """Standard output: with colours on a terminal, plain and never wrapped elsewhere."""
    return _console(sys.stdout)


def err() -> Console:
    """Standard error, by the same rule."""
    return _console(sys.stderr)


def _console(file: Any) -> Console:
    terminal = file.isatty()
    return Console(
        file=file,
        highlight=False,
        soft_wrap=not terminal,
        no_color=None if terminal else True,
        width=None if terminal else 200,
    )


def say_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False, default=str), flush=True)


def complain(sentence: str) -> None:
    """One sentence on standard error."""
    print(f"leadloop: {sentence}", file=sys.stderr, flush=True)


def news(sentence: str) -> None:
    """Progress, on standard error: standard output is for answers."""
    print(sentence, file=sys.stderr, flush=True)
