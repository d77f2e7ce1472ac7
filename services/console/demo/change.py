"""The agreement changes while the day goes on: proposed, signed by both departments, published, in force from an instant on.

It is said by the same pens as `leadloop agreement …` says it, and the log takes it by the same rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from schemas.agreement.difference import Difference, difference
from schemas.agreement.life import NOTICE, Course, Proposed
from schemas.agreement.signing import public_key_of
from schemas.base import Event
from schemas.events.console import ApproverRegistered, Department
from schemas.ids import ApproverId
from services.console import first_agreement
from services.console.agreement_life import proposal_of, publication_of
from services.console.approver_keys import write_key_file
from services.console.demo.day import Day
from services.console.doors import Doors
from services.console.first_agreement import Chosen
from services.console.saying import speak
from services.console.terminal import Refused
from services.runtime.approving import approval_of, key_file_of, new_key
from services.runtime.settings import Settings

FORMER_THRESHOLD, NEW_THRESHOLD = "{score: {at_least: 60}}", "{score: {at_least: 45}}"
"""What the second version says otherwise: who fits and is interested enough."""
_PEOPLE: dict[Department, str] = {"marketing": "mira", "sales": "stefan"}
_MARGINS = (timedelta(seconds=3), timedelta(seconds=15), timedelta(minutes=1))
"""Beyond the notice that every reader needs: what it may take to write the publication down on a busy machine."""
_FIRST_STEP_SECONDS, _STEP_SECONDS = 3.0, 2.5
_JUST_BEFORE = timedelta(milliseconds=1)
_ASKED_AT_ONCE = 4
_PATIENCE_SECONDS = 15.0
_IN_MARKETINGS_HANDS = frozenset({"nurtured", "disqualified"})


@dataclass(frozen=True)
class Turned:
    """A lead that the new version judges otherwise than the former one would have at the very same instant."""

    lead_id: str
    company: str
    before: str
    after: str


@dataclass
class Change:
    """The change as the people at the screen see it."""

    proposed: Chosen
    changes: Difference
    told: list[str] = field(default_factory=list)
    effective_at: datetime | None = None
    qualified: list[Turned] = field(default_factory=list)
    """Those who qualified in the instant in which the new version came into force."""

    @property
    def version(self) -> int:
        """The second: the first began with the installation."""
        return 2

    @property
    def in_force(self) -> bool:
        """Whether its instant has come."""
        return self.effective_at is not None and datetime.now(UTC) >= self.effective_at

    def stand(self) -> str:
        """Which version leads are judged by now."""
        if self.effective_at is None:
            return "version 1 is in force"
        if self.in_force:
            return f"version {self.version} is in force since {self.effective_at:%H:%M:%S} UTC"
        seconds = (self.effective_at - datetime.now(UTC)).total_seconds()
        return f"version 1 is in force, version {self.version} in {seconds:.0f} seconds"

    def document(self) -> dict[str, Any]:
        """As JSON says it."""
        return {
            "version": self.version,
            "effective_at": None if self.effective_at is None else self.effective_at.isoformat(timespec="milliseconds"),
            "sentences": list(self.changes.sentences),
            "examples": [example.says for example in self.changes.examples],
            "qualified": [turned.lead_id for turned in self.qualified],
        }


def prepare(folder: Path, sample: Path) -> Change:
    """Write the second version into `folder`, check it, and find out what it says otherwise. Raises Refused."""
    former = first_agreement.choose(sample)
    text = former.text.replace(FORMER_THRESHOLD, NEW_THRESHOLD)
    if text == former.text:
        raise Refused(f"{sample} no longer says {FORMER_THRESHOLD}, and the demo's second version changes just that")
    file = folder / "second-version.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    proposed = first_agreement.choose(file)
    return Change(proposed, difference(former.agreement, proposed.agreement))


class Signing:
    """Makes the change happen in a running installation."""

    def __init__(self, change: Change, settings: Settings, doors: Doors, day: Day, tell: Callable[[str], None]) -> None:
        self._change, self._settings, self._doors, self._day, self._tell = change, settings, doors, day, tell

    async def play(self) -> None:
        """From the two keys to the leads that qualify now. Raises Refused when something would not count."""
        keys = {department: new_key() for department in _PEOPLE}
        await self._day.pause(_FIRST_STEP_SECONDS)
        course = await asyncio.to_thread(self._course)
        for department, key in keys.items():
            write_key_file(self.key_file(department), key_file_of(key, None))
            course = await self._say(
                course,
                ApproverRegistered(
                    department=department,
                    key=public_key_of(key),
                    signature=None,
                    because=None,
                    registered_by=ApproverId.parse(_PEOPLE[department]),
                ),
            )
        self._told("each department has made its key; the installation knows only the public halves")
        await self._day.pause(_STEP_SECONDS)
        course = await self._say(course, proposal_of(self._change.proposed, course, by=_person("marketing")))
        [proposed] = course.open_proposals()
        self._told(f"{_PEOPLE['marketing']} of marketing proposes version {proposed.version}:")
        for sentence in self._change.changes.sentences:
            self._told(f"  {sentence}")
        for department, key in keys.items():
            await self._day.pause(_STEP_SECONDS)
            course = await self._say(course, approval_of(proposed, department, key, _person(department)))
            self._told(f"{department} approves: {_PEOPLE[department]} signs content {proposed.content[:12]}…")
        at = await self._publish(course, proposed)
        self._change.effective_at = at
        self._told(f"both have approved: version {proposed.version} is published, in force from {at:%H:%M:%S} UTC on")
        await self._come_into_force(at)

    async def _publish(self, course: Course, proposed: Proposed) -> datetime:
        """From when on it is in force. A publication that a busy machine wrote down too late is said again, with more time."""
        for margin in _MARGINS[:-1]:
            at = datetime.now(UTC) + NOTICE + margin
            try:
                await self._say(course, publication_of(proposed, at, by=_person("sales")))
            except Refused:
                course = await asyncio.to_thread(self._course)
                continue
            return at
        at = datetime.now(UTC) + NOTICE + _MARGINS[-1]
        await self._say(course, publication_of(proposed, at, by=_person("sales")))
        return at

    def key_file(self, department: Department) -> Path:
        """Where a department's key is kept, for the person who wants to sign another version afterwards."""
        return self._change.proposed.path.with_name(f"{department}.key")

    def _course(self) -> Course:
        return asyncio.run(first_agreement.read(self._settings)).course

    async def _say(self, course: Course, event: Event) -> Course:
        return await asyncio.to_thread(speak, self._settings, course, event)

    def _told(self, sentence: str) -> None:
        self._change.told.append(sentence)
        self._tell(sentence)

    async def _come_into_force(self, at: datetime) -> None:
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        waiting = [lead for lead, status in self._day.seen.status.items() if status in _IN_MARKETINGS_HANDS]
        self._told(
            f"version {self._change.version} is in force: {len(waiting)} leads in marketing's hands are judged anew"
        )
        turned = [found for found in await self._judged_twice(waiting, at) if found is not None]
        await self._until_moved(turned)
        self._change.qualified = sorted(turned, key=lambda found: found.company)
        self._told(f"{len(turned)} of them qualify now and did not before")
        for found in self._change.qualified[:2]:
            self._told(f"  {found.company}: {found.after}")

    async def _until_moved(self, turned: Sequence[Turned]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._day.until(lambda: all(self._has_moved(found.lead_id) for found in turned))
        except TimeoutError:
            left = sum(not self._has_moved(found.lead_id) for found in turned)
            self._day.seen.refused.append(
                f"{left} leads qualify by version {self._change.version} and had not moved {_PATIENCE_SECONDS:.0f} s later"
            )

    def _has_moved(self, lead: str) -> bool:
        return self._day.seen.status[lead] not in _IN_MARKETINGS_HANDS

    async def _judged_twice(self, leads: Iterable[str], at: datetime) -> list[Turned | None]:
        slots = asyncio.Semaphore(_ASKED_AT_ONCE)
        async with httpx.AsyncClient(headers=self._doors.headers, timeout=30) as client:

            async def turned(lead: str) -> Turned | None:
                async with slots:
                    before = await self._score(client, lead, at - _JUST_BEFORE)
                    after = await self._score(client, lead, at)
                if before["verdict"] == after["verdict"] or after["verdict"] != "qualified":
                    return None
                return Turned(
                    lead,
                    self._day.company_of(lead),
                    f"{before['verdict']} because {before['because']}",
                    f"{after['verdict']} because {after['because']}",
                )

            return await asyncio.gather(*map(turned, leads))

    async def _score(self, client: httpx.AsyncClient, lead: str, at: datetime) -> dict[str, Any]:
        url = f"{self._doors.feedback}/v1/leads/{lead}/score"
        answer = await client.get(url, params={"at": at.isoformat()})
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


def _person(department: Department) -> ApproverId:
    return ApproverId.parse(_PEOPLE[department])
