"""The working day: prospects write, marketing's tools report what they do, reps work their leads. All over HTTP."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from schemas.ids import LeadId
from services.console.demo.cast import Fate, Prospect
from services.console.demo.seen import BACK_TODAY, Seen
from services.console.demo.stopwatch import Stopwatch
from services.console.demo.streams import follow
from services.console.doors import Doors, problem_of

DAY_SECONDS = 32.0
"""In which everybody writes."""
_LONGEST_EVENING_SECONDS = 40.0
"""Then the reps finish, and who was recycled comes back."""
_QUIET_SECONDS = 3.0
_INBOX_EVERY_SECONDS = 3.0
_MOST_REQUESTS = 24
_REPORTED_AFTER_SECONDS = 31.0
"""Longer than the agreement's clock of a follow-up."""
_RECYCLED = (*BACK_TODAY, "competitor")
"""The reasons for which deploy/agreements/demo.yaml lets a lead come back at all."""


class Day:
    """One working day at an installation."""

    def __init__(
        self,
        doors: Doors,
        lead_of: Callable[[str], LeadId],
        cast: Sequence[Prospect],
        reps: Mapping[str, bool],
        pace: float,
    ) -> None:
        """`lead_of` tells the lead of an address, which a browser form does not answer; `reps`: who claims leads."""
        self._doors, self._lead_of, self._cast, self._reps, self._pace = doors, lead_of, cast, reps, pace
        self.seen = Seen()
        self.to_inbox, self.to_marketing = Stopwatch(), Stopwatch()
        self.began = time.monotonic()
        self._prospects: dict[str, Prospect] = {}
        self._working: dict[str, asyncio.Task[None]] = {}
        self._claiming: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._turned_away: set[str] = set()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(_MOST_REQUESTS)
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=60)
        self._client = httpx.AsyncClient(headers=doors.headers, timeout=30, limits=limits)
        self._browser = httpx.AsyncClient(timeout=30, limits=limits)

    async def play(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """From the first submission until every lead has come to rest, or the evening is over.

        `meanwhile` begins with the day, and the evening does not end before it.
        """
        listeners = [asyncio.Event() for _ in range(len(self._reps) + 1)]
        followers = [asyncio.create_task(self._marketing(listeners[0]), name="marketing")]
        followers += [
            asyncio.create_task(self._rep(rep, heard), name=f"rep {rep}")
            for rep, heard in zip(self._reps, listeners[1:], strict=True)
        ]
        try:
            async with asyncio.timeout(20):
                await asyncio.gather(*(heard.wait() for heard in listeners))
            self.began = time.monotonic()
            await asyncio.gather(meanwhile(), *(self._prospect(prospect) for prospect in self._cast))
            await self._evening()
        finally:
            tasks = [*followers, *self._working.values(), *self._claiming.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._client.aclose()
            await self._browser.aclose()

    async def _evening(self) -> None:
        until = time.monotonic() + _LONGEST_EVENING_SECONDS / min(self._pace, 1.0)
        while time.monotonic() < until:
            busy = any(not task.done() for task in self._working.values())
            quiet = time.monotonic() - self.seen.last_change > _QUIET_SECONDS
            if quiet and not busy and not self.seen.unfinished():
                return
            await asyncio.sleep(0.2)

    async def pause(self, seconds: float) -> None:
        """So long on the day's own clock."""
        await asyncio.sleep(seconds / self._pace)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for marketing's stream to tell what makes this hold."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def company_of(self, lead: str) -> str:
        """Where a lead works."""
        prospect = self._prospects.get(lead)
        return prospect.company if prospect is not None else f"lead {lead[:8]}"

    # -- prospects and marketing's tools -----------------------------------------------------------------------------

    async def _prospect(self, prospect: Prospect) -> None:
        await asyncio.sleep(prospect.at * DAY_SECONDS / self._pace)
        lead = str(self._lead_of(prospect.email))
        first = lead not in self._prospects
        self._prospects.setdefault(lead, prospect)
        timed = first and prospect.goes_straight_to_a_rep
        if timed:
            self.to_inbox.expect(lead)
        async with self._slots:
            answer = await (self._fill_in_form(prospect) if prospect.by_form else self._call_api(prospect))
        if answer is None:
            return
        self.seen.submissions += 1
        if timed:
            self.to_inbox.said(lead)
        await self._engage(prospect, lead)

    async def _fill_in_form(self, prospect: Prospect) -> httpx.Response | None:
        fields = {
            "name": prospect.name,
            "email": prospect.email,
            "company": prospect.company,
            "country": prospect.country,
            "employees": str(prospect.employees),
            "industry": prospect.industry,
            "seniority": prospect.seniority,
            "existing_customer": "yes" if prospect.is_customer else "no",
            "utm_source": prospect.channel,
            "utm_medium": prospect.medium,
            "utm_campaign": prospect.campaign,
            "consent_mail": "yes",
        }
        return await self._ask(self._browser, "POST", f"{self._doors.intake}/v1/forms/{prospect.topic}", data=fields)

    async def _call_api(self, prospect: Prospect) -> httpx.Response | None:
        body = {
            "email": prospect.email,
            "name": prospect.name,
            "company": prospect.company,
            "country": prospect.country,
            "attributes": {
                "topic": prospect.topic,
                "employees": prospect.employees,
                "industry": prospect.industry,
                "seniority": prospect.seniority,
                "existing_customer": prospect.is_customer,
            },
            "source": {"channel": prospect.channel, "medium": prospect.medium, "campaign": prospect.campaign},
            "external_ids": {"leadforge": f"prospect-{prospect.number}"},
        }
        key = {"Idempotency-Key": f"demo-{prospect.number}"}
        return await self._ask(self._client, "POST", f"{self._doors.intake}/v1/leads", json=body, headers=key)

    async def _engage(self, prospect: Prospect, lead: str) -> None:
        dice = random.Random(prospect.number)
        for kind in prospect.engagements:
            await self.pause(dice.uniform(2, 9))
            await self._observe(lead, kind)

    async def _observe(self, lead: str, kind: str) -> None:
        async with self._slots:
            if await self._ask(
                self._client, "POST", f"{self._doors.intake}/v1/engagements", json=[{"lead_id": lead, "kind": kind}]
            ):
                self.seen.engagements += 1

    # -- marketing ---------------------------------------------------------------------------------------------------

    async def _marketing(self, listening: asyncio.Event) -> None:
        async for change in follow(self._client, f"{self._doors.feedback}/v1/status/stream", listening):
            lead, status = str(change["lead_id"]), str(change["lead_status"])
            self.to_marketing.arrived((lead, status))
            before = self.seen.status.get(lead)
            self.seen.status[lead] = status
            self.seen.last_change = time.monotonic()
            self._changed.set()
            if status == before:
                continue
            self.seen.moves[status] += 1
            if status == "recycled" and change.get("reason"):
                self.seen.reasons[str(change["reason"])] += 1
                if change["reason"] not in BACK_TODAY:
                    self.seen.not_today.add(lead)
            elif status != "recycled":
                self.seen.not_today.discard(lead)
            if int(change.get("cycle") or 1) > 1:
                self.seen.came_back.add(lead)
                if status == "won":
                    self.seen.won_after_return.add(lead)
            self._tell(lead, f"{before or 'in'} → {status}", change)

    def _tell(self, lead: str, move: str, change: dict[str, Any]) -> None:
        prospect = self._prospects.get(lead)
        who = f"lead {lead[:8]}" + (f" ({prospect.company})" if prospect else "")
        owner = f" with {change['owner']}" if change.get("owner") else ""
        because = f": {str(change['reason']).replace('_', ' ')}" if change.get("reason") else ""
        self.seen.story.append((time.monotonic() - self.began, f"{who} {move}{owner}{because}"))

    # -- reps --------------------------------------------------------------------------------------------------------

    async def _rep(self, rep: str, listening: asyncio.Event) -> None:
        woken = asyncio.Event()
        ear = asyncio.create_task(self._hear(rep, listening, woken), name=f"{rep} hears")
        try:
            while True:
                woken.clear()
                for row in await self._rows("inbox", rep):
                    self._take_up(rep, row)
                if self._reps[rep]:
                    for row in await self._rows("claimable", rep):
                        self._claim(rep, str(row["lead_id"]), str(row["request_id"]))
                try:
                    async with asyncio.timeout(_INBOX_EVERY_SECONDS):
                        await woken.wait()
                except TimeoutError:
                    continue
        finally:
            ear.cancel()
            await asyncio.gather(ear, return_exceptions=True)

    async def _hear(self, rep: str, listening: asyncio.Event, woken: asyncio.Event) -> None:
        async for told in follow(self._client, f"{self._doors.desk}/v1/events?rep={rep}", listening):
            if told.get("type") == "assigned" and told.get("lead_id"):
                self.to_inbox.arrived(str(told["lead_id"]))
            if told.get("type") == "refused":
                self.seen.late += 1
            woken.set()

    async def _rows(self, door: str, rep: str) -> list[dict[str, Any]]:
        async with self._slots:
            answer = await self._ask(self._client, "GET", f"{self._doors.desk}/v1/{door}?rep={rep}")
        rows: list[dict[str, Any]] = answer.json() if answer is not None else []
        return rows

    def _take_up(self, rep: str, row: dict[str, Any]) -> None:
        assignment = str(row["assignment_id"])
        if assignment not in self._working:
            self._working[assignment] = asyncio.create_task(self._work(rep, row), name=f"{rep} works {assignment}")

    def _claim(self, rep: str, lead: str, request: str) -> None:
        """Whoever of the pool is quicker gets it; to the other the desk says so."""
        if lead in self._prospects and (rep, request) not in self._claiming:
            self._claiming[rep, request] = asyncio.create_task(self._claims(rep, lead), name=f"{rep} claims {lead}")

    async def _claims(self, rep: str, lead: str) -> None:
        await self.pause(random.Random(f"{rep}/{lead}").uniform(0.5, 3))
        async with self._slots:
            body = {"type": "claim", "by": rep}
            if await self._ask(self._client, "POST", f"{self._doors.desk}/v1/leads/{lead}/actions", json=body):
                self.seen.actions += 1

    async def _work(self, rep: str, row: dict[str, Any]) -> None:
        """What this rep does about this lead: the simulator's outcome, as actions."""
        lead, assignment, cycle = str(row["lead_id"]), str(row["assignment_id"]), int(row["cycle"])
        prospect = self._prospects.get(lead)
        if prospect is None:
            return  # somebody at the keyboard has filled in the form: he may play the rep himself
        if prospect.ignored and lead not in self.seen.ignored:
            self.seen.ignored.add(lead)
            if prospect.in_storm:
                self.seen.ignored_at_once.add(lead)
            return
        dice = random.Random(assignment)
        again = cycle > 1 or lead in self._turned_away
        fate = prospect.later if again else prospect.fate
        if fate is Fate.REJECT:
            self._turned_away.add(lead)  # the next rep does not say the same once more
        closing = row.get("role") == "ae"
        late = prospect.reported_late and not again and not closing
        for pause, status, action in _script(prospect, fate, dice, closing=closing, again=again):
            await self.pause(pause)
            said = dict(action)
            if late and action["type"] == "attempt":
                said["at"] = datetime.now(UTC).isoformat()
                await asyncio.sleep(_REPORTED_AFTER_SECONDS)  # by the agreement's clock, whatever the day's pace
            if not await self._act(lead, assignment, said, status):
                return
            if "at" in said:
                self.seen.reported_late.append(lead)

    async def _act(self, lead: str, assignment: str, action: dict[str, Any], status: str | None) -> bool:
        moves = status is not None and self.seen.status.get(lead) != status
        if moves:
            self.to_marketing.expect((lead, status))
        async with self._slots:
            body = {"assignment_id": assignment, **action}
            answer = await self._ask(self._client, "POST", f"{self._doors.desk}/v1/leads/{lead}/actions", json=body)
        if answer is None:
            return False
        self.seen.actions += 1
        if moves:
            self.to_marketing.said((lead, status))
        return True

    # -- asking ------------------------------------------------------------------------------------------------------

    async def _ask(self, client: httpx.AsyncClient, method: str, url: str, **more: Any) -> httpx.Response | None:
        """The answer, or None when the door said no; a door that is being started again is asked again."""
        for _ in range(40):
            try:
                answer = await client.request(method, url, **more)
            except httpx.TransportError:
                await asyncio.sleep(0.25)
                continue
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(0.25)
                continue
            if answer.status_code == httpx.codes.CONFLICT:
                self.seen.late += 1
                return None
            if answer.is_error:
                self.seen.refused.append(problem_of(answer))
                return None
            return answer
        self.seen.refused.append(f"{url} did not answer")
        return None


_Step = tuple[float, str | None, dict[str, Any]]
"""A pause in seconds, the status that marketing will see (None: no other one), and the action."""


def _script(prospect: Prospect, fate: Fate, dice: random.Random, *, closing: bool, again: bool) -> list[_Step]:
    """What a rep does about a prospect of this fate.

    `closing`: he is an account executive; `again`: the prospect was turned down before.
    """
    accept: _Step = (dice.uniform(0.4, 1.8), "accepted", {"type": "accept"})
    if closing:
        return [accept, (dice.uniform(0.5, 1.5), "won", {"type": "win", "amount": _dollars(prospect.amount)})]
    if fate is Fate.REJECT:
        return _turn_down(prospect, dice, accept)
    attempt: _Step = (
        dice.uniform(0.3, 1.5),
        "working",
        {"type": "attempt", "channel": "phone", "disposition": dice.choice(("voicemail", "no_answer"))},
    )
    connect: _Step = (dice.uniform(0.3, 1.5), None, {"type": "connect", "channel": "phone"})
    meeting: _Step = (dice.uniform(0.3, 1.2), None, {"type": "meeting_booked"})
    opportunity: _Step = (dice.uniform(0.3, 1.2), None, {"type": "opportunity", "amount": _dollars(prospect.amount)})
    steps = [accept, attempt, connect, meeting]
    if fate is Fate.STAY:
        return [*steps, opportunity] if dice.random() < 0.5 else steps
    if fate is Fate.LOSE:
        reason = "lost_interest" if again else _losing(prospect)
        status = "recycled" if reason in _RECYCLED else "lost"
        return [*steps, (dice.uniform(0.5, 2), status, {"type": "lose", "reason": reason})]
    if prospect.amount >= 50_000:
        return [*steps, opportunity, (dice.uniform(0.3, 1), None, {"type": "hand_over", "to_role": "ae"})]
    return [*steps, opportunity, (dice.uniform(0.5, 2), "won", {"type": "win", "amount": _dollars(prospect.amount)})]


def _turn_down(prospect: Prospect, dice: random.Random, accept: _Step) -> list[_Step]:
    """A rejection at once, or, after a call, back to marketing."""
    reason = prospect.reason
    status = "recycled" if reason in _RECYCLED else None
    if reason in ("not_mine", "bad_data") or dice.random() < 0.6:
        return [(dice.uniform(0.4, 1.8), status, {"type": "reject", "reason": reason})]
    connect: _Step = (dice.uniform(0.3, 1.5), "working", {"type": "connect", "channel": "phone"})
    return [accept, connect, (dice.uniform(0.3, 1), status, {"type": "recycle", "reason": reason})]


def _losing(prospect: Prospect) -> str:
    return prospect.reason if prospect.reason in ("competitor", "lost_interest", *_RECYCLED) else "lost_interest"


def _dollars(amount: int) -> dict[str, str]:
    return {"amount": f"{amount}.00", "currency": "USD"}
