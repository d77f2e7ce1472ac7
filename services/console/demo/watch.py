"""What becomes of late leads in the demo: the storm and its digest, who is told next, and a breach that is taken back."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.console.demo.day import Day
from services.console.demo.letterbox import Letter, Letterbox
from services.console.doors import Doors

STORM = 8
"""So many alerts in one message are a storm."""
_LOOK_EVERY_SECONDS = 0.5
_HEAD = "head-of-sales"
_COUNT = re.compile(r"^(\d+) late lead")
_COUNTS = re.compile(r"^\d+ late leads?: (.*)$")


@dataclass
class Watch:
    """Sentences about late leads as they happen, and the sum of them."""

    told: list[str] = field(default_factory=list)
    storm: int = 0
    """The alerts of the largest message."""
    storm_in: str = ""
    """The channel that it came by, and what it counted."""
    escalated: int = 0
    """Alerts that came to the head of sales."""
    last_escalated: str = ""
    corrected: dict[str, str] = field(default_factory=dict)
    """By lead: how its clock reads after the breach was taken back."""
    _read: int = 0

    async def keep(self, day: Day, letterbox: Letterbox, doors: Doors, tell: Callable[[str], None]) -> None:
        """Watch for as long as nobody cancels it."""
        async with httpx.AsyncClient(headers=doors.headers, timeout=30) as client:
            while True:
                await self.look(day, letterbox, client, doors, tell)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def look(
        self, day: Day, letterbox: Letterbox, client: httpx.AsyncClient, doors: Doors, tell: Callable[[str], None]
    ) -> None:
        """Look once at what has come, and at the leads whose reps reported late."""
        new = letterbox.letters[self._read :]
        self._read += len(new)
        for sentence in [said for letter in new for said in self._read_letter(letter)]:
            self._say(sentence, day, tell)
        for lead in [lead for lead in day.seen.reported_late if lead not in self.corrected]:
            correction = await _taken_back(client, doors, lead)
            if correction is not None:
                self.corrected[lead] = f"{day.company_of(lead)}: {correction}"
                self._say(f"a breach is taken back: {self.corrected[lead]}", day, tell)

    def _say(self, sentence: str, day: Day, tell: Callable[[str], None]) -> None:
        seconds = int(time.monotonic() - day.began)
        self.told.append(f"{seconds // 60:02}:{seconds % 60:02} {sentence}")
        tell(sentence)

    def _read_letter(self, letter: Letter) -> list[str]:
        found, said = _COUNT.match(letter.title), []
        number = int(found[1]) if found is not None else 1
        counts = _COUNTS.match(letter.title)
        if number > max(self.storm, STORM - 1):
            self.storm, self.storm_in = number, f"{letter.channel}: {counts[1] if counts is not None else letter.title}"
            said.append(f"a storm: {number} alerts are one message to {self.storm_in}")
        if letter.channel == _HEAD:
            first = next((line for line in letter.body.splitlines() if line.strip()), letter.title)
            self.last_escalated = first
            if not self.escalated:
                said.append(f"nobody worked it, so the head of sales is told: {first}")
            self.escalated += number
        return said

    def document(self) -> dict[str, Any]:
        """As JSON says it."""
        return {"storm": self.storm, "storm_in": self.storm_in, "escalated": self.escalated, "corrected": self.corrected}

    def sentences(self, ignored: int, at_once: int) -> list[str]:
        """The sum. ignored: leads that nobody worked at first, at_once: those of them that came in one moment."""
        out = [f"{ignored} leads were ignored until their clock ran out, {at_once} of them in one moment"]
        if self.storm:
            out.append(f"  the storm: {self.storm} alerts were one message to {self.storm_in}")
        if self.escalated:
            out.append(f"  escalation: the head of sales was told of {self.escalated} leads; at last: {self.last_escalated}")
        out += [f"  correction: {said}" for said in self.corrected.values()]
        return out


async def _taken_back(client: httpx.AsyncClient, doors: Doors, lead: str) -> str | None:
    """The sentence of the lead's clock whose breach was taken back; none so far."""
    try:
        answer = await client.get(f"{doors.feedback}/v1/leads/{lead}/clocks")
    except httpx.TransportError:
        return None  # it is asked again
    clocks = answer.json() if answer.is_success else []
    return next((str(clock["says"]) for clock in clocks if clock["state"] == "corrected"), None)
