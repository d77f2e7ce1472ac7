"""Hearing of CRMs what sales did there, and saying it at the desk's door for outcomes.

A CRM is asked for what has changed since it was last asked, one page after the other. What a change means is said at
`POST /v1/outcomes` under a key made of the change, and remembered only then: killed in between, it is said again under
the same key, and counts once. Only what differs from what the CRM was last known to say is a change; so what it was told
from here never comes back as somebody's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import structlog

from schemas.events.alerting import CrmRead, CrmRecordHeard, ToolKind
from schemas.ids import CrmRecordId, LeadId, RecipientId
from schemas.topics import ALERTS
from schemas.vocabulary import Because, NonPersonalText
from services.alerting import shelf
from services.alerting.by_lead.news import recipient_of
from services.alerting.crm.adapter import Crm, Found
from services.alerting.crm.telling import Crms
from services.alerting.crm.terms import CrmTerms
from services.alerting.faults import ChannelUnusable, NotDelivered
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender, BrokerAway
from services.runtime.projection import Behind, ProjectionRunner
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_LOOK_AGAIN_SECONDS = 1.0
_AT_FIRST_BACK = timedelta(minutes=5)
"""A CRM that was never read is read from a little before now: its clock may be behind ours."""
_LONGEST_PAUSE_SECONDS = 900.0
_DESK_SECONDS = 15.0


class DeskAway(ConnectionError):
    """The desk does not take outcomes now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is said at the desk."""

    key: str
    body: dict[str, Any]


class Listener:
    """Asks each CRM of the agreement in force whose partition this process has, in its own time."""

    def __init__(
        self,
        settings: Settings,
        appender: Appender,
        agreements: AgreementReader,
        tables: ProjectionRunner,
        crms: Crms,
        owns: Callable[[RecipientId], bool],
    ) -> None:
        self._settings, self._appender, self._agreements, self._tables = settings, appender, agreements, tables
        self._crms, self._owns = crms, owns
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for as long as the block lasts."""
        task = asyncio.create_task(self._watch(), name="listening to CRMs")
        try:
            yield
        finally:
            for each in (task, *self._tasks.values()):
                each.cancel()
            await asyncio.gather(task, *self._tasks.values(), return_exceptions=True)

    async def _watch(self) -> None:
        """One task for each CRM that there is now."""
        await self._tables.caught_up(timeout=3600.0)
        while True:
            with suppress(TimeoutError):
                await self._agreements.fresh()
                names = self._agreements.in_force(datetime.now(UTC)).tools.crms
                for name in names:
                    if name not in self._tasks or self._tasks[name].done():
                        self._tasks[name] = asyncio.create_task(self._listen(name), name=f"listening to {name}")
                for gone in self._tasks.keys() - names.keys():
                    self._tasks.pop(gone).cancel()
            await asyncio.sleep(_LOOK_AGAIN_SECONDS * 5)

    async def _listen(self, name: str) -> None:
        recipient, pause = recipient_of(ToolKind.CRM, name), _LOOK_AGAIN_SECONDS
        door = self._settings.desk_door_url or self._settings.desk_url
        async with httpx.AsyncClient(base_url=door, timeout=_DESK_SECONDS) as desk:
            while True:
                if not self._owns(recipient):
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                    continue
                try:
                    terms, crm = self._crms.of(name)
                    await self.hear(name, recipient, terms, crm, desk)
                    pause = terms.poll_every.total_seconds()
                except NotDelivered as error:
                    pause = max(error.retry_after or 0.0, min(max(pause, _LOOK_AGAIN_SECONDS) * 2, _LONGEST_PAUSE_SECONDS))
                    log.warning("crm_not_heard", crm=name, because=str(error), again_in_seconds=round(pause))
                except (ChannelUnusable, DeskAway, BrokerAway, Behind) as error:
                    pause = min(max(pause, _LOOK_AGAIN_SECONDS) * 2, 60.0)
                    log.warning("crm_not_heard", crm=name, because=str(error), again_in_seconds=round(pause))
                await asyncio.sleep(pause)

    async def hear(
        self, name: str, recipient: RecipientId, terms: CrmTerms, crm: Crm, desk: httpx.AsyncClient
    ) -> None:
        """See to everything that has changed since the last time. Raises NotDelivered, DeskAway, BrokerAway, Behind."""
        await self._tables.read_to_end(recipient, ALERTS)
        upto_ms = await self._tables.read(partial(shelf.read_upto_ms, recipient=recipient))
        begun = datetime.now(UTC) - _AT_FIRST_BACK if upto_ms is None else datetime.fromtimestamp(upto_ms / 1000, UTC)
        since, page = begun, 1
        while True:
            async with self._crms.lock(name):
                found, full = await crm.changed(since, page)
                for one in found:
                    await self._see_to(recipient, terms, one, desk)
            newest = max((one.modified_at for one in found), default=since)
            # not page after page: a record that changes meanwhile goes to the end, and another one would slip through
            since, page = (newest, 1) if newest > since else (since, page + 1)
            if not full:
                break
        if since > begun or upto_ms is None:
            done = await self._appender.append(CrmRead(recipient=recipient, upto=since))
            await self._tables.wait_for(done.topic, done.partition, done.offset)

    async def _see_to(self, recipient: RecipientId, terms: CrmTerms, found: Found, desk: httpx.AsyncClient) -> None:
        known = (await self._tables.read(partial(shelf.records, recipient=recipient, named=[found.record]))).get(found.record)
        owner = terms.rep_of(found.owner)
        if known is not None and (known["stage"], known["owner"]) == (found.stage, owner):
            return
        lead_id, refused = known["lead_id"] if known else None, None
        for outcome in outcomes(recipient, terms, found, known):
            said, because = await self._say(desk, outcome)
            lead_id, refused = said or lead_id, because or refused
        if lead_id is None:
            return  # it is nobody's whom we know
        heard = CrmRecordHeard(
            recipient=recipient,
            record=CrmRecordId(found.record),
            lead_id=LeadId(lead_id),
            stage=None if found.stage is None else NonPersonalText(found.stage),
            owner=owner,
            modified_at=found.modified_at,
            refused=refused,
        )
        done = await self._appender.append(heard)
        await self._tables.wait_for(done.topic, done.partition, done.offset)

    async def _say(self, desk: httpx.AsyncClient, outcome: Outcome) -> tuple[str | None, Because | None]:
        """The lead that it is about, and why nothing was taken of it. Raises DeskAway."""
        headers = {"Authorization": f"Bearer {self._settings.token}", "Idempotency-Key": outcome.key}
        try:
            answer = await desk.post("/v1/outcomes", json=outcome.body, headers=headers)
            content = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise DeskAway(f"the desk does not answer: {type(error).__name__}") from error
        if answer.status_code == 404:
            return None, None if "lead_id" not in outcome.body else _sentence(content)
        if answer.status_code in (409, 422):
            log.warning("crm_change_refused", because=content.get("detail"), type=outcome.body["type"])
            return outcome.body.get("lead_id"), _sentence(content)
        if answer.is_error:
            raise DeskAway(f"the desk answers {answer.status_code}")
        return content["lead_id"], None


