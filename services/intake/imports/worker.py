"""Works the queue: hands rows to the reception, listens for what becomes of them, and keeps to the pace."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator

import structlog
from aiokafka.errors import KafkaError

from schemas.events.routing import LeadAssigned, LeadQueued
from schemas.events.scoring import LeadDisqualified, LeadNurtured
from schemas.topics import LEADS
from services.intake.identity import Contact, normalised_email, normalised_phone
from services.intake.imports.pacing import Pace
from services.intake.imports.queue import ImportQueue, Landed, Turn
from services.intake.imports.tables import Outcome
from services.intake.reception import Receipt, Reception
from services.intake.requests import LeadIn
from services.runtime.appending import BrokerAway
from services.runtime.following import Follower
from services.runtime.projecting import of_types
from services.runtime.settings import Settings
from services.runtime.turns import OneAtATime

log = structlog.get_logger(__name__)

HOLDER_SILENT_SECONDS = 5.0
"""A holder of the queue whose beat has not changed for so long has died."""
_BEAT_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 5.0
"""How soon what another process put into the queue is found."""
_TICK_SECONDS = 0.02
_NOTE_EVERY_SECONDS = 0.1
_MOST_AT_ONCE = 64
_ARRIVED = of_types({LeadAssigned, LeadQueued, LeadNurtured, LeadDisqualified})
_FAILED = "something went wrong here, not in the row ({}); intake's log has it: send the same file again"
_WORLD = (BrokerAway, TimeoutError, KafkaError, OSError)
"""Faults that pass: the row stays in the queue."""


class ImportWorker:
    """One for the process; of all processes one works."""

    def __init__(self, settings: Settings, queue: ImportQueue, reception: Reception) -> None:
        self._settings, self._queue, self._reception = settings, queue, reception
        self._holder = str(uuid.uuid4())
        self._pace = Pace(settings.import_rate)
        self._turns = OneAtATime()
        self._sending: set[asyncio.Task[None]] = set()
        self._landed: list[Landed] = []
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Work for as long as the task lives."""
        while True:
            try:
                self._queue.news.clear()
                if await self._queue.waits():
                    await self._wait_for_the_queue()
                    await self._work()
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                            await self._queue.news.wait()
            except _WORLD as error:
                log.warning("import_waits", because=type(error).__name__)
                await asyncio.sleep(_BEAT_SECONDS)
            except Exception as error:  # what nobody foresaw must not end all imports in silence
                log.exception("import_broke_off", error=type(error).__name__)
                await asyncio.sleep(HOLDER_SILENT_SECONDS)

    async def _wait_for_the_queue(self) -> None:
        beat, since = -1, time.monotonic()
        while not await self._queue.hold(self._holder, beat if time.monotonic() - since > HOLDER_SILENT_SECONDS else -1):
            seen = await self._queue.beat()
            if seen != beat:
                beat, since = seen, time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _work(self) -> None:
        """Until nothing waits, or a fault of the world; ends, too, when another process has taken the queue over."""
        await self._queue.hand_out_again()
        async with self._listening() as listening:
            tasks = {
                listening,
                asyncio.create_task(self._beat(), name="import beats"),
                asyncio.create_task(self._note(), name="import notes"),
            }
            try:
                await self._rows(tasks)
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                ending = [*tasks, *self._sending]
                for task in ending:
                    task.cancel()
                await asyncio.gather(*ending, return_exceptions=True)
                self._landed.clear()
        await self._queue.let_go(self._holder)

    async def _rows(self, tasks: set[asyncio.Task[None]]) -> None:
        """Take rows in until there are none. Returns, too, when one of the tasks ends."""
        while not any(task.done() for task in tasks):
            self._moved.clear()
            room = min(self._pace.room(time.monotonic()), _MOST_AT_ONCE)
            turns = await self._queue.next(room) if room > 0 else []
            for turn in turns:
                self._pace.sent(turn.lead_id, time.monotonic())
                task = asyncio.create_task(self._take_in(turn), name="import row")
                self._sending.add(task)
                task.add_done_callback(self._sent)
            if room > 0 and not turns and not self._sending and not self._landed:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._moved.wait()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._moved.set()

    async def _take_in(self, turn: Turn) -> None:
        """One row; what concerns one person goes in its order."""
        async with self._turns.of(turn.lead_id):
            landed, began = await self._landing(turn)
        if not began:
            self._pace.left(turn.lead_id)
        self._landed.append(landed)

    async def _landing(self, turn: Turn) -> tuple[Landed, bool]:
        """What becomes of the row, and whether a lead's life began with it."""
        if turn.repeats:
            return Landed(turn, Outcome.REPEATED), False
        try:
            said = LeadIn.model_validate_json(turn.body)
            receipt = await self._reception.submit(said, _contact(said), key=f"import {turn.digest}")
        except _WORLD as error:
            log.warning("import_row_waits", import_id=turn.import_id, line=turn.line, because=type(error).__name__)
            await asyncio.sleep(_BEAT_SECONDS)
            return Landed(turn, Outcome.WAITING), False
        except Exception as error:
            log.exception("import_row_failed", import_id=turn.import_id, line=turn.line, error=type(error).__name__)
            return Landed(turn, Outcome.FAILED, message=_FAILED.format(type(error).__name__)), False
        return _outcome(turn, receipt), receipt.began

    async def _note(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_EVERY_SECONDS)
            noted = list(self._landed)
            if noted:
                await self._queue.landed(noted)
                del self._landed[: len(noted)]
                self._moved.set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            if not await self._queue.hold(self._holder, -1):
                log.warning("import_taken_over")
                return

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncio.Task[None]]:
        """While it lasts, the pace is told who has arrived."""
        places = {(LEADS.name, p): 0 for p in range(self._settings.partitions_of(LEADS))}
        async with Follower(self._settings, (LEADS,), places, {LEADS.name: _ARRIVED}) as follower:
            await follower.skip_to_end()
            task = asyncio.create_task(self._listen(follower), name="import listens")
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, follower: Follower) -> None:
        while True:
            for record in await follower.take(2000):
                if record.key is not None and self._pace.arrived(record.key.decode(), time.monotonic()):
                    self._moved.set()


def _contact(said: LeadIn) -> Contact:
    return Contact(
        None if said.email is None else normalised_email(said.email),
        None if said.phone is None else normalised_phone(said.phone, said.country),
    )


def _outcome(turn: Turn, receipt: Receipt) -> Landed:
    """A repetition is our own first attempt, if there was one."""
    outcome = Outcome.REPEATED if receipt.duplicate and turn.attempts == 1 else Outcome.TAKEN_IN
    return Landed(turn, outcome, receipt.submission_id, receipt.lead_id)
