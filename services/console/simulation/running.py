"""A simulation from its files to its answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.agreement import Agreement, AgreementRefused, Roster, load, load_roster
from schemas.ids import RepId, TeamId
from services.console.simulation.decisions import Decision
from services.console.simulation.happenings import Happening, TeamTold
from services.console.simulation.lines import History
from services.console.simulation.world import World
from services.console.terminal import Refused
from services.runtime.finding import find

BYTES_AT_MOST = 2_000_000_000
Progress = Callable[[int], None]


def agreement_of(file: Path) -> Agreement:
    """The agreement in a file. Raises Refused."""
    try:
        return load(text_of(file, "an agreement file"), 1)
    except AgreementRefused as refused:
        first = next(f for f in refused.findings if f.severity == "error")
        raise Refused(f"{file} is refused: {first} For all findings: leadloop agreement check {file}") from refused


def roster_of(file: Path, agreement: Agreement) -> Roster:
    """The roster in a file, which fits the agreement. Raises Refused."""
    try:
        return load_roster(text_of(file, "a roster"), agreement)
    except AgreementRefused as refused:
        first = next(f for f in refused.findings if f.severity == "error")
        raise Refused(f"the roster {file} does not hold: {first}") from refused


def text_of(file: Path, what: str) -> str:
    """The text of a file. Raises Refused."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror}): name {what}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no UTF-8 text: name {what}") from error


def happenings_of(file: Path, history: History) -> list[Happening]:
    """Everything that happens in a file of lines; `-` is standard input. Raises Refused."""
    if str(file) == "-":
        return list(history.read(sys.stdin.buffer))
    try:
        with file.open("rb") as lines:
            return list(history.read(lines))
    except OSError as error:
        raise Refused(f"{file} cannot be read ({error.strerror}): name a file with one JSON object a line") from error


@dataclass
class Simulated:
    """A history in the making: iterate over its decisions, then read the rest."""

    world: World | None
    happenings: list[Happening]
    until: datetime | None
    progress: Progress

    def decisions(self) -> Iterator[Decision]:
        """Everything that is decided, in order."""
        if self.world is None:
            return
        for number, happening in enumerate(self.happenings, 1):
            yield from self.world.take(happening)
            if number % 200 == 0:
                self.progress(number)
        if self.until is not None and self.until > self.happenings[-1].at:
            yield from self.world.pass_to(self.until)
        self.progress(len(self.happenings))

    def standings(self) -> Iterator[dict[str, Any]]:
        """Of every rep who was ever there, in order of his coming."""
        if self.world is None:
            return
        seen: dict[tuple[TeamId, RepId], None] = {}
        for happening in self.happenings:
            if isinstance(happening, TeamTold) and hasattr(happening.event, "rep_id"):
                seen.setdefault((happening.event.team_id, happening.event.rep_id))  # type: ignore[attr-defined]
        for team, rep in seen:
            standing = self.world.standing(team, rep)
            if standing is not None:
                yield {"team": team, **standing}


def simulated(
    agreement: Agreement, happenings: list[Happening], *, clocks: bool, until: datetime | None, progress: Progress
) -> Simulated:
    """The history under an agreement; clocks: whether service level clocks run and take leads from who is late."""
    also = find("sla").processors if clocks else ()
    world = World(agreement, start=happenings[0].at, also=also) if happenings else None
    return Simulated(world, happenings, until, progress)