def outcomes(
    recipient: RecipientId, terms: CrmTerms, found: Found, known: dict[str, Any] | None
) -> list[Outcome]:
    """What a change means here, in the order to be said: whose the lead is, then how far."""
    whose = {"lead_id": known["lead_id"]} if known else {"external_id": f"{terms.system}:{found.record}"}
    core = {**whose, "at": found.modified_at.isoformat(), "system": terms.system}
    key = f"{recipient}|{found.record}|{found.modified_at.isoformat()}"
    out: list[Outcome] = []
    owner = terms.rep_of(found.owner)
    if known is not None and owner is not None and known["owner"] is not None and owner != known["owner"]:
        out.append(Outcome(f"{key}|owner", core | {"type": "owner_changed", "owner": owner}))
    meaning = terms.meanings.get(found.stage or "")
    if meaning is not None and (known is None or found.stage != known["stage"]):
        said = core | meaning.model_dump(mode="json", exclude_none=True)
        if found.amount is not None and meaning.type == "won":
            said["amount"] = {"amount": str(found.amount), "currency": terms.currency}
        out.append(Outcome(f"{key}|stage", said))
    return out


def _sentence(problem: Any) -> Because:
    """A refusal as the log may keep it."""
    detail = str(problem.get("detail") or problem.get("title") or "it was refused") if isinstance(problem, dict) else ""
    try:
        return Because.parse(detail[:600])
    except ValueError:
        return Because("it was refused")
