"""Who carries a message: apprise to people, signed HTTP to webhooks, adapters to CRMs. What a failure means is the courier's to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import httpx

from schemas.agreement import Agreement
from schemas.agreement.message_words import People
from schemas.agreement.templating import LINES_SHOWN
from schemas.agreement.tools import PersonalField, ToolName
from schemas.events.alerting import AlertReleased, DeliveryReplayed, NewsReleased, ToolKind
from schemas.topics import PROFILES
from services.alerting import shelf
from services.alerting.backlog import Owed
from services.alerting.by_lead.news import recipient_of
from services.alerting.crm.telling import Crms
from services.alerting.delivery import Channel
from services.alerting.faults import ChannelUnusable, NotDelivered, expand
from services.alerting.message import Message, Writer
from services.alerting.tools_file import ToolsFileReader
from services.alerting.webhook import WITHIN_SECONDS, Endpoint, body_of
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender
from services.runtime.projection import Behind, ProjectionRunner
from services.runtime.settings import Settings

News = NewsReleased | DeliveryReplayed


class Surroundings(Protocol):
    """What carriers need of the process that they run in."""

    @property
    def agreements(self) -> AgreementReader: ...
    @property
    def appender(self) -> Appender: ...


class Carriers:
    """Delivers one message by whatever its recipient is reached by."""

    def __init__(
        self,
        settings: Settings,
        running: Surroundings,
        tables: ProjectionRunner,
        environment: Mapping[str, str],
        client: httpx.AsyncClient,
    ) -> None:
        self._running, self._tables, self._environment, self._client = running, tables, environment, client
        self._within = settings.webhook_within.total_seconds() if settings.webhook_within else WITHIN_SECONDS
        self._tools = ToolsFileReader(settings)
        self._writer = Writer(settings)
        self._channels: dict[tuple[str, str], Channel] = {}
        self.crms = Crms(running.appender, tables, self._tools, environment, client)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, running: Surroundings, tables: ProjectionRunner, environment: Mapping[str, str]
    ) -> AsyncIterator[Carriers]:
        """Carriers for as long as the block lasts."""
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        async with httpx.AsyncClient(follow_redirects=False, timeout=None, limits=limits) as client:
            yield cls(settings, running, tables, environment, client)

    async def deliver(self, owed: Owed) -> None:
        """Deliver. Raises ChannelUnusable, NotDelivered and Gone."""
        await self._running.agreements.fresh()
        agreement = self._running.agreements.in_force(datetime.now(UTC))
        released = owed.released
        if isinstance(released, AlertReleased):
            await self._alert(agreement, released)
        elif released.tool is ToolKind.WEBHOOK:
            await self._webhook(agreement, released)
        elif released.tool is ToolKind.REP:
            await self._rep(agreement, released)
        else:
            await self._crm(agreement, released)

    async def _alert(self, agreement: Agreement, released: AlertReleased) -> None:
        url = self._address(agreement, released)
        message = self._writer.write(released, agreement, await self._people(agreement, released))
        await self._by_apprise(released.recipient, url, message)

    async def _people(self, agreement: Agreement, released: AlertReleased) -> People:
        """What the recipient's template may say of the persons, as known now. Raises NotDelivered while the tables are behind."""
        template = agreement.template_of(released.recipient)
        if template is None or not template.personal:
            return {}
        leads = {line.lead_id for line in released.lines[:LINES_SHOWN]}
        try:
            await self._tables.read_to_end(topic=PROFILES)
        except Behind as behind:
            raise NotDelivered("the profiles could not be read in time") from behind
        return await self._tables.read(lambda c: {lead: shelf.person(c, lead, template.personal) for lead in leads})

    def _address(self, agreement: Agreement, released: AlertReleased) -> str:
        """A channel's own URL, or the address of who is on duty now, or of the rep whose leads it is about."""
        terms, rep = agreement.channels.get(released.recipient), released.lines[0].rep_id
        if terms is not None and terms.duty is not None:
            return self._tools.now().address_of(terms.duty.on_duty(datetime.now(UTC)))
        if terms is not None and terms.url is not None:
            return terms.url
        if rep is not None and released.recipient == recipient_of(ToolKind.REP, rep):
            return self._tools.now().address_of(rep)
        raise ChannelUnusable("the agreement in force has no channel of this name: add it under channels")

    async def _by_apprise(self, recipient: str, url: str, message: Message) -> None:
        address = expand(url, self._environment)
        if (recipient, address) not in self._channels:
            self._channels[recipient, address] = Channel.at(address)
        await asyncio.to_thread(self._channels[recipient, address].deliver, message)

    async def _webhook(self, agreement: Agreement, released: News) -> None:
        name = name_of(released)
        terms = agreement.tools.webhooks.get(ToolName(name))
        if terms is None:
            raise ChannelUnusable(f"the agreement in force has no webhook {name}: add it under tools, webhooks")
        url, secrets = expand(terms.url, self._environment), expand(terms.secret, self._environment)
        person = await self._person(released.news.lead_id, terms.personal)
        endpoint = Endpoint(self._client, url, secrets, self._within)
        await endpoint.deliver(released.alert_id, body_of(released.news, person), datetime.now(UTC))

    async def _rep(self, agreement: Agreement, released: News) -> None:
        rep, terms = released.news.rep_id, agreement.tools.notices
        if rep is None or terms is None:
            raise ChannelUnusable("the agreement in force has no notices to reps: add them under tools, notices")
        message = self._writer.notice(released.alert_id, released.news, terms.answer_within)
        await self._by_apprise(released.recipient, self._tools.now().address_of(rep), message)

    async def _crm(self, agreement: Agreement, released: News) -> None:
        terms = agreement.tools.crms.get(ToolName(name_of(released)))
        if terms is None:
            raise ChannelUnusable(f"the agreement in force has no CRM {name_of(released)}: add it under tools, crms")
        allowed = tuple(dict.fromkeys((*terms.personal, PersonalField.EXTERNAL_IDS)))
        person = await self._person(released.news.lead_id, allowed)
        named = person.pop(PersonalField.EXTERNAL_IDS.value, {})
        await self.crms.tell(released.recipient, name_of(released), released.news, person, named)

    async def _person(self, lead_id: str, allowed: tuple[PersonalField, ...]) -> dict[str, Any]:
        """What the agreement lets a tool know of the person, as known now. Raises NotDelivered while the tables are behind."""
        if not allowed:
            return {}
        try:
            await self._tables.read_to_end(lead_id, PROFILES)
            return await self._tables.read(partial(shelf.person, lead_id=lead_id, allowed=allowed))
        except Behind as behind:
            raise NotDelivered("the profiles could not be read in time") from behind


def name_of(released: News) -> str:
    """The tool's name in the agreement."""
    return released.recipient.removeprefix(f"{released.tool.value}.")
