"""`leadloop dead-letters`: what could not be processed, and what a person does about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from services.console.letters import DeadLetter, discard_letters, find, read_letters, replay_letters
from services.console.options import AsJson, Data, settings_by
from services.console.terminal import Refused, out, say_json
from services.runtime.dead_letters import Letter

app = typer.Typer(
    no_args_is_help=True,
    help="Records that could not be processed: kept whole, until a person replays or discards them.",
)

Numbers = Annotated[list[int] | None, typer.Argument(help="The numbers that `list` shows.")]
Every = Annotated[bool, typer.Option("--all", help="All that are open.")]


@app.command("list")
def show_list(
    data: Data = None,
    as_json: AsJson = False,
    closed: Annotated[bool, typer.Option("--all", help="Also those that were replayed or discarded.")] = False,
) -> None:
    """List the dead letters that are open. Their contents are shown by `show` alone: they may be personal."""
    letters = [letter for letter in asyncio.run(read_letters(settings_by(data))) if closed or letter.state == "open"]
    if as_json:
        say_json([_row(letter) for letter in letters])
        return
    if not letters:
        out().print("no dead letters are open", style="green")
        return
    table = Table(show_edge=False, pad_edge=False)
    for column in ("number", "at", "processor", "event", "error", "record", "state"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        event = letter.event
        table.add_row(
            str(letter.number),
            f"{letter.at:%Y-%m-%d %H:%M:%S}",
            event.processor,
            str(event.event_type or "unknown"),
            event.error,
            f"{event.topic}/{event.partition}@{event.offset}",
            letter.state,
        )
    out().print(table)


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="The number that `list` shows.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter whole: the record as it was, and what went wrong. It may hold personal data."""
    settings = settings_by(data)
    letter = find(asyncio.run(read_letters(settings)), number)
    content = letter.open(settings)
    if as_json:
        say_json(_row(letter) | _opened(content))
        return
    for name, value in (_row(letter) | _opened(content)).items():
        text = "\n".join(f"    {key}: {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
        out().print(f"{name}:" + (f"\n{text}" if "\n" in text or isinstance(value, dict) else f" {text}"), markup=False)


@app.command("replay")
def replay(numbers: Numbers = None, every: Every = False, data: Data = None, as_json: AsJson = False) -> None:
    """Append the records anew, each for the one processor that could not process it, once its fault is mended."""
    _demand_either(numbers, every)
    settings = settings_by(data)
    letters = _meant(asyncio.run(read_letters(settings)), numbers, every)
    asyncio.run(replay_letters(settings, letters))
    _told(letters, "replayed", as_json)


@app.command("discard")
def discard(numbers: Numbers = None, every: Every = False, data: Data = None, as_json: AsJson = False) -> None:
    """Close dead letters without replaying them: the records stay what they are, and count as open no longer."""
    _demand_either(numbers, every)
    settings = settings_by(data)
    letters = _meant(asyncio.run(read_letters(settings)), numbers, every)
    asyncio.run(discard_letters(settings, letters))
    _told(letters, "discarded", as_json)


def _demand_either(numbers: Sequence[int] | None, every: bool) -> None:
    if every == bool(numbers):
        raise typer.BadParameter("name the numbers of dead letters, or --all", param_hint="numbers")


def _meant(letters: list[DeadLetter], numbers: Sequence[int] | None, every: bool) -> list[DeadLetter]:
    if every:
        return [letter for letter in letters if letter.state == "open"]
    meant = [find(letters, number) for number in dict.fromkeys(numbers or ())]
    for letter in meant:
        if letter.state != "open":
            raise Refused(
                f"dead letter {letter.number} has been {letter.state} already; see those that are open with: "
                "leadloop dead-letters list"
            )
    return meant


def _told(letters: list[DeadLetter], how: str, as_json: bool) -> None:
    if as_json:
        say_json({how: [letter.number for letter in letters]})
    else:
        out().print(f"{len(letters)} dead letter{'' if len(letters) == 1 else 's'} {how}")


def _row(letter: DeadLetter) -> dict[str, Any]:
    event = letter.event
    return {
        "number": letter.number,
        "dead_letter_id": letter.dead_letter_id,
        "at": letter.at.isoformat(),
        "state": letter.state,
        "processor": event.processor,
        "event_type": event.event_type,
        "error": event.error,
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
    }


def _opened(letter: Letter) -> dict[str, Any]:
    return {
        "recorded_at": letter.at.isoformat(),
        "key": _text(letter.key),
        "value": _text(letter.value),
        "headers": {name: _text(value) for name, value in letter.headers},
        "what_happened": letter.error,
        "stack": letter.stack,
    }


def _text(raw: bytes | None) -> str | None:
    """Bytes for a person: as text where they are text."""
    return None if raw is None else raw.decode("utf-8", "backslashreplace")
